"""Drawing for the benches that offer `--plot FILE.png`; matplotlib is loaded for those who ask."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any


def add_plot_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Give a bench the option `--plot`; `what` says what is drawn."""
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help=f"draw {what}")


def can_draw() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def pyplot() -> Any:
    """matplotlib.pyplot, drawing to files only. Ends the bench in one line where it is not installed."""
    if not can_draw():
        raise SystemExit("--plot: it needs matplotlib, which is not installed; pip install -e '.[bench]'")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
