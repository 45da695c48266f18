"""The mixing desk's sound: gains that follow what is set, without a click, whatever the blocks."""

from __future__ import annotations

import numpy as np

from rtsep.live.kernels import mix
from rtsep.types import F32, Audio


class Mixer:
    """Weighs stems and the dry signal into what is played; a change of weights is a linear ramp of `ramp` samples.

    `apart` plays each stem on channels of its own, stem after stem, and shares the dry signal out equally among them;
    otherwise all go to the same channels. `mix` is for the audio callback alone: it neither waits nor allocates.
    """

    def __init__(self, weights: F32, n_channels: int, ramp: int, *, apart: bool = False) -> None:
        """`weights` are the first, as for `steer`."""
        n_stems = len(weights) - 2
        self.n_heard = n_stems * n_channels
        self.n_played = self.n_heard if apart else n_channels
        self._goal = weights.copy()
        self._ramp = np.stack([weights, weights, np.zeros_like(weights)])
        self._n_left = 0
        self._length = ramp
        self._peak = np.zeros(1, np.float32)
        stems, dry, played = (np.zeros((0, n), np.float32) for n in (self.n_heard, n_channels, self.n_played))
        self.mix(stems, dry, np.zeros(0, np.float32), played)  # compiles the kernel, or loads it

    def steer(self, weights: F32) -> None:
        """Head for these weights, (n_stems + 2,): gains of the stems, bypass from 0 to 1, master; by any thread.

        One reference is stored, which the callback finds with its next block.
        """
        self._goal = weights.copy()

    def take_peak(self) -> float:
        """The highest magnitude that was played since the last call, 1 at full scale; more is clipped by devices."""
        peak = float(self._peak[0])
        self._peak[0] = 0
        return peak

    def mix(self, stems: F32, dry: Audio, presence: F32, played: Audio) -> None:
        """Fill `played` (n, n_played) from stems side by side (n, n_heard) and the dry signal (n, n_channels).

        `presence` (n,) is how much of the stems is there, from 0 to 1; the dry signal takes the place of the rest.
        """
        goal = self._goal
        self._n_left = mix(stems, dry, presence, goal, self._ramp, self._n_left, self._length, played, self._peak)
