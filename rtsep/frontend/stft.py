"""Short-time Fourier front end: its bins are gathered into the same logarithmic bands as the constant-Q's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import OptionError
from rtsep.frontend import kernels
from rtsep.frontend.arrays import Array, complex_type, fitting, flat, float_type, ready, sliced_samples
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.real_fft import RealFFT
from rtsep.frontend.windows import LONGEST_SLICE, dual_window, hann_periodic, low_delay_pair


class STFT:
    """Fourier front end: slices of `slice_length` samples every `hop`; one slice is one column.

    Of each slice the last `output_length` samples are put out. All of them by default: a Hann window, and its dual at
    the overlap-add. With a shorter `output_length` the windows are the low-delay pair of Mauler and Martin (2007).
    Latency: `output_length`. All is computed in `dtype`, float32 or float64.

    An object serves one call at a time, as it keeps the arrays that a call works in. With `out` a call allocates
    nothing. Sizes that cannot be raise OptionError.
    """

    name = "stft"
    n_columns = 1
    columns_per_hop = 1

    def __init__(
        self,
        layout: BandLayout,
        slice_length: int = 4096,
        hop: int = 1024,
        output_length: int | None = None,
        dtype: Any = np.float32,
    ) -> None:
        output_length = slice_length if output_length is None else output_length
        _check_sizes(slice_length, hop, output_length)
        self.layout = layout
        self.dtype = float_type(dtype)
        self.slice_length = slice_length
        self.hop = hop
        self.output_length = self.latency = output_length
        if output_length == slice_length:
            window = hann_periodic(slice_length)
            synthesis = dual_window(window, hop)
        else:
            window, synthesis = low_delay_pair(slice_length, hop, output_length)
        self._window, self._synthesis = window.astype(self.dtype), synthesis.astype(self.dtype)
        self._fft = RealFFT(slice_length, self.dtype)
        self.column_weight = np.ones(1, np.float32)
        weights = layout.weights(slice_length)
        # Above the lowest bins, a band narrower than a bin may catch none of them: it would stay silent for ever.
        there = weights.any(axis=1)
        self.band_centres = layout.centres()[there]
        self.n_bands = self.band_centres.size
        self._lower, self._rise = _shares(weights[there], self.dtype)
        self.n_coefficients = slice_length // 2 + 1
        self._scratch: dict[int, Array] = {}

    def analyze(self, samples: Array, out: Array | None = None) -> Array:
        """Bins `(..., n_channels, slice_length // 2 + 1)` of slices `(..., slice_length, n_channels)`."""
        samples = sliced_samples(samples, self.slice_length)
        n_channels = samples.shape[-1]
        out = ready(out, (*samples.shape[:-2], n_channels, self.n_coefficients), complex_type(self.dtype))
        slices, spectrum = flat(samples, 2), flat(out, 1)
        rows = self._rows(len(spectrum))
        kernels.window_channels(slices, self._window, rows.reshape(len(slices), n_channels, self.slice_length))
        self._fft.forward(rows, spectrum.view(self.dtype))
        return out

    def synthesize(self, coefficients: Array, out: Array | None = None) -> Array:
        """The ends of slices `(..., output_length, n_channels)` to overlap-add, synthesis window applied."""
        coefficients = self._checked(coefficients)
        out = ready(out, (*coefficients.shape[:-2], self.output_length, coefficients.shape[-2]), self.dtype)
        slices, many = flat(coefficients, 2), flat(out, 2)
        rows = self._rows(slices.shape[0] * slices.shape[1])
        self._fft.inverse(flat(coefficients, 1).view(self.dtype), rows)
        kernels.window_ends(rows.reshape(*slices.shape[:2], self.slice_length), self._synthesis, many)
        return out

    def band_power(self, coefficients: Array, out: Array | None = None) -> Array:
        """Energy of each band, `(n_channels, n_bands, 1)`: every bin shared out between its two bands."""
        coefficients = self._checked(coefficients)
        out = ready(out, (*coefficients.shape[:-1], self.n_bands, 1), self.dtype)
        kernels.gather_bands(flat(coefficients, 1).view(self.dtype), self._lower, self._rise, flat(out, 2))
        return out

    def apply_gains(self, coefficients: Array, gains: Array, out: Array | None = None) -> Array:
        """Bins times `gains` `(..., n_channels, n_bands, 1)`, blended between bands by the same raised cosines."""
        coefficients = self._checked(coefficients)
        gains = fitting("gains", gains, (len(coefficients), self.n_bands, 1), self.dtype)
        out = ready(out, (*gains.shape[:-2], self.n_coefficients), complex_type(self.dtype))
        masked = flat(out, 2).view(self.dtype)
        kernels.blend_gains(coefficients.view(self.dtype), self._lower, self._rise, flat(gains, 3), masked)
        return out

    def _checked(self, coefficients: Array) -> Array:
        return fitting("coefficients", coefficients, (self.n_coefficients,), complex_type(self.dtype))

    def _rows(self, n_rows: int) -> Array:
        if n_rows not in self._scratch:
            self._scratch[n_rows] = np.zeros((n_rows, self.slice_length), self.dtype)
        return self._scratch[n_rows]


def _shares(weights: NDArray[np.float64], dtype: np.dtype[np.float64]) -> tuple[NDArray[np.int32], Array]:
    """The lower of each bin's two bands, and the share of the upper one.

    The first bin is all in the first band and the last bin in the last, so that there are two.
    """
    lower = np.minimum(weights.argmax(axis=0), len(weights) - 2)
    lower -= (lower > 0) & (weights[lower - 1, np.arange(lower.size)] > 0)
    return lower.astype(np.int32), weights[lower + 1, np.arange(lower.size)].astype(dtype)


def _check_sizes(slice_length: int, hop: int, output_length: int) -> None:
    if not 2 <= slice_length <= LONGEST_SLICE or slice_length % 2:
        raise OptionError(
            f"slice_length {slice_length}: it must be even, from 2 to {LONGEST_SLICE}; powers of two are fastest"
        )
    if not 0 < output_length <= slice_length or output_length % 2:
        raise OptionError(f"output_length {output_length}: it must be even, from 2 to slice_length {slice_length}")
    if not 0 < hop <= output_length // 2 or slice_length % hop or output_length % hop:
        raise OptionError(
            f"hop {hop}: it must divide slice_length {slice_length} and output_length {output_length}, twice at least; "
            "a quarter of output_length is usual"
        )
