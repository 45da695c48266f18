"""BSSEval version 4, the measures in which the field reports separation, in dB: more is better.

Conventions are museval's: windows of 1 s without overlap, an incomplete last one left out (a shorter song is one
window), distortion filters of 512 taps found once for the whole song, no search for a better order of the stems, and
a stem's figure is the median over the windows. A window in which any stem, true or estimated, is all zeros (to
museval: its channels add up to zero) is NaN for every stem, and medians pass over NaN. A stem whose truth is
silent throughout cannot be judged: its scores are NaN, and the others are judged as though it were not there. SDR is
museval's to the last digits, the others come near where they are well defined (see `projections`).

Stöter, Liutkus, Ito: "The 2018 Signal Separation Evaluation Campaign" (LVA/ICA 2018); Vincent, Gribonval, Févotte:
"Performance measurement in blind audio source separation" (IEEE TASLP 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import AudioError
from rtsep.evaluation.projections import AnyAudio, Projector, silent
from rtsep.types import F64, STEMS


@dataclass(frozen=True)
class StemScores:
    """One stem's scores in dB, medians over the windows.

    `sdr` counts every difference from the true stem; `sir` what leaks in of other stems, `sar` what belongs to none
    of them, `isr` filtering and panning of the stem itself. `sdr_by_window` is what `sdr` is the median of.
    """

    stem: str
    sdr: float
    sir: float
    sar: float
    isr: float
    sdr_by_window: tuple[float, ...]


def sdr_by_window(truth: AnyAudio, estimate: AnyAudio, sample_rate: int) -> F64:
    """museval's SDR of every window, `(n_stems, n_windows)`, without its filters: some thousand times faster.

    BSSEval splits the error e = ŝ − s into three parts, but its SDR = 10 log10 Σs² / Σe² knows only their sum.
    `truth` and `estimate` are `(n_stems, n_samples, n_channels)`. Raises AudioError as `evaluate` does.
    """
    _check(truth, estimate, sample_rate)
    heard = ~silent(truth)
    scores = np.full((len(truth), _window_count(truth.shape[1], sample_rate)), np.nan)
    for index in range(scores.shape[1]):
        window = slice(index * sample_rate, (index + 1) * sample_rate)
        true = np.asarray(truth[heard, window], np.float64)
        estimated = np.asarray(estimate[heard, window], np.float64)
        if not silent(true).any() and not silent(estimated).any():
            scores[heard, index] = _ratio_db(_energy(true), _energy(estimated - true))
    return scores


def median_sdr(truth: AnyAudio, estimate: AnyAudio, sample_rate: int) -> F64:
    """museval's SDR of every stem, `(n_stems,)` in dB: the medians of `sdr_by_window`."""
    return np.array([_median(row) for row in sdr_by_window(truth, estimate, sample_rate)])


def mixture_sdr(truth: AnyAudio, mixture: AnyAudio, sample_rate: int) -> F64:
    """The SDR `(n_stems,)` of doing nothing: the mixture `(n_samples, n_channels)` as the estimate of every stem."""
    return median_sdr(truth, _repeated(mixture, len(truth)), sample_rate)


def evaluate(truth: AnyAudio, estimate: AnyAudio, sample_rate: int, stems: Sequence[str] = STEMS) -> list[StemScores]:
    """All four measures of every stem of one estimate, by a `SongScorer`: keep that where there are several estimates.

    `truth` and `estimate` are `(n_stems, n_samples, n_channels)`. Raises AudioError where these cannot be judged.
    """
    return SongScorer(truth, sample_rate, stems).scores(estimate)


class SongScorer:
    """The true stems `(n_stems, n_samples, n_channels)` of a song, `stems` their names, to judge estimates against.

    `counted` `(n_stems, n_windows)` says which windows of a stem count; all of them if it is not given.

    Making it takes a few seconds, an estimate some 5 % of the song's length. Raises AudioError for no samples, and for
    samples that are not finite.
    """

    def __init__(
        self,
        truth: AnyAudio,
        sample_rate: int,
        stems: Sequence[str] = STEMS,
        counted: NDArray[np.bool_] | None = None,
    ) -> None:
        _check(truth, truth, sample_rate)
        if len(stems) != len(truth):
            raise AudioError(f"{len(stems)} stem names for {len(truth)} stems: there must be one for each")
        self._truth = truth
        self._rate = sample_rate
        self._stems = tuple(stems)
        self._counted = counted
        self._heard = ~silent(truth)
        self._projector = Projector(truth[self._heard], sample_rate) if self._heard.any() else None

    def scores(self, estimate: AnyAudio) -> list[StemScores]:
        """Scores of an estimate, NaN for a stem whose truth is silent.

        Raises AudioError for another shape than the truth's, samples that are not finite, and an estimate that is all
        zeros where the true stem is not: its ratios are undefined.
        """
        _check(self._truth, estimate, self._rate)
        measures = np.full((4, len(self._truth), _window_count(self._truth.shape[1], self._rate)), np.nan)
        if self._projector:
            measures[:, self._heard] = self._projector.measures(estimate[self._heard])
        if self._counted is not None:
            measures[:, ~self._counted] = np.nan
        return [_scores(name, measures[:, index]) for index, name in enumerate(self._stems)]


def _scores(stem: str, measures: F64) -> StemScores:
    """`measures` is `(4, n_windows)` in museval's order: SDR, ISR, SIR, SAR."""
    sdr, isr, sir, sar = (_median(row) for row in measures)
    return StemScores(stem, sdr, sir, sar, isr, tuple(measures[0].tolist()))


def _median(row: F64) -> float:
    """The median of what is not NaN; NaN where nothing else is there (np.nanmedian warns of that)."""
    valid = row[~np.isnan(row)]
    return float(np.median(valid)) if valid.size else float("nan")


def _energy(stems: F64) -> F64:
    return np.asarray(np.sum(stems**2, axis=(1, 2)))


def _ratio_db(signal: F64, error: F64) -> F64:
    """10 log10 signal / error; an error of zero is +inf dB, as in museval."""
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(signal / error))


def _window_count(n_samples: int, window: int) -> int:
    return max(1, n_samples // window)


def _repeated(mixture: AnyAudio, count: int) -> AnyAudio:
    return np.broadcast_to(mixture, (count, *mixture.shape))


def _check(truth: AnyAudio, estimate: AnyAudio, sample_rate: int) -> None:
    if truth.ndim != 3 or truth.shape != estimate.shape:
        raise AudioError(
            f"true stems {truth.shape} and estimates {estimate.shape} must have one shape (stems, samples, channels): "
            "read both at one sample rate and cut them to one length"
        )
    if truth.size == 0:
        raise AudioError(f"true stems {truth.shape} hold no samples: there is nothing to compare")
    if sample_rate < 1:
        raise AudioError(f"sample rate {sample_rate} must be at least 1 Hz")
    for name, stems in (("true stem", truth), ("estimate", estimate)):
        bad = np.flatnonzero([not np.isfinite(stem).all() for stem in stems])
        if bad.size:
            raise AudioError(f"{name} {bad[0]} has NaN or infinite samples: scores need finite ones")
    mute = np.flatnonzero(silent(estimate) & ~silent(truth))
    if mute.size:
        raise AudioError(f"estimate {mute[0]} is all zeros but its true stem is not: BSSEval is undefined for it")
