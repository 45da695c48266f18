"""Each effect against what it promises: a slow reference, a closed form, or the property that gives it its name."""

import numpy as np
import pytest
from scipy.signal import freqz_sos, lfilter

from rtsep.effects.processors import (
    Band,
    biquad,
    compress,
    equalize,
    limit,
    pan,
    reverberate,
    room_tail,
    saturate,
    widen,
)

RATE = 44100


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def gain_db(band: Band, *frequencies: float) -> np.ndarray:
    _, response = freqz_sos(biquad(band, RATE)[None], np.array(frequencies), fs=RATE)
    return 20 * np.log10(np.abs(response))


@pytest.mark.parametrize("gain", [-9.0, -1.0, 0.0, 6.0])
def test_bands_have_their_gain_where_they_should_and_none_elsewhere(gain):
    assert gain_db(Band("peak", 1000, gain, 1.0), 1, 1000, 22049) == pytest.approx([0, gain, 0], abs=0.01)
    assert gain_db(Band("low", 200, gain, 0.7), 1, 200, 22049) == pytest.approx([gain, gain / 2, 0], abs=0.05)
    assert gain_db(Band("high", 5000, gain, 0.7), 1, 5000, 22049) == pytest.approx([0, gain / 2, gain], abs=0.05)


def test_a_peak_of_high_quality_is_narrow():
    narrow, wide = (gain_db(Band("peak", 1000, 6.0, q), 500, 2000) for q in (4.0, 0.5))
    assert np.all(narrow < 0.5)
    assert np.all(wide > 2.0)


@pytest.mark.parametrize(("place", "shares"), [(-1.0, (1.0, 0.0)), (0.0, (0.5, 0.5)), (0.5, (0.146, 0.854))])
def test_a_place_shares_the_energy_of_two_channels(place, shares):
    samples = np.repeat(noise(1000, 1), 2, axis=1)
    energies = np.sum(pan(samples, place) ** 2, axis=0)
    assert energies / energies.sum() == pytest.approx(shares, abs=1e-3)
    assert energies.sum() == pytest.approx(np.sum(samples**2), rel=1e-5)


def test_the_equalizer_is_its_bands_one_after_the_other():
    bands = [Band("low", 100, 3.0, 0.7), Band("peak", 2000, -6.0, 1.5)]
    samples = noise(2000, 2)
    expected = samples.astype(np.float64)
    for b0, b1, b2, a0, a1, a2 in (biquad(band, RATE) for band in bands):
        expected = lfilter([b0, b1, b2], [a0, a1, a2], expected, axis=0)
    assert equalize(samples, bands, RATE) == pytest.approx(expected, abs=1e-5)
    assert equalize(samples, bands, RATE).dtype == np.float32


def slow_compress(samples, threshold, ratio, attack, release):
    """The same compressor, sample by sample in plain Python."""
    reduction, out = 0.0, []
    for sample in samples:
        level = 20 * np.log10(max(np.abs(sample).max(), 1e-6))
        over = max(level - threshold, 0.0)
        wanted = over - over / ratio
        pole = np.exp(-1 / ((attack if wanted > reduction else release) * RATE))
        reduction = pole * reduction + (1 - pole) * wanted
        out.append(sample * 10 ** (-reduction / 20))
    return np.array(out)


def test_the_compressor_is_its_slow_reference():
    samples = noise(3000, 2) * np.linspace(0, 1, 3000, dtype=np.float32)[:, None]
    assert compress(samples, -12.0, 4.0, 0.002, 0.05, RATE) == pytest.approx(
        slow_compress(samples, -12.0, 4.0, 0.002, 0.05), abs=1e-5
    )


def test_a_steady_tone_ends_at_the_ratio_and_a_quiet_one_is_untouched():
    loud, quiet = np.full((RATE, 1), 0.5, np.float32), np.full((RATE, 1), 0.05, np.float32)
    over = 20 * np.log10(0.5) + 18
    out = compress(loud, -18.0, 3.0, 0.005, 0.1, RATE)
    assert 20 * np.log10(out[-1, 0]) == pytest.approx(-18 + over / 3, abs=0.01)
    assert out[0, 0] > 0.49
    assert np.array_equal(compress(quiet, -18.0, 3.0, 0.005, 0.1, RATE), quiet)


