"""The costs of a chunk on this machine, part by part, each measured by itself: what the model in _cluster.py is fed."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.pool import Pool
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _cluster import Costs

from rtsep.commands.bench_scaling import write_synthetic_song
from rtsep.engine.local import compute, warm_up
from rtsep.file_job import FileJob, Song
from rtsep.io.audio_file import open_audio
from rtsep.separator import load_separator
from rtsep.types import Separator

N_CHANNELS = 2
N_CROWDED = 10
N_ROUNDS = 9
T = TypeVar("T")


class Stopwatch:
    """Seconds of whatever is done, under names."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def time(self, name: str, do: Callable[[], T]) -> T:
        started = time.perf_counter()
        done = do()
        self._seconds[name].append(time.perf_counter() - started)
        return done

    def means(self) -> dict[str, float]:
        return {name: mean(seconds) for name, seconds in self._seconds.items()}


def measure_costs(model: str, seconds: float, slices: int | None = None) -> Costs:
    """The costs of a stereo chunk at the model's rate, from `seconds` of a synthetic song; `slices` are a chunk's."""
    separator = load_separator(model, slices=slices)
    warm_up(separator, N_CHANNELS)
    with TemporaryDirectory() as name:
        folder = Path(name)
        alone = _time_one_process(separator, write_synthetic_song(folder, seconds), folder)
        messages = _time_messages(model, slices, folder / "messages.json")
    return Costs(
        **alone,
        **messages,
        **_time_crowds(model, slices),
        chunk_bytes=4 * N_CHANNELS * separator.shape.input_length,
        stems_bytes=4 * N_CHANNELS * len(separator.stems) * separator.shape.output_length,
    )


def _time_one_process(separator: Separator, path: Path, folder: Path) -> dict[str, float]:
    """A file job step by step: reading, computing and writing a chunk, and what comes after the last one."""
    watch = Stopwatch()
    with open_audio(path) as reader:
        song = Song(FileJob(path, folder), reader, separator)
        with song.writers:
            chunks = song.chunks()
            while (chunk := watch.time("read", lambda: next(chunks, None))) is not None:
                result = watch.time("compute", lambda chunk=chunk: compute(separator, chunk))
                watch.time("write", lambda result=result: song.take(result))
            watch.time("end", lambda: (song.finish(), song.commit(0.0)))
    return watch.means()


def _time_messages(model: str, slices: int | None, path: Path) -> dict[str, float]:
    """What two ranks that compute nothing say of their messages."""
    program = Path(__file__).with_name("_null_ranks.py")
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = ["mpirun", "-n", "2", sys.executable, str(program), model, str(slices or ""), str(path)]
    subprocess.run(command, check=True, env={**os.environ, "PATH": search})
    costs: dict[str, float] = json.loads(path.read_text())
    return costs


def _time_crowds(model: str, slices: int | None) -> dict[str, float]:
    """How much slower chunks are where all cores are busy.

    One process and as many as there are cores take turns, so that whatever else the machine does falls on both; the
    median of ratios.
    """
    n_cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("spawn").Pool(n_cores, _join_crowd, (model, slices)) as pool:
        rounds = [[_time_crowd(pool, n) for n in (1, n_cores)] for _ in range(N_ROUNDS)]
    return {"crowding": median(full / alone for alone, full in rounds)}


def _time_crowd(pool: Pool, n: int) -> float:
    """Mean seconds of a chunk in n processes at once."""
    begin = time.time() + 0.2
    return mean(pool.map(_time_in_crowd, [begin] * n, chunksize=1))


def _join_crowd(model: str, slices: int | None) -> None:
    global _own
    _own = load_separator(model, slices=slices)
    warm_up(_own, N_CHANNELS)


def _time_in_crowd(begin: float) -> float:
    """Mean seconds of a chunk of noise, from a moment on for which all wait."""
    shape = (_own.shape.input_length, N_CHANNELS)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    while time.time() < begin:
        time.sleep(0.001)
    started = time.perf_counter()
    for _ in range(N_CROWDED):
        _own.separate(noise)
    return (time.perf_counter() - started) / N_CROWDED


_own: Separator
