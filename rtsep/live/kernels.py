"""What the callback computes: silence for what is no sound; stems and the dry signal weighed into what is played."""

from __future__ import annotations

import numpy as np
from numba import njit

from rtsep.types import F32

LOUDEST = 1e6  # 120 dB above full scale: the energies of what is beyond may not be finite


# Not nogil: who gives the interpreter up in the callback may have to wait until it comes back.
@njit(cache=True)
def mix(
    stems: F32, dry: F32, presence: F32, goal: F32, ramp: F32, n_left: int, ramp_length: int, played: F32, peak: F32
) -> int:
    """Fill `played` with master (w Σ_s gain_s stem_s + (1 - w) dry), w = presence (1 - bypass), sample by sample.

    `stems` is (n, n_stems * n_channels), side by side; `played` is (n, n_channels), or has the width of `stems`: each
    stem apart then, with an equal share of the dry signal. `goal` has the gains of the stems, bypass and master.
    `ramp` has the weights as they are, where they are heading for and how much of that a sample adds, (3, n_stems + 2);
    `n_left` samples of it are left, which is also what is returned. `peak` (1,) rises to the highest magnitude played.
    """
    now, aim, step = ramp[0], ramp[1], ramp[2]
    n_stems, n_channels = len(goal) - 2, dry.shape[1]
    n_apart = played.shape[1] // n_channels
    for k in range(len(goal)):
        if aim[k] != goal[k]:
            aim[k] = goal[k]
            n_left = -1
    if n_left < 0:
        n_left = ramp_length
        for k in range(len(goal)):
            step[k] = (aim[k] - now[k]) / np.float32(ramp_length)
    for i in range(len(dry)):
        if n_left > 0:
            n_left -= 1
            for k in range(len(now)):
                now[k] = now[k] + step[k] if n_left else aim[k]
        present = presence[i] * (np.float32(1) - now[n_stems])
        wet_weight = now[n_stems + 1] * present
        dry_weight = now[n_stems + 1] * (np.float32(1) - present) / np.float32(n_apart)
        for apart in range(n_apart):
            for channel in range(n_channels):
                total = np.float32(0)
                for s in range(apart, n_stems, n_apart):
                    total += now[s] * stems[i, s * n_channels + channel]
                sample = wet_weight * total + dry_weight * dry[i, channel]
                played[i, apart * n_channels + channel] = sample
                peak[0] = max(peak[0], abs(sample))
    return n_left


@njit(cache=True)
def silence_broken(block: F32) -> int:
    """Put 0 in the place of samples that are no numbers, or beyond any sound; how many there were."""
    n_broken = 0
    for i in range(block.shape[0]):
        for channel in range(block.shape[1]):
            if not abs(block[i, channel]) <= LOUDEST:
                block[i, channel] = 0
                n_broken += 1
    return n_broken
