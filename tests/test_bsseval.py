"""BSSEval: against signals whose scores are known, and for what cannot be scored (test_projections: museval)."""

from __future__ import annotations

import numpy as np
import pytest

from rtsep.errors import AudioError
from rtsep.evaluation.bsseval import (
    SongScorer,
    StemScores,
    evaluate,
    median_sdr,
    mixture_sdr,
    sdr_by_window,
)

RATE = 4000
NAMES = ("bass", "drums")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def orthogonal_to(signal: np.ndarray, level_db: float, seed: int) -> np.ndarray:
    """Noise that is orthogonal to `signal` within every window of 1 s, and `level_db` below it there."""
    windows = signal.astype(np.float64).reshape(len(signal) // RATE, -1)
    other = noise(*windows.shape, seed=seed).astype(np.float64)
    other -= windows * (np.sum(other * windows, 1) / np.sum(windows**2, 1))[:, None]
    other *= 10 ** (-level_db / 20) * np.linalg.norm(windows, axis=1)[:, None] / np.linalg.norm(other, axis=1)[:, None]
    return other.reshape(signal.shape)


def slow_sdr(truth: np.ndarray, estimate: np.ndarray) -> list[list[float]]:
    """The definition, sample by sample."""
    rows = []
    for true, estimated in zip(truth, estimate, strict=True):
        row = []
        for start in range(0, len(true) - RATE + 1, RATE):
            signal = error = 0.0
            for x, y in zip(true[start : start + RATE].flat, estimated[start : start + RATE].flat, strict=True):
                signal += float(x) ** 2
                error += (float(y) - float(x)) ** 2
            row.append(10 * np.log10(signal / error))
        rows.append(row)
    return rows


def test_sdr_of_a_scaled_signal_with_orthogonal_noise_is_the_formula() -> None:
    truth = noise(2, 3 * RATE, 1).astype(np.float64)
    gain, noise_db = 0.8, (20.0, 6.0)
    added = np.stack([orthogonal_to(t, db, seed=7) for t, db in zip(truth, noise_db, strict=True)])
    expected = [-10 * np.log10((1 - gain) ** 2 + 10 ** (-db / 10)) for db in noise_db]
    scores = evaluate(truth, gain * truth + added, RATE, NAMES)
    np.testing.assert_allclose([s.sdr for s in scores], expected, atol=1e-9)
    np.testing.assert_allclose(median_sdr(truth, gain * truth + added, RATE), expected, atol=1e-9)


def test_leakage_lowers_sir_noise_lowers_sar_and_gain_lowers_isr() -> None:
    truth, hiss = noise(2, 4 * RATE, 1), noise(2, 4 * RATE, 1, seed=1)
    leaky = evaluate(truth, truth + 0.1 * truth[::-1], RATE, NAMES)[0]
    noisy = evaluate(truth, truth + 0.1 * hiss, RATE, NAMES)[0]
    quiet = evaluate(truth, 0.9 * truth, RATE, NAMES)[0]
    assert leaky.sir == pytest.approx(20, abs=0.3)
    assert leaky.sar > 60
    assert noisy.sar == pytest.approx(20, abs=1.0)  # 1024 taps fit some of the noise of 16,000 samples
    assert noisy.sir > 27
    assert quiet.isr == pytest.approx(20, abs=0.01)
    assert min(quiet.sir, quiet.sar) > 60


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [RATE // 2, RATE, 3 * RATE + 17])
def test_fast_sdr_is_that_of_all_four_measures(channels: int, samples: int) -> None:
    truth = noise(2, samples, channels)
    estimate = truth + 0.3 * noise(2, samples, channels, seed=2)
    scores = evaluate(truth, estimate, RATE, NAMES)
    fast = sdr_by_window(truth, estimate, RATE)
    assert fast.shape == (2, max(1, samples // RATE))
    np.testing.assert_allclose(fast, [s.sdr_by_window for s in scores], atol=1e-9)
    np.testing.assert_array_equal(median_sdr(truth, estimate, RATE), np.median(fast, axis=1))


def test_fast_sdr_is_the_definition() -> None:
    truth = noise(2, 2 * RATE + 5, 2)
    estimate = 0.7 * truth + 0.2 * noise(2, 2 * RATE + 5, 2, seed=3)
    np.testing.assert_allclose(sdr_by_window(truth, estimate, RATE), slow_sdr(truth, estimate), atol=1e-9)


def test_the_mixture_as_estimate_scores_the_level_difference() -> None:
    truth = noise(1, 2 * RATE, 1).astype(np.float64)
    truth = np.concatenate([truth, orthogonal_to(truth[0], 12.0, seed=4)[None]])
    mixture = truth.sum(axis=0)
    np.testing.assert_allclose(mixture_sdr(truth, mixture, RATE), [12.0, -12.0], atol=1e-9)
    as_stems = np.stack([mixture, mixture])
    np.testing.assert_allclose([s.sdr for s in evaluate(truth, as_stems, RATE, NAMES)], [12.0, -12.0], atol=1e-9)


def test_stems_in_the_wrong_order_are_not_put_right() -> None:
    truth = noise(2, 2 * RATE, 1)
    estimate = truth + 0.1 * noise(2, 2 * RATE, 1, seed=5)
    assert min(s.sdr for s in evaluate(truth, estimate, RATE, NAMES)) > 15
    assert max(s.sdr for s in evaluate(truth, estimate[::-1], RATE, NAMES)) < 0


def test_a_window_with_a_silent_stem_is_nan_for_all_and_medians_pass_over_it() -> None:
    truth = noise(2, 4 * RATE, 1)
    estimate = truth + 0.1 * noise(2, 4 * RATE, 1, seed=6)
    truth[0, RATE : 2 * RATE] = 0
    scores = evaluate(truth, estimate, RATE, NAMES)
    fast = sdr_by_window(truth, estimate, RATE)
    for score, row in zip(scores, fast, strict=True):
        assert np.isnan(row).tolist() == [False, True, False, False]
        np.testing.assert_allclose(score.sdr_by_window, row, atol=1e-9)
        assert score.sdr == pytest.approx(np.median(row[[0, 2, 3]]))


def test_a_stem_that_is_silent_throughout_is_nan_and_changes_nothing_for_the_others() -> None:
    truth, estimate = noise(3, 2 * RATE, 1), noise(3, 2 * RATE, 1, seed=8)
    estimate[:2] = truth[:2] + 0.1 * estimate[:2]
    truth[2] = 0
    scores = evaluate(truth, estimate, RATE, ("bass", "drums", "vocals"))
    assert scores[:2] == evaluate(truth[:2], estimate[:2], RATE, NAMES)
    assert np.isnan([scores[2].sdr, scores[2].sir, scores[2].sar, scores[2].isr]).all()
    np.testing.assert_array_equal(median_sdr(truth, estimate, RATE)[:2], median_sdr(truth[:2], estimate[:2], RATE))
    assert np.isnan(median_sdr(truth, estimate, RATE)[2])


def test_a_song_without_sound_is_nan_everywhere() -> None:
    silence = np.zeros((2, RATE, 1), np.float32)
    assert all(np.isnan(s.sdr) for s in evaluate(silence, silence, RATE, NAMES))
    assert np.isnan(mixture_sdr(silence, silence[0], RATE)).all()


def test_a_perfect_estimate_is_infinite() -> None:
    truth = noise(2, RATE, 1)
    assert median_sdr(truth, truth, RATE).tolist() == [np.inf, np.inf]


@pytest.mark.parametrize(
    ("truth", "estimate", "message"),
    [
        (noise(2, 9, 1), noise(2, 8, 1), "must have one shape"),
        (noise(2, 9), noise(2, 9), "must have one shape"),
        (noise(2, 0, 1), noise(2, 0, 1), "no samples"),
        (noise(2, 9, 1), noise(2, 9, 1) * np.nan, "NaN or infinite"),
        (noise(2, 9, 1), noise(2, 9, 1) * 0, "all zeros"),
        (noise(3, 9, 1), noise(3, 9, 1), "2 stem names for 3 stems"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_line(truth: np.ndarray, estimate: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message) as caught:
        evaluate(truth, estimate, RATE, NAMES)
    assert "\n" not in str(caught.value)


def test_a_sample_rate_of_zero_is_refused() -> None:
    with pytest.raises(AudioError, match="at least 1 Hz"):
        median_sdr(noise(1, 9, 1), noise(1, 9, 1), 0)


def test_one_scorer_judges_many_estimates() -> None:
    truth = noise(2, 2 * RATE, 1)
    estimates = [truth + level * noise(2, 2 * RATE, 1, seed=10) for level in (0.1, 0.5)]
    scorer = SongScorer(truth, RATE, NAMES)
    assert [scorer.scores(e) for e in estimates] == [evaluate(truth, e, RATE, NAMES) for e in estimates]


def test_windows_that_do_not_count_are_left_out_of_that_stem_alone() -> None:
    truth = noise(2, 3 * RATE, 1)
    estimate = truth + 0.3 * noise(2, 3 * RATE, 1, seed=11)
    counted = np.array([[True, True, True], [True, False, True]])
    whole = evaluate(truth, estimate, RATE, NAMES)
    scores = SongScorer(truth, RATE, NAMES, counted).scores(estimate)
    assert scores[0] == whole[0]
    assert np.isnan(scores[1].sdr_by_window).tolist() == [False, True, False]
    assert scores[1].sdr == pytest.approx(np.median(np.array(whole[1].sdr_by_window)[[0, 2]]))


def test_scores_name_their_stem() -> None:
    truth = noise(2, RATE, 1)
    scores = evaluate(truth, truth + 0.1 * noise(2, RATE, 1, seed=9), RATE, NAMES)
    assert [s.stem for s in scores] == list(NAMES)
    assert all(isinstance(s, StemScores) for s in scores)
