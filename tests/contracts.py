"""What every stream of rtsep must hold, written once and applied to each of them.

A stream takes a song block by block with `push` and gives out what is ready; `finish` gives out the rest; `reset`
forgets. Whole = block by block = again after reset, to the last bit; and the declared latency is what an impulse meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from typing import Protocol

import numpy as np
from numpy.testing import assert_array_equal

from rtsep.types import Audio

CUTTINGS = ((1, 0, 1, 255), (7, 0, 13, 1, 499), (1009,), (1, 4096, 3), (1 << 20,))


class Stream(Protocol):
    """Takes `(n, n_channels)` and gives `(m, n_channels)`; m follows from all that went in before."""

    def push(self, block: Audio) -> Audio: ...

    def finish(self) -> Audio: ...

    def reset(self) -> None: ...


def cut(song: Audio, sizes: Iterable[int]) -> Iterator[Audio]:
    """The song in blocks of the given sizes, over and over; one of the sizes at least is not 0."""
    start = 0
    for size in cycle(sizes):
        if start >= len(song):
            return
        yield song[start : start + size]
        start += size


def run(stream: Stream, song: Audio, sizes: Iterable[int]) -> Audio:
    """All that comes out for a song that is pushed in blocks of these sizes."""
    return np.concatenate([*(stream.push(block) for block in cut(song, sizes)), stream.finish()])


def check_streaming(stream: Stream, song: Audio) -> Audio:
    """Hold a fresh stream to the contract with this song; return what comes out."""
    whole = run(stream, song, [max(1, len(song))])
    assert whole.dtype == np.float32
    for sizes in CUTTINGS:
        assert_array_equal(run(stream, song, sizes), whole, err_msg=f"cut into {sizes}, after finish")
    stream.push(song[: len(song) // 2 + 1][::-1].copy())
    stream.reset()
    assert_array_equal(run(stream, song, [333]), whole, err_msg="after a reset in the middle of another song")
    return whole


def impulse_delay(make: Callable[[], Stream], position: int, out_position: int, n_channels: int = 1) -> int:
    """Samples that must be known, counted from an impulse at `position` on, until it comes out at `out_position`.

    The response must have its peak there: the stream is aligned, whatever it holds back.
    """
    stream = make()
    impulse = np.ones((1, n_channels), np.float32)
    silence = np.zeros((1, n_channels), np.float32)
    given = [stream.push(np.zeros((position, n_channels), np.float32)), stream.push(impulse)]
    n_given = sum(map(len, given))
    delay = 1
    while n_given <= out_position:
        given.append(stream.push(silence))
        n_given += len(given[-1])
        delay += 1
    response = np.abs(np.concatenate([*given, stream.finish()]))
    assert (response.argmax(axis=0) == out_position).all()
    return delay
