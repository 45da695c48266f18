"""The coder of a model: patches in, whitened and scaled to unit norm; sparse codes out. Planned once, run often."""

from __future__ import annotations

from functools import partial
from typing import Literal, get_args

import numpy as np

from rtsep.errors import OptionError
from rtsep.sparse.dictionary import Dictionary, inner_products
from rtsep.sparse.solvers import Workspace, lca_rate, solve_cd, solve_lca
from rtsep.types import F32

Solver = Literal["cd", "lca"]
SOLVERS: tuple[Solver, ...] = get_args(Solver)


class SparseCoder:
    """Minimises ½‖x - Φa‖² + λ‖a‖₁ over a >= 0, x = Wp / ‖Wp‖ for a patch p, Φ the whitened atoms of unit norm.

    Whitening takes out of the patches what all atoms share; the optimum is reached in tens of steps of the locally
    competitive algorithm, not thousands. Scaling makes the codes blind to level.
    """

    def __init__(self, atoms: Dictionary, whitening: F32, sparsity: float, solver: Solver = "cd") -> None:
        if solver not in SOLVERS:
            raise OptionError(f"solver {solver!r} is not known: choose {' or '.join(SOLVERS)}")
        self._whitening = np.ascontiguousarray(whitening.T)
        self._dictionary = atoms.whitened(whitening)
        gram = self._dictionary.gram
        solve = solve_cd if solver == "cd" else partial(solve_lca, rate=lca_rate(gram))
        self._solve = partial(solve, gram, lam=sparsity, workspace=Workspace.plan(atoms.n_atoms))

    def encode(self, patches: F32) -> tuple[F32, F32]:
        """Codes `(n, n_atoms)` of patches `(n, n_columns * n_bands)`, and the `(n, 1)` by which each was divided.

        A patch of zeros has a code of zeros, and was divided by one. Raises AudioError for values that are not finite.
        """
        peaks = patches.max(axis=1, keepdims=True)
        rows = np.asarray(patches / np.where(peaks > 0, peaks, np.float32(1)), np.float32)
        white, length = unit_norm(inner_products(self._whitening, rows))
        corr, energy = self._dictionary.correlate(white), np.sum(white * white, axis=1)
        return self._solve(corr=corr, energy=energy).codes, np.where(length > 0, peaks * length, np.float32(1))


def unit_norm(patches: F32) -> tuple[F32, F32]:
    """Rows scaled to unit length, and their lengths `(n, 1)`; a silent row stays zero."""
    length: F32 = np.sqrt(np.sum(patches * patches, axis=1, keepdims=True))
    unit = np.asarray(patches / np.where(length > 0, length, np.float32(1)), np.float32)
    return unit, length
