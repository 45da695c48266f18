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
from rtsep.training.run_folder import NOTHING_KEPT, Keeper
from rtsep.types import F32


def fit_sparse(
    recipe: SparseRecipe,
    data: Path,
    processes: int,
    progress: Progress,
    ranks: Ranks = ONE_RANK,
    keeper: Keeper = NOTHING_KEPT,
) -> SparseModel:
    """The model of a recipe, from the recordings below the folder `data`: the same one for any number of ranks.

    `processes` draw mixtures on each rank. Goes on from what `keeper` has, as the others do, once the mixtures are
    drawn again.
    """
    examples, shard = _draw(mixture_examples, recipe, data, processes, progress, ranks, keeper)
    learned = fit_dictionary(recipe, examples.patches, shard, progress, keeper)
    return fit_decoder(recipe, learned, examples, shard, progress, keeper)


def fit_dictionary_alone(
    recipe: SparseRecipe,
    data: Path,
    processes: int,
    progress: Progress,
    ranks: Ranks = ONE_RANK,
    keeper: Keeper = NOTHING_KEPT,
) -> LearnedDictionary:
    """The dictionary of a recipe, the same one that `fit_sparse` would build on."""
    examples, shard = _draw(mixture_patches, recipe, data, processes, progress, ranks, keeper)
    return fit_dictionary(recipe, examples.patches, shard, progress, keeper)


def fit_decoder_on(
    learned: LearnedDictionary,
    recipe: SparseRecipe,
    data: Path,
    processes: int,
    progress: Progress,
    ranks: Ranks = ONE_RANK,
    keeper: Keeper = NOTHING_KEPT,
) -> SparseModel:
    """The model of a recipe on a dictionary that was learned before. Raises OptionError where they do not agree."""
    check_dictionary(recipe, learned)
    examples, shard = _draw(mixture_examples, recipe, data, processes, progress, ranks, keeper)
    return fit_decoder(recipe, learned, examples, shard, progress, keeper)


def cut_by(recipe: SparseRecipe, cut: Callable[..., Examples]) -> Callable[[F32], Examples]:
    """`cut` with all that the recipe says of examples: of a mixture's stems it makes them."""
    return partial(
        cut,
        spec=recipe.spec,
        patch_columns=recipe.patch_columns,
        compression=recipe.compression,
        decoded=recipe.decoded_columns,
    )


def _draw(
    cut: Callable[..., Examples],
    recipe: SparseRecipe,
    data: Path,
    processes: int,
    progress: Progress,
    ranks: Ranks,
    keeper: Keeper,
) -> tuple[Examples, Shard]:
    """The examples of the recipe's mixtures; a rank that is done shows as such, though others may still be drawing."""

    def begin() -> Mixer:
        sources = recipe.sources(data)
        keeper.begin(recipe, sources)
        return Mixer(sources, recipe.remix, SAMPLE_RATE, recipe.seed)

    mixer = ranks.together(begin)

    def report(done: int) -> None:
        drawn = min(done * ranks.size, recipe.mixtures)
        progress("mixtures", drawn / recipe.mixtures, f"{drawn} of {recipe.mixtures}")

    return draw_examples(cut_by(recipe, cut), mixer, recipe.mixtures, processes, ranks, report)
