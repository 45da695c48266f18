"""Fit a sparse model: mixtures, then a dictionary of them, then codes, then the linear decoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rtsep.decoder.linear import RidgeSums
from rtsep.model_file import SparseModel
from rtsep.sparse.coder import SparseCoder
from rtsep.sparse.dictionary import Dictionary, whitening_matrix
from rtsep.sparse.learning import LearningProgress, learn_dictionary
from rtsep.training.augment import Mixer
from rtsep.training.examples import Examples, draw_examples
from rtsep.training.recipe import SAMPLE_RATE, SparseRecipe
from rtsep.types import F32, STEMS

_BATCH = 2048

Progress = Callable[[str, float, str], None]
"""Called with the stage's name, the share done from 0 to 1, and a few words."""


def fit_sparse(recipe: SparseRecipe, data: Path, processes: int, progress: Progress) -> SparseModel:
    """The model of a recipe, from the recordings below the folder `data`. The same recipe and data, the same model."""
    mixer = Mixer(recipe.sources(data), recipe.remix, SAMPLE_RATE, recipe.seed)
    examples = draw_examples(
        mixer,
        range(recipe.mixtures),
        recipe.spec,
        recipe.patch_columns,
        recipe.compression,
        processes,
        lambda done: progress("mixtures", done / recipe.mixtures, f"{done} of {recipe.mixtures}"),
    )
    atoms = Dictionary.from_matrix(_learn(recipe, examples, progress), recipe.patch_columns)
    whitening = whitening_matrix(atoms.matrix, recipe.whitening_floor)
    decoder, active = _decode(recipe, examples, SparseCoder(atoms, whitening, recipe.sparsity), progress)
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
        notes={"recipe": recipe.text, "examples": len(examples), "active_atoms": round(active, 1)},
    )


def _learn(recipe: SparseRecipe, examples: Examples, progress: Progress) -> F32:
    """The dictionary, from as many of the patches as the recipe says."""
    rng = np.random.default_rng(recipe.seed)
    chosen = np.sort(rng.permutation(len(examples))[: recipe.dictionary_patches])
    minibatch = 512
    total = recipe.dictionary_epochs * -(-len(chosen) // minibatch)

    def report(step: LearningProgress) -> None:
        words = f"energy {step.energy:.4f}, {step.active_atoms:.0f} atoms a patch, {step.atoms_in_use} in use"
        progress("dictionary", step.minibatch / total, words)

    return learn_dictionary(
        examples.patches[chosen],
        recipe.atoms,
        recipe.learning_sparsity,
        recipe.seed,
        recipe.dictionary_epochs,
        minibatch,
        progress=report,
    )


def _decode(recipe: SparseRecipe, examples: Examples, coder: SparseCoder, progress: Progress) -> tuple[F32, float]:
    """The decoder from codes to the stems' newest columns, and how many atoms a code has on average."""
    sums = RidgeSums(recipe.atoms, examples.stems.shape[1])
    active = 0
    for start in range(0, len(examples), _BATCH):
        batch = slice(start, start + _BATCH)
        codes, scale = coder.encode(examples.patches[batch])
        # The code is that of the scaled patch: its stems are scaled alike.
        sums.add(codes, examples.stems[batch] / scale)
        active += int(np.count_nonzero(codes))
        words = f"{active / (start + len(codes)):.0f} atoms a patch"
        progress("decoder", min((start + _BATCH) / len(examples), 1.0), words)
    return sums.solve(recipe.ridge), active / len(examples)
