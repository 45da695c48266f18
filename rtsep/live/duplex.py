"""What the audio callback does: it copies from and to rings, mixes, and bridges what comes too late.

It waits for no one and allocates no array. All that is computed in it is the mix, a weighted sum of the stems by one
compiled loop (`kernels.mix`): mixed by the worker, a fader would be heard later by the whole reserve. What another
program sends that is no number, which JACK passes on, is neither separated nor played.
"""

from __future__ import annotations

import numpy as np

from rtsep.live.kernels import silence_broken
from rtsep.live.mixer import Mixer
from rtsep.live.plan import LivePlan
from rtsep.streaming.ring_buffer import RingBuffer
from rtsep.types import F32, Audio

BACKLOG_SECONDS = 20


class Duplex:
    """Input to the worker by `heard`, its stems back by `stems`, side by side, and the dry signal, delayed alike.

    What is played at input sample t was heard at t - delay, and mixed with what `mixer` is set to at t. As soon as
    `stems` does not hold the block that is due and a fade more, that is a miss: what is left is faded into the dry
    signal, and back when the worker has caught up. What comes after its time is dropped. The counters are for anyone to
    read.
    """

    def __init__(self, plan: LivePlan, mixer: Mixer) -> None:
        backlog = BACKLOG_SECONDS * plan.rate
        self.heard = RingBuffer(backlog, plan.n_channels)
        self.stems = RingBuffer(plan.delay + backlog + 2 * plan.block, mixer.n_heard)
        self._dry = RingBuffer(plan.delay + plan.block, plan.n_channels)
        self.stems.pad(plan.delay)
        self._dry.pad(plan.delay)
        self._fade = plan.fade
        self._rise, self._fall = _ramps(plan.fade, plan.block)
        self.mixer = mixer
        self._now = np.zeros((plan.block, plan.n_channels), np.float32)
        silence_broken(self._now)  # compiles the kernel, or loads it
        self._due = np.zeros((plan.block, mixer.n_heard), np.float32)
        self._due_dry = np.zeros((plan.block, plan.n_channels), np.float32)
        self._level = plan.fade  # how far into the stems: 0 is dry
        self._missing = False
        self._n_late = 0  # samples of stems whose time has passed before they came
        self._n_unheard = 0  # input for which there was no room, owed to the worker as silence
        self.n_exchanged = 0
        self.n_misses = 0
        self.n_dry = 0
        self.n_overruns = 0
        self.n_broken = 0  # samples of the input that were no sound

    def exchange(self, heard: Audio, played: Audio) -> None:
        """Take the next block `(n, n_channels)`, n up to the plan's, and fill `played` `(n, mixer.n_played)`."""
        n = len(heard)
        due, dry, now = self._due[:n], self._due_dry[:n], self._now[:n]
        now[:] = heard
        self.n_broken += silence_broken(now)
        self._hear(now)
        self._dry.write(now)
        self._dry.read_into(dry)
        self._drop_late()
        enough = not self._n_late and self.stems.available >= n + self._fade
        presence = self._take_stems(due) if enough else self._take_rest(due)
        self.mixer.mix(due, dry, presence, played)
        self.n_exchanged += n

    def _hear(self, heard: Audio) -> None:
        """Hand the block to the worker; what a stalled worker leaves no room for reaches it as silence later."""
        if self.heard.room < self._n_unheard + len(heard):
            self._n_unheard += len(heard)
            self.n_overruns += 1
            return
        self.heard.pad(self._n_unheard)
        self._n_unheard = 0
        self.heard.write(heard)

    def _drop_late(self) -> None:
        n = min(self._n_late, self.stems.available)
        self.stems.skip(n)
        self._n_late -= n

    def _take_stems(self, due: F32) -> F32:
        """Fill `due`; how much of it is to be heard, up to all of it after a miss."""
        self._missing = False
        self.stems.read_into(due)
        presence = self._rise[self._level : self._level + len(due)]
        self._level = min(self._fade, self._level + len(due))
        return presence

    def _take_rest(self, due: F32) -> F32:
        """Fill `due` with the stems that are left, `_level` of them at least; how much is to be heard, down to none."""
        self.n_misses += not self._missing
        self._missing = True
        n = len(due)
        n_left = min(n, self._level)
        start = self._fade - self._level
        self.stems.read_into(due[:n_left])
        due[n_left:] = 0
        self._level -= n_left
        self._n_late += n - n_left
        self.n_dry += n - n_left
        return self._fall[start : start + n]


def _ramps(fade: int, block: int) -> tuple[F32, F32]:
    """The weight of the stems, sin² from 0 to 1 in `fade` samples and 1 for a block more, and the same way down."""
    rise = np.sin(np.linspace(0, np.pi / 2, fade + 1)[1:]) ** 2
    rise = np.concatenate([rise, np.ones(block)])
    return rise.astype(np.float32), (1 - rise).astype(np.float32)
