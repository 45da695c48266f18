"""Sliced, invertible variable-Q transform: painless non-stationary Gabor bands inside Tukey slices.

Velasco, Holighaus, Dörfler, Grill 2011; Holighaus et al. 2013, "A framework for invertible, real-time constant-Q
transforms"; Schörkhuber et al. 2014 for variable Q.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft

from rtsep.errors import OptionError
from rtsep.frontend import kernels
from rtsep.frontend.arrays import Array, complex_type, fitting, flat, float_type, ready, sliced_samples
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.plan import Scratch, plan_bands, plan_groups
from rtsep.frontend.real_fft import RealFFT
from rtsep.frontend.windows import LONGEST_SLICE, tukey_slice

# A band's impulse response is a slice long at 4 bins of bandwidth; the foot of its main lobe may stick out a little.
_FIT = 0.99


class CQT:
    """Constant-Q front end: slices of `slice_length` samples at half-overlap, every band on its own time grid.

    `gamma` 0 Hz is constant Q; the bands fit the slice when gamma >= 4 fs / slice_length - alpha f_min.
    Latency: 3/4 slice + transition / 2 samples. All is computed in `dtype`, float32 or float64.

    Arrays that a call works in are planned at the first call with so many rows and kept: an object serves one
    call at a time. With `out` a call allocates nothing. Sizes that cannot be raise OptionError.
    """

    name = "cqt"

    def __init__(
        self,
        layout: BandLayout,
        slice_length: int = 8192,
        transition: int = 2048,
        n_columns: int = 8,
        dtype: Any = np.float32,
    ) -> None:
        _check_sizes(layout, slice_length, transition, n_columns)
        self.layout = layout
        self.dtype = float_type(dtype)
        self.slice_length = self.output_length = slice_length
        self.hop = slice_length // 2
        self.latency = 3 * slice_length // 4 + transition // 2
        self.n_columns = n_columns
        self.columns_per_hop = n_columns // 2
        window = tukey_slice(slice_length, transition)
        self.column_weight = np.mean((window**2).reshape(n_columns, -1), axis=1).astype(np.float32)
        # The window is exactly zero from `latency` on: those samples may not have arrived and are not looked at.
        self._window = window[: self.latency].astype(self.dtype)
        self._bands = plan_bands(layout.weights(slice_length), n_columns, self.dtype)
        self.band_centres = layout.centres()
        self._groups = plan_groups(self._bands)
        self._fft = RealFFT(slice_length, self.dtype)
        self.band_lengths = self._bands.length  # coefficients of each band
        self.n_bands = self.band_lengths.size
        self.n_coefficients = int(self.band_lengths.sum())
        self._scratches: dict[int, Scratch] = {}

    def analyze(self, samples: Array, out: Array | None = None) -> Array:
        """Coefficients `(..., n_channels, n_coefficients)` of slices `(..., slice_length, n_channels)`.

        c_k[n] = 1/M_k sum_m X[m] g_k[m] e^(2 pi i m n / M_k), X = rfft of the windowed slice. Four channels in one
        call, of one slice or of many, take half of their time one by one.
        """
        samples = sliced_samples(samples, self.slice_length)
        n_channels = samples.shape[-1]
        out = ready(out, (*samples.shape[:-2], n_channels, self.n_coefficients), complex_type(self.dtype))
        slices, rows = flat(samples, 2), flat(out, 1)
        scratch = self._scratch(len(rows))
        kernels.window_channels(slices, self._window, scratch.rows.reshape(len(slices), n_channels, self.slice_length))
        self._fft.forward(scratch.rows, scratch.spectrum)
        kernels.fold_bands(scratch.spectrum, self._bands.source, self._bands.window, rows.view(self.dtype))
        for part in self._grouped(rows):
            scipy.fft.ifft(part, axis=2, overwrite_x=True)
        return out

    def synthesize(self, coefficients: Array, out: Array | None = None) -> Array:
        """Slices `(..., slice_length, n_channels)` to overlap-add, of coefficients `(..., n_channels, n_coefficients)`.

        X[m] = sum_k gamma_k[m] FFT(c_k)[m mod M_k]; many slices in one call are faster than one by one.
        """
        coefficients = self._checked(coefficients)
        out = ready(out, (*coefficients.shape[:-2], self.slice_length, coefficients.shape[-2]), self.dtype)
        slices, many = flat(coefficients, 2), flat(out, 2)
        scratch = self._scratch(slices.shape[0] * slices.shape[1])
        scratch.folded[...] = flat(coefficients, 1)
        for part in self._grouped(scratch.folded):
            scipy.fft.fft(part, axis=2, overwrite_x=True)
        bands, folded = self._bands, scratch.folded.view(self.dtype)
        kernels.unfold_bands(folded, bands.places, bands.dual, scratch.spectrum)
        self._fft.inverse(scratch.spectrum, scratch.rows)
        kernels.interleave_channels(scratch.rows.reshape(*slices.shape[:2], self.slice_length), many)
        return out

    def band_power(self, coefficients: Array, out: Array | None = None) -> Array:
        """Energy of each band in each column, `(n_channels, n_bands, n_columns)`."""
        coefficients = self._checked(coefficients)
        out = ready(out, (*coefficients.shape[:-1], self.n_bands, self.n_columns), self.dtype)
        bands = self._bands
        kernels.column_power(flat(coefficients, 1).view(self.dtype), bands.offset, bands.length, flat(out, 2))
        return out

    def apply_gains(self, coefficients: Array, gains: Array, out: Array | None = None) -> Array:
        """Coefficients times `gains` `(..., n_channels, n_bands, n_columns)`, linear between column centres."""
        coefficients = self._checked(coefficients)
        gains = fitting("gains", gains, (len(coefficients), self.n_bands, self.n_columns), self.dtype)
        out = ready(out, (*gains.shape[:-2], self.n_coefficients), complex_type(self.dtype))
        bands, masked = self._bands, flat(out, 2).view(self.dtype)
        kernels.apply_gains(coefficients.view(self.dtype), bands.offset, bands.length, flat(gains, 3), masked)
        return out

    def _checked(self, coefficients: Array) -> Array:
        return fitting("coefficients", coefficients, (self.n_coefficients,), complex_type(self.dtype))

    def _grouped(self, flat: Array) -> list[Array]:
        return [flat[:, a : a + bands * n].reshape(len(flat), bands, n) for a, bands, n in self._groups]

    def _scratch(self, n_rows: int) -> Scratch:
        if n_rows not in self._scratches:
            self._scratches[n_rows] = Scratch.plan(n_rows, self.slice_length, self.n_coefficients, self.dtype)
        return self._scratches[n_rows]


def _check_sizes(layout: BandLayout, slice_length: int, transition: int, n_columns: int) -> None:
    if n_columns < 2 or n_columns & (n_columns - 1):
        raise OptionError(f"n_columns {n_columns}: it must be a power of two from 2 on; 8 suits the presets")
    if not 4 * n_columns <= slice_length <= LONGEST_SLICE or slice_length % (2 * n_columns):
        raise OptionError(
            f"slice_length {slice_length}: it must be a multiple of 2 n_columns = {2 * n_columns}, twice at least and "
            f"{LONGEST_SLICE} at most; powers of two are fastest"
        )
    if transition % 2 or not 0 < transition <= slice_length // 2:
        raise OptionError(
            f"transition {transition}: it must be even, from 2 to half the slice, {slice_length // 2}; try a quarter"
        )
    needed, proportional = 4 * layout.sample_rate / slice_length, layout.alpha * layout.f_min
    if proportional + layout.gamma < _FIT * needed:
        raise OptionError(
            f"gamma {layout.gamma:g} Hz: bands must be {needed:.1f} Hz wide at least to fit slices of {slice_length} "
            f"samples; take {max(0.0, needed - proportional):.1f} Hz or more, longer slices or a higher f_min"
        )
