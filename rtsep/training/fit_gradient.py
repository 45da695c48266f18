"""Fit the linear decoder by gradient descent, with the curve of its loss; the closed form says where that ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from rtsep.decoder.adam import Descent, adam_step, cosine_rate
from rtsep.errors import OptionError
from rtsep.sparse.ranks import Numbers, Shard, in_steps
from rtsep.training.fit_dictionary import Progress
from rtsep.training.run_folder import Keeper
from rtsep.types import F32, F64

_MINIBATCH = 512
_FIRST_RATE = 1e-2
_HELD_OUT = 10  # one mixture in so many
_BLOCK = 2048

STAGE = "decoder"


@dataclass(frozen=True, eq=False)
class Coded:
    """This rank's codes `(n, n_atoms)`, their stems `(n, n_outputs)`, and what each patch was divided by, `(n, 1)`."""

    codes: csr_array
    stems: F32
    scale: F32

    def some(self, places: Numbers) -> tuple[csr_array, F32]:
        """Codes and the stems scaled alike, in whole steps of 2^-20."""
        return self.codes[places], in_steps(self.stems[places] / self.scale[places])


@dataclass(frozen=True)
class Course:
    """How the descent goes: passes over the patches, the weight of ‖W‖² as in `solve_ridge`, the seed of the order."""

    epochs: int
    ridge: float
    seed: int


@dataclass(frozen=True, eq=False)
class Split:
    """Numbers of the patches to learn from, and of those to judge by, ascending."""

    learned: Numbers
    judged: Numbers


def split_by_mixture(mixtures: Numbers, shard: Shard) -> Split:
    """Every tenth mixture is held out to judge by, the first among them.

    `mixtures` has the number of the mixture of each patch on this rank. Raises OptionError where one of the two shares
    would be empty.
    """
    held_out = np.zeros(shard.total)
    held_out[shard.numbers] = mixtures % _HELD_OUT == 0
    shard.ranks.sum(held_out)
    learned, judged = np.flatnonzero(held_out == 0), np.flatnonzero(held_out)
    if not (len(learned) and len(judged)):
        raise OptionError(
            f"{len(learned)} patches to learn from and {len(judged)} to judge by: gradient descent needs both, and "
            f"holds out one mixture in {_HELD_OUT}; draw more mixtures, or leave the decoder's epochs out"
        )
    return Split(learned, judged)


def fit_gradient(
    coded: Coded, split: Split, shard: Shard, course: Course, atoms: F32, progress: Progress, keeper: Keeper
) -> tuple[F32, F64]:
    """The decoder `(n_atoms, n_outputs)`, and its curve: a row of epoch, loss, and loss on mixtures held out.

    The loss is ‖Y - XW‖² per patch + penalty ‖W‖², least where `solve_ridge` is. Minibatches and their order come from
    the seed; gradients are added up without rounding, so that any number of ranks has the same bits. Goes on from what
    `keeper` has; raises OptionError where that was on other `atoms` than these.
    """
    penalty = course.ridge * _mean_square(coded, split.learned, shard)
    kept = keeper.state(STAGE)
    if kept is None:
        descent = Descent.from_zero(coded.codes.shape[1], coded.stems.shape[1])
        curve = [_judge(0, descent.weights, penalty, coded, split, shard)]
    else:
        _check_atoms(kept["atoms"], atoms)
        descent, curve = Descent(kept["weights"], kept["mean"], kept["square"]), kept["curve"].tolist()
    for epoch in range(len(curve), course.epochs + 1):
        _descend(descent, epoch, course, penalty, coded, split.learned, shard)
        curve.append(_judge(epoch, descent.weights, penalty, coded, split, shard))
        keeper.keep(STAGE, vars(descent) | {"atoms": atoms, "curve": np.array(curve)})
        progress(STAGE, epoch / course.epochs, f"loss {curve[-1][1]:.4f}, held out {curve[-1][2]:.4f}")
    return descent.weights, np.array(curve)


def _descend(
    descent: Descent, epoch: int, course: Course, penalty: float, coded: Coded, rows: Numbers, shard: Shard
) -> None:
    """One pass over the patches numbered `rows`, in place."""
    order = np.random.default_rng((course.seed, epoch)).permutation(rows)
    starts = range(0, len(rows), _MINIBATCH)
    for number, start in enumerate(starts, start=1 + (epoch - 1) * len(starts)):
        wanted = np.sort(order[start : start + _MINIBATCH])
        codes, stems = coded.some(shard.held(wanted)[0])
        error = in_steps(codes @ descent.weights - stems)
        gradient = codes.T.astype(np.float64) @ error.astype(np.float64)
        shard.ranks.sum(gradient)
        slope = (gradient / len(wanted)).astype(np.float32) + np.float32(penalty) * descent.weights
        adam_step(descent, slope, number, cosine_rate(_FIRST_RATE, number, course.epochs * len(starts)))


def _check_atoms(kept: F32, atoms: F32) -> None:
    if not np.array_equal(kept, atoms):
        raise OptionError(
            "the run's descent was begun on another dictionary: it goes on with that alone; give that one again, or "
            "another folder by --run"
        )


def _judge(epoch: int, weights: F32, penalty: float, coded: Coded, split: Split, shard: Shard) -> list[float]:
    """A row of the curve."""
    size = penalty * float(np.sum(weights.astype(np.float64) ** 2))
    return [epoch, *(_mean_error(weights, coded, rows, shard) + size for rows in (split.learned, split.judged))]


def _mean_error(weights: F32, coded: Coded, rows: Numbers, shard: Shard) -> float:
    """‖y - xW‖², on average over the patches numbered `rows`."""
    errors = np.zeros(len(rows))
    places, here = shard.held(rows)
    for start in range(0, len(places), _BLOCK):
        block = slice(start, start + _BLOCK)
        codes, stems = coded.some(places[block])
        errors[here[block]] = np.sum((codes @ weights - stems) ** 2, axis=1)
    shard.ranks.sum(errors)
    return float(errors.mean())


def _mean_square(coded: Coded, rows: Numbers, shard: Shard) -> float:
    """The mean of a², over all atoms and the patches numbered `rows`."""
    squares = np.zeros(len(rows))
    places, here = shard.held(rows)
    codes = coded.codes[places]
    squares[here] = codes.multiply(codes).sum(axis=1)
    shard.ranks.sum(squares)
    return float(squares.mean()) / int(codes.shape[1])
