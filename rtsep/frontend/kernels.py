"""Inner loops of the front ends: they fill arrays that the caller planned, and check nothing.

Complex rows come as the real numbers that they are made of, real and imaginary parts in turn: `2 * m` and `2 * m + 1`
are the parts of number m. The loops over them are then plain ones, which the compiler turns into vector instructions.
Band k has `length[k]` coefficients from `offset[k]` on.
"""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def window_channels(samples: Any, window: Any, windowed: Any) -> None:
    """windowed[r, c, n] = samples[r, n, c] * window[n] for the window's length, then zeros."""
    for r in range(windowed.shape[0]):
        for c in range(windowed.shape[1]):
            for n in range(window.size):
                windowed[r, c, n] = samples[r, n, c] * window[n]
            windowed[r, c, window.size :] = 0


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def interleave_channels(rows: Any, samples: Any) -> None:
    """samples[r, n, c] = rows[r, c, n]."""
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for n in range(rows.shape[2]):
                samples[r, n, c] = rows[r, c, n]


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def window_ends(rows: Any, window: Any, samples: Any) -> None:
    """samples[r, n, c] = window[n] times the last samples of rows[r, c]."""
    start = rows.shape[2] - window.size
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for n in range(window.size):
                samples[r, n, c] = rows[r, c, start + n] * window[n]


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def real_spectrum(half: Any, twist: Any, spectrum: Any) -> None:
    """Bins 0..N of the FFT of 2N real samples from Z, the FFT of N complex ones z[n] = x[2n] + i x[2n + 1].

    X[k] = E[k] + O[k] and X[N - k] = (E[k] - O[k])*, with E[k] = (Z[k] + Z*[N - k]) / 2 and
    O[k] = -i e^(-2 pi i k / 2N) (Z[k] - Z*[N - k]) / 2; `twist[k]` is -i e^(-2 pi i k / 2N) / 2.
    """
    n = half.shape[1] // 2
    one_half = twist.dtype.type(0.5)
    for row in range(half.shape[0]):
        z, x = half[row], spectrum[row]
        x[0], x[1] = z[0] + z[1], 0
        x[2 * n], x[2 * n + 1] = z[0] - z[1], 0
        for k in range(1, n // 2 + 1):
            j = n - k
            real, imag = z[2 * k] - z[2 * j], z[2 * k + 1] + z[2 * j + 1]
            even_real, even_imag = one_half * (z[2 * k] + z[2 * j]), one_half * (z[2 * k + 1] - z[2 * j + 1])
            odd_real = real * twist[2 * k] - imag * twist[2 * k + 1]
            odd_imag = real * twist[2 * k + 1] + imag * twist[2 * k]
            x[2 * k], x[2 * k + 1] = even_real + odd_real, even_imag + odd_imag
            x[2 * j], x[2 * j + 1] = even_real - odd_real, odd_imag - even_imag


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def half_spectrum(spectrum: Any, twist: Any, half: Any) -> None:
    """Z from X: the inverse of `real_spectrum`, with the same `twist`.

    Z[k] = E[k] + D[k] and Z[N - k] = (E[k] - D[k])*, with E[k] = (X[k] + X*[N - k]) / 2 and
    D[k] = i e^(2 pi i k / 2N) (X[k] - X*[N - k]) / 2.
    """
    n = half.shape[1] // 2
    one_half = twist.dtype.type(0.5)
    for row in range(half.shape[0]):
        z, x = half[row], spectrum[row]
        z[0], z[1] = one_half * (x[0] + x[2 * n]), one_half * (x[0] - x[2 * n])
        for k in range(1, n // 2 + 1):
            j = n - k
            real, imag = x[2 * k] - x[2 * j], x[2 * k + 1] + x[2 * j + 1]
            even_real, even_imag = one_half * (x[2 * k] + x[2 * j]), one_half * (x[2 * k + 1] - x[2 * j + 1])
            odd_real = real * twist[2 * k] + imag * twist[2 * k + 1]
            odd_imag = imag * twist[2 * k] - real * twist[2 * k + 1]
            z[2 * k], z[2 * k + 1] = even_real + odd_real, even_imag + odd_imag
            z[2 * j], z[2 * j + 1] = even_real - odd_real, odd_imag - even_imag


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def fold_bands(spectrum: Any, source: Any, window: Any, folded: Any) -> None:
    """folded[j] = spectrum[source[j]] * window[j]: bin m of band k, times g_k[m], goes to coefficient m mod M_k."""
    for row in range(spectrum.shape[0]):
        x, y = spectrum[row], folded[row]
        for j in range(source.size):
            m = source[j]
            y[2 * j] = x[2 * m] * window[j]
            y[2 * j + 1] = x[2 * m + 1] * window[j]


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def unfold_bands(folded: Any, places: Any, dual: Any, spectrum: Any) -> None:
    """spectrum[m] = sum over the two bands k that share bin m of folded[their m mod M_k] * gamma_k[m].

    `places` and `dual` are `(2, n_bins)`.
    """
    for row in range(spectrum.shape[0]):
        x, y = spectrum[row], folded[row]
        for m in range(places.shape[1]):
            i, j, g, h = places[0, m], places[1, m], dual[0, m], dual[1, m]
            x[2 * m] = y[2 * i] * g + y[2 * j] * h
            x[2 * m + 1] = y[2 * i + 1] * g + y[2 * j + 1] * h


# The sums are taken in an order that is fixed when they are compiled: the same samples still give the same bits.
@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def column_power(coefficients: Any, offset: Any, length: Any, power: Any) -> None:
    """power[c, k, t]: mean |c_k[n]|^2 over column t, trapezoidal, times M_k^2: the energy of band k there."""
    n_columns = power.shape[2]
    one_half = power.dtype.type(0.5)
    for c in range(power.shape[0]):
        for k in range(offset.size):
            size = length[k]
            step = size // n_columns
            scale = power.dtype.type(float(size) * n_columns)
            y = coefficients[c, 2 * offset[k] : 2 * (offset[k] + size)]
            first_edge = y[0] * y[0] + y[1] * y[1]
            edge = first_edge
            for t in range(n_columns):
                total = power.dtype.type(0)
                for i in range(2 * t * step, 2 * (t + 1) * step):
                    total += y[i] * y[i]
                after = first_edge
                if t + 1 < n_columns:
                    n = 2 * (t + 1) * step
                    after = y[n] * y[n] + y[n + 1] * y[n + 1]
                power[c, k, t] = scale * (total + one_half * (after - edge))
                edge = after


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def apply_gains(coefficients: Any, offset: Any, length: Any, gains: Any, masked: Any) -> None:
    """masked[r] = coefficients * gains[r] `(channels, bands, columns)`, linear between column centres, held outside."""
    n_columns = gains.shape[3]
    one_half = gains.dtype.type(0.5)
    for r in range(gains.shape[0]):
        for c in range(gains.shape[1]):
            for k in range(offset.size):
                size = length[k]
                step = size // n_columns
                x = coefficients[c, 2 * offset[k] : 2 * (offset[k] + size)]
                y = masked[r, c, 2 * offset[k] : 2 * (offset[k] + size)]
                slope = gains.dtype.type(1) / gains.dtype.type(step)
                # A band with one coefficient a column has it half-way between two centres.
                shift = one_half if step == 1 else gains.dtype.type(0)
                for t in range(n_columns + 1):
                    left = gains[r, c, k, max(t - 1, 0)]
                    rise = gains[r, c, k, min(t, n_columns - 1)] - left
                    start = max(((2 * t - 1) * step + 1) // 2, 0)
                    stop = min(((2 * t + 1) * step + 1) // 2, size)
                    for i in range(stop - start):
                        gain = left + rise * (gains.dtype.type(i) * slope + shift)
                        y[2 * (start + i)] = x[2 * (start + i)] * gain
                        y[2 * (start + i) + 1] = x[2 * (start + i) + 1] * gain


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def gather_bands(bins: Any, lower: Any, rise: Any, power: Any) -> None:
    """power[c, k, 0]: sum of |X[m]|^2, each bin shared out between band lower[m] and the next, rise[m] to the next."""
    for c in range(bins.shape[0]):
        power[c] = 0
        for m in range(lower.size):
            value = bins[c, 2 * m] * bins[c, 2 * m] + bins[c, 2 * m + 1] * bins[c, 2 * m + 1]
            share = value * rise[m]
            power[c, lower[m], 0] += value - share
            power[c, lower[m] + 1, 0] += share


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def blend_gains(bins: Any, lower: Any, rise: Any, gains: Any, masked: Any) -> None:
    """masked[r] = bins * gains[r] `(channels, bands, 1)`, blended between a bin's two bands by its shares."""
    for r in range(gains.shape[0]):
        for c in range(gains.shape[1]):
            x, y, g = bins[c], masked[r, c], gains[r, c, :, 0]
            for m in range(lower.size):
                gain = g[lower[m]] + rise[m] * (g[lower[m] + 1] - g[lower[m]])
                y[2 * m] = x[2 * m] * gain
                y[2 * m + 1] = x[2 * m + 1] * gain


@njit(cache=True, nogil=True, error_model="numpy")
def push_columns(power: Any, hop: int, energy: Any) -> None:
    """Move `energy` `(channels, bands, columns)` on by `hop` columns and add `power` to the newest ones."""
    n = energy.shape[2]
    history = n - power.shape[2]
    for c in range(energy.shape[0]):
        for k in range(energy.shape[1]):
            row = energy[c, k]
            for t in range(n - hop):
                row[t] = row[t + hop]
            row[n - hop :] = 0
            for t in range(power.shape[2]):
                row[history + t] += power[c, k, t]


@njit(cache=True, nogil=True, error_model="numpy")
def cut_patches(energy: Any, weight: Any, first: Any, patches: Any) -> None:
    """patches[c, d, t, k] = energy[c, k, first[d] + t] / weight[first[d] + t]."""
    for c in range(patches.shape[0]):
        for d in range(patches.shape[1]):
            for t in range(patches.shape[2]):
                column = first[d] + t
                for k in range(patches.shape[3]):
                    patches[c, d, t, k] = energy[c, k, column] / weight[column]
