"""The resampler: held to the streaming contract, to exact lengths and to signals known at any rate."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from contracts import check_streaming, cut, impulse_delay, run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rtsep.streaming.resample import Resampler
from rtsep.types import Audio

RATES = [8000, 11025, 16000, 22050, 32000, 44101, 48000, 88200, 96000, 176400, 192000]
WAYS = [(rate, 44100) for rate in RATES] + [(44100, rate) for rate in RATES]
any_rate = st.integers(8000, 192000)


def tones(rate: int, n_samples: int) -> Audio:
    """Two channels of sines up to 2 kHz, sampled at `rate`: the same sound at any rate from 8 kHz on."""
    time = np.arange(n_samples)[:, np.newaxis, np.newaxis] / rate
    frequencies = np.array([[55.0, 678.9, 1234.5], [110.0, 987.6, 2000.0]])
    return np.sin(2 * np.pi * frequencies * time + frequencies).mean(axis=2).astype(np.float32)


@pytest.mark.parametrize(("in_rate", "out_rate"), [*WAYS, (44100, 44100)])
def test_streaming_contract(in_rate: int, out_rate: int) -> None:
    resampler = Resampler(in_rate, out_rate, 2)
    for n_samples in (0, 1, 12345):
        out = check_streaming(resampler, tones(in_rate, n_samples))
        assert out.shape == (resampler.output_length(n_samples), 2)


@pytest.mark.parametrize(("in_rate", "out_rate"), WAYS)
def test_same_sound_at_the_other_rate(in_rate: int, out_rate: int) -> None:
    """Against the sines themselves, away from the ends, where the song is cut off: -110 dB, no shift in time."""
    out = run(Resampler(in_rate, out_rate, 2), tones(in_rate, in_rate), [4096])
    expected = tones(out_rate, out_rate)
    middle = slice(out_rate // 10, -out_rate // 10)
    assert np.abs(out[middle] - expected[middle]).max() < 3e-6


def test_equal_rates_change_no_bit() -> None:
    song = tones(44100, 5000)
    resampler = Resampler(44100, 44100, 2)
    for block in cut(song, [0, 1, 999]):
        assert_array_equal(resampler.push(block), block)
    assert len(resampler.finish()) == 0
    assert resampler.latency == 0


@settings(deadline=None, max_examples=150)
@given(any_rate, any_rate, st.integers(0, 3000))
def test_length_is_rounded_and_exact_there_and_back(in_rate: int, out_rate: int, n_samples: int) -> None:
    there, back = Resampler(in_rate, out_rate, 1), Resampler(out_rate, in_rate, 1)
    song = np.ones((n_samples, 1), np.float32)
    out = run(there, song, [700])
    assert len(out) == there.output_length(n_samples) == int(n_samples * out_rate / in_rate + 0.5)
    returned = [back.push(out), back.finish(length=n_samples)]
    assert sum(map(len, returned)) == n_samples


@pytest.mark.parametrize("n_samples", [80, 240, 400, 720, 8080, 8240, 48080])
def test_halves_are_rounded_up(n_samples: int) -> None:
    """Lengths whose 147/160 ends in one half, of which soxr rounds some down."""
    out = run(Resampler(48000, 44100, 1), np.ones((n_samples, 1), np.float32), [1000])
    assert len(out) == (n_samples * 147 + 80) // 160


@pytest.mark.parametrize(("in_rate", "out_rate"), [(48000, 44100), (96000, 44100), (22050, 44100), (44100, 44100)])
def test_song_there_and_back_is_the_song(in_rate: int, out_rate: int) -> None:
    song = tones(in_rate, in_rate // 2 + 1)
    there, back = Resampler(in_rate, out_rate, 2), Resampler(out_rate, in_rate, 2)
    middle = run(there, song, [3000])
    returned = np.concatenate([back.push(middle), back.finish(length=len(song))])
    inside = slice(in_rate // 20, -in_rate // 20)
    assert len(returned) == len(song)
    assert np.abs(returned - song)[inside].max() < 3e-6


@pytest.mark.parametrize(("in_rate", "out_rate"), WAYS)
def test_impulse_comes_aligned_and_within_the_declared_latency(in_rate: int, out_rate: int) -> None:
    """At places where both rates have a sample, far enough from the start for the whole response to fit."""
    step = in_rate // gcd(in_rate, out_rate)
    latency = Resampler(in_rate, out_rate, 1).latency
    for place in (500, 1234, 3000):
        position = -(-place // step) * step
        out_position = position * out_rate // in_rate
        delay = impulse_delay(lambda: Resampler(in_rate, out_rate, 1), position, out_position)
        assert 0 < delay <= latency + 1


@pytest.mark.parametrize(("in_rate", "out_rate"), [(48000, 44100), (44100, 48000), (8000, 44100), (44100, 8000)])
def test_declared_latency_is_met_to_the_sample_and_not_exaggerated(in_rate: int, out_rate: int) -> None:
    """With n samples in, all output before n - latency must be out; now and then it is nearly that late."""
    resampler = Resampler(in_rate, out_rate, 1)
    silence = np.zeros((1, 1), np.float32)
    n_out, longest = 0, 0.0
    for n_in in range(1, 2 * in_rate):
        n_out += len(resampler.push(silence))
        longest = max(longest, n_in - n_out * in_rate / out_rate)
    assert 0.97 * resampler.latency < longest <= resampler.latency


@pytest.mark.parametrize("block", [np.zeros(8), np.zeros((8, 1)), np.zeros((8, 3))], ids=str)
def test_wrong_shapes_are_refused(block: Audio) -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 2\)"):
        Resampler(48000, 44100, 2).push(block.astype(np.float32))


def test_end_before_what_was_given_out_is_refused() -> None:
    resampler = Resampler(44100, 44100, 1)
    resampler.push(np.zeros((9, 1), np.float32))
    with pytest.raises(ValueError, match="length 8: 9 samples"):
        resampler.finish(length=8)
