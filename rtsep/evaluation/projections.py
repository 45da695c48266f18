"""BSSEval version 4 split into its errors, in constant memory: what of an estimate is filtering, leakage, artefact.

An estimate ŝ of stem j is projected on what filters of 512 taps can make of the true stem j alone, and of all true
stems: ŝ = s + e_spat + e_interf + e_artif, with s + e_spat the first projection and s + e_spat + e_interf the second.
Every measure is a ratio of energies of these parts, window by window; the filters are found once for the whole song.

Where the equations have one solution, the figures come near museval's: tests hold them to it. Where they have not,
museval solves them all the same: songs from lossy files then get a SIR of -30 dB and a SAR of 0. It also holds the
spectra of the whole song and solves for each stem anew: some 50 MB and a second for every second of stereo. Here
correlations are summed block by block, one factorization serves all estimates of a song, and energies are taken from
spectra (Parseval).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import cho_factor, cho_solve, toeplitz

from rtsep.types import F64

C128 = NDArray[np.complex128]
AnyAudio = NDArray[np.floating[Any]]
FILTER_TAPS = 512
_BLOCK_FFT = 8192
_BATCH = 16
# Added to the diagonal, of the mean energy: as if all true stems had white noise 70 dB below them. Without it, stems
# that were low-passed (by a lossy format) or have equal channels leave the filters free where the stems have nothing;
# there they become huge, and what a window's edges put there drowns all else.
_RIDGE = 1e-7


class Projector:
    """The true stems `(n_stems, n_samples, n_channels)` of a song, none silent, ready to judge estimates of them.

    `window` is in samples; an incomplete last one is left out, and a shorter song is one window.
    """

    def __init__(self, truth: AnyAudio, window: int) -> None:
        self._truth = truth
        self._window = min(window, truth.shape[1])
        self._fft_length = next_fast_len(self._window + FILTER_TAPS - 1, real=True)
        lags = _correlations(truth, truth)
        n_channels = truth.shape[2]
        self._all = _factor(lags)
        self._own = [_factor(lags[own, own]) for own in _channels_of_stems(len(truth), n_channels)]

    def measures(self, estimate: AnyAudio) -> F64:
        """SDR, ISR, SIR, SAR `(4, n_stems, n_windows)` in dB of an estimate of the shape of the truth.

        NaN in a window where any stem, true or estimated, is all zeros.
        """
        filters = self._filters(estimate)
        starts = range(0, self._truth.shape[1] - self._window + 1, self._window)
        result = np.full((4, len(self._truth), len(starts)), np.nan)
        for index, start in enumerate(starts):
            true, estimated = (a[:, start : start + self._window] for a in (self._truth, estimate))
            if not silent(true).any() and not silent(estimated).any():
                result[:, :, index] = self._measure(self._spectra(true), self._spectra(estimated), filters)
        return result

    def _filters(self, estimate: AnyAudio) -> list[tuple[C128, C128]]:
        """Of each stem: spectra `(n_channels, n_inputs, n_bins)` of the filters from all true channels and its own."""
        n_stems, _, n_channels = estimate.shape
        lags = _correlations(self._truth, estimate)
        filters = []
        for own, factor in zip(_channels_of_stems(n_stems, n_channels), self._own, strict=True):
            aims = lags[:, own]
            filters.append((self._solve(self._all, aims), self._solve(factor, aims[own])))
        return filters

    def _solve(self, factor: Any, aims: F64) -> C128:
        n_inputs, n_outputs, n_taps = aims.shape
        taps = cho_solve(factor, aims.transpose(0, 2, 1).reshape(-1, n_outputs))
        shaped = np.ascontiguousarray(taps.reshape(n_inputs, n_taps, n_outputs).transpose(2, 0, 1))
        return np.asarray(rfft(shaped, self._fft_length))

    def _spectra(self, window: AnyAudio) -> C128:
        """`(n_stems * n_channels, n_bins)`."""
        channels = np.asarray(window, np.float64).transpose(0, 2, 1).reshape(-1, window.shape[1])
        return np.asarray(rfft(np.ascontiguousarray(channels), self._fft_length))

    def _measure(self, true: C128, estimated: C128, filters: list[tuple[C128, C128]]) -> F64:
        """The four measures `(4, n_stems)` of one window."""
        n_channels = len(true) // len(filters)
        rows = []
        for own, (from_all, from_own) in zip(_channels_of_stems(len(filters), n_channels), filters, strict=True):
            stem, judged = true[own], estimated[own]
            filtered = np.einsum("rf,crf->cf", stem, from_own)
            spanned = np.einsum("rf,crf->cf", true, from_all)
            rows.append(
                (
                    self._ratio_db(stem, judged - stem),
                    self._ratio_db(stem, filtered - stem),
                    self._ratio_db(filtered, spanned - filtered),
                    self._ratio_db(spanned, judged - spanned),
                )
            )
        return np.array(rows).T

    def _ratio_db(self, part: C128, error: C128) -> float:
        """10 log10 of the energies' ratio; an error of zero is +inf dB, as in museval."""
        lost = self._energy(error)
        with np.errstate(divide="ignore"):
            return float(10 * np.log10(self._energy(part) / lost)) if lost else float("inf")

    def _energy(self, spectra: C128) -> np.float64:
        """Energy, times the FFT's length: all bins stand for two, but for the first and an even length's last."""
        power = (spectra.real**2 + spectra.imag**2).sum(axis=0)
        last = power[-1] if self._fft_length % 2 == 0 else 0.0
        return np.float64(2 * power.sum() - power[0] - last)


