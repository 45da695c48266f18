"""The histogram of durations against the durations themselves."""

from __future__ import annotations

import numpy as np
import pytest

from rtsep.live.timing import Durations


@pytest.mark.parametrize("n", [1, 7, 2990])
def test_percentiles_are_those_of_the_durations_within_a_bin(n: int) -> None:
    seconds = np.random.default_rng(n).lognormal(-5, 1, n)
    durations = Durations()
    for value in seconds:
        durations.add(float(value))
    shown = durations.percentiles_ms()
    assert durations.n == n
    assert shown.pop("max") == pytest.approx(1e3 * seconds.max(), rel=1e-12)
    exact = 1e3 * np.percentile(seconds, (50, 95, 99, 99.9), method="inverted_cdf")
    values = np.array(list(shown.values()))
    assert list(shown) == ["p50", "p95", "p99", "p99.9"]
    assert np.all((values >= exact * (1 - 1e-9)) & (values <= exact * 1.0201))


def test_the_histogram_holds_each_duration_once_also_beyond_its_ends() -> None:
    durations = Durations()
    assert durations.percentiles_ms() == {}
    for value in (0.0, 1e-9, 0.002, 0.002, 1e6):
        durations.add(value)
    counts = dict(durations.histogram_ms())
    assert sum(counts.values()) == 5
    assert [n for end, n in counts.items() if 2 <= end <= 2.041] == [2]
    assert durations.percentiles_ms()["max"] == 1e9
