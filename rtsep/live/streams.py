"""What calls the callback: one device, two with clocks of their own, or the clock of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

from rtsep.io.audio_device import DeviceStream, Exchange
from rtsep.live.bridge import Bridge
from rtsep.live.clock import ClockStream
from rtsep.live.ends import Ends
from rtsep.live.plan import LivePlan
from rtsep.types import Audio


class Stream(Protocol):
    """Calls for a block again and again, on a thread of its own, from the beginning of its `with` block on."""

    @property
    def n_underruns(self) -> int: ...

    @property
    def n_overruns(self) -> int: ...

    @property
    def active(self) -> bool:
        """Whether it still calls: it stops where a device is lost."""
        ...

    @property
    def latency_seconds(self) -> float:
        """What the devices add, input and output together."""
        ...

    def stop(self) -> None:
        """No more calls from here on."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class JoinedStream:
    """Two streams as one: the input's calls `exchange`, and what that plays goes over `bridge` to the output's.

    So what is heard, separated and recorded keeps the time of the input device.
    """

    def __init__(
        self,
        exchange: Exchange,
        bridge: Bridge,
        open_input: Callable[[Exchange], Stream],
        open_output: Callable[[Exchange], Stream],
    ) -> None:
        self.bridge = bridge
        self._exchange = exchange
        self._input = open_input(self._hear)
        self._output = open_output(self._play)
        self._stack = ExitStack()

    @property
    def n_underruns(self) -> int:
        return self._input.n_underruns + self._output.n_underruns + self.bridge.n_underruns

    @property
    def n_overruns(self) -> int:
        return self._input.n_overruns + self._output.n_overruns + self.bridge.n_overruns

    @property
    def active(self) -> bool:
        return self._input.active

    @property
    def output_lost(self) -> bool:
        """Whether the output has stopped alone: what is heard is still separated and recorded."""
        return not self._output.active

    @property
    def latency_seconds(self) -> float:
        return self._input.latency_seconds + self._output.latency_seconds

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._output)
            stack.enter_context(self._input)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def stop(self) -> None:
        self._input.stop()
        self._output.stop()

    def _hear(self, heard: Audio, played: Audio) -> None:
        now = time.perf_counter()
        self._exchange(heard, played)
        self.bridge.push(played, now)

    def _play(self, heard: Audio, played: Audio) -> None:
        self.bridge.pull(played, time.perf_counter())


def open_stream(ends: Ends, plan: LivePlan, exchange: Exchange) -> Stream:
    """The stream between two ends, which calls `exchange` as soon as it is entered. Raises DeviceError."""
    rate, block = plan.rate, plan.block
    heard, played = (ends.input, plan.n_channels), (ends.output, ends.n_played)
    if ends.input is None and ends.output is None:
        return ClockStream(exchange, rate, block, plan.n_channels)
    if ends.input is None or ends.output is None or ends.input.number == ends.output.number:
        return DeviceStream(exchange, rate, block, heard, played)
    return JoinedStream(
        exchange,
        Bridge(plan, ends.n_played),
        lambda call: DeviceStream(call, rate, block, heard, (None, ends.n_played)),
        lambda call: DeviceStream(call, rate, block, (None, plan.n_channels), played),
    )
