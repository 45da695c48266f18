"""Where the bands lie: one layout, logarithmic in frequency, for constant-Q and Fourier alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import OptionError

_MOST_BINS = 1200  # a band a cent
_LOWEST_HZ = 1.0
_HIGHEST_RATE = 768000


@dataclass(frozen=True)
class BandLayout:
    """Variable-Q bands: bandwidth B = alpha f + gamma, alpha = 2^(1/b) - 2^(-1/b) (Schörkhuber et al. 2014).

    Centres step by half a bandwidth from `f_min` Hz; neighbouring raised cosines then add up to one. A low and a high
    plateau close the layout at 0 Hz and at the Nyquist frequency.
    """

    sample_rate: int
    bins_per_octave: int = 24
    gamma: float = 20.0
    f_min: float = 30.0
    f_max: float = 20000.0

    def __post_init__(self) -> None:
        if not 1 <= self.sample_rate <= _HIGHEST_RATE:
            raise OptionError(f"sample_rate {self.sample_rate} Hz: it must be 1 to {_HIGHEST_RATE}; 44100 is usual")
        if not 1 <= self.bins_per_octave <= _MOST_BINS:
            raise OptionError(f"bins_per_octave {self.bins_per_octave}: it must be from 1 to {_MOST_BINS}; 24 is usual")
        if not 0 <= self.gamma < self.sample_rate / 2:
            raise OptionError(f"gamma {self.gamma} Hz: it must be from 0 to below the Nyquist frequency; 20 is usual")
        if not _LOWEST_HZ <= self.f_min < self._limit():
            raise OptionError(
                f"f_min {self.f_min} Hz: it must lie between {_LOWEST_HZ:g} and {self._limit():g} Hz, the "
                "lesser of f_max and 95 % of the Nyquist frequency; 30 is usual"
            )

    def _limit(self) -> float:
        return min(self.f_max, 0.95 * self.sample_rate / 2)

    @property
    def alpha(self) -> float:
        """Bandwidth per frequency of constant-Q bands: 2^(1/b) - 2^(-1/b)."""
        return float(2 ** (1 / self.bins_per_octave) - 2 ** (-1 / self.bins_per_octave))

    def centres(self) -> NDArray[np.float64]:
        """Centres in Hz of all bands but the two plateaus, rising."""
        alpha, limit = self.alpha, self._limit()
        centres = [self.f_min]
        while centres[-1] < limit:
            centres.append(centres[-1] + (alpha * centres[-1] + self.gamma) / 2)
        return np.array(centres)

    def weights(self, n_fft: int) -> NDArray[np.float64]:
        """Raised cosines `(n_bands, n_fft // 2 + 1)` on the bins of an FFT; every bin's weights add up to one.

        Band k rises from centre k - 1 to its own and falls to centre k + 1; the first and the last are plateaus.
        """
        centres = self.centres()
        bins = np.arange(n_fft // 2 + 1) * self.sample_rate / n_fft
        position = np.interp(bins, centres, np.arange(centres.size), left=0.0, right=centres.size - 1.0)
        # Two bands meet between neighbouring centres: one falls as the other rises.
        below = np.minimum(position.astype(int), centres.size - 2)
        rise = 0.5 - 0.5 * np.cos(np.pi * (position - below))
        weights = np.zeros((centres.size, bins.size))
        weights[below, np.arange(bins.size)] = 1.0 - rise
        weights[below + 1, np.arange(bins.size)] += rise
        return weights
