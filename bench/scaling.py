"""How does rtsep's speed grow with the number of ranks?

Whole runs of `rtsep run` under mpirun with each shipped model, on three synthetic minutes of stereo at 44.1 kHz;
medians of repeats. `rtf` leaves start-up out; `efficiency` is the speed-up over the number of ranks, or of cores where
those are fewer; `idle_share` the share of the time, mean over ranks, in which a rank has neither a chunk nor a message
at hand; `message_ms` what the messages of a chunk take on both ends together. `rtsep bench scaling` is the same for a
user's machine or cluster.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from _cluster import Costs
from _costs import measure_costs
from _plot import add_plot_option
from _scaling_page import SHIPPED, page
from _table import Row, bench_parser, publish
from run_all import machine

from rtsep.commands.bench_scaling import ScalingOptions, measure
from rtsep.commands.scaling_figure import draw_scaling
from rtsep.model_file import model_names
from rtsep.separator import load_separator

RANKS = (1, 2, 4, 8, 16, 32)


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
    if options.before:
        rows, costs = read_before(options.before)
    else:
        costs = {model: measure_costs(model, 180.0) for model in models} | live_costs() if options.page else {}
        if options.quick:
            rows = measure(ScalingOptions(models[:1], RANKS[:2], seconds=20.0, repeats=2))
        else:
            rows = measure(ScalingOptions(models, RANKS, repeats=options.repeats))
    publish(__doc__, rows, options.json, costs={name: asdict(cost) for name, cost in costs.items()})
    if options.plot:
        draw_scaling(rows, options.plot)
    if options.page:
        options.page.write_text(page_of(rows, costs), encoding="utf-8")


def live_costs() -> dict[str, Costs]:
    """Those of a chunk of one slice, as live sound comes in."""
    return {"live": measure_costs(SHIPPED, 10.0, slices=1)}


def read_before(path: Path) -> tuple[list[Row], dict[str, Costs]]:
    """Rows and costs of an earlier run."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return told["rows"], {name: Costs(**cost) for name, cost in told["costs"].items()}


def page_of(rows: list[Row], costs: dict[str, Costs]) -> str:
    """The page of what was measured here."""
    seconds = {str(row["model"]): chunk_seconds(str(row["model"])) for row in rows}
    live = costs["live"], chunk_seconds(SHIPPED, slices=1)
    return page(machine(), rows, costs, seconds, live, len(os.sched_getaffinity(0)))


def chunk_seconds(model: str, slices: int | None = None) -> float:
    """Seconds from one chunk of a model to the next."""
    separator = load_separator(model, slices=slices)
    return separator.shape.advance / separator.sample_rate


if __name__ == "__main__":
    main()
