"""Who runs a TimbreNet fastest on one thread: rtsep's NumPy and numba, torch eager, torch.compile, or ONNX Runtime?

From energies (rtsep) or features (the others) to filters, in mono; `ms_per_slice` is the shortest of several runs.
`chunk`: the slices of a file chunk, after those before them that they depend on. `live`: the next slice; rtsep keeps
its state, the graphs have none and begin with all slices that matter. `largest_difference` is that of filters from
rtsep's; `mb` what has to be installed beside rtsep, without what that needs. Without torch or onnxruntime, and with
--quick, there are rtsep's rows alone: graphs take a minute to make.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import importlib.util
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from _floor import best_seconds
from _songs import DEMO, true_stems
from _table import Row, bench_parser, publish

from rtsep.errors import RtsepError
from rtsep.timbrenet.features import Features, band_views
from rtsep.timbrenet.inference import TimbreStream
from rtsep.timbrenet.model import TimbreModel, load_timbrenet
from rtsep.timbrenet.partials import find_partials
from rtsep.training.drawing import analyze_stems
from rtsep.types import F32

DEFAULT = "timbrenet-quartet"
PEERS = ("torch", "onnxruntime")


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--model", default=DEFAULT, help=f"a TimbreNet's name or file; {DEFAULT} if not given")
    options = parser.parse_args()
    try:
        model = load_timbrenet(options.model)
    except RtsepError as error:
        raise SystemExit(str(error)) from error
    views, features = heard(model, 3 * model.sizes.context_slices)
    n_before = model.sizes.reach[0]
    with_peers = not options.quick and all(map(importlib.util.find_spec, PEERS))
    rows: list[Row] = []
    for case, n in (("live", 1), ("chunk", 2 * model.sizes.context_slices)):
        piece = slice(n_before + n)
        rows += measure(case, model, views[piece], features[piece], n, 3 if options.quick else 20, with_peers)
    publish(__doc__, rows, options.json)


def heard(model: TimbreModel, n_slices: int) -> tuple[F32, F32]:
    """Views and features of the demo song's first slices in mono, each `(n_slices, 1, n_bands, VIEWS * n_columns)`."""
    frontend = model.frontend()
    ((stems, _),) = true_stems(DEMO / "stems", None)
    mixture = np.resize(stems.sum(axis=0).mean(axis=1), (frontend.hop * n_slices + frontend.slice_length, 1))
    views = band_views(frontend, analyze_stems(mixture[None], frontend)[0])[:n_slices]
    listen = Features(model.sizes.level_slices, model.sizes.compression)
    return views, np.stack([listen.push(v) for v in views])


def measure(
    case: str, model: TimbreModel, views: F32, features: F32, n: int, repeats: int, with_peers: bool
) -> list[Row]:
    """Rows for the filters of the last `n` slices."""
    whole = np.ascontiguousarray(features.swapaxes(0, 1))  # (n_channels, n_slices, ...), as the graphs take them
    wanted = chunk_filters(model, views, n)
    with TemporaryDirectory() as folder:
        tasks: dict[str, Callable[[], object]] = {}
        difference: dict[str, float] = {}
        stream = stream_of(model)
        for v in views:
            stream.push(v)
        if n == 1:
            tasks["rtsep"] = lambda: stream.push(views[-1])
        else:
            tasks["rtsep"] = lambda: chunk_filters(model, views, n)
        if with_peers:
            from _torch_peers import compiled, eager, network_of, onnx

            network = network_of(model)
            peers = {
                "torch eager": eager(network),
                "torch.compile": compiled(network),
                "ONNX Runtime": onnx(network, whole, Path(folder)),
            }
            for who, run in peers.items():
                tasks[who] = partial(run, whole)
                difference[who] = float(np.abs(run(whole)[0, :, -n:] - wanted).max())
        seconds = best_seconds(list(tasks.values()), repeats)
    return [row(case, who, 1e3 * s / n, difference) for who, s in zip(tasks, seconds, strict=True)]


def stream_of(model: TimbreModel) -> TimbreStream:
    """Of one channel, from silence."""
    return TimbreStream(model.sizes, model.weights, find_partials(model.frontend().band_centres, model.sizes.ratios), 1)


def chunk_filters(model: TimbreModel, views: F32, n: int) -> F32:
    """Filters `(n_outputs, n, n_bands, n_columns)` of the last `n` slices, from silence; no more than they take."""
    stream = stream_of(model)
    n_before = len(views) - n
    found = [stream.push(v, max(0, n_before - i)) for i, v in enumerate(views)]
    return np.stack([filters[:, 0] for filters in found if filters is not None], axis=1)


def row(case: str, who: str, ms: float, difference: dict[str, float]) -> Row:
    if who not in difference:
        return {"case": case, "who": who, "ms_per_slice": ms}
    from _torch_peers import megabytes

    package = "onnxruntime" if who == "ONNX Runtime" else "torch"
    more: Row = {"largest_difference": difference[who], "mb": megabytes(package)}
    return {"case": case, "who": who, "ms_per_slice": ms, **more}


if __name__ == "__main__":
    main()
