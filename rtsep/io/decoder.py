"""libsndfile behind one door: a sound file as a stream of blocks, decoded once, from its start to its end."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import soundfile

from rtsep.io.mp3_pipe import Mp3Pipe, announces_length
from rtsep.io.quiet import quiet_stderr
from rtsep.types import Audio

DecoderError = soundfile.LibsndfileError
_NO_LENGTH = 2**63 - 1
_SKIP_BLOCK = 65536
_COUNT_BLOCK = 1152  # one MPEG frame: what the decoder trips over behind the last one costs no sound
_MP3_TAIL = 1 << 17  # bytes of tags at the end of an mp3 that are forgiven


class Decoder:
    """Reads a sound file forwards. Raises `DecoderError` or `OSError`; prints nothing.

    `n_samples` is exact, counted in a pass of its own where the header does not tell; only in an mp3 that does tell
    it may be a few samples off, as encoders differ in what they count.
    """

    def __init__(self, path: Path) -> None:
        self._sound, self._pipe = _open(path)
        self.sample_rate: int = self._sound.samplerate
        self.n_channels: int = self._sound.channels
        self.format: str = self._sound.format
        has_length = self._sound.frames != _NO_LENGTH
        try:
            self.n_samples: int = self._sound.frames if has_length else _count_samples(path)
        except BaseException:
            self.close()
            raise
        self._can_jump = has_length and self.format != "MP3" and self._sound.subtype != "VORBIS"

    def read(self, n: int) -> Audio:
        """The next `n` samples `(n, n_channels)` in float32; fewer only at the end of the file."""
        return _read(self._sound, n)

    def skip(self, n: int) -> None:
        """Leave out the next `n` samples. libsndfile jumps inexactly in mp3 and Vorbis: there they are decoded."""
        if self._can_jump:
            self._sound.seek(n, soundfile.SEEK_CUR)
            return
        while n > 0 and len(dropped := self.read(min(n, _SKIP_BLOCK))):
            n -= len(dropped)

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        _close(self._sound, self._pipe)


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile declares no types
    """soundfile seeks to where it is after each read of a seekable file: an mp3 then stutters at every block."""

    def seekable(self) -> bool:
        return False


def _open(path: Path) -> tuple[_ForwardFile, Mp3Pipe | None]:
    """Open by descriptor, for soundfile would judge some files by the ends of their names."""
    with quiet_stderr():
        sound = _ForwardFile(os.open(path, os.O_RDONLY), closefd=True)
    if sound.format != "MP3" or announces_length(path):
        return sound, None
    sound.close()
    pipe = Mp3Pipe(path)
    try:
        with quiet_stderr():
            return _ForwardFile(pipe.fd, closefd=False), pipe
    except BaseException:
        pipe.close()
        raise


def _close(sound: _ForwardFile, pipe: Mp3Pipe | None) -> None:
    sound.close()
    if pipe:
        pipe.close()


def _read(sound: _ForwardFile, n: int) -> Audio:
    with quiet_stderr() if sound.format == "MP3" else nullcontext():
        block: Audio = sound.read(n, dtype="float32", always_2d=True)
    return block


def _count_samples(path: Path) -> int:
    """Decode the whole file once. At the end of an mp3 tags may trip the decoder: then the sound ends there."""
    sound, pipe = _open(path)
    n_samples = 0
    try:
        while n := len(_read(sound, _COUNT_BLOCK)):
            n_samples += n
    except DecoderError:
        if not pipe or pipe.drain() > _MP3_TAIL:
            raise
    finally:
        _close(sound, pipe)
    return n_samples
