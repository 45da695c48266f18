"""Fit the linear decoder on a learned dictionary, which makes it a model."""

from __future__ import annotations

import numpy as np

from rtsep.decoder.linear import solve_ridge
from rtsep.dictionary_file import LearnedDictionary
from rtsep.errors import OptionError
from rtsep.model_file import SparseModel
from rtsep.sparse.atoms import BatchStatistics, add_over_ranks, batch_statistics
from rtsep.sparse.coder import SparseCoder
from rtsep.sparse.dictionary import Dictionary, whitening_matrix
from rtsep.sparse.ranks import Shard, in_steps
from rtsep.training.examples import Examples
from rtsep.training.fit_dictionary import Progress
from rtsep.training.recipe import SAMPLE_RATE, SparseRecipe
from rtsep.types import F32, STEMS

_BATCH = 2048


def check_dictionary(recipe: SparseRecipe, learned: LearnedDictionary) -> None:
    """Raise OptionError where a dictionary was learned on other patches than the recipe's decoder would code."""
    pairs = {
        "sample rate": (learned.sample_rate, SAMPLE_RATE),
        "front end": (learned.spec, recipe.spec),
        "patch_columns": (learned.atoms.shape[1], recipe.patch_columns),
        "compression": (learned.compression, recipe.compression),
    }
    for name, (has, wants) in pairs.items():
        if has != wants:
            raise OptionError(
                f"{name} {has} of the dictionary, {wants} of the recipe: they must agree; learn the dictionary by "
                "this recipe, or give the recipe that it was learned by"
            )


def fit_decoder(
    recipe: SparseRecipe, learned: LearnedDictionary, examples: Examples, shard: Shard, progress: Progress
) -> SparseModel:
    """The model with this dictionary and the best decoder for the examples, this rank's `shard` of all of them."""
    atoms = Dictionary(learned.atoms)
    whitening = whitening_matrix(atoms.matrix, recipe.whitening_floor)
    coder = SparseCoder(atoms, whitening, recipe.sparsity)
    decoder, active = _decode(recipe.ridge, atoms.n_atoms, coder, examples, shard, progress)
    return SparseModel(
        stems=STEMS,
        sample_rate=SAMPLE_RATE,
        spec=recipe.spec,
        compression=recipe.compression,
        sparsity=recipe.sparsity,
        mask_exponent=recipe.mask_exponent,
        atoms=atoms.atoms,
        whitening=whitening,
        decoder=decoder,
        notes={"recipe": recipe.text, "examples": shard.total, "active_atoms": round(active, 1)},
    )


def _decode(
    ridge: float, n_atoms: int, coder: SparseCoder, examples: Examples, shard: Shard, progress: Progress
) -> tuple[F32, float]:
    """The decoder from codes to the stems' newest columns, and how many atoms a code has on average.

    All ranks add up batch after batch, as one rank would.
    """
    sums = BatchStatistics(np.zeros((n_atoms, n_atoms)), np.zeros((n_atoms, examples.stems.shape[1])))
    active = np.zeros(1)
    for start in range(0, shard.total, _BATCH):
        stop = min(start + _BATCH, shard.total)
        places, _ = shard.held(np.arange(start, stop))
        codes, scale = coder.encode(examples.patches[places])
        # The code is that of the scaled patch: its stems are scaled alike.
        batch = batch_statistics(in_steps(codes), in_steps(examples.stems[places] / scale))
        add_over_ranks(batch, shard.ranks)
        sums.code_gram[:] += batch.code_gram
        sums.code_patch[:] += batch.code_patch
        now_active = np.array([np.count_nonzero(codes)], np.float64)
        shard.ranks.sum(now_active)
        active += now_active
        progress("decoder", stop / shard.total, f"{active[0] / stop:.0f} atoms a patch")
    return solve_ridge(sums.code_gram, sums.code_patch, ridge), float(active[0]) / shard.total
