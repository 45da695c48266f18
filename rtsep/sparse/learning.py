"""Dictionary learning: the mean of E(φ, a) = ½‖x - Φa‖² + λ Σa, least over codes a >= 0 and unit-norm φ >= 0.

Online, after Mairal, Bach, Ponce, Sapiro, "Online learning for matrix factorization and sparse coding", JMLR
2010: codes of a minibatch, then the sufficient statistics A = Σ a aᵀ and B = Σ a xᵀ, older minibatches forgotten
bit by bit, then one pass of exact steps over the atoms. `full_batch_step` is the same on all patches at once,
without forgetting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from rtsep.errors import OptionError
from rtsep.sparse.dictionary import gram_of, normalise
from rtsep.sparse.solvers import Workspace, solve_cd
from rtsep.types import F32

ATOM_BLOCK = 32  # atoms whose gradients one matrix product yields
FORGETTING = 3.0  # a minibatch weighs (its number / the last number) ** FORGETTING: early dictionaries coded badly
DEAD_BELOW = 1e-3  # of the mean Σa² of the atoms: less use than that is none


@dataclass(frozen=True)
class LearningProgress:
    """What one minibatch showed: E per patch, atoms per code, atoms in use, atoms re-seeded."""

    minibatch: int
    energy: float
    active_atoms: float
    atoms_in_use: int
    reseeded: int


@dataclass(frozen=True, eq=False)
class Statistics:
    """A `(n_atoms, n_atoms)` and B `(n_atoms, n_features)`: all that the atoms need to know."""

    code_gram: F32
    code_patch: F32


def learn_dictionary(
    patches: F32 | Iterable[F32],
    n_atoms: int,
    lam: float,
    seed: int = 0,
    epochs: int = 1,
    minibatch: int = 512,
    tol: float = 3e-3,
    progress: Callable[[LearningProgress], None] | None = None,
) -> F32:
    """Atoms `(n_atoms, n_features)` learned from unit-norm patches, nonnegative and of unit norm.

    `patches` is either an array `(n, n_features)`, shuffled and passed `epochs` times, or an iterable of
    minibatches, taken once as it comes (its first ones seed the atoms). The same seed and patches give the same
    atoms. Raises OptionError where fewer than `n_atoms` patches sound.
    """
    rng = np.random.default_rng(seed)
    matrix, batches = _start(patches, n_atoms, minibatch, epochs, rng)
    statistics = empty_statistics(*matrix.shape)
    workspace = Workspace.plan(n_atoms)
    for number, batch in enumerate(batches, start=1):
        codes = encode(matrix, batch, lam, tol, workspace)
        absorb(statistics, codes, batch, keep=(1.0 - 1.0 / number) ** FORGETTING)
        update_atoms(matrix, statistics)
        energies = energy_of(matrix, batch, codes, lam)
        n_reseeded = reseed(matrix, statistics, batch, energies)
        if progress is not None:
            n_active = float(np.count_nonzero(codes)) / len(codes)
            progress(LearningProgress(number, float(energies.mean()), n_active, n_atoms - n_reseeded, n_reseeded))
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
    absorb(statistics, codes, patches, keep=0.0)
    matrix = matrix.copy()
    update_atoms(matrix, statistics)
    return matrix, codes


def encode(matrix: F32, patches: F32, lam: float, tol: float, workspace: Workspace | None = None) -> F32:
    """Codes `(n, n_atoms)` of patches `(n, n_features)` by coordinate descent."""
    corr = patches @ matrix.T
    energy = np.einsum("nf,nf->n", patches, patches)
    return solve_cd(gram_of(matrix), corr, energy, lam, tol, workspace).codes


def energy_of(matrix: F32, patches: F32, codes: F32, lam: float) -> F32:
    """E of each patch, `(n,)`."""
    residual = patches - codes @ matrix
    energy: F32 = 0.5 * np.einsum("nf,nf->n", residual, residual) + np.float32(lam) * codes.sum(axis=1)
    return energy


def empty_statistics(n_atoms: int, n_features: int) -> Statistics:
    """Statistics of no patches at all."""
    return Statistics(np.zeros((n_atoms, n_atoms), np.float32), np.zeros((n_atoms, n_features), np.float32))


def absorb(statistics: Statistics, codes: F32, patches: F32, keep: float) -> None:
    """Scale the statistics by `keep`, then add those of a batch, in place."""
    for total, new in ((statistics.code_gram, codes), (statistics.code_patch, patches)):
        total *= np.float32(keep)
        total += codes.T @ new


def update_atoms(matrix: F32, statistics: Statistics) -> None:
    """One pass over the atoms, in place: each becomes the best nonnegative unit-norm one, given the others.

    With the norm fixed, E depends on atom j through -⟨v, φ_j⟩ alone, v = B_j - Σ_{k≠j} A_jk φ_k: best is the
    positive part of v, scaled. An atom without use, or without a positive v, stays.
    """
    gram, target = statistics.code_gram, statistics.code_patch
    for start in range(0, len(matrix), ATOM_BLOCK):
        block = slice(start, min(start + ATOM_BLOCK, len(matrix)))
        pull = target[block] - gram[block] @ matrix
        for j in range(block.start, block.stop):
            usage = gram[j, j]
            atom = np.maximum(pull[j - start] + usage * matrix[j], 0.0)
            norm = np.linalg.norm(atom)
            if usage <= 0.0 or norm <= 0.0:
                continue
            atom /= norm
            # The other gradients of the block were taken with the old atom.
            pull -= np.outer(gram[block, j], atom - matrix[j])
            matrix[j] = atom


def _start(
    patches: F32 | Iterable[F32], n_atoms: int, minibatch: int, epochs: int, rng: np.random.Generator
) -> tuple[F32, Iterator[F32]]:
    """Atoms to begin with, drawn from the patches that are not silent, and the minibatches to come."""
    if isinstance(patches, np.ndarray):
        pool, batches = patches, _minibatches(patches, minibatch, epochs, rng)
    else:
        rest = iter(patches)
        head: list[F32] = []
        while sum(len(batch) for batch in head) < n_atoms and (batch := next(rest, None)) is not None:
            head.append(batch)
        pool, batches = np.concatenate(head or [np.zeros((0, 0), np.float32)]), chain(head, rest)
    sounding = np.flatnonzero(pool.any(axis=1))
    if len(sounding) < n_atoms:
        raise OptionError(f"{len(sounding)} sounding patches for {n_atoms} atoms: atoms start as patches; give more")
    return normalise(pool[rng.choice(sounding, n_atoms, replace=False)]), batches


def _minibatches(patches: F32, size: int, epochs: int, rng: np.random.Generator) -> Iterator[F32]:
    for _ in range(epochs):
        order = rng.permutation(len(patches))
        for start in range(0, len(order), size):
            yield patches[np.sort(order[start : start + size])]


def reseed(matrix: F32, statistics: Statistics, patches: F32, energies: F32) -> int:
    """Give dead atoms the shape of the worst explained patches and forget their past; returns how many."""
    usage = np.diagonal(statistics.code_gram)
    dead = np.flatnonzero(usage < DEAD_BELOW * usage.mean())
    worst = np.argsort(-energies, kind="stable")
    worst = worst[patches[worst].any(axis=1)][: len(dead)]
    dead = dead[: len(worst)]
    matrix[dead] = normalise(patches[worst])
    statistics.code_gram[dead] = 0.0
    statistics.code_gram[:, dead] = 0.0
    statistics.code_patch[dead] = 0.0
    return len(dead)
