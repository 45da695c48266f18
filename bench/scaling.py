"""How does rtsep's speed grow with the number of ranks?

Whole runs of `rtsep run` under mpirun with each shipped model, on three synthetic minutes of stereo at 44.1 kHz;
medians of repeats. `rtf` leaves start-up out; `efficiency` is the speed-up over the number
of ranks, or of cores where those are fewer; `crowds` are those of runs that have nothing to do with each other;
`idle_share` the share of the time, mean over ranks, in which a rank has neither a chunk nor a message at hand;
`message_ms` what the messages of a chunk take on both ends together. `rtsep bench scaling` is the same for a user's
machine or cluster.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

from _cluster import Costs
from _costs import measure_costs
from _plot import add_plot_option
from _scaling_page import SHIPPED, page
from _table import Row, bench_parser, publish
from run_all import machine

from rtsep.commands.bench_scaling import ScalingOptions, measure, run_once, write_synthetic_song
from rtsep.commands.scaling_figure import draw_scaling
from rtsep.model_file import model_names
from rtsep.separator import load_separator

RANKS = (1, 2, 4, 8, 16, 32)
SECONDS = 180.0
TURNS = 3


def main() -> None:
    parser = bench_parser(__doc__)
    add_plot_option(parser, "speed-up, efficiency and idle share")
    parser.add_argument("--model", action="append", help="only this model; may come several times")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; medians are told")
    parser.add_argument(
        "--page", type=Path, metavar="FILE.md", help="also measure what chunks cost, and write the page"
    )
    parser.add_argument("--from", dest="before", type=Path, metavar="FILE.json", help="what --json wrote, for --page")
    options = parser.parse_args()
    models = tuple(options.model or model_names())
    rows: list[Row]
    crowds: list[Row] = []
    costs: dict[str, Costs] = {}
    if options.before:
        rows, crowds, costs = read_before(options.before)
    elif options.quick:
        rows = measure(ScalingOptions(models[:1], RANKS[:2], seconds=20.0, repeats=2))
    else:
        rows = measure(ScalingOptions(models, RANKS, seconds=SECONDS, repeats=options.repeats))
    if options.page and not options.before:
        crowds = [compare_with_strangers(model) for model in models]
        costs = {model: measure_costs(model, SECONDS) for model in models} | other_costs()
    publish(__doc__, rows, options.json, crowds=crowds, costs={name: asdict(cost) for name, cost in costs.items()})
    if options.plot:
        draw_scaling(rows, options.plot)
    if options.page:
        options.page.write_text(page_of(rows, crowds, costs), encoding="utf-8")


def compare_with_strangers(model: str) -> Row:
    """Efficiencies on all cores: of ranks, and of as many runs of one process that have nothing to do with each other.

    Both over one such run by itself, in turns; medians over turns. Strangers share nothing but the machine: ranks
    cannot do better.
    """
    n_cores = len(os.sched_getaffinity(0))
    strangers, ranks = [], []
    with TemporaryDirectory() as name, ThreadPoolExecutor(n_cores) as threads:
        folders = [Path(name) / str(k) for k in range(n_cores)]
        for folder in folders:
            folder.mkdir()
        song = write_synthetic_song(folders[0], SECONDS)

        def rtf(folder: Path, n_ranks: int = 1) -> float:
            return float(run_once(model, song, n_ranks, "mpirun", folder)["rtf_without_startup"])

        for _ in range(TURNS):
            alone = rtf(folders[0])
            strangers.append(alone / mean(threads.map(rtf, folders)))
            ranks.append(alone / rtf(folders[0], n_cores) / n_cores)
    return {"case": model, "turns": TURNS, "strangers": median(strangers), "ranks": median(ranks)}


def crowded(costs: dict[str, Costs], crowds: list[Row]) -> dict[str, Costs]:
    """The costs with what strangers tell: how much longer everything takes where all cores are busy.

    The mean over all models: where cores waver, a single model's turns are too few.
    """
    crowding = max(1.0, 1 / mean(float(row["strangers"]) for row in crowds))
    return {name: replace(cost, crowding=crowding) for name, cost in costs.items()}


def other_costs() -> dict[str, Costs]:
    """Those of a chunk of one slice, as live sound comes in; and of one whose stems rank 0 gets as a whole."""
    return {
        "live": measure_costs(SHIPPED, 10.0, slices=1),
        "whole": measure_costs(SHIPPED, SECONDS, is_direct=False),
    }


def read_before(path: Path) -> tuple[list[Row], list[Row], dict[str, Costs]]:
    """Rows, those of strangers, and costs of an earlier run."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return told["rows"], told["crowds"], {name: Costs(**cost) for name, cost in told["costs"].items()}


def page_of(rows: list[Row], crowds: list[Row], costs: dict[str, Costs]) -> str:
    """The page of what was measured here."""
    seconds = {str(row["model"]): chunk_seconds(str(row["model"])) for row in rows}
    costs = crowded(costs, crowds)
    live = replace(costs["live"], crowding=1.0), chunk_seconds(SHIPPED, slices=1)
    return page(machine(), rows, crowds, costs, seconds, costs["whole"], live, len(os.sched_getaffinity(0)))


def chunk_seconds(model: str, slices: int | None = None) -> float:
    """Seconds from one chunk of a model to the next."""
    separator = load_separator(model, slices=slices)
    return separator.shape.advance / separator.sample_rate


if __name__ == "__main__":
    main()
