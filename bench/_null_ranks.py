"""What the messages of a chunk cost: `mpirun -n 2 python _null_ranks.py MODEL SLICES HOW FILE.json`.

Rank 1 computes nothing: it answers each chunk of the model's size with stems of the model's size. Rank 0 hands it one
after the other. SLICES, of a chunk, may be empty: the model's own choice. HOW is `whole`, or `direct`: rank 1 writes to
files what it can, and answers with the overlaps. Written are medians, in seconds: `hand`, `collect`, `look` (in vain),
and `answer`, which is a mean; and the share of a core that rank 1 takes when it is `idle`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from rtsep.engine.ending import leave
from rtsep.engine.joining import connect
from rtsep.engine.remote import RemoteWorker, Task
from rtsep.engine.schedule import Pace
from rtsep.engine.worker import Order, follow
from rtsep.separator import load_separator
from rtsep.types import Audio, Chunk, Separator, Stems, Target

N_CHUNKS = 200
IDLE_SECONDS = 3.0
N_CHANNELS = 2


class Null:
    """A separator of another's shape that computes nothing."""

    def __init__(self, separator: Separator) -> None:
        self.stems, self.sample_rate, self.shape = separator.stems, separator.sample_rate, separator.shape
        self._nothing = np.zeros((len(self.stems), self.shape.output_length, N_CHANNELS), np.float32)

    def separate(self, chunk: Audio) -> Stems:
        """Stems of silence, but for the processor time that this process has had."""
        self._nothing[0, 0, 0] = time.process_time()
        return self._nothing


def make_target(separator: Null, folder: Path) -> Target | None:
    """Files for stems; None where chunks are shorter than what their neighbours add to."""
    if separator.shape.overlap >= separator.shape.advance:
        return None
    for stem in separator.stems:
        (folder / f"{stem}.wav").touch()
    return Target(str(folder), 0, 4 * N_CHANNELS * separator.shape.output_length)


def measure(worker: RemoteWorker, separator: Null, target: Target | None) -> dict[str, float]:
    """Hand out chunk after chunk; the worker goes home in the end."""
    while not worker.is_settled:
        worker.listen()
    nothing = np.zeros(1, np.uint8)  # in place of the model
    worker.call(Task(Order(solver="cd", max_channels=N_CHANNELS), nothing, separator, Pace(60.0), longest_run=1))
    while not worker.ready:
        worker.listen()
    samples = np.random.default_rng(0).standard_normal((separator.shape.input_length, N_CHANNELS)).astype(np.float32)
    hand: list[float] = []
    look: list[float] = []
    collect: list[float] = []
    for index in range(N_CHUNKS):
        started = time.perf_counter()
        worker.hand(Chunk(index, samples, target))
        hand.append(time.perf_counter() - started)
        result = None
        while result is None:
            looked = time.perf_counter()
            result = worker.collect()
            worker.give_up(), worker.load < worker.room  # what rank 0's loop asks besides
            (look if result is None else collect).append(time.perf_counter() - looked)
    idle = idle_share(worker, samples)
    worker.tell({"word": "go home"})
    while not worker.gone:
        worker.listen()
    worker.close()
    answer = worker.record.message_seconds / N_CHUNKS
    return {"hand": median(hand), "look": median(look), "collect": median(collect), "answer": answer, "idle": idle}


def idle_share(worker: RemoteWorker, samples: Audio) -> float:
    """The share of a core that a worker takes which nobody gives any work."""
    before = cpu_seconds(worker, samples)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(worker, samples) - before) / IDLE_SECONDS


def cpu_seconds(worker: RemoteWorker, samples: Audio) -> float:
    """What a chunk's answer says of it."""
    worker.hand(Chunk(N_CHUNKS, samples))
    while (result := worker.collect()) is None:
        pass
    return float(result.stems[0, 0, 0])


def main() -> None:
    model, slices, how, path = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
    comm = connect()
    separator = Null(load_separator(model, slices=int(slices) if slices else None))
    if comm.rank == 0:
        with TemporaryDirectory() as folder:
            target = make_target(separator, Path(folder)) if how == "direct" else None
            path.write_text(json.dumps(measure(RemoteWorker(comm, 1), separator, target)))
    else:
        follow(comm, lambda: None, lambda order, model: separator)
    leave(comm, 0)


if __name__ == "__main__":
    main()
