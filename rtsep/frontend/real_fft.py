"""FFT of real rows in place: half as many complex numbers, many rows at once, nothing allocated."""

from __future__ import annotations

import numpy as np
import scipy.fft

from rtsep.frontend import kernels
from rtsep.frontend.arrays import Array, complex_type, float_type


class RealFFT:
    """Transforms of rows of `length` real samples, an even number, in the precision of `dtype`.

    Spectra `(n_rows, length + 2)` are bins 0 to length / 2, real and imaginary parts in turn.
    """

    def __init__(self, length: int, dtype: np.dtype[np.float64]) -> None:
        self.length = length
        self.dtype = float_type(dtype)
        turns = -1j * np.exp(-2j * np.pi * np.arange(length // 2) / length) / 2
        self._twist = np.stack([turns.real, turns.imag], axis=1).ravel().astype(dtype)

    def forward(self, rows: Array, spectrum: Array) -> None:
        """Fill `spectrum` from `rows` `(n_rows, length)`, which are lost."""
        scipy.fft.fft(self._pairs(rows), axis=1, overwrite_x=True)
        kernels.real_spectrum(rows, self._twist, spectrum)

    def inverse(self, spectrum: Array, rows: Array) -> None:
        """Fill `rows` from `spectrum`; imaginary parts of its first and its last bin have no say."""
        kernels.half_spectrum(spectrum, self._twist, rows)
        scipy.fft.ifft(self._pairs(rows), axis=1, overwrite_x=True)

    def _pairs(self, rows: Array) -> Array:
        """Neighbouring samples as one complex number: scipy transforms such an array where it is."""
        return rows.view(complex_type(self.dtype))
