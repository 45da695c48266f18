"""The figure of `rtsep bench scaling`: speed-up, efficiency and where the time of ranks goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtsep.errors import OptionError
from rtsep.new_file import new_file


def draw_scaling(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw rows of `rtsep.commands.bench_scaling.measure` to a PNG. Raises OptionError, OutputError."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError(f"{path}: pictures need matplotlib; pip install 'rtsep[plots]'") from error
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = {"speedup": "speed-up", "efficiency": "efficiency", "idle_share": "idle share of ranks"}
    for axes, (column, label) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for model in dict.fromkeys(row["model"] for row in rows):
            own = [row for row in rows if row["model"] == model]
            axes.plot([row["ranks"] for row in own], [row[column] for row in own], "o-", label=model)
        ticks = sorted({row["ranks"] for row in rows})
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, map(str, ticks))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("ranks")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    axes.legend()
    with new_file(path) as scratch:
        figure.savefig(scratch, format="png", dpi=130)
