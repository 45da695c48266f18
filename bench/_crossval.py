"""Cross-validation: a model for each recipe and fold, trained without the fold's songs and judged on them."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from _folds import Fold, check_apart
from _recipes import Table, dictionary_key, examples_key, model_key, override, write_recipe
from _songs import middles

from rtsep.engine.process import own_cores
from rtsep.evaluation.bsseval import StemScores
from rtsep.evaluation.experiment import SongScores, evaluate_songs, methods
from rtsep.model_file import save_model
from rtsep.training.examples import mixture_examples
from rtsep.training.fit_dictionary import Progress, fit_dictionary
from rtsep.training.fit_sparse import Drawn, FitJob, decode_and_tune, draw
from rtsep.training.recipe import SparseRecipe

_TELL_SECONDS = 30.0


@dataclass(frozen=True)
class Job:
    """One model to be trained and judged: recipe `name` without the songs of `fold`, kept in the file `model`."""

    name: str
    fold: Fold
    recipe: SparseRecipe
    model: Path

    @property
    def label(self) -> str:
        return f"{self.fold.name}, {self.name}"


def plan(tables: Mapping[str, Table], fold: Fold, models: Path) -> list[Job]:
    """A job for each recipe; writes them as they are for this fold into the folder `models`, where the models go."""
    models.mkdir(parents=True, exist_ok=True)
    return [_job(name, table, fold, models) for name, table in tables.items()]


def _job(name: str, table: Table, fold: Fold, models: Path) -> Job:
    """Files are named by what the recipe says, so that another recipe of the same name is not taken for it."""
    held_out = override(table, {"data.held_out": [song.name for song in fold.songs]})
    draft = models / "recipe.toml"
    recipe = write_recipe(held_out, draft)
    recipe.spec.build()  # sizes that do not fit are told now, not after the training of others
    stem = re.sub(r"[^\w=.-]+", "_", f"{name}-{fold.name}-{model_key(recipe)}")
    draft.replace(models / f"{stem}.toml")
    return Job(name, fold, recipe, models / f"{stem}.safetensors")


def train(jobs: Sequence[Job], data: Path) -> None:
    """Fit and save the models that are not there yet.

    Jobs that draw the same examples share them, which is most of the work, and those of one dictionary share it too.
    """
    missing = {job.model: job for job in jobs if not job.model.exists()}
    for _, alike in groupby(_sorted(missing.values(), examples_key), lambda job: examples_key(job.recipe)):
        group = _sorted(alike, dictionary_key)
        drawn = _draw(group[0], data)
        for _, same in groupby(group, lambda job: dictionary_key(job.recipe)):
            _fit(list(same), drawn, data)


def _sorted(jobs: Iterable[Job], key: Callable[[SparseRecipe], str]) -> list[Job]:
    return sorted(jobs, key=lambda job: key(job.recipe))


def _draw(job: Job, data: Path) -> Drawn:
    check_apart(job.fold, job.recipe.sources(data))
    return draw(mixture_examples, _fit_job(job, data))


def _fit(jobs: Sequence[Job], drawn: Drawn, data: Path) -> None:
    """The models of jobs that have their dictionary in common."""
    learned = fit_dictionary(jobs[0].recipe, drawn.examples.patches, drawn.shard, told(jobs[0].label))
    for job in jobs:
        save_model(decode_and_tune(_fit_job(job, data), learned, drawn), job.model)


def _fit_job(job: Job, data: Path) -> FitJob:
    return FitJob(job.recipe, data, len(own_cores()), told(job.label))


def judge(jobs: Sequence[Job], baselines: Sequence[str], seconds: float | None) -> list[SongScores]:
    """Scores of the jobs of one fold on its songs, or the middle `seconds` of each; models go by the jobs' names."""
    fold = jobs[0].fold
    tell = told(fold.name)
    names = {str(job.model): job.name for job in jobs}
    with TemporaryDirectory() as folder:
        songs = middles(fold.songs, seconds, Path(folder)) if seconds else list(fold.songs)
        found = evaluate_songs(
            songs,
            methods(list(names), baselines),
            len(own_cores()),
            lambda done, total: tell("judging", done / total, f"{done} of {total} s"),
        )
    return [
        replace(result, scores={names.get(name, name): _medians(rows) for name, rows in result.scores.items()})
        for result in found
    ]


def _medians(rows: Sequence[StemScores]) -> tuple[StemScores, ...]:
    """The scores without their windows, which nobody asks for."""
    return tuple(replace(row, sdr_by_window=()) for row in rows)


def told(about: str) -> Progress:
    """A function that says on stderr how far something is: at the end of every stage, and now and then before."""
    last = time.monotonic()

    def tell(stage: str, share: float, words: str) -> None:
        nonlocal last
        now = time.monotonic()
        if share >= 1 or now - last > _TELL_SECONDS:
            last = now
            print(f"{about}: {stage} {share:.0%}, {words}", file=sys.stderr, flush=True)

    return tell
