"""The atoms' side of dictionary learning: the sums that they depend on, and the exact steps that follow from those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from rtsep.sparse.atom_kernel import update_block
from rtsep.sparse.ranks import Ranks
from rtsep.types import F32, F64

ATOM_BLOCK = 32  # atoms whose gradients one matrix product yields


@dataclass(frozen=True, eq=False)
class Statistics:
    """A = Σ a aᵀ `(n_atoms, n_atoms)` and B = Σ a xᵀ `(n_atoms, n_features)`: all that the atoms need to know."""

    code_gram: F32
    code_patch: F32


@dataclass(frozen=True, eq=False)
class BatchStatistics:
    """A and B of one minibatch in float64; codes and patches in whole steps of 2^-20 leave no rounding in them."""

    code_gram: F64
    code_patch: F64


def empty_statistics(n_atoms: int, n_features: int) -> Statistics:
    """Statistics of no patches at all."""
    return Statistics(np.zeros((n_atoms, n_atoms), np.float32), np.zeros((n_atoms, n_features), np.float32))


def batch_statistics(codes: F32, patches: F32) -> BatchStatistics:
    """A and B of `codes` `(n, n_atoms)`, most of them zeros, and their patches `(n, n_features)`."""
    sparse = csr_array(codes.astype(np.float64))
    return BatchStatistics((sparse.T @ sparse).toarray(), sparse.T @ patches.astype(np.float64))


def add_over_ranks(batch: BatchStatistics, ranks: Ranks) -> None:
    """Replace the statistics of this rank's part of a minibatch by those of all of it, in place."""
    ranks.sum(batch.code_gram)
    ranks.sum(batch.code_patch)


def absorb(statistics: Statistics, batch: BatchStatistics, keep: float) -> None:
    """Scale the statistics by `keep`, then add those of a batch, in place."""
    for total, new in ((statistics.code_gram, batch.code_gram), (statistics.code_patch, batch.code_patch)):
        total *= np.float32(keep)
        total += new.astype(np.float32)


def update_atoms(matrix: F32, statistics: Statistics) -> None:
    """One pass over the atoms, in place: each becomes the best nonnegative unit-norm one, given the others.

    With the norm fixed, E depends on atom j through -⟨v, φ_j⟩ alone, v = B_j - Σ_{k≠j} A_jk φ_k: best is the
    positive part of v, scaled. An atom without use, or without a positive v, stays.
    """
    gram, target = statistics.code_gram, statistics.code_patch
    for start in range(0, len(matrix), ATOM_BLOCK):
        block = slice(start, start + ATOM_BLOCK)
        update_block(matrix, gram, target[block] - gram[block] @ matrix, start)
