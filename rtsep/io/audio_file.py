"""Reads sound files as streams of float32 blocks, and refuses in one line what cannot be used."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from rtsep.errors import AudioError
from rtsep.io.containers import find_fault
from rtsep.io.decoder import Decoder, DecoderError
from rtsep.io.names import printable
from rtsep.types import Audio

SAMPLE_RATES = (8000, 192000)
MAX_CHANNELS = 8
BLOCK = 65536
# An mp3 may hold a little less than it announces: its encoder's delay and padding, some 1152 samples each.
_MP3_SLACK = 4 * 1152


@dataclass(frozen=True)
class AudioInfo:
    """What a sound file is: `sample_rate` in Hz, `n_samples` per channel, `format` as libsndfile names it."""

    path: Path
    sample_rate: int
    n_channels: int
    n_samples: int
    format: str


class AudioReader:
    """A stretch of an open sound file; `open_audio` makes them. Use it in a `with` statement."""

    def __init__(self, decoder: Decoder, info: AudioInfo, start: int, n_samples: int) -> None:
        self.info = info
        self.n_samples = n_samples
        self._decoder = decoder
        self._position = start
        self._end = start + n_samples

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoder.close()

    def blocks(self, block: int = BLOCK) -> Iterator[Audio]:
        """What is left of the stretch: `(n, n_channels)` float32 arrays of `block` samples, the last one shorter.

        They hold `n_samples` samples in all. Raises AudioError where the file turns out damaged or truncated, or
        where a sample is NaN or infinite.
        """
        while self._position < self._end:
            samples = self._read(min(block, self._end - self._position))
            self._position += len(samples)
            yield samples

    def _read(self, n: int) -> Audio:
        try:
            samples = self._decoder.read(n)
        except DecoderError as error:
            raise self._error(self._position, f"is damaged or truncated ({error.error_string})") from error
        if not _all_finite(samples):
            first = int(np.argmin(np.isfinite(samples).all(axis=1)))
            raise self._error(self._position + first, "holds a sample that is NaN or infinite")
        n_read = len(samples)
        if n_read == n:
            return samples
        if self.info.format == "MP3" and self._end - self._position - n_read <= _MP3_SLACK:
            return np.concatenate([samples, np.zeros((n - n_read, self.info.n_channels), np.float32)])
        raise self._error(self._position + n_read, "is truncated: its header promises more")

    def _error(self, position: int, fault: str) -> AudioError:
        seconds = position / self.info.sample_rate
        return AudioError(f"{printable(self.info.path)}: at {seconds:.3f} s the file {fault}; fetch or export it again")


def _all_finite(samples: Audio) -> bool:
    """Whether no sample is NaN or infinite. Both make it to one end of the range, which is found without an array."""
    return samples.size == 0 or bool(np.isfinite(samples.min()) and np.isfinite(samples.max()))


def open_audio(
    path: str | os.PathLike[str], start_seconds: float = 0.0, duration_seconds: float | None = None
) -> AudioReader:
    """Open a sound file (wav, flac, ogg, mp3, or what else libsndfile reads) from `start_seconds` on.

    The stretch ends after `duration_seconds`, or with the song. Raises AudioError for a file that is missing, empty,
    truncated or no sound, for rates outside 8 to 192 kHz, more than 8 channels, and a stretch outside the song.
    Damage inside the file shows while reading.
    """
    path = Path(path)
    _check_file(path)
    try:
        with ExitStack() as undo:
            decoder = undo.enter_context(closing(Decoder(path)))
            info = AudioInfo(path, decoder.sample_rate, decoder.n_channels, decoder.n_samples, decoder.format)
            _check_info(info)
            start, n_samples = _find_stretch(info, start_seconds, duration_seconds)
            decoder.skip(start)
            undo.pop_all()
    except DecoderError as error:
        reason = error.error_string.rstrip(".")
        raise AudioError(f"{printable(path)}: cannot be read ({reason}); give a whole wav, flac, ogg or mp3") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return AudioReader(decoder, info, start, n_samples)


def _check_file(path: Path) -> None:
    """Refuse what is no whole file, before libsndfile, which would wait for a pipe or fill gaps, sees it."""
    name = printable(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f"{name}: is a folder; give a sound file in it")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"{name}: is not a regular file; save the sound to one first")
        if status.st_size == 0:
            raise AudioError(f"{name}: is empty (0 bytes); fetch or export it again")
        with path.open("rb") as file:
            fault = find_fault(file, status.st_size)
    except OSError as error:
        raise _unreadable(path, error) from error
    if fault:
        raise AudioError(f"{name}: {fault}; fetch or export it again")


def _unreadable(path: Path, error: OSError) -> AudioError:
    reason = error.strerror or str(error)
    return AudioError(f"{printable(path)}: cannot be opened ({reason}); check the path and its permissions")


def _check_info(info: AudioInfo) -> None:
    name = printable(info.path)
    lowest, highest = SAMPLE_RATES
    if not lowest <= info.sample_rate <= highest:
        raise AudioError(f"{name}: its sample rate is {info.sample_rate} Hz; convert it to {lowest} to {highest} Hz")
    if info.n_channels > MAX_CHANNELS:
        raise AudioError(f"{name}: has {info.n_channels} channels; mix it down to {MAX_CHANNELS} or fewer")
    if info.n_samples == 0:
        raise AudioError(f"{name}: holds no sound (0 samples); export it again")


def _find_stretch(info: AudioInfo, start_seconds: float, duration_seconds: float | None) -> tuple[int, int]:
    """The stretch that is asked for as its first sample and its length in samples, cut at the end of the song."""
    name, length = printable(info.path), info.n_samples / info.sample_rate
    if not (math.isfinite(start_seconds) and 0 <= round(start_seconds * info.sample_rate) < info.n_samples):
        raise AudioError(
            f"start {start_seconds:g} s: {name} is {length:.3f} s long; start at 0 or later, before its end"
        )
    start = round(start_seconds * info.sample_rate)
    if duration_seconds is None:
        return start, info.n_samples - start
    if not (duration_seconds * info.sample_rate >= 1 and math.isfinite(duration_seconds)):
        raise AudioError(f"duration {duration_seconds:g} s: it must hold at least one sample; give more than 0 s")
    return start, min(round(duration_seconds * info.sample_rate), info.n_samples - start)
