"""The engine of a single process: each chunk is computed where it is, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from rtsep.types import Chunk, ChunkResult, Separator


def compute(separator: Separator, chunk: Chunk, rank: int = 0) -> ChunkResult:
    """The stems of one chunk, and the seconds that `rank` took for them."""
    started = time.perf_counter()
    stems = separator.separate(chunk.samples)
    return ChunkResult(chunk.index, stems, rank, time.perf_counter() - started)


class LocalEngine:
    """Runs `separator` in this process; holds one chunk at a time."""

    def __init__(self, separator: Separator) -> None:
        self._separator = separator

    def run(self, chunks: Iterable[Chunk | None]) -> Iterator[ChunkResult]:
        """The results of `chunks`, in their order, each computed when it is asked for; None is passed over."""
        for chunk in chunks:
            if chunk is not None:
                yield compute(self._separator, chunk)


def warm_up(separator: Separator, n_channels: int) -> None:
    """Separate a chunk of noise, so that everything is compiled and in memory before the first real one.

    Then one of silence, which is what lies before a stream: a separator that keeps its state goes on from there.
    """
    noise = np.random.default_rng(0).standard_normal((separator.shape.input_length, n_channels), np.float32)
    separator.separate(noise)
    separator.separate(np.zeros_like(noise))
