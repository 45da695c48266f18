"""Two devices with clocks of their own: the bridge between them, in simulated time and with two real clocks."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import windows

from rtsep.io.audio_device import Exchange
from rtsep.live.bridge import Bridge
from rtsep.live.clock import ClockStream
from rtsep.live.plan import LivePlan
from rtsep.live.streams import JoinedStream
from rtsep.streaming.varispeed import MOST_DEVIATION, Varispeed
from rtsep.types import Audio

RATE, BLOCK = 44100, 256
PLAN = LivePlan(
    rate=RATE,
    n_channels=2,
    block=BLOCK,
    reserve=3,
    algorithmic=0,
    chunking=0,
    resampling=0,
    pipeline=0,
    advance=BLOCK,
)
TONE = 997.0
PUSHED_AT, PULLED_AT = 44, 95  # samples after which the two devices first call back


def tone(first: int, n: int, gains: tuple[float, float] = (0.5, -0.25)) -> Audio:
    phase = 2 * np.pi * TONE / RATE * np.arange(first, first + n)
    return (np.sin(phase)[:, None] * np.array(gains)).astype(np.float32)


def simulate(
    bridge: Bridge, seconds: float, ppm: float, jitter: float, sound: Callable[[int, int], Audio] = tone
) -> Audio:
    """Play a sound over the bridge, callbacks late at random by up to `jitter` seconds; what the output got."""
    random = np.random.default_rng(7)
    n = int(seconds * RATE / BLOCK)
    pushes = (np.arange(n) * BLOCK + PUSHED_AT) / RATE
    pulls = (np.arange(n) * BLOCK + PULLED_AT) / (RATE * (1 + ppm * 1e-6))
    times = np.concatenate([pushes, pulls]) + jitter * random.random(2 * n)
    played, k = [], 0
    for i in np.argsort(times, kind="stable"):
        if times[i] > min(pushes[-1], pulls[-1]):
            break
        if i < n:
            bridge.push(sound(k * BLOCK, BLOCK), float(times[i]))
            k += 1
        else:
            out = np.full((BLOCK, 2), np.nan, np.float32)
            bridge.pull(out, float(times[i]))
            played.append(out)
    return np.concatenate(played)


def impurity_db(sound: Audio) -> float:
    """What stretches of 4096 samples hold beside a tone of unknown pitch, in dB below it, at the worst; -88 at best."""
    window = windows.blackmanharris(4096)
    spectra = np.abs(np.fft.rfft(sound[: len(sound) // 4096 * 4096].reshape(-1, 4096) * window)) ** 2
    shares = [spectrum[(k := spectrum.argmax()) - 6 : k + 7].sum() / spectrum.sum() for spectrum in spectra]
    return float(10 * np.log10(1 - min(shares)))


@pytest.mark.parametrize(("ppm", "jitter"), [(300.0, 0.002), (-1500.0, 0.0005)])
def test_clocks_that_drift_are_measured_and_made_up_for(ppm: float, jitter: float) -> None:
    bridge = Bridge(PLAN, 2)
    played = simulate(bridge, 60, ppm, jitter)
    assert bridge.ppm == pytest.approx(ppm, abs=25)
    assert (bridge.n_underruns, bridge.n_overruns) == (0, 0)
    settled = played[20 * RATE :]
    np.testing.assert_allclose(settled[:, 0], -2 * settled[:, 1], atol=1e-5)
    assert np.abs(settled[:, 0]).max() == pytest.approx(0.5, abs=0.01)
    assert impurity_db(settled[:, 0]) < -85
    assert impurity_db(played[RATE : 3 * RATE, 0]) < -65  # while the loop still seeks


def test_it_is_as_late_as_is_declared() -> None:
    bridge, sent = Bridge(PLAN, 2), 25 * RATE + 100
    played = simulate(bridge, 30, 0, 0, lambda first, n: tone(first, n) * (first <= sent < first + n))
    heard = np.flatnonzero(np.abs(played[:, 0]) > 0.1)
    block = sent // BLOCK * BLOCK  # the only one that sounds
    late = heard[0] + PULLED_AT - (block + PUSHED_AT)
    assert late == pytest.approx(bridge.latency, abs=5)
    assert 2 * BLOCK <= bridge.latency <= 3 * BLOCK


def test_two_real_clocks_are_kept_together() -> None:
    """In 5 s these two are 992 samples apart, four times the block that the bridge keeps against jitter."""
    ppm = 4500.0
    stream = JoinedStream(
        lambda heard, played: np.copyto(played, 0.5),
        Bridge(PLAN, 2),
        lambda call: ClockStream(call, RATE, BLOCK, 2),
        lambda call: ClockStream(call, RATE * (1 + 1e-6 * ppm), BLOCK, 2),
    )
    with stream:
        time.sleep(5)
        assert stream.active
        stream.stop()
    assert stream.bridge.ppm == pytest.approx(ppm, abs=1000)
    assert stream.bridge.n_underruns <= 1  # for a busy moment of this machine
    assert not stream.active


def test_the_loss_of_the_output_leaves_the_input_running() -> None:
    outputs, heard = [], []

    def open_output(call: Exchange) -> ClockStream:
        outputs.append(ClockStream(call, RATE, BLOCK, 2))
        return outputs[0]

    def exchange(block: Audio, played: Audio) -> None:
        heard.append(len(block))

    stream = JoinedStream(exchange, Bridge(PLAN, 2), lambda call: ClockStream(call, RATE, BLOCK, 2), open_output)
    with stream:
        outputs[0].stop()
        n_heard = len(heard)
        time.sleep(0.3)
        assert (stream.active, stream.output_lost) == (True, True)
        assert len(heard) > n_heard + 20
        stream.stop()


def test_what_cannot_be_made_up_for_is_counted_and_begins_anew() -> None:
    bridge = Bridge(PLAN, 2)
    played = simulate(bridge, 20, 20_000, 0)
    assert bridge.n_underruns >= 1
    assert bridge.ppm == pytest.approx(1e6 * MOST_DEVIATION)
    assert np.abs(played[-RATE:]).max() > 0.4


def test_an_output_that_stands_still_loses_sound_and_goes_on() -> None:
    bridge = Bridge(PLAN, 2)
    simulate(bridge, 1, 0, 0)
    for k in range(100):
        bridge.push(tone(0, BLOCK), 1 + k * BLOCK / RATE)
    out = np.empty((BLOCK, 2), np.float32)
    bridge.pull(out, 1 + 100 * BLOCK / RATE)
    assert bridge.n_overruns == 1
    assert np.abs(out).max() > 0.4


@pytest.mark.parametrize("ratio", [0.99, 1.006, float("nan")])
def test_a_ratio_that_is_out_of_reach_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"within 0\.005 of one"):
        Varispeed(1).push(np.zeros((BLOCK, 1), np.float32), ratio)
