"""Slicer and overlap-add: held to slow references, and together to a song that must come back to the last bit."""

from __future__ import annotations

import tracemalloc
from functools import cache

import numpy as np
import pytest
from contracts import check_streaming, cut, impulse_delay
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.signal.windows import tukey

from rtsep.streaming.overlap_add import OverlapAdd
from rtsep.streaming.slicer import Slicer, chunk_count
from rtsep.types import Audio, Chunk, ChunkShape, Stems

CQT = ChunkShape(hop=4096, slice_length=8192, slice_output=8192, latency=7168, context_slices=2, slices=1)
CQT_LONG = ChunkShape(hop=4096, slice_length=8192, slice_output=8192, latency=7168, context_slices=1, slices=4)
STFT = ChunkShape(hop=1024, slice_length=4096, slice_output=4096, latency=4096, context_slices=3, slices=1)
STFT_LONG = ChunkShape(hop=1024, slice_length=4096, slice_output=4096, latency=4096, context_slices=0, slices=8)
ODD = ChunkShape(hop=3, slice_length=11, slice_output=11, latency=10, context_slices=2, slices=2)
LOW_DELAY = ChunkShape(hop=256, slice_length=4096, slice_output=512, latency=512, context_slices=3, slices=1)
LOW_DELAY_LONG = ChunkShape(hop=256, slice_length=4096, slice_output=512, latency=512, context_slices=7, slices=9)
ODD_PAST = ChunkShape(hop=3, slice_length=20, slice_output=9, latency=8, context_slices=1, slices=2)
ONE_EACH = ChunkShape(hop=1, slice_length=1, slice_output=1, latency=1, context_slices=0, slices=1)
ALIGNED = [CQT, CQT_LONG, STFT, STFT_LONG, ODD, LOW_DELAY, LOW_DELAY_LONG, ODD_PAST]
SHAPES = [*ALIGNED, ONE_EACH]


@st.composite
def small_shapes(draw: st.DrawFn) -> ChunkShape:
    hop = draw(st.integers(1, 6))
    slice_output = draw(st.integers(hop, 5 * hop))
    slice_length = slice_output + draw(st.integers(0, 3 * hop))
    latency = draw(st.integers(hop, slice_output))
    return ChunkShape(hop, slice_length, slice_output, latency, draw(st.integers(0, 4)), draw(st.integers(1, 4)))


def make_song(n_samples: int, n_channels: int = 2) -> Audio:
    """Noise of whole numbers, whose products with the windows below are exact in float32."""
    rng = np.random.default_rng(n_samples)
    return rng.integers(-4096, 4097, (n_samples, n_channels)).astype(np.float32)


