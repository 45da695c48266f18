"""The plan of a constant-Q transform: where each band lies in spectrum and coefficients, its windows, the scratch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtsep.frontend.arrays import Array, complex_type

Indices = NDArray[np.int64]


class Bands(NamedTuple):
    """Band k has `length[k]` coefficients from `offset[k]` on; which bins of the spectrum they come from, and go to."""

    offset: Indices
    length: Indices
    source: NDArray[np.int32]  # (n_coefficients,): the bin folded to each; bin 0 where `window` is 0
    window: Array  # (n_coefficients,): g_k there
    places: NDArray[np.int32]  # (2, n_bins): where the two bands that share a bin hold it
    dual: Array  # (2, n_bins): their dual windows gamma_k = g_k / sum_k g_k^2


class Scratch(NamedTuple):
    """Arrays that one call works in, for `n_rows` channels at once; what they hold between calls means nothing."""

    rows: Array  # (n_rows, slice_length): windowed samples
    spectrum: Array  # (n_rows, slice_length + 2): bins 0 to the Nyquist frequency, real and imaginary parts in turn
    folded: Array  # (n_rows, n_coefficients), complex

    @classmethod
    def plan(cls, n_rows: int, slice_length: int, n_coefficients: int, dtype: np.dtype[Any]) -> Scratch:
        return cls(
            rows=np.zeros((n_rows, slice_length), dtype),
            spectrum=np.zeros((n_rows, slice_length + 2), dtype),
            folded=np.zeros((n_rows, n_coefficients), complex_type(dtype)),
        )


def plan_bands(weights: NDArray[np.float64], n_columns: int, dtype: np.dtype[Any]) -> Bands:
    """Lay out the bands of `weights` `(n_bands, n_bins)` one behind the other; no bin lies in more than two.

    M_k is the least power of two that holds the support (the painless condition) and every column.
    """
    bins = [np.flatnonzero(row) for row in weights]
    length = np.array([max(n_columns, 1 << (int(np.ptp(m)) if m.size else 0).bit_length()) for m in bins])
    offset = np.cumsum(length) - length
    n_coefficients, n_bins = int(length.sum()), weights.shape[1]
    source, window = np.zeros(n_coefficients, np.int32), np.zeros(n_coefficients)
    places, dual = np.zeros((2, n_bins), np.int32), np.zeros((2, n_bins))
    overlap = np.sum(weights**2, axis=0)
    n_seen = np.zeros(n_bins, int)
    for k, m in enumerate(bins):
        place = offset[k] + m % length[k]
        source[place], window[place] = m, weights[k, m]
        places[n_seen[m], m], dual[n_seen[m], m] = place, weights[k, m] / overlap[m]
        n_seen[m] += 1
    return Bands(offset, length, source, window.astype(dtype), places, dual.astype(dtype))


def plan_groups(bands: Bands) -> tuple[tuple[int, int, int], ...]:
    """Neighbours of equal length, which one FFT call takes together: (offset, bands, length) of each group."""
    edges = np.flatnonzero(np.diff(bands.length, prepend=-1))
    sizes = np.diff(edges, append=bands.length.size)
    return tuple((int(bands.offset[e]), int(n), int(bands.length[e])) for e, n in zip(edges, sizes, strict=True))
