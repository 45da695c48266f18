"""From songs to figures: medians and means over songs, and how far another choice of songs would have moved them.

Intervals are percentile bootstrap intervals over songs (Efron and Tibshirani 1993): songs are drawn with replacement,
all stems of a song together. Few songs make wide and still too optimistic intervals; one song makes none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rtsep.evaluation.experiment import Method, SongScores
from rtsep.types import F64, STEMS

MEASURES = ("sdr", "sir", "sar", "isr")
LEVEL = 0.95
DRAWS = 4000
SEED = 0
MEAN = "mean"  # of the stems, beside their names


@dataclass(frozen=True)
class Figure:
    """One figure over songs in dB, and the ends of its interval: NaN where there are fewer than two songs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Median and mean over the songs in which a stem sounds; for MEAN, the stems' medians and means averaged."""

    n_songs: int
    median: Figure
    mean: Figure


def score_matrix(results: Sequence[SongScores], method: str, measure: str) -> F64:
    """`(n_songs, n_stems)` in dB, NaN where a stem does not sound or the method does not tell it apart."""
    matrix = np.full((len(results), len(results[0].stems)), np.nan)
    for row, result in zip(matrix, results, strict=True):
        for scores in result.scores[method]:
            row[result.stems.index(scores.stem)] = getattr(scores, measure)
    return matrix


def summarize(matrix: F64, stems: tuple[str, ...] = STEMS) -> dict[str, Summary]:
    """By stem, and MEAN where all of them are there, from a matrix `(n_songs, n_stems)`."""
    medians, means = _figures(matrix, _median), _figures(matrix, _mean)
    counts = np.sum(~np.isnan(matrix), axis=0)
    names = [*stems, MEAN]
    songs = [*counts.tolist(), len(matrix)]
    return {
        name: Summary(n, median, mean)
        for name, n, median, mean in zip(names, songs, medians, means, strict=True)
        if not np.isnan(median.value)
    }


def differences(
    results: Sequence[SongScores], methods: Sequence[Method], measure: str
) -> dict[str, dict[str, Summary]]:
    """How much each further model is above the first one, song by song: by its name, then by stem."""
    first, *others = [m.name for m in methods if m.kind == "model"]
    base = score_matrix(results, first, measure)
    stems = results[0].stems
    return {name: summarize(score_matrix(results, name, measure) - base, stems) for name in others}


def _figures(matrix: F64, over_songs: Callable[[F64], F64]) -> list[Figure]:
    """The stems' figures and their mean's; `over_songs` takes `(..., n_songs, n_stems)` to `(..., n_stems)`."""
    random = np.random.default_rng(SEED)
    drawn = random.integers(len(matrix), size=(DRAWS, len(matrix)))
    values, spread = _with_mean(over_songs(matrix)), _with_mean(over_songs(matrix[drawn]))
    counts = [*np.sum(~np.isnan(matrix), axis=0), len(matrix)]
    return [
        Figure(float(value), *(_interval(column) if n > 1 else (float("nan"), float("nan"))))
        for value, column, n in zip(values, spread.T, counts, strict=True)
    ]


def _with_mean(stems: F64) -> F64:
    """`(..., n_stems)` with their mean as one more: NaN if one of them is."""
    return np.concatenate([stems, stems.mean(axis=-1, keepdims=True)], axis=-1)


def _interval(values: F64) -> tuple[float, float]:
    """The middle LEVEL of those draws that say anything: a stem of few songs is missing in some."""
    valid = values[~np.isnan(values)]
    if not valid.size:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _median(matrix: F64) -> F64:
    """Over the last axis but one, NaN left out: sorting puts NaN last."""
    ordered = np.sort(matrix, axis=-2)
    n = np.sum(~np.isnan(ordered), axis=-2, keepdims=True)
    middle = [np.take_along_axis(ordered, np.maximum(i, 0), axis=-2) for i in ((n - 1) // 2, n // 2)]
    return np.asarray(np.where(n > 0, (middle[0] + middle[1]) / 2, np.nan)[..., 0, :])


def _mean(matrix: F64) -> F64:
    n = np.sum(~np.isnan(matrix), axis=-2)
    return np.where(n > 0, np.nansum(matrix, axis=-2) / np.maximum(n, 1), np.nan)
