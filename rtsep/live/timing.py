"""How long chunks or callbacks take, as a histogram: percentiles of a session of any length from a few kilobytes."""

from __future__ import annotations

from math import log

import numpy as np

_SHORTEST_MS, _LONGEST_MS = 1e-3, 1e5
_STEP = 1.02
_BINS_A_FOLD = 1 / log(_STEP)  # e times as long
_N_BINS = 1 + int(_BINS_A_FOLD * log(_LONGEST_MS / _SHORTEST_MS))
_SHOWN = (50, 95, 99, 99.9)


class Durations:
    """Counts seconds in bins 2 % wide, from 1 µs to 100 s; one thread adds, others may read at any time."""

    def __init__(self) -> None:
        self._counts = np.zeros(_N_BINS, np.int64)
        self._longest_ms = 0.0

    def add(self, seconds: float) -> None:
        ms = 1e3 * seconds
        self._longest_ms = max(self._longest_ms, ms)
        place = _BINS_A_FOLD * log(max(ms, _SHORTEST_MS) / _SHORTEST_MS)
        self._counts[min(int(place), _N_BINS - 1)] += 1

    @property
    def n(self) -> int:
        """How many there were."""
        return int(self._counts.sum())

    def percentiles_ms(self) -> dict[str, float]:
        """p50, p95, p99, p99.9 in milliseconds, up to 2 % too long, and the exact max; empty as long as n is 0.

        p is the least duration that p % of all do not exceed (nearest rank).
        """
        summed = np.cumsum(self._counts)
        if not summed[-1]:
            return {}
        ranks = np.ceil(summed[-1] * np.array(_SHOWN) / 100)
        upper = np.minimum(_upper_ms(np.searchsorted(summed, ranks)), self._longest_ms)
        return {f"p{p:g}": float(ms) for p, ms in zip(_SHOWN, upper, strict=True)} | {"max": self._longest_ms}

    def histogram_ms(self) -> tuple[tuple[float, int], ...]:
        """The bins that hold any: the milliseconds that they end at, and how many lie there."""
        counts = self._counts.copy()  # NumPy refuses to search what changes
        bins = np.flatnonzero(counts)
        return tuple(zip(map(float, _upper_ms(bins)), map(int, counts[bins]), strict=True))


def _upper_ms(bins: np.ndarray) -> np.ndarray:
    ends: np.ndarray = _SHORTEST_MS * _STEP ** (bins + 1.0)
    return ends
