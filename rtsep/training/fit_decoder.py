"""Fit the linear decoder on a learned dictionary, which makes it a model: in closed form or by gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

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
from rtsep.training.fit_gradient import Coded, Course, fit_gradient, split_by_mixture
from rtsep.training.recipe import SAMPLE_RATE, SparseRecipe
from rtsep.training.run_folder import NOTHING_KEPT, Keeper
from rtsep.types import F32, STEMS

_BATCH = 2048

Notes = dict[str, Any]


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
    recipe: SparseRecipe,
    learned: LearnedDictionary,
    examples: Examples,
    shard: Shard,
    progress: Progress,
    keeper: Keeper = NOTHING_KEPT,
) -> SparseModel:
    """The model with this dictionary and the best decoder for the examples, this rank's `shard` of all of them.

    By gradient descent where the recipe has epochs for it, in closed form otherwise. The descent goes on from what
    `keeper` has; raises OptionError where that was on another dictionary.
    """
    atoms = Dictionary(learned.atoms)
    whitening = whitening_matrix(atoms.matrix, recipe.whitening_floor)
    coder = SparseCoder(atoms, whitening, recipe.sparsity)
    if recipe.decoder_epochs:
        decoder, notes = _by_descent(recipe, atoms, coder, examples, shard, progress, keeper)
    else:
        decoder, notes = _in_closed_form(recipe.ridge, atoms.n_atoms, coder, examples, shard, progress)
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
        notes={"recipe": recipe.text, "examples": shard.total, **notes},
        decoded_columns=recipe.decoded_columns,
    )


def _in_closed_form(
    ridge: float, n_atoms: int, coder: SparseCoder, examples: Examples, shard: Shard, progress: Progress
) -> tuple[F32, Notes]:
    """The decoder from codes to the stems' columns, and how many atoms a code has on average.

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
    decoder = solve_ridge(sums.code_gram, sums.code_patch, ridge)
    return decoder, {"active_atoms": round(float(active[0]) / shard.total, 1)}


def _by_descent(
    recipe: SparseRecipe,
    atoms: Dictionary,
    coder: SparseCoder,
    examples: Examples,
    shard: Shard,
    progress: Progress,
    keeper: Keeper,
) -> tuple[F32, Notes]:
    """The decoder that gradient descent comes to, with its losses, and how many atoms a code has on average."""
    split = split_by_mixture(examples.mixtures, shard)
    coded = _encoded(coder, examples, progress)
    course = Course(recipe.decoder_epochs, recipe.ridge, recipe.seed)
    decoder, curve = fit_gradient(coded, split, shard, course, atoms.matrix, progress, keeper)
    active = np.array([float(coded.codes.nnz)])
    shard.ranks.sum(active)
    _, loss, held_out_loss = curve[-1].round(5).tolist()
    return decoder, {
        "active_atoms": round(float(active[0]) / shard.total, 1),
        "loss": loss,
        "held_out_loss": held_out_loss,
    }


def _encoded(coder: SparseCoder, examples: Examples, progress: Progress) -> Coded:
    """The codes of all patches on this rank; no bit of them depends on which those are."""
    parts, scales = [], []
    n = max(len(examples), 1)  # a rank may have none
    for start in range(0, n, _BATCH):
        codes, scale = coder.encode(examples.patches[start : start + _BATCH])
        parts.append(csr_array(in_steps(codes)))
        scales.append(scale)
        progress("codes", min(start + _BATCH, n) / n, f"{sum(map(len, scales))} of {len(examples)} patches")
    return Coded(vstack(parts, format="csr"), examples.stems, np.concatenate(scales))
