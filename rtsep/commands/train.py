"""`rtsep train`: a recipe and recordings in, a model file out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rtsep.errors import OptionError, OutputError
from rtsep.model_file import save_model
from rtsep.training.fit_sparse import fit_sparse
from rtsep.training.recipe import read_recipe

Report = Callable[[str, float, str], None]


def train_sparse(recipe_path: Path, data: Path, out: Path) -> int:
    """Train the model of a recipe on the recordings below `data` and write it to `out`. Raises RtsepError."""
    recipe = read_recipe(recipe_path)
    if not data.is_dir():
        raise OptionError(f"data folder {data} is not there: give the folder that holds {recipe.songs}/")
    if out.suffix != ".safetensors":
        raise OptionError(f"model file {out} must end in .safetensors, so that it can be loaded again")
    if not os.access(out.parent, os.W_OK):
        raise OutputError(f"{out.parent} cannot be written to: make it, or choose another folder with --out")
    with _shown() as report:
        model = fit_sparse(recipe, data, os.cpu_count() or 1, report)
    save_model(model, out)
    print(f"{out}: {len(model.atoms)} atoms, {model.notes['active_atoms']} active, {model.notes['examples']} examples")
    return 0


@contextmanager
def _shown() -> Iterator[Report]:
    """A function to be told the stage, the share done of it, and a few words: bars on a terminal, lines otherwise."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        tasks = {}

        def report(stage: str, share: float, words: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=share, description=f"{stage}: {words}")

        yield report


def _lines() -> Report:
    tenths: dict[str, int] = {}

    def report(stage: str, share: float, words: str) -> None:
        if int(10 * share) > tenths.get(stage, -1):
            tenths[stage] = int(10 * share)
            print(f"{stage}: {share:.0%}, {words}", file=sys.stderr, flush=True)

    return report
