"""Dictionary learning: the mean of E(φ, a) = ½‖x - Φa‖² + λ Σa, least over codes a >= 0 and unit-norm φ >= 0.

Online, after Mairal, Bach, Ponce, Sapiro, "Online learning for matrix factorization and sparse coding", JMLR
2010: codes of a minibatch, then the sufficient statistics A = Σ a aᵀ and B = Σ a xᵀ, older minibatches forgotten
bit by bit, then one pass of exact steps over the atoms. `full_batch_step` is the same on all patches at once,
without forgetting. Ranks code the patches that they hold, add up A and B, and update the atoms alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.sparse import csr_array

from rtsep.errors import AudioError, OptionError
from rtsep.sparse.atoms import Statistics, absorb, add_over_ranks, batch_statistics, empty_statistics, update_atoms
from rtsep.sparse.dictionary import gram_of, inner_products, normalise
from rtsep.sparse.ranks import Numbers, Shard, in_steps
from rtsep.sparse.solvers import Workspace, solve_cd
from rtsep.types import F32

FORGETTING = 3.0  # a minibatch weighs (its number / the last number) ** FORGETTING: early dictionaries coded badly
DEAD_BELOW = 1e-3  # of the mean Σa² of the atoms: less use than that is none
LARGEST_MINIBATCH = 4096  # sums of more products than that may round


@dataclass(frozen=True)
class LearningProgress:
    """What one minibatch showed: E per patch, atoms per code, atoms in use, atoms re-seeded."""

    minibatch: int
    energy: float
    active_atoms: float
    atoms_in_use: int
    reseeded: int


@dataclass(frozen=True, eq=False)
class LearnerState:
    """All that learning knows after so many minibatches: atoms `(n_atoms, n_features)` and their statistics."""

    minibatches: int
    matrix: F32
    statistics: Statistics


def learn_dictionary(
    patches: F32,
    n_atoms: int,
    lam: float,
    seed: int = 0,
    epochs: int = 1,
    minibatch: int = 512,
    tol: float = 3e-3,
    progress: Callable[[LearningProgress], None] | None = None,
    shard: Shard | None = None,
    start: LearnerState | None = None,
    keep: Callable[[LearnerState], None] | None = None,
) -> F32:
    """Atoms `(n_atoms, n_features)` learned from patches `(n, n_features)`, nonnegative and of unit norm.

    The patches are scaled to unit norm, shuffled and passed `epochs` times. `shard` says which ones of all patches
    these are, where other ranks hold more; every rank gets the atoms. The same seed and patches give the same atoms,
    to the bit, on any number of ranks. `keep` is shown the state after each minibatch and copies what it wants; a
    later call with that as `start`, whose arrays it takes over, goes on to the same atoms. Raises OptionError where
    fewer than `n_atoms` patches sound, and for sizes; AudioError for values that are negative or not finite.
    """
    _check(n_atoms, epochs, minibatch)
    shard = Shard.whole(len(patches)) if shard is None else shard
    shard.ranks.together(lambda: _check_patches(patches))
    rng = np.random.default_rng(seed)
    # Drawn in any case: the order of the minibatches comes from the same generator.
    drawn = _draw_atoms(patches, shard, n_atoms, rng)
    start = start or LearnerState(0, drawn, empty_statistics(*drawn.shape))
    matrix, statistics = start.matrix, start.statistics
    workspace = Workspace.plan(n_atoms)
    numbered = enumerate(_minibatches(shard.total, minibatch, epochs, rng), start=1)
    for number, wanted in islice(numbered, start.minibatches, None):
        places, here = shard.held(wanted)
        batch = in_steps(normalise(patches[places]))
        codes = encode(matrix, batch, lam, tol, workspace)
        fresh = batch_statistics(codes, batch)
        add_over_ranks(fresh, shard.ranks)
        shown = np.zeros((2, len(wanted)))
        shown[:, here] = energy_of(matrix, batch, codes, lam), np.count_nonzero(codes, axis=1)
        shard.ranks.sum(shown)
        absorb(statistics, fresh, keep=(1.0 - 1.0 / number) ** FORGETTING)
        update_atoms(matrix, statistics)
        seeds = worst_explained(statistics, shown[0])
        n_reseeded = reseed(matrix, statistics, shard.gather(patches, wanted[seeds])) if len(seeds) else 0
        if progress is not None:
            energy, n_active = shown.mean(axis=1)
            progress(LearningProgress(number, float(energy), float(n_active), n_atoms - n_reseeded, n_reseeded))
        if keep is not None:
            keep(LearnerState(number, matrix, statistics))
    return matrix


def full_batch_step(matrix: F32, patches: F32, codes: F32, lam: float, tol: float = 1e-4) -> tuple[F32, F32]:
    """One alternation on all patches: new codes, then one pass over the atoms; the mean of E never rises.

    A patch keeps its old code where that is the better one: the solver stops short of the optimum by `tol`.
    Returns the atoms and the codes; `codes` may be zeros at first.
    """
    fresh = encode(matrix, patches, lam, tol)
    better = energy_of(matrix, patches, fresh, lam) < energy_of(matrix, patches, codes, lam)
    codes = np.where(better[:, None], fresh, codes)
    statistics = empty_statistics(*matrix.shape)
    absorb(statistics, batch_statistics(codes, patches), keep=0.0)
    matrix = matrix.copy()
    update_atoms(matrix, statistics)
    return matrix, codes


def encode(matrix: F32, patches: F32, lam: float, tol: float, workspace: Workspace | None = None) -> F32:
    """Codes `(n, n_atoms)` of patches `(n, n_features)` by coordinate descent, in whole steps of 2^-20.

    No bit of a code depends on the patches beside it, which differ with the number of ranks.
    """
    corr = inner_products(matrix, patches)
    energy = np.sum(patches * patches, axis=1)
    return in_steps(solve_cd(gram_of(matrix), corr, energy, lam, tol, workspace).codes)


def energy_of(matrix: F32, patches: F32, codes: F32, lam: float) -> F32:
    """E of each patch, `(n,)`."""
    residual = patches - csr_array(codes) @ matrix
    energy: F32 = np.float32(0.5) * np.sum(residual * residual, axis=1) + np.float32(lam) * codes.sum(axis=1)
    return energy


def worst_explained(statistics: Statistics, energies: F32) -> Numbers:
    """Places of the patches of the highest E, one for each dead atom as far as there are any that sound."""
    n_dead = len(_dead(statistics))
    worst = np.argsort(-energies, kind="stable")
    return worst[energies[worst] > 0.0][:n_dead]


def reseed(matrix: F32, statistics: Statistics, patches: F32) -> int:
    """Give as many dead atoms the shapes of `patches`, and forget their past; returns how many."""
    dead = _dead(statistics)[: len(patches)]
    matrix[dead] = normalise(patches)
    statistics.code_gram[dead] = 0.0
    statistics.code_gram[:, dead] = 0.0
    statistics.code_patch[dead] = 0.0
    return len(dead)


def _dead(statistics: Statistics) -> Numbers:
    usage = np.diagonal(statistics.code_gram)
    return np.flatnonzero(usage < DEAD_BELOW * usage.mean())


def _check(n_atoms: int, epochs: int, minibatch: int) -> None:
    if n_atoms < 1:
        raise OptionError(f"{n_atoms} atoms: a dictionary needs 1 at least; try 1024")
    if epochs < 1:
        raise OptionError(f"{epochs} epochs: the patches must be passed once at least; try 1")
    if not 1 <= minibatch <= LARGEST_MINIBATCH:
        raise OptionError(f"minibatches of {minibatch}: they hold 1 to {LARGEST_MINIBATCH} patches; try 512")


def _check_patches(patches: F32) -> None:
    lowest, highest = patches.min(initial=0.0), patches.max(initial=0.0)
    if not (lowest >= 0.0 and highest < np.inf):
        raise AudioError(
            f"patches with values from {lowest} to {highest}: amplitudes are finite and not negative; check the samples"
        )


def _draw_atoms(patches: F32, shard: Shard, n_atoms: int, rng: np.random.Generator) -> F32:
    """Atoms to begin with, drawn from the patches that are not silent."""
    sounding = np.flatnonzero(shard.gather(patches.max(axis=1, initial=0.0), np.arange(shard.total)))
    if len(sounding) < n_atoms:
        raise OptionError(f"{len(sounding)} sounding patches for {n_atoms} atoms: atoms start as patches; give more")
    return normalise(shard.gather(patches, rng.choice(sounding, n_atoms, replace=False)))


def _minibatches(total: int, size: int, epochs: int, rng: np.random.Generator) -> Iterator[Numbers]:
    for _ in range(epochs):
        order = rng.permutation(total)
        for start in range(0, total, size):
            yield np.sort(order[start : start + size])
