"""The costs of a chunk on this machine, part by part, each measured by itself: what the model in _cluster.py is fed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _cluster import Costs

from rtsep.commands.bench_scaling import write_synthetic_song
from rtsep.engine.direct import DirectWriter
from rtsep.engine.local import compute, warm_up
from rtsep.engine.stock import run_length
from rtsep.file_job import FileJob, Song
from rtsep.io.audio_file import open_audio
from rtsep.separator import load_separator
from rtsep.stem_stream import StemStream
from rtsep.types import Separator

N_CHANNELS = 2
N_PAST = 16  # chunks that are compared with and without their past
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


def measure_costs(model: str, seconds: float, slices: int | None = None, is_direct: bool = True) -> Costs:
    """The costs of a stereo chunk at the model's rate, from `seconds` of a synthetic song; `slices` are a chunk's.

    `is_direct`: who computes a chunk writes what it can of it; else rank 0 gets it whole, as from other hosts.
    """
    separator = load_separator(model, slices=slices)
    warm_up(separator, N_CHANNELS)
    with TemporaryDirectory() as name:
        folder = Path(name)
        song = write_synthetic_song(folder, seconds)
        alone = _time_one_process(separator, song, folder, is_direct)
        past = _time_past(separator, song)
        messages = _time_messages(model, slices, is_direct, folder / "messages.json")
    return Costs(
        **alone,
        **messages,
        past=past,
        chunk_bytes=4 * N_CHANNELS * separator.shape.input_length,
        stems_bytes=4 * N_CHANNELS * len(separator.stems) * separator.shape.output_length,
        longest_run=run_length(separator.shape),
    )


def _time_one_process(separator: Separator, path: Path, folder: Path, is_direct: bool) -> dict[str, float]:
    """A file job step by step: reading, computing and writing a chunk, and what comes after the last one."""
    watch = Stopwatch()
    with open_audio(path) as reader, closing(DirectWriter(separator)) as writer:
        song = Song(FileJob(path, folder), reader, separator)
        with song.writers:
            chunks = song.chunks()
            while (chunk := watch.time("read", lambda: next(chunks, None))) is not None:
                result = watch.time("compute", partial(compute, separator, chunk))
                if is_direct:
                    overlaps = watch.time("direct", partial(writer.write, chunk, result.stems))
                    result = result if overlaps is None else replace(result, stems=overlaps, is_written=True)
                watch.time("write", partial(song.take, result))

            def end() -> None:
                song.finish()
                song.commit(0.0)

            watch.time("end", end)
    return watch.means()


def _time_past(separator: Separator, path: Path) -> float:
    """How much longer a chunk takes whose past was not heard in the chunk before; the median over pairs of chunks."""
    more = []
    with open_audio(path) as reader:
        stream = StemStream(separator, reader.info.sample_rate, reader.info.n_channels)
        chunks = list(islice(stream.chunks(reader.blocks()), N_PAST))
    for unheard, heard in pairwise(chunks):
        separator.separate(np.zeros_like(unheard.samples))
        some = compute(separator, unheard).compute_seconds
        more.append(some - compute(separator, heard).compute_seconds)
    return max(0.0, median(more))


def _time_messages(model: str, slices: int | None, is_direct: bool, path: Path) -> dict[str, float]:
    """What two ranks that compute nothing say of their messages."""
    program = Path(__file__).with_name("_null_ranks.py")
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    how = "direct" if is_direct else "whole"
    command = ["mpirun", "-n", "2", sys.executable, str(program), model, str(slices or ""), how, str(path)]
    subprocess.run(command, check=True, env={**os.environ, "PATH": search})
    costs: dict[str, float] = json.loads(path.read_text())
    return costs
