"""Excerpts of songs to listen to: mixture, true stems and estimates as files of sound, each with a spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import OutputError
from rtsep.evaluation.songs import Recording
from rtsep.io.stem_files import EncoderError, create_stem_file
from rtsep.types import Audio, Stems

MIXTURE, TRUTH = "mixture", "truth"
LONGEST_SECONDS = 30.0
LOWEST_HZ, HIGHEST_HZ = 40.0, 16000.0
RANGE_DB = 80.0
_ROWS, _MOST_COLUMNS = 160, 800  # pixels of a picture
_WINDOW, _HOP = 4096, 1024


@dataclass(frozen=True)
class Excerpt:
    """Of one song: its samples from `start` to `stop`, times `gain`, go into `folder`.

    The pictures reach from `loudest_db`, which is the mixture's, down to RANGE_DB below it, so that they compare.
    """

    folder: Path
    sample_rate: int
    stems: tuple[str, ...]
    start: int
    stop: int
    gain: float
    loudest_db: float

    def add(self, name: str, stems: Stems) -> None:
        """Write `(n_stems, n_samples, n_channels)` of the whole song below `name`. Raises OutputError."""
        for stem, samples in zip(self.stems, stems, strict=True):
            self._write(Path(name, stem), samples[self.start : self.stop])

    def add_mixture(self, mixture: Audio) -> None:
        """Write that of the whole song. Raises OutputError."""
        self._write(Path(MIXTURE), mixture[self.start : self.stop])

    def _write(self, name: Path, samples: Audio) -> None:
        from matplotlib.image import imsave

        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = create_stem_file(path.with_suffix(".flac"), self.sample_rate, samples.shape[1], "flac")
            try:
                file.write(np.float32(self.gain) * samples)
                file.finish()
            finally:
                file.abandon()
            image = spectrum_image(samples, self.sample_rate)
            loudest = self.loudest_db
            imsave(path.with_suffix(".png"), image, cmap="magma", vmin=loudest - RANGE_DB, vmax=loudest, origin="lower")
        except (OSError, EncoderError) as error:
            raise OutputError(f"{path}: cannot be written ({error}); make room, or choose another folder") from error


def begin_excerpt(recording: Recording, folder: Path) -> Excerpt:
    """The middle of a song, LONGEST_SECONDS at most; writes the mixture and the true stems. Raises OutputError.

    The gain is one, or what brings the highest peak of these to full scale; estimates beyond it are clipped.
    """
    n_samples = len(recording.mixture)
    length = min(n_samples, round(LONGEST_SECONDS * recording.sample_rate))
    start = (n_samples - length) // 2
    heard = recording.mixture[start : start + length]
    peak = max(float(np.abs(heard).max()), float(np.abs(recording.truth[:, start : start + length]).max()))
    loudest = float(spectrum_image(heard, recording.sample_rate).max())
    gain = 1 / max(1.0, peak)
    excerpt = Excerpt(folder, recording.sample_rate, recording.stems, start, start + length, gain, loudest)
    excerpt.add_mixture(recording.mixture)
    excerpt.add(TRUTH, recording.truth)
    return excerpt


def highest_hz(sample_rate: int) -> float:
    """Where the pictures of a song end: at HIGHEST_HZ, or half its sample rate if that is lower."""
    return min(HIGHEST_HZ, sample_rate / 2)


def spectrum_image(samples: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Power in dB, `(rows, columns)`: LOWEST_HZ to `highest_hz` in equal steps of pitch, low rows first.

    The highest power of the channels, and of the bins and moments that fall together in a pixel.
    """
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    transform = ShortTimeFFT(hann(_WINDOW, sym=False), _HOP, sample_rate, scale_to="magnitude")
    padded = np.pad(samples, ((0, max(0, _WINDOW - len(samples))), (0, 0)))
    power = (np.abs(transform.stft(padded, axis=0)) ** 2).max(axis=1)  # (n_bins, n_columns)
    edges = np.geomspace(LOWEST_HZ, highest_hz(sample_rate), _ROWS, endpoint=False)
    rows = np.floor(edges / transform.delta_f).astype(int)
    columns = np.unique(np.linspace(0, power.shape[1], _MOST_COLUMNS, endpoint=False).astype(int))
    pixels = np.maximum.reduceat(np.maximum.reduceat(power, rows, axis=0), columns, axis=1)
    return np.asarray(10 * np.log10(pixels + 1e-20))
