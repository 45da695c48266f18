"""The shapes and contracts that every part of rtsep shares. Read this first.

Audio is `(n_samples, n_channels)` float32, the order of sounddevice and soundfile; stems are
`(n_stems, n_samples, n_channels)`, the order of museval. Times are in samples unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

STEMS = ("bass", "drums", "vocals", "other")

Audio = NDArray[np.float32]
Stems = NDArray[np.float32]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
C64 = NDArray[np.complex64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class ChunkShape:
    """How sound is cut for a separator: chunks of whole slices, with the past that the model needs at their head.

    Slice `s` starts at sample `s * hop` and is `slice_length` long; its stems are its last `slice_output` samples, all
    but for low-delay transforms. The analysis window is zero from `latency` samples after their start on, so that a
    stem sample is final once the input `latency` samples after it is known. A chunk yields the stems of `slices`
    slices, which neighbouring chunks overlap-add; `context_slices` slices before them are only listened to.
    """

    hop: int
    slice_length: int
    slice_output: int
    latency: int
    context_slices: int
    slices: int

    def __post_init__(self) -> None:
        if not 1 <= self.hop <= self.latency <= self.slice_output <= self.slice_length:
            raise ValueError(f"{self}: 1 <= hop <= latency <= slice_output <= slice_length must hold")
        if self.slices < 1 or self.context_slices < 0:
            raise ValueError(f"{self}: slices >= 1 and context_slices >= 0 must hold")

    @property
    def advance(self) -> int:
        """Samples from one chunk to the next."""
        return self.slices * self.hop

    @property
    def context(self) -> int:
        """Samples at the head of a chunk that are only listened to."""
        return self.context_slices * self.hop + self.slice_length - self.slice_output

    @property
    def heard_before(self) -> int:
        """Samples at the head of a chunk that its context slices hear: their windows are zero after these."""
        return self.context - self.hop + self.latency

    @property
    def output_length(self) -> int:
        """Samples of stems that a chunk yields; the last `overlap` of them overlap the next chunk."""
        return self.advance + self.overlap

    @property
    def overlap(self) -> int:
        """Samples at either end of a chunk's stems that the neighbours add to. What lies between is its own."""
        return self.slice_output - self.hop

    @property
    def input_length(self) -> int:
        """Samples that a chunk brings: context and what it yields."""
        return self.context + self.output_length

    @property
    def lead(self) -> int:
        """Samples of silence before the song, so that its first sample lies under as many slices as any other."""
        return self.overlap


@dataclass(frozen=True)
class Target:
    """Files `folder/STEM.wav` of float32 samples, one a stem that is wanted, where a chunk's stems belong.

    In bytes from the beginning of a file: the chunk's stems begin at `start`, and the song ends at `end`.
    """

    folder: str
    start: int
    end: int


@dataclass(frozen=True)
class Chunk:
    """One stretch of sound on its way to a worker: `samples` is `(shape.input_length, n_channels)` float32.

    Whoever computes it may write to the `target` what no other chunk adds to.
    """

    index: int
    samples: Audio
    target: Target | None = None


@dataclass(frozen=True)
class ChunkResult:
    """What came back: `stems` is `(n_stems, shape.output_length, n_channels)`; who did it, and in what time.

    If `is_written`, what lies between the overlaps is in the chunk's target, and `stems` are the overlaps alone, one
    after the other: `(n_stems, 2 * shape.overlap, n_channels)`.
    """

    index: int
    stems: Stems
    rank: int
    compute_seconds: float
    is_written: bool = False


class Separator(Protocol):
    """A pure function from a chunk to its stems: the same samples give the same stems, on any rank, at any time."""

    @property
    def stems(self) -> tuple[str, ...]: ...

    @property
    def sample_rate(self) -> int: ...

    @property
    def shape(self) -> ChunkShape: ...

    def separate(self, chunk: Audio) -> Stems:
        """Stems `(n_stems, shape.output_length, n_channels)` of a chunk `(shape.input_length, n_channels)`.

        Each is windowed for the overlap-add, and together they add up to the windowed chunk.
        """
        ...


class Engine(Protocol):
    """Runs a separator over a stream of chunks and gives the results back in the order of the chunks.

    None in the place of a chunk says that there is none yet: results are given out that have come meanwhile.
    """

    def run(self, chunks: Iterable[Chunk | None]) -> Iterator[ChunkResult]: ...