def silent(stems: AnyAudio) -> NDArray[np.bool_]:
    """Which stems museval takes for silent, `(n_stems,)`: those whose channels add up to zero throughout."""
    return np.asarray(np.all(np.sum(stems, axis=2) == 0, axis=1))


def _channels_of_stems(n_stems: int, n_channels: int) -> list[slice]:
    return [slice(s * n_channels, (s + 1) * n_channels) for s in range(n_stems)]


def _factor(lags: F64) -> Any:
    """Cholesky factor of the correlations between all delayed channels, from `lags` `(n, n, FILTER_TAPS)`."""
    n, _, n_taps = lags.shape
    gram = np.empty((n, n_taps, n, n_taps))
    for i in range(n):
        for j in range(n):
            gram[i, :, j] = toeplitz(lags[i, j], lags[j, i])
    matrix = gram.reshape(n * n_taps, n * n_taps)
    matrix[np.diag_indices_from(matrix)] += _RIDGE * np.trace(matrix) / len(matrix)
    return cho_factor(matrix, lower=True, overwrite_a=True)


def _correlations(left: AnyAudio, right: AnyAudio) -> F64:
    """`sum_n left_i[n] right_j[n + k]` of all channels, `(n_left, n_right, FILTER_TAPS)`, summed block by block."""
    n_left, n_right = (stems.shape[0] * stems.shape[2] for stems in (left, right))
    total = np.zeros((_BLOCK_FFT // 2 + 1, n_left, n_right), np.complex128)
    for lefts, rights in _blocks(left, right):
        spectra, others = rfft(lefts, _BLOCK_FFT).conj(), rfft(rights, _BLOCK_FFT)
        total += spectra.transpose(2, 0, 1) @ others.transpose(2, 1, 0)
    return np.asarray(irfft(total.transpose(1, 2, 0), _BLOCK_FFT)[..., :FILTER_TAPS])


def _blocks(left: AnyAudio, right: AnyAudio) -> Iterator[tuple[F64, F64]]:
    """Both signals in blocks, `(n_channels, n_blocks, n)`, those of `right` longer by the taps: they overlap."""
    step = _BLOCK_FFT - FILTER_TAPS + 1
    for start in range(0, left.shape[1], _BATCH * step):
        starts = range(start, min(start + _BATCH * step, left.shape[1]), step)
        yield _cut(left, starts, step), _cut(right, starts, _BLOCK_FFT)


def _cut(stems: AnyAudio, starts: range, length: int) -> F64:
    blocks = np.zeros((stems.shape[0] * stems.shape[2], len(starts), length))
    for b, start in enumerate(starts):
        part = stems[:, start : start + length].transpose(0, 2, 1)
        blocks[:, b, : part.shape[2]] = part.reshape(-1, part.shape[2])
    return blocks
