"""What the audio callback does: it copies between the device's blocks and rings, and bridges what comes too late."""

from __future__ import annotations

import numpy as np

from rtsep.live.plan import LivePlan
from rtsep.streaming.ring_buffer import RingBuffer
from rtsep.types import F32, Audio

BACKLOG_SECONDS = 20


class Duplex:
    """Input to the worker by `heard`, its monitor mix back by `monitor`, and the dry signal, delayed alike, beside it.

    What is played at input sample t was heard at t - delay. While `monitor` holds the block that is due and a fade
    more, `exchange` only copies. As soon as it does not, that is a miss: what is left is faded into the dry signal, and
    back when the worker has caught up. What comes after its time is dropped. The counters are for anyone to read.
    """

    def __init__(self, plan: LivePlan) -> None:
        backlog = BACKLOG_SECONDS * plan.rate
        self.heard = RingBuffer(backlog, plan.n_channels)
        self.monitor = RingBuffer(plan.delay + backlog + 2 * plan.block, plan.n_channels)
        self._dry = RingBuffer(plan.delay + plan.block, plan.n_channels)
        self.monitor.pad(plan.delay)
        self._dry.pad(plan.delay)
        self._fade = plan.fade
        self._rise, self._fall = _ramps(plan.fade, plan.block)
        self._wet = np.zeros((plan.block, plan.n_channels), np.float32)
        self._level = plan.fade  # how far into the stems: 0 is dry
        self._missing = False
        self._n_late = 0  # monitor samples whose time has passed before they came
        self._n_unheard = 0  # input for which there was no room, owed to the worker as silence
        self.n_exchanged = 0
        self.n_misses = 0
        self.n_dry = 0
        self.n_overruns = 0

    def exchange(self, heard: Audio, played: Audio) -> None:
        """Take the next block `(n, n_channels)`, n up to the plan's, and fill `played` with as many samples."""
        self._hear(heard)
        self._dry.write(heard)
        self._dry.read_into(played)
        self._drop_late()
        if not self._n_late and self.monitor.available >= len(played) + self._fade:
            self._play_stems(played)
        else:
            self._play_dry(played)
        self.n_exchanged += len(heard)

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
        n = min(self._n_late, self.monitor.available)
        self.monitor.skip(n)
        self._n_late -= n

    def _play_stems(self, played: Audio) -> None:
        self._missing = False
        n = len(played)
        if self._level == self._fade:
            self.monitor.read_into(played)
            return
        self.monitor.read_into(self._wet[:n])
        _blend(played, self._wet[:n], self._rise[self._level : self._level + n])
        self._level = min(self._fade, self._level + n)

    def _play_dry(self, played: Audio) -> None:
        """Fade out with the stems that are left; there are `_level` of them at least."""
        self.n_misses += not self._missing
        self._missing = True
        n = len(played)
        n_left = min(n, self._level)
        start = self._fade - self._level
        self.monitor.read_into(self._wet[:n_left])
        _blend(played[:n_left], self._wet[:n_left], self._fall[start : start + n_left])
        self._level -= n_left
        self._n_late += n - n_left
        self.n_dry += n - n_left


def _ramps(fade: int, block: int) -> tuple[F32, F32]:
    """The weight of the stems, sin² from 0 to 1 in `fade` samples and 1 for a block more, and the same way down."""
    rise = np.sin(np.linspace(0, np.pi / 2, fade + 1)[1:, None]) ** 2
    return np.concatenate([rise, np.ones((block, 1))]).astype(np.float32), (1 - rise).astype(np.float32)


def _blend(dry: Audio, wet: Audio, weights: F32) -> None:
    """dry + w (wet - dry), in the place of `dry`; `wet` is used up."""
    np.subtract(wet, dry, out=wet)
    np.multiply(wet, weights, out=wet)
    np.add(dry, wet, out=dry)
