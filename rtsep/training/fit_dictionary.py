"""Fit a dictionary to the mixtures of a recipe, and measure it on some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple

import numpy as np

from rtsep.dictionary_file import LearnedDictionary
from rtsep.sparse.atoms import Statistics
from rtsep.sparse.dictionary import Dictionary
from rtsep.sparse.learning import LearnerState, LearningProgress, encode, energy_of, learn_dictionary
from rtsep.sparse.ranks import Shard
from rtsep.training.recipe import SAMPLE_RATE, SparseRecipe
from rtsep.training.run_folder import NOTHING_KEPT, Keeper
from rtsep.types import F32

_MINIBATCH = 512
_KEPT_EVERY = 20  # minibatches
_MEASURED = 8192  # patches are enough to say how good a dictionary is

STAGE = "dictionary"

Progress = Callable[[str, float, str], None]
"""Called with the stage's name, the share done from 0 to 1, and a few words."""


def fit_dictionary(
    recipe: SparseRecipe, patches: F32, shard: Shard, progress: Progress, keeper: Keeper = NOTHING_KEPT
) -> LearnedDictionary:
    """The dictionary of a recipe, from unit-norm patches `(n, n_features)`, this rank's `shard` of all of them.

    Goes on from what `keeper` has of it.
    """
    rng = np.random.default_rng(recipe.seed)
    chosen, places = shard.choose(np.sort(rng.permutation(shard.total)[: recipe.dictionary_patches]))
    patches = patches[places]
    total = recipe.dictionary_epochs * -(-chosen.total // _MINIBATCH)
    curve: list[Sequence[float]] = []
    start = None
    if kept := keeper.state(STAGE):
        curve = kept["curve"].tolist()
        start = LearnerState(len(curve), kept["matrix"], Statistics(kept["code_gram"], kept["code_patch"]))

    def report(step: LearningProgress) -> None:
        curve.append(astuple(step))
        words = f"energy {step.energy:.4f}, {step.active_atoms:.0f} atoms a patch, {step.atoms_in_use} in use"
        progress(STAGE, step.minibatch / total, words)

    def keep(state: LearnerState) -> None:
        if state.minibatches % _KEPT_EVERY == 0 or state.minibatches == total:
            keeper.keep(STAGE, {"matrix": state.matrix, **vars(state.statistics), "curve": np.array(curve)})

    matrix = learn_dictionary(
        patches,
        recipe.atoms,
        recipe.learning_sparsity,
        recipe.seed,
        recipe.dictionary_epochs,
        _MINIBATCH,
        progress=report,
        shard=chosen,
        start=start,
        keep=keep,
    )
    energy, usage = _measure(matrix, patches, recipe.learning_sparsity, chosen)
    return LearnedDictionary(
        sample_rate=SAMPLE_RATE,
        spec=recipe.spec,
        compression=recipe.compression,
        atoms=Dictionary.from_matrix(matrix, recipe.patch_columns).atoms,
        usage=usage,
        notes={
            "recipe": recipe.text,
            "patches": chosen.total,
            "energy": round(energy, 5),
            "active_atoms": round(float(usage.sum()), 1),
        },
    )


def _measure(matrix: F32, patches: F32, lam: float, shard: Shard) -> tuple[float, F32]:
    """The mean of E, and the share of patches that use each atom, over patches from all of the shard."""
    wanted = np.unique(np.linspace(0, shard.total - 1, min(shard.total, _MEASURED)).astype(np.int64))
    places, here = shard.held(wanted)
    codes = encode(matrix, patches[places], lam, tol=1e-3)
    energies, used = np.zeros(len(wanted)), np.count_nonzero(codes, axis=0).astype(np.float64)
    energies[here] = energy_of(matrix, patches[places], codes, lam)
    shard.ranks.sum(energies)
    shard.ranks.sum(used)
    return float(energies.mean()), (used / len(wanted)).astype(np.float32)