@cache
def exact_window(shape: ChunkShape) -> Audio:
    """A Tukey window, zero from `latency` on, in whole steps of 1/1024, whose translates by `hop` sum to 1 exactly."""
    support = 2 * shape.latency - shape.slice_output
    slope = min(1.0, 2 * (support - shape.hop) / support)
    tapered = np.zeros(-(-shape.slice_output // shape.hop) * shape.hop)
    tapered[shape.slice_output - shape.latency : shape.latency] = tukey(support + 2, slope)[1:-1]
    overlapped = tapered.reshape(-1, shape.hop)
    steps = np.floor(1024 * overlapped / overlapped.sum(axis=0))
    largest = overlapped.argmax(axis=0)
    steps[largest, np.arange(shape.hop)] += 1024 - steps.sum(axis=0)
    return (steps.ravel()[: shape.slice_output, np.newaxis] / 1024).astype(np.float32)


def unit_stem(shape: ChunkShape, chunk: Audio) -> Stems:
    """The one stem that is the chunk itself: its slices, windowed and overlapped."""
    window = exact_window(shape)
    stem = np.zeros((shape.output_length, chunk.shape[1]), np.float32)
    for start in range(0, shape.slices * shape.hop, shape.hop):
        piece = slice(start, start + shape.slice_output)
        stem[piece] += window * chunk[shape.context :][piece]
    return stem[np.newaxis]


class UnitChain:
    """The whole way of a song, with `unit_stem` for a separator; `finish` trims at the song's length."""

    def __init__(self, shape: ChunkShape, n_channels: int = 2) -> None:
        self._shape = shape
        self._slicer = Slicer(shape, n_channels)
        self._overlap_add = OverlapAdd(shape, 1, n_channels)
        self._nothing = np.zeros((0, n_channels), np.float32)
        self._n_owed = 0

    def push(self, block: Audio) -> Audio:
        self._n_owed += len(block)
        return self._through(self._slicer.push(block))

    def finish(self) -> Audio:
        tail = self._through(self._slicer.finish())
        tail = tail[: len(tail) + self._n_owed] if self._n_owed < 0 else tail
        self.reset()
        return tail

    def reset(self) -> None:
        self._slicer.reset()
        self._overlap_add.reset()
        self._n_owed = 0

    def _through(self, chunks: list[Chunk]) -> Audio:
        finals = [self._overlap_add.push(unit_stem(self._shape, chunk.samples))[0] for chunk in chunks]
        final = np.concatenate([self._nothing, *finals])
        self._n_owed -= len(final)
        return final


def reference_chunks(shape: ChunkShape, song: Audio) -> list[Audio]:
    """The chunks by their definition, cut from the whole song with silence around it."""
    before = np.zeros((shape.lead + shape.context, song.shape[1]), np.float32)
    after = np.zeros((shape.input_length + shape.advance, song.shape[1]), np.float32)
    timeline = np.concatenate([before, song, after])
    chunks = []
    while len(song) and len(chunks) * shape.advance - shape.lead < len(song):
        chunk = timeline[len(chunks) * shape.advance :][: shape.input_length].copy()
        chunk[shape.input_length - shape.slice_output + shape.latency :] = 0
        chunks.append(chunk)
    return chunks


@settings(deadline=None, max_examples=200)
@given(small_shapes(), st.integers(0, 70), st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_slicer_gives_the_chunks_of_their_definition(shape: ChunkShape, n_samples: int, sizes: list[int]) -> None:
    song = make_song(n_samples)
    slicer = Slicer(shape, 2)
    for _ in range(2):
        chunks = [chunk for block in cut(song, [*sizes, 5]) for chunk in slicer.push(block)] + slicer.finish()
        expected = reference_chunks(shape, song)
        assert len(chunks) == len(expected) == chunk_count(shape, n_samples)
        for index, (chunk, samples) in enumerate(zip(chunks, expected, strict=True)):
            assert chunk.index == index
            assert_array_equal(chunk.samples, samples)


@settings(deadline=None, max_examples=100)
@given(small_shapes())
def test_chunk_comes_with_the_very_sample_that_completes_it(shape: ChunkShape) -> None:
    slicer = Slicer(shape, 1)
    silence = np.zeros((1, 1), np.float32)
    assert slicer.push(silence[:0]) == []
    given_at = [n for n in range(1, 60) for _ in slicer.push(silence)]
    for index, n_known in enumerate(given_at):
        last_slice = index * shape.advance - shape.lead + (shape.slices - 1) * shape.hop
        assert n_known == max(1, last_slice + shape.latency)


@settings(deadline=None, max_examples=100)
@given(small_shapes(), st.integers(1, 9))
def test_overlap_add_sums_the_chunks_where_they_lie(shape: ChunkShape, n_chunks: int) -> None:
    rng = np.random.default_rng(n_chunks)
    chunks = rng.integers(-99, 100, (n_chunks, 3, shape.output_length, 2)).astype(np.float32)
    timeline = np.zeros((3, n_chunks * shape.advance + shape.output_length, 2), np.float32)
    for index, stems in enumerate(chunks):
        timeline[:, index * shape.advance :][:, : shape.output_length] += stems
    overlap_add = OverlapAdd(shape, 3, 2)
    for _ in range(2):
        final = np.concatenate([overlap_add.push(stems) for stems in chunks], axis=1)
        assert_array_equal(final, timeline[:, shape.lead : n_chunks * shape.advance])
        overlap_add.reset()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_song_comes_back_to_the_last_bit(shape: ChunkShape) -> None:
    for n_samples in (0, 1, 2, shape.hop, 2 * shape.hop + 1, 5 * shape.advance, 5 * shape.advance - 1):
        song = make_song(n_samples)
        assert_array_equal(check_streaming(UnitChain(shape), song), song)


@pytest.mark.parametrize("shape", ALIGNED, ids=str)
def test_impulse_meets_the_declared_latency(shape: ChunkShape) -> None:
    """The longest wait is that of a chunk's first sample, the shortest that of its last one."""
    first = 2 * shape.advance - shape.lead + shape.slice_output // shape.advance * shape.advance
    whole_wait = shape.latency + (shape.slices - 1) * shape.hop
    for position, wait in [(first, whole_wait), (first + shape.advance - 1, whole_wait - shape.advance + 1)]:
        assert impulse_delay(lambda: UnitChain(shape, 1), position, position) == wait


def test_memory_does_not_grow_with_the_song() -> None:
    def peak(n_blocks: int) -> int:
        chain, block = UnitChain(CQT), make_song(5000)
        tracemalloc.start()
        for _ in range(n_blocks):
            chain.push(block)
        chain.finish()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(100) <= 1.1 * peak(10)


@pytest.mark.parametrize("block", [np.zeros(8), np.zeros((8, 1)), np.zeros((8, 3))], ids=str)
def test_wrong_shapes_are_refused(block: Audio) -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 2\)"):
        Slicer(ODD, 2).push(block.astype(np.float32))
    with pytest.raises(ValueError, match=r"must be \(1, 14, 2\)"):
        OverlapAdd(ODD, 1, 2).push(block.astype(np.float32)[np.newaxis])
