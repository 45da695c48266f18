"""Whether a sound file that was written is all there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rtsep.errors import AudioError
from rtsep.io.audio_file import AudioReader, open_audio
from rtsep.io.decoder import Decoder, DecoderError


def reads_to_its_end(path: Path, n_samples: int) -> bool:
    """Whether the file reads back to its last sample: encoders may hide that its end found no room."""
    try:
        with closing(Decoder(path)) as decoder:
            if decoder.n_samples != n_samples:
                return False
            decoder.skip(n_samples - 1)
            return len(decoder.read(1)) == 1
    except DecoderError:
        return False


def is_whole_stem(path: Path, song: AudioReader) -> bool:
    """Whether `path` holds a stem of `song`, of its length, rate and channels, to the end.

    An ogg tells that by its last page; reading it to its end would take a good part of the time that separating does.
    """
    try:
        with open_audio(path) as stem:
            found = (stem.n_samples, stem.info.sample_rate, stem.info.n_channels)
    except AudioError:
        return False
    wanted = (song.n_samples, song.info.sample_rate, song.info.n_channels)
    return found == wanted and (stem.info.format == "OGG" or reads_to_its_end(path, song.n_samples))
