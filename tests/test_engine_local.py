"""The engine of one process, and what every process knows about itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from four_bands import SHAPE, FourBands

from rtsep.engine import process
from rtsep.engine.local import LocalEngine, compute, warm_up
from rtsep.types import Audio, Chunk, Stems


def make_chunks(n: int) -> list[Chunk]:
    random = np.random.default_rng(0)
    return [Chunk(k, random.standard_normal((SHAPE.input_length, 2)).astype(np.float32)) for k in range(n)]


def test_results_are_the_separator_s_own_in_order() -> None:
    chunks = make_chunks(5)
    results = list(LocalEngine(FourBands()).run(chunks))
    assert [(result.index, result.rank) for result in results] == [(k, 0) for k in range(5)]
    for chunk, result in zip(chunks, results, strict=True):
        np.testing.assert_array_equal(result.stems, FourBands().separate(chunk.samples))


def test_a_chunk_is_taken_when_its_result_is_asked_for() -> None:
    taken = []

    def source() -> Iterator[Chunk]:
        for chunk in make_chunks(3):
            taken.append(chunk.index)
            yield chunk

    results = LocalEngine(FourBands()).run(source())
    assert taken == []
    next(results)
    assert taken == [0]


class Slow(FourBands):
    def separate(self, chunk: Audio) -> Stems:
        time.sleep(0.05)
        return super().separate(chunk)


def test_compute_seconds_are_those_of_the_separator() -> None:
    [chunk] = make_chunks(1)
    assert 0.05 <= compute(Slow(), chunk).compute_seconds < 1.0


class Counting(FourBands):
    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def separate(self, chunk: Audio) -> Stems:
        self.shapes.append(chunk.shape)
        return super().separate(chunk)


def test_warm_up_separates_noise_and_silence_of_the_true_size() -> None:
    separator = Counting()
    warm_up(separator, 3)
    assert separator.shapes == [(SHAPE.input_length, 3)] * 2


def test_the_launcher_s_words_are_understood() -> None:
    open_mpi = {"OMPI_COMM_WORLD_SIZE": "16", "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_SIZE": "16"}
    assert (process.world_size(open_mpi), process.world_rank(open_mpi)) == (16, 3)
    assert process.launched(open_mpi)
    assert process.on_one_host(open_mpi)
    assert not process.on_one_host(open_mpi | {"OMPI_COMM_WORLD_LOCAL_SIZE": "8"})
    assert (process.world_size({"PMI_SIZE": "4"}), process.world_rank({"PMI_RANK": "2"})) == (4, 2)
    srun = {"PMIX_RANK": "3", "SLURM_STEP_NUM_TASKS": "8"}
    assert (process.world_size(srun), process.world_rank(srun), process.launched(srun)) == (8, 3, True)
    no_mpi = {"SLURM_STEP_NUM_TASKS": "8"}
    assert (process.world_size(no_mpi), process.launched(no_mpi)) == (1, False)
    assert (process.world_size({}), process.world_rank({}), process.launched({})) == (1, 0, False)


def test_a_process_knows_its_age_and_its_peak_memory() -> None:
    before = process.seconds_since_start()
    time.sleep(0.1)
    assert 0.1 <= process.seconds_since_start() - before < 1.0
    held = np.ones(300_000_000, np.uint8)
    assert process.peak_memory_bytes() >= held.nbytes
    del held
    assert process.peak_memory_bytes() >= 300_000_000
