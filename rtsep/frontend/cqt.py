"""Sliced, invertible variable-Q transform: painless non-stationary Gabor bands inside Tukey slices.

Velasco, Holighaus, Dörfler, Grill 2011; Holighaus et al. 2013, "A framework for invertible, real-time constant-Q
transforms"; Schörkhuber et al. 2014 for variable Q.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from rtsep.frontend import kernels
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.windows import tukey_slice
from rtsep.types import C64, F32, Audio

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class _Bands:
    """Band k covers bins first..stop, has `length` coefficients at `offset`, its window at `window_offset`."""

    first: Indices
    stop: Indices
    length: Indices
    offset: Indices
    window_offset: Indices
    window: F32
    dual: F32
    groups: tuple[tuple[int, int, int], ...]  # (offset, bands, length): neighbours of equal length, one FFT call


class CQT:
    """Constant-Q front end: slices of `slice_length` samples at half-overlap, every band on its own time grid.

    `gamma` 0 Hz is constant Q; the bands fit the slice when gamma >= 4 fs / slice_length - alpha f_min.
    Latency: 3/4 slice + transition / 2 samples.
    """

    name = "cqt"

    def __init__(
        self, layout: BandLayout, slice_length: int = 8192, transition: int = 2048, n_columns: int = 8
    ) -> None:
        if n_columns & (n_columns - 1) or slice_length & (slice_length - 1):
            raise ValueError(f"slice_length {slice_length} and n_columns {n_columns} must be powers of two")
        self.layout = layout
        self.slice_length = slice_length
        self.hop = slice_length // 2
        self.latency = 3 * slice_length // 4 + transition // 2
        self.n_columns = n_columns
        self.columns_per_hop = n_columns // 2
        window = tukey_slice(slice_length, transition)
        self._window = window.astype(np.float32)
        self.column_weight = np.mean((window**2).reshape(n_columns, -1), axis=1).astype(np.float32)
        self._bands = _plan_bands(layout.weights(slice_length), n_columns)
        self.n_bands = self._bands.first.size
        self.n_coefficients = int(self._bands.length.sum())

    def analyze(self, samples: Audio) -> C64:
        """Coefficients `(n_channels, n_coefficients)` of one slice `(slice_length, n_channels)`.

        c_k[n] = 1/M_k sum_m X[m] g_k[m] e^(2 pi i m n / M_k), X = rfft of the windowed slice.
        """
        bands = self._bands
        # The window is exactly zero from `latency` on; those samples may not have arrived and are not looked at.
        windowed = np.zeros((samples.shape[1], self.slice_length), np.float32)
        np.multiply(samples[: self.latency].T, self._window[: self.latency], out=windowed[:, : self.latency])
        spectrum = scipy.fft.rfft(windowed, axis=1)
        folded = np.empty((samples.shape[1], self.n_coefficients), np.complex64)
        kernels.fold_bands(
            spectrum,
            bands.first,
            bands.stop,
            bands.offset,
            bands.length,
            bands.window,
            bands.window_offset,
            folded,
        )
        for part in self._groups(folded):
            part[...] = scipy.fft.ifft(part, axis=2)
        return folded

    def synthesize(self, coefficients: C64) -> Audio:
        """One slice `(slice_length, n_channels)` to overlap-add: X[m] = sum_k gamma_k[m] FFT(c_k)[m mod M_k]."""
        bands = self._bands
        folded = np.empty_like(coefficients)
        for part, source in zip(self._groups(folded), self._groups(coefficients), strict=True):
            part[...] = scipy.fft.fft(source, axis=2)
        spectrum = np.empty((coefficients.shape[0], self.slice_length // 2 + 1), np.complex64)
        kernels.unfold_bands(
            folded,
            bands.first,
            bands.stop,
            bands.offset,
            bands.length,
            bands.dual,
            bands.window_offset,
            spectrum,
        )
        return np.ascontiguousarray(scipy.fft.irfft(spectrum, n=self.slice_length, axis=1).T)

    def band_power(self, coefficients: C64) -> F32:
        """Energy of each band in each column, `(n_channels, n_bands, n_columns)`."""
        power = np.empty((coefficients.shape[0], self.n_bands, self.n_columns), np.float32)
        kernels.column_power(coefficients, self._bands.offset, self._bands.length, self.n_columns, power)
        return power

    def apply_gains(self, coefficients: C64, gains: F32) -> C64:
        """Coefficients times `gains` `(n_channels, n_bands, n_columns)`, linear between column centres."""
        masked = np.empty_like(coefficients)
        kernels.apply_gains(coefficients, self._bands.offset, self._bands.length, gains, masked)
        return masked

    def _groups(self, flat: C64) -> list[C64]:
        n_channels = flat.shape[0]
        return [
            flat[:, start : start + bands * length].reshape(n_channels, bands, length)
            for start, bands, length in self._bands.groups
        ]


def _plan_bands(weights: NDArray[np.float64], n_columns: int) -> _Bands:
    """Lay out bands and dual windows; M_k is the power of two that holds the support (the painless condition)."""
    inside = weights > 0
    first = inside.argmax(axis=1)
    stop = inside.shape[1] - inside[:, ::-1].argmax(axis=1)
    length = np.maximum(2 ** np.ceil(np.log2(stop - first)).astype(np.int64), n_columns)
    overlap = np.sum(weights**2, axis=0)
    support = stop - first
    window = np.concatenate([w[a:b] for w, a, b in zip(weights, first, stop, strict=True)])
    dual = np.concatenate([(w / overlap)[a:b] for w, a, b in zip(weights, first, stop, strict=True)])
    offset = np.cumsum(length) - length
    edges = np.flatnonzero(np.diff(length, prepend=-1))
    sizes = np.diff(edges, append=length.size)
    groups = tuple((int(offset[e]), int(n), int(length[e])) for e, n in zip(edges, sizes, strict=True))
    return _Bands(
        first=first,
        stop=stop,
        length=length,
        offset=offset,
        window_offset=np.cumsum(support) - support,
        window=window.astype(np.float32),
        dual=dual.astype(np.float32),
        groups=groups,
    )
