"""The errors of an estimate, split block by block: the figures are museval's, on noise and on music."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from demo_song import RATE, stems
from museval_oracle import museval_measures
from scipy.signal import butter, sosfiltfilt

from rtsep.evaluation.projections import Projector

SLOW_RATE = 4000


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def leaking(truth: np.ndarray) -> np.ndarray:
    """Each stem with a little of the others, filtering, and noise of its own."""
    delayed = np.roll(truth, 3, axis=1)
    return 0.7 * truth + 0.1 * delayed + 0.1 * truth.sum(axis=0) + 0.01 * truth.std() * noise(*truth.shape, seed=1)


@pytest.mark.parametrize("samples", [2500, SLOW_RATE, 3 * SLOW_RATE + 17, 8 * SLOW_RATE])
@pytest.mark.parametrize("channels", [1, 2])
def test_all_measures_are_musevals_on_noise(samples: int, channels: int) -> None:
    truth = noise(2, samples, channels)
    estimate = leaking(truth)
    measures = Projector(truth, SLOW_RATE).measures(estimate)
    np.testing.assert_allclose(measures, museval_measures(truth, estimate, SLOW_RATE), atol=1e-3)


def test_all_measures_are_musevals_on_music() -> None:
    truth = stems(6.0, 2.3)[:, :, :1]
    estimate = 0.7 * truth + 0.1 * np.roll(truth, 3, axis=1) + 0.1 * truth.sum(axis=0) + 0.3 * truth[:, ::-1]
    measures = Projector(truth, RATE).measures(estimate)
    assert measures.shape == (4, 4, 2)
    np.testing.assert_allclose(measures, museval_measures(truth, estimate, RATE), atol=0.2)


def test_stems_without_treble_are_judged_by_what_they_have() -> None:
    low_pass = butter(16, 0.5, output="sos")
    truth = sosfiltfilt(low_pass, noise(2, 20 * SLOW_RATE, 1), axis=1)
    hiss = 0.05 * sosfiltfilt(low_pass, noise(2, 20 * SLOW_RATE, 1, seed=2), axis=1)
    _, _, sir, sar = Projector(truth, SLOW_RATE).measures(truth + 0.1 * truth[::-1] + hiss)
    np.testing.assert_allclose(np.median(sir, axis=1), 20, atol=1)
    np.testing.assert_allclose(np.median(sar, axis=1), 26, atol=1)


def test_two_equal_channels_have_the_scores_of_one() -> None:
    truth = stems(6.0, 1.5)[:2, :, :1]
    estimate = leaking(truth)
    one = Projector(truth, RATE).measures(estimate)
    two = Projector(np.repeat(truth, 2, axis=2), RATE).measures(np.repeat(estimate, 2, axis=2))
    np.testing.assert_allclose(two, one, atol=1e-2)


def test_pure_tones_leave_the_equations_without_one_solution_and_are_judged_all_the_same() -> None:
    t = np.arange(3 * SLOW_RATE) / SLOW_RATE
    truth = np.stack([np.sin(2 * np.pi * 200 * t), np.sin(2 * np.pi * 640 * t)])[:, :, None]
    sdr, _, sir, sar = Projector(truth, SLOW_RATE).measures(truth + 0.1 * truth[::-1])
    np.testing.assert_allclose(sdr, 20.0, atol=1e-6)
    np.testing.assert_allclose(sir, 20.0, atol=0.5)  # the filters ring on past the end of a window
    assert sar.min() > 60


def test_a_window_with_silence_in_any_stem_is_nan_for_all() -> None:
    truth = noise(2, 3 * SLOW_RATE, 1)
    estimate = leaking(truth)
    estimate[1, SLOW_RATE : 2 * SLOW_RATE] = 0
    measures = Projector(truth, SLOW_RATE).measures(estimate)
    assert np.isnan(measures).all(axis=(0, 1)).tolist() == [False, True, False]
    np.testing.assert_allclose(measures, museval_measures(truth, estimate, SLOW_RATE), atol=1e-3)


def test_memory_does_not_grow_with_the_song() -> None:
    def peak(samples: int) -> int:
        truth = noise(2, samples, 1)
        estimate = leaking(truth)
        tracemalloc.start()
        Projector(truth, SLOW_RATE).measures(estimate)
        bytes_at_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return bytes_at_peak

    peak(SLOW_RATE)
    assert peak(64 * SLOW_RATE) < 1.2 * peak(32 * SLOW_RATE)
