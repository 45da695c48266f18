"""The ceiling and the floor: ideal masks against a slow reference, HPSS and REPET-SIM on what they tell apart."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from demo_song import RATE, stems
from scipy.signal import ShortTimeFFT, get_window

from rtsep.evaluation.bsseval import median_sdr, mixture_sdr
from rtsep.evaluation.classics import foreground, percussive
from rtsep.evaluation.ideal_masks import ideal_stems, separate_ideally
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.cqt import CQT
from rtsep.frontend.stft import STFT


def slow_ideal_stems(truth: np.ndarray, frontend: STFT) -> np.ndarray:
    """Bin by bin: the bins' energies gathered into bands, shares of stems there, spread over the bins again."""
    weights = BandLayout(RATE).weights(frontend.slice_length)
    weights = weights[weights.any(axis=1)]
    window = get_window("hann", frontend.slice_length)
    transform = ShortTimeFFT(window, frontend.hop, RATE)
    spectra = np.array([transform.stft(stem.T.astype(np.float64)) for stem in truth])  # stems, channels, bins, columns
    energies = np.einsum("kb,scbt->sckt", weights, np.abs(spectra) ** 2)
    masks = energies / energies.sum(axis=0)
    masked = np.einsum("kb,sckt->scbt", weights, masks) * spectra.sum(axis=0)
    return transform.istft(masked, k1=truth.shape[1]).transpose(0, 2, 1)


def test_ideal_masks_are_the_slow_references() -> None:
    truth = stems(4.0, 1.5)
    frontend = STFT(BandLayout(RATE))
    inside = slice(8192, -8192)
    fast, slow = (found[:, inside] for found in (separate_ideally(truth, frontend), slow_ideal_stems(truth, frontend)))
    assert median_sdr(slow, fast, RATE).min() > 60


@pytest.mark.parametrize("kind", [CQT, STFT])
def test_ideal_stems_add_up_to_the_mixture_far_above_it(kind: type) -> None:
    truth = stems(4.0, 2.0)
    mixture = truth.sum(axis=0)
    found = separate_ideally(truth, kind(BandLayout(RATE)))
    np.testing.assert_allclose(found.sum(axis=0), mixture, atol=1e-4)
    assert (median_sdr(truth, found, RATE) > mixture_sdr(truth, mixture, RATE) + 5).all()


def test_songs_at_another_rate_are_taken_to_the_front_ends_and_back() -> None:
    truth, frontend = stems(4.0, 1.5), STFT(BandLayout(RATE))
    halved = np.stack([soxr.resample(stem, RATE, RATE // 2) for stem in truth])
    found = ideal_stems(halved, RATE // 2, frontend, RATE)
    expected = np.stack([soxr.resample(stem, RATE, RATE // 2) for stem in separate_ideally(truth, frontend)])
    assert found.shape == halved.shape
    assert median_sdr(expected, found, RATE // 2).min() > 20


def test_hpss_tells_clicks_from_tones() -> None:
    t = np.arange(3 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 330.0, 550.0))[:, None].astype(np.float32)
    clicks = np.zeros_like(tones)
    clicks[RATE // 4 :: RATE // 2] = 50
    assert median_sdr(clicks[None], percussive(tones + clicks, RATE)[None], RATE)[0] > 15
    assert np.abs(percussive(tones, RATE)[8192:-8192]).max() < 0.05


def test_repet_sim_tells_what_is_sung_once_from_what_repeats() -> None:
    t = np.arange(8 * RATE) / RATE
    bar = np.sin(2 * np.pi * (200 + 300 * (4 * t % 4).astype(int)) * t) * np.exp(-4 * (t % 0.25))
    glide = np.sin(2 * np.pi * (900 * t + 150 * t**2))
    mixture = np.stack([bar + glide, bar + 0.5 * glide], axis=1).astype(np.float32)
    voice = np.stack([glide, 0.5 * glide], axis=1)[None]
    assert median_sdr(voice, foreground(mixture, RATE)[None], RATE)[0] > mixture_sdr(voice, mixture, RATE)[0] + 2.5


def test_what_is_too_short_to_repeat_and_what_is_longer_than_a_stretch_keep_their_length() -> None:
    noise = np.random.default_rng(0).standard_normal((45 * 8000, 1)).astype(np.float32)
    assert foreground(noise[:300], 8000).shape == (300, 1)
    assert percussive(noise, 8000).shape == noise.shape
    assert np.abs(percussive(noise, 8000)[30 * 8000 - 200 : 30 * 8000 + 200]).max() > 0.1
