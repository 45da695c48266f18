"""One growing sound file each: 32-bit float wav, and flac and ogg through libsndfile."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile

from rtsep.io.growing_file import GrowingFile
from rtsep.types import Audio

EncoderError = soundfile.LibsndfileError
FORMATS = ("wav", "flac", "ogg")
# Vorbis quality 8, about 256 kbit/s in stereo: what hides a coder's noise in a mixture is gone from a stem.
_ENCODINGS: dict[str, dict[str, Any]] = {
    "flac": {"subtype": "PCM_24"},
    "ogg": {"subtype": "VORBIS", "compression_level": 0.2},
}
_WAVE_FORMAT_IEEE_FLOAT = 3
_UINT32_MAX = 0xFFFFFFFF
_ENCODER_BLOCK = 65536
_HELD_BACK = 16384
_HEADERS = 65536
_FLAC_LENGTH_AT = 22


class StemFile(Protocol):
    """A sound file being written. Raises OSError or EncoderError where there is no room.

    `n_clipped` counts the samples, over all channels, that lay beyond full scale and were clipped.
    """

    @property
    def n_clipped(self) -> int: ...

    def make_room(self, n_samples: int) -> None:
        """See that the disk has room for so many samples and the end of the file. Raises OSError."""

    def write(self, block: Audio) -> None:
        """Append `(n, n_channels)` samples."""

    def note_length(self) -> None:
        """Say in the header how much there is: so far a killed process leaves a file that can be read."""

    def finish(self) -> None:
        """Complete the file and close it."""

    def abandon(self) -> None:
        """Close the file as it is, whatever is wrong with it; after `finish` this does nothing."""


def create_stem_file(path: Path, sample_rate: int, n_channels: int, audio_format: str) -> StemFile:
    """Start a new file at `path`, in one of `FORMATS`. Raises OSError, also where there is one already."""
    if audio_format == "wav":
        return FloatWavFile(path, sample_rate, n_channels)
    kind = _FlacFile if audio_format == "flac" else _EncodedFile
    return kind(path, sample_rate, n_channels, audio_format)


def find_format_limit(audio_format: str, sample_rate: int) -> str:
    """Say what keeps a format from holding audio of this rate, up to 192 kHz and 8 channels; empty if nothing does."""
    if audio_format == "flac" and sample_rate > 65535 and sample_rate % 10:
        return "flac holds rates above 65535 Hz in steps of 10 Hz only"
    return ""


def wav_header(n_samples: int, sample_rate: int, n_channels: int) -> bytes:
    """The 92 bytes before the samples of a float wav; from 4 GiB on it is an RF64 file.

    The place of the ds64 chunk, which holds RF64's 64-bit sizes, is kept by a JUNK chunk until then (EBU Tech 3306).
    """
    sample_bytes = 4 * n_channels
    data_size = n_samples * sample_bytes
    riff_size = 84 + data_size
    fmt = struct.pack(
        "<4sIHHIIHH4sII",
        *(b"fmt ", 16, _WAVE_FORMAT_IEEE_FLOAT, n_channels, sample_rate, sample_rate * sample_bytes, sample_bytes, 32),
        *(b"fact", 4, min(n_samples, _UINT32_MAX)),
    )
    if riff_size > _UINT32_MAX:
        riff = struct.pack(
            "<4sI4s4sIQQQI", b"RF64", _UINT32_MAX, b"WAVE", b"ds64", 28, riff_size, data_size, n_samples, 0
        )
        return riff + fmt + struct.pack("<4sI", b"data", _UINT32_MAX)
    riff = struct.pack("<4sI4s4sI28x", b"RIFF", riff_size, b"WAVE", b"JUNK", 28)
    return riff + fmt + struct.pack("<4sI", b"data", data_size)


def wav_offset(sample: int, n_channels: int) -> int:
    """The byte of a float wav at which a sample, counted from 0, begins."""
    return len(wav_header(0, 1, 1)) + 4 * n_channels * sample


class FloatWavFile:
    """A 32-bit float wav, exact to the bit, which others may write parts of.

    libsndfile stamps the time into each float wav, in a PEAK chunk, so that no two of its files are equal; here the
    same samples make the same file.
    """

    n_clipped = 0

    def __init__(self, path: Path, sample_rate: int, n_channels: int) -> None:
        self._sample_rate = sample_rate
        self._n_channels = n_channels
        self._n_samples = 0
        self._file = GrowingFile(path)
        self._file.write(wav_header(0, sample_rate, n_channels))

    def make_room(self, n_samples: int) -> None:
        self._file.make_room(4 * self._n_channels * n_samples)

    def write(self, block: Audio) -> None:
        self._file.write(np.ascontiguousarray(block, "<f4").ravel().view(np.uint8).data)
        self._file.check()
        self._n_samples += len(block)

    def skip(self, n_samples: int) -> None:
        """Go on behind so many samples, which another has written."""
        self._file.skip(4 * self._n_channels * n_samples)
        self._n_samples += n_samples

    def note_length(self) -> None:
        self._file.mend(0, wav_header(self._n_samples, self._sample_rate, self._n_channels))

    def finish(self) -> None:
        self.note_length()
        self._file.close()

    def abandon(self) -> None:
        with suppress(OSError):
            self._file.close()


class _EncodedFile:
    """A flac (24 bit) or ogg (Vorbis) file. What lies beyond full scale is clipped there, and counted."""

    def __init__(self, path: Path, sample_rate: int, n_channels: int, audio_format: str) -> None:
        self.n_clipped = 0
        self._n_samples = 0
        self._n_channels = n_channels
        self._file = GrowingFile(path)
        self._sound = soundfile.SoundFile(
            self._file, "w", sample_rate, n_channels, format=audio_format.upper(), **_ENCODINGS[audio_format]
        )

    def make_room(self, n_samples: int) -> None:
        # No coder makes more of sound than float samples are, headers and what it holds back apart.
        self._file.make_room(4 * self._n_channels * (n_samples + _HELD_BACK) + _HEADERS)

    def write(self, block: Audio) -> None:
        self.n_clipped += int(np.count_nonzero(np.abs(block) > 1))
        clipped = np.clip(block, -1, 1)
        # libsndfile's Vorbis encoder takes a block's memory from the stack, and crashes on a long one.
        for start in range(0, len(clipped), _ENCODER_BLOCK):
            self._sound.write(clipped[start : start + _ENCODER_BLOCK])
        self._file.check()
        self._n_samples += len(block)

    def note_length(self) -> None:
        pass  # each page of an ogg says where it ends

    def finish(self) -> None:
        self._sound.close()
        self._file.close()

    def abandon(self) -> None:
        with suppress(EncoderError):
            self._sound.close()
        with suppress(OSError):
            self._file.close()


class _FlacFile(_EncodedFile):
    """The length of a flac is in its STREAMINFO block, RFC 9639 8.2, of which these are the lower 32 of 36 bits."""

    def note_length(self) -> None:
        n_there = min(max(0, self._n_samples - _HELD_BACK), _UINT32_MAX)
        self._file.mend(_FLAC_LENGTH_AT, n_there.to_bytes(4, "big"))
