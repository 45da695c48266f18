"""Where does the time of one chunk go in the shipped separator, stage by stage, and how near is each to its floor?

One stereo chunk of the demo song on one thread, best of repeats; every stage is timed inside the real separator. The
floor is the longer of what its arithmetic and its bytes must take on this machine; for the solver that is one pass over
the Gram's rows of the atoms that end up active. `the rest` is adding up slices, copies and Python between the stages.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import soundfile
from _floor import Cost, Machine, analyze_cost, gains_cost, measure_machine, power_cost, synthesize_cost
from _table import Row, bench_parser, publish
from threadpoolctl import threadpool_limits

import rtsep.separator
import rtsep.sparse.coder
from rtsep.frontend.cqt import CQT
from rtsep.frontend.features import Columns
from rtsep.frontend.stft import STFT
from rtsep.separator import SparseSeparator, load_separator
from rtsep.sparse.dictionary import Dictionary
from rtsep.streaming.overlap_add import OverlapAdd

DEMO = Path(__file__).parents[1] / "demo" / "song.flac"
Clock = dict[str, float]


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--model", default="cqt-sparse", help="a model's name or file")
    options = parser.parse_args()
    with threadpool_limits(1):
        machine = measure_machine()
        separator, seconds, n_active = time_chunk(options.model, 5 if options.quick else 30)
    publish(__doc__, table_rows(separator, seconds, costs(separator, n_active), machine), options.json)


def time_chunk(model: str, repeats: int) -> tuple[SparseSeparator, Clock, float]:
    """The separator, the shortest time of each stage of one chunk, and the active atoms of a code on average."""
    clock: Clock = defaultdict(float)
    counts: list[float] = []
    kind = type(load_separator(model)._frontend)
    coder, whole = rtsep.sparse.coder, rtsep.separator
    stages = [
        ("analyze", kind, "analyze"),
        ("band power", kind, "band_power"),
        ("patches", Columns, "push"),
        ("compress", whole, "compress"),
        ("encode", coder.SparseCoder, "encode"),
        ("correlate", Dictionary, "correlate"),
        ("solve", coder, "solve_cd"),
        ("decode", whole, "decode_codes"),
        ("masks", whole, "ratio_masks"),
        ("gains", kind, "apply_gains"),
        ("synthesize", kind, "synthesize"),
        ("overlap-add", OverlapAdd, "push"),
    ]
    best: Clock = {}
    with ExitStack() as patches:
        for stage, owner, name in stages:
            patches.enter_context(patch.object(owner, name, timed(getattr(owner, name), stage, clock, counts)))
        separator = load_separator(model)
        assert isinstance(separator, SparseSeparator)
        shape = separator.shape
        chunk = soundfile.read(DEMO, shape.input_length, 44100, dtype="float32", always_2d=True)[0]
        overlap_add = OverlapAdd(shape, len(separator.stems), 2)
        for run in range(repeats + 1):
            clock.clear()
            start = time.perf_counter()
            overlap_add.push(separator.separate(chunk))
            clock["whole chunk"] = time.perf_counter() - start
            clock["whiten"] = clock.pop("encode") - clock["correlate"] - clock["solve"]
            if run:  # the first one warms up
                best = {stage: min(best.get(stage, np.inf), seconds) for stage, seconds in clock.items()}
    order = [stage if stage != "encode" else "whiten" for stage, _, _ in stages]
    return separator, {stage: best[stage] for stage in [*order, "whole chunk"]}, float(np.mean(counts))


def timed(function: Callable[..., Any], stage: str, clock: Clock, counts: list[float]) -> Callable[..., Any]:
    """`function`, whose time goes to `clock`; of a decoded batch of codes also the mean number of active atoms."""

    def wrapper(*args: Any, **named: Any) -> Any:
        start = time.perf_counter()
        result = function(*args, **named)
        clock[stage] += time.perf_counter() - start
        if stage == "decode":
            counts.append(np.count_nonzero(args[0]) / len(args[0]))
        return result

    return wrapper


def costs(separator: SparseSeparator, n_active: float) -> dict[str, Cost]:
    """What each stage must compute and touch for a stereo chunk, whose patches are all coded together."""
    frontend, shape, model = separator._frontend, separator.shape, separator.model
    assert isinstance(frontend, CQT | STFT)
    grid = model.grid(frontend)
    channels, stems, all_slices = 2, len(separator.stems), shape.context_slices + shape.slices
    n_atoms, n_features = len(model.atoms), model.patch_columns * frontend.n_bands
    rows = channels * grid.ends.size * shape.slices
    n_out = model.decoder.shape[1]
    sums = channels * frontend.n_bands * (grid.history + grid.n_columns)
    coded = {
        "compress": Cost(2 * rows * n_features, 8 * rows * n_features),
        "whiten": Cost(2 * rows * n_features**2, 4 * n_features**2 + 8 * rows * n_features),
        "correlate": Cost(
            2 * rows * n_atoms * n_features, 4 * n_atoms * n_features + 4 * rows * (n_features + n_atoms)
        ),
        "solve": Cost(2 * rows * n_atoms * n_active, 4 * rows * n_atoms * (n_active + 2)),
        "decode": Cost(2 * rows * n_out * n_active, 4 * rows * n_out * (n_active + 1)),
        "masks": Cost(4 * rows * n_out, 8 * rows * n_out),
    }
    samples = stems * shape.output_length * channels
    return {
        "analyze": analyze_cost(frontend) * (channels * all_slices),
        "band power": power_cost(frontend) * (channels * all_slices),
        "patches": Cost(2 * sums, 8 * sums + 4 * channels * grid.ends.size * n_features) * all_slices,
        **coded,
        "gains": gains_cost(frontend) * (channels * stems * shape.slices),
        "synthesize": synthesize_cost(frontend) * (channels * stems * shape.slices),
        "overlap-add": Cost(samples, 12 * samples),
    }


def table_rows(separator: SparseSeparator, seconds: Clock, costs: dict[str, Cost], machine: Machine) -> list[Row]:
    total = seconds.pop("whole chunk")
    rows = [stage_row(stage, taken, total, costs[stage], machine) for stage, taken in seconds.items()]
    rest = total - sum(seconds.values())
    rows.append({"case": "the rest", "who": "rtsep", "ms_per_chunk": 1e3 * rest, "percent": 100 * rest / total})
    whole = stage_row("whole chunk", total, total, sum(costs.values(), Cost(0, 0)), machine)
    # The floor of a whole is the sum of those of its stages, one after the other.
    floor = sum(machine.floor_seconds(cost) for cost in costs.values())
    x_realtime = separator.shape.advance / separator.sample_rate / total
    return [*rows, {**whole, "floor_ms": 1e3 * floor, "times_floor": total / floor, "x_realtime": x_realtime}]


def stage_row(stage: str, taken: float, total: float, cost: Cost, machine: Machine) -> Row:
    floor = machine.floor_seconds(cost)
    return {
        "case": stage,
        "who": "rtsep",
        "ms_per_chunk": 1e3 * taken,
        "percent": 100 * taken / total,
        "mflop": cost.flops / 1e6,
        "kilobytes": cost.bytes / 1e3,
        "floor_ms": 1e3 * floor,
        "times_floor": taken / floor,
    }


if __name__ == "__main__":
    main()
