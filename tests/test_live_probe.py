"""Latency by impulses over a cable: exact through lines of known delay, also weak and noisy ones."""

from __future__ import annotations

import numpy as np
import pytest

from rtsep.errors import DeviceError
from rtsep.live.probe import Probe
from rtsep.types import Audio

BLOCK, SPACING = 64, 1000


class Delay:
    """Gives back what it was given `n` samples before."""

    def __init__(self, n: int) -> None:
        self._waiting = np.zeros((n, 2), np.float32)

    def __call__(self, heard: Audio, played: Audio) -> None:
        joined = np.concatenate([self._waiting, heard])
        played[:], self._waiting = joined[: len(played)], joined[len(played) :]


def run(probe: Probe, inside: int, outside: int, gain: float, noise: float) -> None:
    """The callback with the probe around it, and a cable that takes `outside` samples."""
    exchange, cable = probe.around(Delay(inside)), Delay(outside - BLOCK)  # what is played is heard a block later
    random = np.random.default_rng(2)
    heard, played = np.zeros((BLOCK, 2), np.float32), np.zeros((BLOCK, 2), np.float32)
    for _ in range(12 * SPACING // BLOCK):
        exchange(heard, played)
        assert np.count_nonzero(played.any(axis=1)) <= 1
        cable(played, heard)
        heard *= gain
        heard += noise * random.standard_normal((BLOCK, 2), np.float32)


@pytest.mark.parametrize(("inside", "outside", "gain", "noise"), [(300, 64, 1, 0), (701, 333, -0.05, 3e-4)])
def test_what_impulses_take_is_told_to_the_sample(inside: int, outside: int, gain: float, noise: float) -> None:
    probe = Probe(10 * SPACING, SPACING)
    run(probe, inside, outside, gain, noise)
    echoes = probe.echoes()
    assert set(echoes.inside) == {inside}
    assert set(echoes.outside) == {outside}
    assert len(echoes.inside) == 8


@pytest.mark.parametrize(("gain", "noise"), [(0, 0), (0, 0.01), (1e-3, 0)])
def test_without_a_cable_it_says_what_to_do(gain: float, noise: float) -> None:
    probe = Probe(10 * SPACING, SPACING)
    run(probe, 300, 100, gain, noise)
    with pytest.raises(DeviceError, match="connect the output to the input"):
        probe.echoes()
