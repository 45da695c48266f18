"""The ring buffer beside a deque that does the same slowly, and between two threads."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsep.streaming.ring_buffer import RingBuffer

STEPS = st.lists(st.tuples(st.sampled_from(["write", "pad", "read", "skip"]), st.integers(0, 12)), max_size=60)


@given(capacity=st.integers(1, 11), n_channels=st.integers(1, 3), steps=STEPS)
def test_it_does_what_a_deque_does(capacity: int, n_channels: int, steps: list[tuple[str, int]]) -> None:
    ring, twin = RingBuffer(capacity, n_channels), deque()
    counter = 0.0
    for step, n in steps:
        fits = n <= (capacity - len(twin) if step in ("write", "pad") else len(twin))
        block = np.arange(counter, counter + n * n_channels, dtype=np.float32).reshape(n, n_channels)
        counter += block.size
        actions = {"write": ring.write, "pad": ring.pad, "read": ring.read_into, "skip": ring.skip}
        argument = block.copy() if step in ("write", "read") else n
        if not fits:
            with pytest.raises(ValueError, match=f"{n} samples"):
                actions[step](argument)
            continue
        actions[step](argument)
        if step in ("write", "pad"):
            twin.extend(row if step == "write" else np.zeros(n_channels, np.float32) for row in block)
        else:
            expected = [twin.popleft() for _ in range(n)]
            if step == "read":
                np.testing.assert_array_equal(argument, np.array(expected, np.float32).reshape(n, n_channels))
        assert (ring.available, ring.room) == (len(twin), capacity - len(twin))


def test_a_step_that_fails_changes_nothing() -> None:
    ring = RingBuffer(4, 1)
    ring.write(np.array([[1], [2], [3]], np.float32))
    with pytest.raises(ValueError, match="room"):
        ring.write(np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match="available"):
        ring.read_into(np.empty((4, 1), np.float32))
    left = np.empty((3, 1), np.float32)
    ring.read_into(left)
    assert left[:, 0].tolist() == [1, 2, 3]


def test_a_ring_holds_at_least_one_sample() -> None:
    with pytest.raises(ValueError, match="capacity 0"):
        RingBuffer(0, 2)


def test_all_samples_pass_from_one_thread_to_the_other_in_order() -> None:
    n_samples = 60_000
    ring = RingBuffer(97, 2)
    sent = np.arange(2 * n_samples, dtype=np.float32).reshape(n_samples, 2)

    def write() -> None:
        sizes = np.random.default_rng(0)
        position = 0
        while position < n_samples:
            block = sent[position : position + sizes.integers(1, 40)]
            if ring.room >= len(block):
                ring.write(block)
                position += len(block)
            else:
                time.sleep(0)

    got = np.empty_like(sent)
    writer = threading.Thread(target=write)
    writer.start()
    sizes = np.random.default_rng(1)
    position = 0
    while position < n_samples:
        n = min(int(sizes.integers(1, 40)), ring.available)
        ring.read_into(got[position : position + n])
        position += n
        if not n:
            time.sleep(0)
    writer.join()
    np.testing.assert_array_equal(got, sent)