def test_saturation_keeps_the_peak_the_sign_and_the_order_and_lifts_the_rest():
    samples = np.linspace(-0.8, 0.8, 401, dtype=np.float32)[:, None]
    out = saturate(samples, 12.0)
    assert np.abs(out).max() == pytest.approx(0.8, abs=1e-6)
    assert np.all(np.diff(out[:, 0]) > 0)
    assert np.all(np.abs(out) >= np.abs(samples) - 1e-6)
    assert out[250, 0] > 2 * samples[250, 0]
    assert saturate(samples, -60.0) == pytest.approx(samples, abs=1e-5)
    assert not saturate(np.zeros((9, 2), np.float32), 6.0).any()


def test_a_room_s_tail_falls_by_60_db_in_its_time_and_has_its_energy():
    tail = room_tail(1.0, -6.0, 1.0, 2, RATE, np.random.default_rng(0))
    assert tail.shape == (RATE, 2)
    assert np.array_equal(tail[0], [1.0, 1.0])
    assert 10 * np.log10(np.sum(tail[1:] ** 2, axis=0)) == pytest.approx([-6, -6], abs=0.1)
    early, late = (np.mean(tail[a : a + 2000] ** 2) for a in (1000, 1000 + RATE // 2))
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=1)
    assert abs(np.corrcoef(tail[1:].T)[0, 1]) < 0.05


def test_a_dark_room_is_darker():
    rooms = [room_tail(0.5, 0.0, b, 1, RATE, np.random.default_rng(1))[1:, 0] for b in (0.1, 1.0)]
    dark, bright = np.abs(np.fft.rfft(rooms))
    high = slice(len(dark) // 2, None)
    assert np.sum(dark[high] ** 2) < 0.1 * np.sum(bright[high] ** 2)


def test_reverberation_is_convolution_cut_at_the_end():
    samples, tail = noise(500, 2), noise(90, 2, seed=1)
    expected = np.stack([np.convolve(samples[:, c], tail[:, c])[:500] for c in range(2)], axis=1)
    assert reverberate(samples, tail) == pytest.approx(expected, abs=1e-4)


def test_width_acts_on_the_difference_alone():
    samples = noise(100, 2)
    assert widen(samples, 1.0) == pytest.approx(samples, abs=1e-6)
    for width in (0.0, 0.5, 1.5):
        out = widen(samples, width)
        assert out.mean(axis=1) == pytest.approx(samples.mean(axis=1), abs=1e-6)
        assert out[:, 0] - out[:, 1] == pytest.approx(width * (samples[:, 0] - samples[:, 1]), abs=1e-6)
    assert np.array_equal(widen(samples[:, :1], 0.0), samples[:, :1])


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.02])
def test_the_limiter_holds_the_ceiling_and_the_stems_share_one_gain(seconds):
    stems = noise(4, 8000, 2)
    stems[:, 3000:3010] *= 20
    out = limit(stems, 2.0, seconds, RATE)
    assert np.abs(out.sum(axis=0)).max() <= 2.0 * (1 + 1e-5)
    gain = out / stems
    assert gain == pytest.approx(np.broadcast_to(gain[:1, :, :1], gain.shape), rel=1e-4)
    assert gain.min() > 0
    assert gain.max() <= 1 + 1e-6


def test_the_limiter_leaves_alone_what_is_quiet_enough_and_acts_no_further_than_it_looks():
    stems = 0.01 * noise(4, 8000, 1)
    assert np.array_equal(limit(stems, 1.0, 0.01, RATE), stems)
    stems[:, 4000] = 1.0
    changed = np.flatnonzero(np.any(limit(stems, 1.0, 0.01, RATE) != stems, axis=(0, 2)))
    assert 3500 < changed.min() < 4000 < changed.max() < 4500
