"""Simulated time, and what takes it: timers, work on cores that are shared, messages one after the other."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count


class Clock:
    """Simulated time: timers, and work on cores that are shared evenly by all that have some.

    With n at work on c cores each gets min(1, c / n) of one. `_served` is how much each has got so far: work that
    begins now ends once that has grown by its seconds, so that one heap holds the order of ends. `taken` are cores that
    something else has.
    """

    def __init__(self, cores: float, crowding: float) -> None:
        self.now = 0.0
        self.taken = 0.0
        self._cores = cores
        self._crowding = crowding
        self._served = 0.0
        self._work: list[tuple[float, int, Callable[[], None]]] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def work(self, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` when a core has given this so many seconds."""
        heapq.heappush(self._work, (self._served + seconds, next(self._order), then))

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` when so many seconds have passed."""
        heapq.heappush(self._timers, (self.now + seconds, next(self._order), then))

    def step(self) -> None:
        """Go on to the next end of work or timer."""
        end_of_work = self.now + (self._work[0][0] - self._served) / self._rate if self._work else float("inf")
        end_of_timer = self._timers[0][0] if self._timers else float("inf")
        heap, then_now = (self._work, end_of_work) if end_of_work <= end_of_timer else (self._timers, end_of_timer)
        self._served += (then_now - self.now) * self._rate
        self.now = then_now
        heapq.heappop(heap)[2]()

    @property
    def _rate(self) -> float:
        """What each at work gets of a core; where none is free, caches and memory slow all of them down."""
        n = max(1, len(self._work))
        full = min(1.0, (n - 1) / max(1.0, self._cores - 1))
        slowness = 1 + (self._crowding - 1) * full
        return min(1.0, (self._cores - self.taken) / n) / slowness


@dataclass(frozen=True)
class Network:
    """How messages reach rank 0 and leave it. `takes_both`: a worker goes on when rank 0 has taken what it sent."""

    name: str
    latency: float
    bytes_per_second: float
    takes_both: bool = True


class Link:
    """One direction of rank 0's network: messages one after the other, each `latency` on its way."""

    def __init__(self, clock: Clock, network: Network) -> None:
        self._clock = clock
        self._network = network
        self._free_at = 0.0

    def send(self, n_bytes: float, then: Callable[[], None]) -> None:
        self._free_at = max(self._free_at, self._clock.now) + n_bytes / self._network.bytes_per_second
        self._clock.after(self._free_at - self._clock.now + self._network.latency, then)
