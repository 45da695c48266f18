"""Tune a sparse model's atoms and decoder together, by the error of the stems that its masks make of mixtures.

The dictionary was learned to explain mixtures, and the decoder by the squared error of amplitudes; neither knows of
masks. Here both go down the slope of the masks' error in dB, through the sparse code (`rtsep.sparse.code_gradient`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rtsep.decoder.adam import Descent, adam_step, cosine_rate
from rtsep.model_file import SparseModel
from rtsep.sparse.code_gradient import along_sphere, dictionary_slope
from rtsep.sparse.coder import unit_norm
from rtsep.sparse.dictionary import gram_of, inner_products, normalise
from rtsep.sparse.ranks import Ranks
from rtsep.sparse.solvers import solve_cd
from rtsep.tensor_file import Arrays
from rtsep.training.augment import Mixer
from rtsep.training.drawing import Draw, Drawer, drawing, stack
from rtsep.training.fit_dictionary import Progress
from rtsep.training.mask_loss import mask_loss
from rtsep.training.recipe import SparseRecipe, Tuning
from rtsep.training.run_folder import Keeper
from rtsep.training.tuning_data import TuningExample, make_tuning_example
from rtsep.types import F32, F64

STAGE = "tuning"
_RISE = 20  # steps in which the rate grows
_LEG = 25  # steps from one row of the curve to the next


@dataclass(frozen=True, eq=False)
class Tuned:
    """What is tuned, with Adam's means: whitened atoms of unit norm `(n_atoms, n_features)`, and the decoder.

    `curve` has a row for each leg: steps done, mean loss in dB, atoms a patch.
    """

    atoms: Descent
    decoder: Descent
    curve: list[list[float]]


def fit_tuning(
    recipe: SparseRecipe,
    tuning: Tuning,
    model: SparseModel,
    mixer: Mixer,
    processes: int,
    progress: Progress,
    ranks: Ranks,
    keeper: Keeper,
) -> SparseModel:
    """The model with its atoms and decoder tuned, as `tuning` says, on what `mixer` draws.

    `processes` draw the mixtures, or with none this one does. The first rank tunes; the others wait and are told what
    came of it. Goes on after the last leg that `keeper` has, to the same bits.
    """
    tuned = _begin(model, keeper.state(STAGE))
    # Steps are parts of what a weight usually is: a feature of an atom, an entry of the decoder.
    usual = float(tuned.atoms.weights.shape[1] ** -0.5), float(np.sqrt(np.mean(model.decoder**2)))
    make = partial(
        make_tuning_example,
        patch_columns=recipe.patch_columns,
        decoded=recipe.decoded_columns,
        compression=recipe.compression,
    )
    drawer = Drawer(mixer, recipe.spec, make, tuning.permutations)
    leg = partial(_leg, tuned, model, tuning, usual, drawer.group_size)
    with drawing([drawer], processes if ranks.rank == 0 else 0, 2 * processes) as draw:
        for first in range(len(tuned.curve) * _LEG, tuning.steps, _LEG):
            steps = range(first, min(first + _LEG, tuning.steps))
            row = ranks.together(partial(leg, draw, steps) if ranks.rank == 0 else lambda: np.zeros(3))
            _share(tuned, row, ranks)
            tuned.curve.append(row.tolist())
            keeper.keep(STAGE, _state(tuned))
            progress(STAGE, steps.stop / tuning.steps, f"loss {row[1]:.3f} dB, {row[2]:.0f} atoms a patch")
    return _tuned_model(model, tuned)


def _begin(model: SparseModel, kept: Arrays | None) -> Tuned:
    """The model's own weights, or those that were kept."""
    if kept is not None:
        atoms, decoder = (
            Descent(*(kept[f"{part}.{name}"] for name in ("weights", "mean", "square")))
            for part in ("atoms", "decoder")
        )
        return Tuned(atoms, decoder, kept["curve"].tolist())
    whitened = model.dictionary.whitened(model.whitening).matrix
    atoms, decoder = (Descent(w.copy(), np.zeros_like(w), np.zeros_like(w)) for w in (whitened, model.decoder))
    return Tuned(atoms, decoder, [])


def _leg(
    tuned: Tuned,
    model: SparseModel,
    tuning: Tuning,
    usual: tuple[float, float],
    group_size: int,
    draw: Draw[TuningExample],
    steps: range,
) -> F64:
    """Go through these steps, in place, each on one group of examples; a row of the curve."""
    losses, actives = [], []
    examples = draw(0, steps)
    for step in steps:
        batch = stack([next(examples) for _ in range(group_size)])
        loss, active, slopes = _slopes(tuned, model, batch)
        rate = tuning.rate * cosine_rate(min(1.0, (step + 1) / _RISE), step, tuning.steps)
        for part, slope, unit in zip((tuned.atoms, tuned.decoder), slopes, usual, strict=True):
            adam_step(part, slope, step + 1, rate * unit)
        tuned.atoms.weights[...] = normalise(tuned.atoms.weights)
        losses.append(loss)
        actives.append(active)
    return np.array([steps.stop, np.mean(losses), np.mean(actives)])


def _slopes(tuned: Tuned, model: SparseModel, batch: TuningExample) -> tuple[float, float, tuple[F32, F32]]:
    """The loss in dB, how many atoms a patch has, and the slopes of the loss in the atoms and in the decoder."""
    matrix, decoder = tuned.atoms.weights, tuned.decoder.weights
    rows, _ = unit_norm(batch.patches.reshape(-1, matrix.shape[1]) @ model.whitening)
    gram, energy = gram_of(matrix), np.sum(rows * rows, axis=1)
    codes = solve_cd(gram, inner_products(matrix, rows), energy, model.sparsity).codes
    decoded = (codes @ decoder).reshape(batch.cross.shape)
    losses, slope = mask_loss(decoded, batch.mixture, batch.cross, batch.power, model.mask_exponent)
    flat = slope.reshape(len(codes), -1)
    in_atoms = dictionary_slope(matrix, gram, rows, codes, flat @ decoder.T)
    active = np.count_nonzero(codes) / len(codes)
    return float(losses.mean()), active, (along_sphere(matrix, in_atoms), codes.T @ flat)


def _share(tuned: Tuned, row: F64, ranks: Ranks) -> None:
    """Give all ranks what the first one has."""
    for array in (row, *vars(tuned.atoms).values(), *vars(tuned.decoder).values()):
        sent = array.astype(np.float64) if ranks.rank == 0 else np.zeros(array.shape)
        ranks.sum(sent)
        array[...] = sent


def _state(tuned: Tuned) -> Arrays:
    """All that it takes to go on."""
    parts = (("atoms", tuned.atoms), ("decoder", tuned.decoder))
    arrays = {f"{part}.{name}": array for part, descent in parts for name, array in vars(descent).items()}
    return arrays | {"curve": np.array(tuned.curve)}


def _tuned_model(model: SparseModel, tuned: Tuned) -> SparseModel:
    """The model with the tuned weights: its own whitening makes of its atoms the tuned ones."""
    atoms = np.linalg.solve(model.whitening.T.astype(np.float64), tuned.atoms.weights.T.astype(np.float64)).T
    return replace(
        model,
        atoms=normalise(atoms.astype(np.float32)).reshape(model.atoms.shape),
        decoder=tuned.decoder.weights,
        notes=model.notes | {"tuned_loss": round(tuned.curve[-1][1], 3), "active_atoms": round(tuned.curve[-1][2], 1)},
    )
