"""`rtsep train`: a recipe and recordings in, a model or dictionary file out; under mpirun by all ranks together."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rtsep.commands.console import guarded, warn
from rtsep.commands.stages import show_stages
from rtsep.dictionary_file import LearnedDictionary, load_dictionary, save_dictionary
from rtsep.engine.process import own_cores, world_size
from rtsep.errors import OptionError, OutputError
from rtsep.model_file import SparseModel, save_model
from rtsep.sparse.ranks import ONE_RANK, Ranks
from rtsep.training.curves import draw_curves
from rtsep.training.fit_sparse import FitJob, fit_decoder_on, fit_dictionary_alone, fit_sparse
from rtsep.training.recipe import SparseRecipe, read_recipe
from rtsep.training.run_folder import NOTHING_KEPT, Keeper, RunFolder
from rtsep.training.timbre_recipe import TimbreRecipe

T = TypeVar("T")
R = TypeVar("R", SparseRecipe, TimbreRecipe)


@dataclass(frozen=True)
class TrainOptions:
    """The recipe's file, the folder with its recordings, the file to write, and the folder of the run, if any."""

    recipe: Path
    data: Path
    out: Path
    run: Path | None


def train_sparse(options: TrainOptions) -> int:
    """Learn a dictionary and its decoder: a whole model. Raises RtsepError, as all three do."""
    return _train(options, fit_sparse, _save_model)


def train_dictionary(options: TrainOptions) -> int:
    """Learn a dictionary alone."""
    return _train(options, fit_dictionary_alone, _save_dictionary)


def train_decoder(options: TrainOptions, dictionary: Path) -> int:
    """Make a model of a dictionary that was learned before."""

    def fit(job: FitJob) -> SparseModel:
        return fit_decoder_on(job.ranks.together(lambda: load_dictionary(dictionary)), job)

    return _train(options, fit, _save_model)


def _train(options: TrainOptions, fit: Callable[[FitJob], T], save: Callable[[T, Path], None]) -> int:
    """What `fit` makes of the recipe on all ranks, saved by the first of them; returns the exit code."""

    def task(ranks: Ranks) -> int:
        recipe = ranks.together(lambda: checked(options, read_recipe))
        with show_stages() as progress:
            job = FitJob(recipe, options.data, _processes(ranks), progress, ranks, keeper_of(options, ranks))
            fitted = fit(job)
        return conclude(ranks, options.run, lambda: save(fitted, options.out))

    return on_all_ranks(task)


def checked(options: TrainOptions, read: Callable[[Path], R]) -> R:
    """The recipe, once it is clear that the data are there and the result can be written. Raises RtsepError."""
    recipe = read(options.recipe)
    data, out = options.data, options.out
    if not data.is_dir():
        raise OptionError(f"data folder {data}: there is no such folder; give the one that holds {recipe.songs}/")
    if out.suffix != ".safetensors" or out.is_dir():
        raise OptionError(f"file {out} must end in .safetensors, so that it can be loaded again, and be no folder")
    if not os.access(out.parent, os.W_OK):
        raise OutputError(f"{out.parent} cannot be written to: make it, or choose another folder with --out")
    if options.run:
        _check_run(options.run)
    return recipe


def _check_run(run: Path) -> None:
    folder = run if run.exists() else run.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"run folder {run}: {folder} is no folder that can be written to; choose another with --run")
    if not _can_draw():
        warn("left out: curves.png needs matplotlib: pip install 'rtsep[plots]'")


def _can_draw() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def keeper_of(options: TrainOptions, ranks: Ranks) -> Keeper:
    """What keeps the states of the run, if it has a folder."""
    return RunFolder(options.run, ranks) if options.run else NOTHING_KEPT


def _processes(ranks: Ranks) -> int:
    """Ranks are the parallelism; a process by itself starts others."""
    return len(own_cores()) if ranks.size == 1 else 1


def _save_model(model: SparseModel, out: Path) -> None:
    save_model(model, out)
    notes = model.notes
    print(f"{out}: {len(model.atoms)} atoms, {notes['active_atoms']} active, {notes['examples']} examples")


def _save_dictionary(learned: LearnedDictionary, out: Path) -> None:
    save_dictionary(learned, out)
    notes, n_used = learned.notes, int((learned.usage > 0).sum())
    print(
        f"{out}: {len(learned.atoms)} atoms, {n_used} in use, energy {notes['energy']:.4f} and "
        f"{notes['active_atoms']} atoms a patch, {notes['patches']} patches"
    )


def conclude(ranks: Ranks, run: Path | None, save: Callable[[], None]) -> int:
    """Rank 0 writes what all have, and draws how it came to it; it fails for all."""

    def save_and_draw() -> None:
        save()
        if run and _can_draw():  # that it cannot was said at the start
            draw_curves(run)

    ranks.together(lambda: save_and_draw() if ranks.rank == 0 else None)
    return 0


def on_all_ranks(task: Callable[[Ranks], int]) -> int:
    """Run `task` on every rank of the launcher's, or here."""
    if world_size() > 1:
        from rtsep.engine.together import run_together

        run_together(lambda ranks: guarded(lambda: task(ranks)))
    return task(ONE_RANK)
