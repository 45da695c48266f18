"""Fit a sparse model, or one half of it: mixtures, then a dictionary of them, then the linear decoder."""

from __future__ import annotations

from collections.abc import Callable
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


def fit_sparse(
    recipe: SparseRecipe, data: Path, processes: int, progress: Progress, ranks: Ranks = ONE_RANK
) -> SparseModel:
    """The model of a recipe, from the recordings below the folder `data`: the same one for any number of ranks.

    `processes` draw mixtures on each rank.
    """
    examples, shard = _draw(mixture_examples, recipe, data, processes, progress, ranks)
    learned = fit_dictionary(recipe, examples.patches, shard, progress)
    return fit_decoder(recipe, learned, examples, shard, progress)


def fit_dictionary_alone(
    recipe: SparseRecipe, data: Path, processes: int, progress: Progress, ranks: Ranks = ONE_RANK
) -> LearnedDictionary:
    """The dictionary of a recipe, the same one that `fit_sparse` would build on."""
    examples, shard = _draw(mixture_patches, recipe, data, processes, progress, ranks)
    return fit_dictionary(recipe, examples.patches, shard, progress)


def fit_decoder_on(
    learned: LearnedDictionary,
    recipe: SparseRecipe,
    data: Path,
    processes: int,
    progress: Progress,
    ranks: Ranks = ONE_RANK,
) -> SparseModel:
    """The model of a recipe on a dictionary that was learned before. Raises OptionError where they do not agree."""
    check_dictionary(recipe, learned)
    examples, shard = _draw(mixture_examples, recipe, data, processes, progress, ranks)
    return fit_decoder(recipe, learned, examples, shard, progress)


def _draw(
    cut: Callable[..., Examples], recipe: SparseRecipe, data: Path, processes: int, progress: Progress, ranks: Ranks
) -> tuple[Examples, Shard]:
    """The examples of the recipe's mixtures; a rank that is done shows as such, though others may still be drawing."""
    mixer = ranks.together(lambda: Mixer(recipe.sources(data), recipe.remix, SAMPLE_RATE, recipe.seed))
    cut_alike = partial(cut, spec=recipe.spec, patch_columns=recipe.patch_columns, compression=recipe.compression)

    def report(done: int) -> None:
        drawn = min(done * ranks.size, recipe.mixtures)
        progress("mixtures", drawn / recipe.mixtures, f"{drawn} of {recipe.mixtures}")

    return draw_examples(cut_alike, mixer, recipe.mixtures, processes, ranks, report)
