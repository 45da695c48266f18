"""Fit a sparse model, or one half of it: mixtures, a dictionary of them, the linear decoder, then both tuned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rtsep.dictionary_file import LearnedDictionary
from rtsep.model_file import SparseModel
from rtsep.sparse.ranks import ONE_RANK, Ranks, Shard
from rtsep.training.augment import Mixer
from rtsep.training.examples import Examples, draw_examples, mixture_examples, mixture_patches
from rtsep.training.fit_decoder import check_dictionary, fit_decoder
from rtsep.training.fit_dictionary import Progress, fit_dictionary
from rtsep.training.fit_tuning import fit_tuning
from rtsep.training.recipe import SAMPLE_RATE, SparseRecipe
from rtsep.training.run_folder import NOTHING_KEPT, Keeper
from rtsep.types import F32


@dataclass(frozen=True)
class FitJob:
    """What is fitted and how: a recipe, on the recordings below the folder `data`.

    `processes` draw mixtures on each rank. What `keeper` has of the job's stages is gone on from, once the mixtures are
    drawn again.
    """

    recipe: SparseRecipe
    data: Path
    processes: int
    progress: Progress
    ranks: Ranks = ONE_RANK
    keeper: Keeper = NOTHING_KEPT


@dataclass(frozen=True, eq=False)
class Drawn:
    """This rank's examples of a recipe's mixtures, its shard of those of all ranks, and what draws more."""

    examples: Examples
    shard: Shard
    mixer: Mixer


def fit_sparse(job: FitJob) -> SparseModel:
    """The model of a recipe: the same one for any number of ranks. Raises RtsepError, as all three do."""
    drawn = draw(mixture_examples, job)
    learned = fit_dictionary(job.recipe, drawn.examples.patches, drawn.shard, job.progress, job.keeper)
    return decode_and_tune(job, learned, drawn)


def fit_dictionary_alone(job: FitJob) -> LearnedDictionary:
    """The dictionary of a recipe, the same one that `fit_sparse` would build on."""
    drawn = draw(mixture_patches, job)
    return fit_dictionary(job.recipe, drawn.examples.patches, drawn.shard, job.progress, job.keeper)


def fit_decoder_on(learned: LearnedDictionary, job: FitJob) -> SparseModel:
    """The model of a recipe on a dictionary that was learned before. Raises OptionError where they do not agree."""
    check_dictionary(job.recipe, learned)
    return decode_and_tune(job, learned, draw(mixture_examples, job))


def _cut_by(recipe: SparseRecipe, cut: Callable[..., Examples]) -> Callable[[F32], Examples]:
    """`cut` with all that the recipe says of examples: of a mixture's stems it makes them."""
    return partial(
        cut,
        spec=recipe.spec,
        patch_columns=recipe.patch_columns,
        compression=recipe.compression,
        decoded=recipe.decoded_columns,
    )


def decode_and_tune(job: FitJob, learned: LearnedDictionary, drawn: Drawn) -> SparseModel:
    """The model of a dictionary: its decoder, and both tuned where the recipe says so."""
    model = fit_decoder(job.recipe, learned, drawn.examples, drawn.shard, job.progress, job.keeper)
    if job.recipe.tuning is None:
        return model
    return fit_tuning(
        job.recipe, job.recipe.tuning, model, drawn.mixer, job.processes, job.progress, job.ranks, job.keeper
    )


def draw(cut: Callable[..., Examples], job: FitJob) -> Drawn:
    """The examples that `cut` makes of the recipe's mixtures.

    A rank that is done shows as such, though others may still be drawing.
    """
    recipe, ranks = job.recipe, job.ranks

    def begin() -> Mixer:
        sources = recipe.sources(job.data)
        job.keeper.begin(recipe, sources)
        return Mixer(sources, recipe.remix, SAMPLE_RATE, recipe.seed)

    def report(done: int) -> None:
        drawn = min(done * ranks.size, recipe.mixtures)
        job.progress("mixtures", drawn / recipe.mixtures, f"{drawn} of {recipe.mixtures}")

    mixer = ranks.together(begin)
    examples, shard = draw_examples(_cut_by(recipe, cut), mixer, recipe.mixtures, job.processes, ranks, report)
    return Drawn(examples, shard, mixer)
