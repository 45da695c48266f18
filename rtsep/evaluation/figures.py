"""Box plots over songs, by matplotlib: SDR of each stem, one model beside the other; SDR, SIR, SAR of the vocals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtsep.evaluation.experiment import IDEAL, MIXTURE, Method, SongScores
from rtsep.evaluation.summary import score_matrix
from rtsep.new_file import new_file
from rtsep.types import F64

_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
_GROUP = 0.8  # of the distance between two groups of boxes


def draw_figures(results: Sequence[SongScores], methods: Sequence[Method], folder: Path) -> list[Path]:
    """Write `sdr.png` and, where there are vocals, `vocals.png`; one point a song. Raises OutputError."""
    models = [method.name for method in methods if method.kind == "model"]
    bounds = [method.name for method in methods if method.name in (MIXTURE, IDEAL)]
    sdr = {name: score_matrix(results, name, "sdr") for name in models + bounds}
    written = [folder / "sdr.png"]
    stems = results[0].stems
    _save(_boxes(stems, {m: sdr[m] for m in models}, {b: sdr[b] for b in bounds}, "SDR of each stem"), written[0])
    vocals = {name: _vocals(results, name) for name in models if "vocals" in stems}
    if any(np.isfinite(values).any() for values in vocals.values()):
        written.append(folder / "vocals.png")
        _save(_boxes(("SDR", "SIR", "SAR"), vocals, {}, "Vocals"), written[1])
    return written


def _vocals(results: Sequence[SongScores], method: str) -> F64:
    """SDR, SIR, SAR `(n_songs, 3)`."""
    stem = results[0].stems.index("vocals")
    return np.stack([score_matrix(results, method, m)[:, stem] for m in ("sdr", "sir", "sar")], axis=1)


def _boxes(groups: Sequence[str], models: dict[str, F64], bounds: dict[str, F64], title: str) -> Any:
    """Boxes of values `(n_songs, n_groups)`, a group for each column; a line at the median of each bound."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 + 1.8 * len(groups), 5), layout="constrained")
    axes = figure.add_subplot()
    width = _GROUP / len(models)
    for m, (name, values) in enumerate(models.items()):
        colour = _COLOURS[m % len(_COLOURS)]
        places = np.arange(len(groups)) - _GROUP / 2 + (m + 0.5) * width
        columns = [column[np.isfinite(column)] for column in values.T]
        drawn = axes.boxplot(columns, positions=places, widths=0.8 * width, showfliers=False, manage_ticks=False)
        for part in (line for lines in drawn.values() for line in lines):
            part.set_color(colour)
        for place, column in zip(places, columns, strict=True):
            axes.plot(np.full(len(column), place), column, "o", color=colour, markersize=3, alpha=0.6)
        axes.plot([], [], color=colour, label=Path(name).stem)
    for (name, values), style in zip(bounds.items(), ("dotted", "dashed"), strict=False):
        for g, column in enumerate(column[np.isfinite(column)] for column in values.T):
            if column.size:
                axes.hlines(np.median(column), g - 0.45, g + 0.45, color="grey", linestyle=style)
        axes.plot([], [], color="grey", linestyle=style, label=name)
    n_songs = len(next(iter(models.values())))
    axes.set(
        title=f"{title}, {n_songs} song{'s' if n_songs > 1 else ''}, one point each",
        ylabel="dB",
        xlim=(-0.6, len(groups) - 0.4),
    )
    axes.set_xticks(range(len(groups)), groups)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside right upper")
    return figure


def _save(figure: Any, path: Path) -> None:
    with new_file(path) as scratch:
        figure.savefig(scratch, format="png", dpi=120)
