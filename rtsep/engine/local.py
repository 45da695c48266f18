"""The engine of a single process: each chunk is computed where it is, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np

from rtsep.engine.direct import DirectWriter
from rtsep.types import Chunk, ChunkResult, Separator


def compute(separator: Separator, chunk: Chunk, rank: int = 0) -> ChunkResult:
    """The stems of one chunk, and the seconds that `rank` took for them."""
    started = time.perf_counter()
    stems = separator.separate(chunk.samples)
    return ChunkResult(chunk.index, stems, rank, time.perf_counter() - started)


class Computer:
    """Computes chunks one by one, as `rank`, and writes to their targets what can be written there."""

    def __init__(self, separator: Separator, rank: int = 0) -> None:
        self._separator = separator
        self._rank = rank
        self._writer = DirectWriter(separator)

    def compute(self, chunk: Chunk) -> ChunkResult:
        """The result of one chunk; its seconds are also those of the writing."""
        started = time.perf_counter()
        result = compute(self._separator, chunk, self._rank)
        overlaps = self._writer.write(chunk, result.stems)
        if overlaps is None:
            return result
        return replace(result, stems=overlaps, is_written=True, compute_seconds=time.perf_counter() - started)

    def close(self) -> None:
        """Let go of the files that were written to."""
        self._writer.close()


class LocalEngine:
    """Runs `separator` in this process; holds one chunk at a time."""

    def __init__(self, separator: Separator) -> None:
        self._separator = separator

    def run(self, chunks: Iterable[Chunk | None]) -> Iterator[ChunkResult]:
        """The results of `chunks`, in their order, each computed when it is asked for; None is passed over."""
        with closing(Computer(self._separator)) as computer:
            for chunk in chunks:
                if chunk is not None:
                    yield computer.compute(chunk)


def warm_up(separator: Separator, n_channels: int) -> None:
    """Separate a chunk of noise, so that everything is compiled and in memory before the first real one.

    Then one of silence, which is what lies before a stream: a separator that keeps its state goes on from there.
    """
    noise = np.random.default_rng(0).standard_normal((separator.shape.input_length, n_channels), np.float32)
    separator.separate(noise)
    separator.separate(np.zeros_like(noise))
