"""Carries sound from one device's clock to another's: measures how far apart they run, and resamples by as much."""

from __future__ import annotations

from math import exp, pi

from rtsep.live.plan import LivePlan
from rtsep.streaming.ring_buffer import RingBuffer
from rtsep.streaming.varispeed import MOST_DEVIATION, Varispeed
from rtsep.types import Audio

# The loop's bandwidth in Hz: while it finds the clocks, and once it has, when the pitch must not waver.
_SEEKING, _HOLDING = 0.3, 0.05
_SEEKING_SECONDS = 4.0
_BLOCKS_KEPT = 3  # one that is being played, one that is being filled, one against jitter
_MOST_BLOCKS = 8


class Bridge:
    """A queue that the input device's callback fills by `push` and the output device's empties by `pull`.

    A control loop of second order keeps the queue at its length, by the times at which both are called: F. Adriaensen,
    "Controlling adaptive resampling", Linux Audio Conference 2012. Its integral is how much faster the output's clock
    runs. A queue that runs empty all the same, or over, counts, and begins anew.
    """

    def __init__(self, plan: LivePlan, n_channels: int) -> None:
        self.n_underruns = 0
        self.n_overruns = 0
        self._rate = plan.rate
        self._block = plan.block
        self._wanted, self._most = _BLOCKS_KEPT * plan.block, _MOST_BLOCKS * plan.block
        self._resampler = Varispeed(n_channels)
        self._ring = RingBuffer(2 * self._most, n_channels)
        self._n_pushed = 0
        self._n_pulled = 0
        self._last_push = (0, 0.0)  # samples pushed, and when
        self._last_pull = (0, 0.0)  # samples pulled before the last block, and when
        self._playing = False
        self._seek_until: float | None = None
        self._smooth = [0.0, 0.0]
        self._deviation = 0.0

    @property
    def latency(self) -> int:
        """Samples by which the sound is later than through a single device."""
        return self._wanted - self._block + self._resampler.latency

    @property
    def ppm(self) -> float:
        """How much faster the output's clock runs than the input's, in parts per million, as far as is known."""
        return 1e6 * self._deviation

    def push(self, block: Audio, now: float) -> None:
        """Take what is to be played; `now` is when the input's callback was called, in seconds."""
        resampled = self._resampler.push(block, self._ratio(now))
        if len(resampled) <= self._ring.room:  # else nobody pulls
            self._ring.write(resampled)
            self._n_pushed += len(resampled)
            self._last_push = self._n_pushed, now

    def pull(self, played: Audio, now: float) -> None:
        """Fill `played`, with silence until the queue has its length."""
        too_short, too_long = self._ring.available < len(played), self._ring.available > self._most
        if self._playing and (too_short or too_long):
            self.n_underruns += too_short
            self.n_overruns += too_long
            self._playing = False
        if not self._playing:
            self._begin(now)
        if self._playing:
            self._last_pull = self._n_pulled, now
            self._ring.read_into(played)
            self._n_pulled += len(played)
        else:
            played[:] = 0

    def _begin(self, now: float) -> None:
        """Start to play as soon as the queue is as long as it should be at this moment between two pushes."""
        pushed, when = self._last_push
        surplus = round(self._elapsed(when, now)) + pushed - self._n_pulled - self._wanted
        if surplus >= 0 and pushed:
            self._ring.skip(surplus)
            self._n_pulled += surplus
            self._playing = True

    def _ratio(self, now: float) -> float:
        """How many samples are to be made of one, by the length of the queue before the next push."""
        if not self._playing:
            self._seek_until = None
            return 1 + self._deviation
        if self._seek_until is None:
            self._seek_until = now + _SEEKING_SECONDS
        pulled, when = self._last_pull
        missing = self._wanted - (self._n_pushed + self._block - pulled - self._elapsed(when, now))
        return 1 + self._steer(missing, _SEEKING if now < self._seek_until else _HOLDING)

    def _steer(self, missing: float, bandwidth: float) -> float:
        """The ratio's deviation for a queue that lacks so many samples, ω = 2π bandwidth, damping 0.8."""
        omega = 2 * pi * bandwidth
        seconds = self._block / self._rate
        share = 1 - exp(-20 * omega * seconds)
        self._smooth[0] += share * (1.6 * omega / self._rate * missing - self._smooth[0])
        self._smooth[1] += share * (self._smooth[0] - self._smooth[1])
        self._deviation = _limited(self._deviation + omega * seconds / 1.6 * self._smooth[1])
        return _limited(self._smooth[1] + self._deviation)

    def _elapsed(self, when: float, now: float) -> float:
        """Samples of a block's time that have passed since `when`, no more than the block."""
        return min(max(0.0, (now - when) * self._rate), self._block)


def _limited(deviation: float) -> float:
    return max(-MOST_DEVIATION, min(deviation, MOST_DEVIATION))
