"""From songs' scores to figures: against NumPy's medians, known intervals, and for stems that are missing."""

from __future__ import annotations

import numpy as np
import pytest

from rtsep.evaluation.bsseval import StemScores
from rtsep.evaluation.experiment import Method, SongScores
from rtsep.evaluation.summary import MEAN, differences, score_matrix, summarize
from rtsep.types import STEMS

NAN = float("nan")


def scores(stem: str, sdr: float) -> StemScores:
    return StemScores(stem, sdr, sdr + 1, sdr + 2, sdr + 3, (sdr,))


def song(name: str, **by_method: dict[str, float]) -> SongScores:
    rows = {method: tuple(scores(s, v) for s, v in stems.items()) for method, stems in by_method.items()}
    return SongScores(name, 60.0, (), rows)


def with_gaps(n_songs: int) -> np.ndarray:
    random = np.random.default_rng(4)
    matrix = random.standard_normal((n_songs, 4)) * 3 + [1, 2, 3, 4]
    matrix[random.random(matrix.shape) < 0.3] = np.nan
    return matrix


@pytest.mark.parametrize("n_songs", [5, 6, 17])
def test_medians_and_means_are_numpys_over_the_songs_where_a_stem_sounds(n_songs: int) -> None:
    matrix = with_gaps(n_songs)
    summary = summarize(matrix)
    assert list(summary) == [*STEMS, MEAN]
    for stem, column in zip(STEMS, matrix.T, strict=True):
        known = column[~np.isnan(column)]
        assert summary[stem].n_songs == len(known)
        assert summary[stem].median.value == pytest.approx(np.median(known))
        assert summary[stem].mean.value == pytest.approx(np.mean(known))
    assert summary[MEAN].median.value == pytest.approx(np.mean(np.nanmedian(matrix, axis=0)))
    assert summary[MEAN].mean.value == pytest.approx(np.mean(np.nanmean(matrix, axis=0)))


def test_the_interval_of_a_mean_is_the_normal_one_for_many_songs() -> None:
    matrix = np.random.default_rng(1).standard_normal((400, 4)) * 2 + 5
    for stem, column in zip(STEMS, matrix.T, strict=True):
        figure = summarize(matrix)[stem].mean
        half = 1.96 * column.std() / np.sqrt(len(column))
        np.testing.assert_allclose([figure.low, figure.high], [figure.value - half, figure.value + half], atol=0.03)


def test_intervals_come_out_the_same_again_and_hold_the_value() -> None:
    matrix = with_gaps(9)
    assert summarize(matrix) == summarize(matrix)
    for row in summarize(matrix).values():
        assert row.median.low <= row.median.value <= row.median.high
        assert row.mean.low < row.mean.value < row.mean.high


def test_one_song_has_figures_but_no_interval() -> None:
    summary = summarize(np.array([[1.0, 2.0, 3.0, 6.0]]))
    assert summary[MEAN].median.value == 3.0
    assert np.isnan([summary["bass"].median.low, summary[MEAN].mean.high]).all()


def test_a_stem_that_no_song_has_is_left_out_and_so_is_the_mean_of_stems() -> None:
    summary = summarize(np.array([[1.0, NAN, 3.0, 6.0], [2.0, NAN, 4.0, NAN]]))
    assert list(summary) == ["bass", "vocals", "other"]
    assert summary["other"].n_songs == 1


def test_scores_are_put_in_the_order_of_stems() -> None:
    results = [song("a", model={"other": 4.0, "bass": 1.0}), song("b", model={"vocals": 3.0})]
    expected = [[1.0, NAN, NAN, 4.0], [NAN, NAN, 3.0, NAN]]
    np.testing.assert_array_equal(score_matrix(results, "model", "sdr"), expected)
    np.testing.assert_array_equal(score_matrix(results, "model", "isr"), np.array(expected) + 3)


def test_differences_are_taken_song_by_song() -> None:
    results = [
        song("a", one={"bass": 1.0, "drums": 0.0}, two={"bass": 3.0, "drums": 1.0}),
        song("b", one={"bass": 10.0}, two={"bass": 10.5, "other": 0.0}),
        song("c", one={"bass": -5.0}, two={"bass": 2.0}),
    ]
    methods = [Method("one", "model"), Method("two", "model"), Method("mixture", "baseline")]
    found = differences(results, methods, "sdr")
    assert list(found) == ["two"]
    assert found["two"]["bass"].median.value == 2.0
    assert found["two"]["bass"].mean.value == pytest.approx((2 + 0.5 + 7) / 3)
    assert found["two"]["drums"].n_songs == 1
