"""Fit a sparse model, or one half of it: mixtures, then a dictionary of them, then the linear decoder."""

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


def fit_sparse(job: FitJob) -> SparseModel:
    """The model of a recipe: the same one for any number of ranks. Raises RtsepError, as all three do."""
    examples, shard = _draw(mixture_examples, job)
    learned = fit_dictionary(job.recipe, examples.patches, shard, job.progress, job.keeper)
    return fit_decoder(job.recipe, learned, examples, shard, job.progress, job.keeper)


def fit_dictionary_alone(job: FitJob) -> LearnedDictionary:
    """The dictionary of a recipe, the same one that `fit_sparse` would build on."""
    examples, shard = _draw(mixture_patches, job)
    return fit_dictionary(job.recipe, examples.patches, shard, job.progress, job.keeper)


def fit_decoder_on(learned: LearnedDictionary, job: FitJob) -> SparseModel:
    """The model of a recipe on a dictionary that was learned before. Raises OptionError where they do not agree."""
    check_dictionary(job.recipe, learned)
    examples, shard = _draw(mixture_examples, job)
    return fit_decoder(job.recipe, learned, examples, shard, job.progress, job.keeper)


def cut_by(recipe: SparseRecipe, cut: Callable[..., Examples]) -> Callable[[F32], Examples]:
    """`cut` with all that the recipe says of examples: of a mixture's stems it makes them."""
    return partial(
        cut,
        spec=recipe.spec,
        patch_columns=recipe.patch_columns,
        compression=recipe.compression,
        decoded=recipe.decoded_columns,
    )


def _draw(cut: Callable[..., Examples], job: FitJob) -> tuple[Examples, Shard]:
    """The examples of the recipe's mixtures; a rank that is done shows as such, though others may still be drawing."""
    recipe, ranks = job.recipe, job.ranks

    def begin() -> Mixer:
        sources = recipe.sources(job.data)
        job.keeper.begin(recipe, sources)
        return Mixer(sources, recipe.remix, SAMPLE_RATE, recipe.seed)

    def report(done: int) -> None:
        drawn = min(done * ranks.size, recipe.mixtures)
        job.progress("mixtures", drawn / recipe.mixtures, f"{drawn} of {recipe.mixtures}")

    mixer = ranks.together(begin)
    return draw_examples(cut_by(recipe, cut), mixer, recipe.mixtures, job.processes, ranks, report)
