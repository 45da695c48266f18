"""Inner loops of the front ends: they fill arrays that the caller planned, and check nothing."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def fold_bands(
    spectrum: Any, first: Any, stop: Any, offset: Any, length: Any, window: Any, window_offset: Any, folded: Any
) -> None:
    """folded[offset_k + m mod M_k] = spectrum[m] * g_k[m]: each band of a spectrum, wrapped to its own length."""
    for c in range(spectrum.shape[0]):
        folded[c, :] = 0
        for k in range(first.size):
            wrap = length[k] - 1  # lengths are powers of two
            for m in range(first[k], stop[k]):
                folded[c, offset[k] + (m & wrap)] = spectrum[c, m] * window[window_offset[k] + m - first[k]]


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def unfold_bands(
    folded: Any, first: Any, stop: Any, offset: Any, length: Any, window: Any, window_offset: Any, spectrum: Any
) -> None:
    """spectrum[m] = sum_k folded[offset_k + m mod M_k] * gamma_k[m]: the adjoint of `fold_bands`."""
    for c in range(folded.shape[0]):
        spectrum[c, :] = 0
        for k in range(first.size):
            wrap = length[k] - 1
            for m in range(first[k], stop[k]):
                spectrum[c, m] += folded[c, offset[k] + (m & wrap)] * window[window_offset[k] + m - first[k]]


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def column_power(coefficients: Any, offset: Any, length: Any, n_columns: Any, power: Any) -> None:
    """power[c, k, t]: mean |c_k[n]|^2 over column t, trapezoidal, times M_k^2: the energy of band k there."""
    for c in range(coefficients.shape[0]):
        for k in range(offset.size):
            step = length[k] // n_columns
            scale = float(length[k]) * length[k] / step
            for t in range(n_columns):
                total = 0.0
                for i in range(step + 1):
                    n = offset[k] + (t * step + i) % length[k]
                    value = coefficients[c, n].real ** 2 + coefficients[c, n].imag ** 2
                    total += 0.5 * value if i == 0 or i == step else value
                power[c, k, t] = total * scale


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def apply_gains(coefficients: Any, offset: Any, length: Any, gains: Any, masked: Any) -> None:
    """masked = coefficients * gains `(channels, bands, columns)`, held outside and linear between column centres."""
    n_columns = gains.shape[2]
    for c in range(coefficients.shape[0]):
        for k in range(offset.size):
            step = length[k] / n_columns
            for n in range(length[k]):
                position = n / step - 0.5
                left = int(max(position, 0.0))
                right = min(left + 1, n_columns - 1)
                share = max(position - left, 0.0)
                gain = (1.0 - share) * gains[c, k, left] + share * gains[c, k, right]
                masked[c, offset[k] + n] = coefficients[c, offset[k] + n] * gain
