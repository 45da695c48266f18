"""An MPI job around the separator of four bands: `python mpi_program.py MODE OUT`, for tests/test_mpi.py.

Rank 0 writes the stems of a noise to OUT as npy, and beside it what became of the other ranks as JSON; a file that ends
in .began is there as soon as chunks are handed out. MODE says what goes wrong: nothing, or which rank raises what. With
"files" chunks have a file as their target, and OUT says as JSON which ranks wrote to it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from four_bands import FourBands

import rtsep.engine.reserve
from rtsep.commands.console import guarded
from rtsep.engine.crew import Crew, follow_ranks, lead_ranks
from rtsep.engine.local import LocalEngine
from rtsep.engine.process import heed_signals, world_rank, world_size
from rtsep.engine.worker import Order
from rtsep.errors import AudioError, ModelError
from rtsep.types import Audio, Engine, Stems, Target

N_CHANNELS = 2
RATE = 44100
MODEL = bytes(range(256)) * 10000
mode, out = sys.argv[1], Path(sys.argv[2])


class Uneven(FourBands):
    """Chunks take their time, some longer than others, and one raises if `mode` says so for this rank."""

    def separate(self, chunk: Audio) -> Stems:
        # The last samples of a chunk are not yet known, and 0.
        time.sleep((0.2 if mode.startswith("long") else 0.02) * float(np.abs(chunk[len(chunk) // 2, 0])))
        if mode == f"long, rank {world_rank()} hangs" and 0 < np.abs(chunk).max() <= 1.0:
            time.sleep(1000)
        if mode == f"rank {world_rank()} raises" and 0 < np.abs(chunk).max() <= 1.0:
            raise ArithmeticError(f"rank {world_rank()} cannot")
        return super().separate(chunk)


def noise() -> Audio:
    return np.random.default_rng(3).uniform(-1, 1, (4 * RATE, N_CHANNELS)).astype(np.float32)


def idle() -> None:
    """Let the others wait for a while, and the test know that they do."""
    out.touch()
    time.sleep(3)


def separate(engine: Engine) -> int:
    def blocks() -> Iterator[Audio]:
        yield from np.array_split(noise(), 20)
        if mode == "idle at work":
            idle()
        if mode == "song is damaged":
            raise AudioError("song: is damaged; fetch it again")

    from rtsep.stem_stream import StemStream  # the other ranks need none of it

    stream = StemStream(FourBands(), RATE, N_CHANNELS)
    if mode == "files":
        results = engine.run(replace(chunk, target=make_target()) for chunk in stream.chunks(blocks()))
        out.write_text(json.dumps(sorted({(result.rank, result.is_written) for result in results})))
    else:
        np.save(out, np.concatenate(list(stream.run(engine, blocks())), axis=1))
    return 0


def make_target() -> Target:
    """Beside OUT."""
    (out.parent / "bass.wav").touch()
    return Target(str(out.parent), 0, 1 << 30)


def lead(crew: Crew) -> int:
    with crew:
        if mode == "refused":
            raise ModelError("model: is unknown; choose another")
        if mode == "idle before work":
            idle()
        crew.prepare()
        engine = crew.start(Order("cd", N_CHANNELS), np.frombuffer(MODEL, np.uint8), Uneven(), stall_seconds=1.0)
        out.with_suffix(".began").touch()
        code = separate(engine)
    out.with_suffix(".json").write_text(json.dumps([record.fate for record in crew.records.values()]))
    return code


def load(order: Order, model: bytes) -> Uneven:
    assert (order, model) == (Order("cd", N_CHANNELS), MODEL)
    if mode == f"rank {world_rank()} cannot load":
        raise ModelError("model: is not on this machine; copy it there")
    if mode == "long, rank 2 hangs":
        out.with_suffix(f".{world_rank()}").touch()
        time.sleep(1)
    return Uneven()


if __name__ == "__main__":
    rtsep.engine.reserve.own_cores = lambda: list(range(16))  # all are at work, however few there are
    heed_signals()
    if world_size() == 1:
        sys.exit(separate(LocalEngine(Uneven())))
    if world_rank() == 0:
        lead_ranks(lambda crew: guarded(lambda: lead(crew)))
    follow_ranks(lambda: None, load)
