"""How training went, minibatch by minibatch and epoch by epoch: as CSV, and drawn by matplotlib."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtsep.errors import OptionError
from rtsep.new_file import new_file
from rtsep.types import F64

COLUMNS = {
    "dictionary": ("minibatch", "energy", "active_atoms", "atoms_in_use", "reseeded"),
    "decoder": ("epoch", "loss", "held_out_loss"),
    "tuning": ("step", "loss", "active_atoms"),
    "timbrenet": ("epoch", "loss", "held_out_loss"),
}
_PANELS = (
    ("dictionary", ("energy",)),
    ("dictionary", ("active_atoms",)),
    ("dictionary", ("atoms_in_use",)),
    ("decoder", ("loss", "held_out_loss")),
    ("tuning", ("loss",)),
    ("timbrenet", ("loss", "held_out_loss")),
)


def curve_text(stage: str, curve: F64) -> str:
    """The CSV of a stage's curve, a row for each minibatch or epoch; no digit is lost."""
    rows = [",".join(f"{value:.17g}" for value in row) for row in curve]
    return "\n".join([",".join(COLUMNS[stage]), *rows]) + "\n"


def read_curve(path: Path) -> dict[str, F64]:
    """The columns of such a file by name."""
    table = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
    return {name: table[name] for name in table.dtype.names or ()}


def draw_curves(folder: Path) -> None:
    """Draw `curves.png` in `folder` from the CSV files there; nothing where there are none.

    Raises OptionError where matplotlib is missing, OutputError where the picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError("matplotlib is not installed: pictures need it; pip install 'rtsep[plots]'") from error
    curves = {stage: read_curve(path) for stage in COLUMNS if (path := folder / f"{stage}.csv").is_file()}
    panels = [(stage, names) for stage, names in _PANELS if stage in curves]
    if not panels:
        return
    figure = Figure(figsize=(6, 2.2 * len(panels)), layout="constrained")
    for axes, (stage, names) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        x = COLUMNS[stage][0]
        for name in names:
            axes.plot(curves[stage][x], curves[stage][name], marker=".", markersize=3, label=name.replace("_", " "))
        axes.set(xlabel=f"{stage}: {x}", yscale="log" if stage == "decoder" else "linear")
        axes.grid(alpha=0.3)
        axes.legend()
    with new_file(folder / "curves.png") as scratch:
        figure.savefig(scratch, format="png", dpi=120)
