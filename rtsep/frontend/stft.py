"""Short-time Fourier front end: its bins are gathered into the same logarithmic bands as the constant-Q's."""

from __future__ import annotations

import numpy as np
import scipy.fft

from rtsep.frontend.bands import BandLayout
from rtsep.frontend.windows import dual_window, hann_periodic
from rtsep.types import C64, F32, Audio


class STFT:
    """Fourier front end: Hann slices of `slice_length` samples every `hop`, dual window at the overlap-add.

    One slice is one column. Latency: one slice.
    """

    name = "stft"
    n_columns = 1
    columns_per_hop = 1

    def __init__(self, layout: BandLayout, slice_length: int = 4096, hop: int = 1024) -> None:
        self.layout = layout
        self.slice_length = slice_length
        self.hop = hop
        self.latency = slice_length
        window = hann_periodic(slice_length)
        self._window = window.astype(np.float32)[:, None]
        self._dual = dual_window(window, hop).astype(np.float32)[:, None]
        self.column_weight = np.ones(1, np.float32)
        weights = layout.weights(slice_length)
        # Above the lowest bins, a band narrower than a bin may catch none of them: it would stay silent for ever.
        self._to_bands = weights[weights.any(axis=1)].astype(np.float32)
        self.n_bands = self._to_bands.shape[0]
        self.n_coefficients = slice_length // 2 + 1

    def analyze(self, samples: Audio) -> C64:
        """Bins `(n_channels, slice_length // 2 + 1)` of one slice `(slice_length, n_channels)`."""
        return np.asarray(scipy.fft.rfft((samples * self._window).T, axis=1))

    def synthesize(self, coefficients: C64) -> Audio:
        """One slice `(slice_length, n_channels)` to overlap-add, dual window applied."""
        return np.ascontiguousarray(scipy.fft.irfft(coefficients, n=self.slice_length, axis=1).T * self._dual)

    def band_power(self, coefficients: C64) -> F32:
        """Energy of each band, `(n_channels, n_bands, 1)`: every bin shared out between its two bands."""
        power: F32 = coefficients.real**2 + coefficients.imag**2
        return (power @ self._to_bands.T)[:, :, None]

    def apply_gains(self, coefficients: C64, gains: F32) -> C64:
        """Bins times `gains` `(n_channels, n_bands, 1)`, blended between bands by the same raised cosines."""
        return np.asarray(coefficients * (gains[:, :, 0] @ self._to_bands))
