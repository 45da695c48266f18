"""Locally competitive algorithm, compiled: arrays in, arrays filled; notation as in `kernels`, checks in `solvers`.

τ du/dt = c - u - (G - I) a = g + a - u, a = T(u): every unit is driven by its correlation, leaks, and is inhibited by
the others' codes; the I keeps it from inhibiting itself. T is zero for u within `lower`..λ; beyond, the soft one is
u less the bound, the hard one u itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from rtsep.sparse.kernels import NONE, ZERO, find_excess, inlined, quadratic_terms, relative_gap, subtract_rows


@inlined()
def _threshold(potential: Any, lam: Any, lower: Any, hard: bool) -> Any:
    within = max(min(potential, lam), lower)
    return potential - (ZERO if hard and potential != within else within)


@inlined()
def _list_active(potential: Any, lam: Any, lower: Any, hard: bool, space: Any) -> int:
    """Atoms and values of the code a = T(u); how many."""
    size = 0
    for k in range(potential.size):
        if potential[k] > lam or potential[k] < lower:
            space.atoms[size] = k
            space.values[size] = _threshold(potential[k], lam, lower, hard)
            size += 1
    return size


@inlined()
def _complete_gradient(gram: Any, corr: Any, space: Any, size: int) -> None:
    for k in range(corr.size):
        space.gradient[k] = corr[k]
    subtract_rows(space.gradient, gram, space.atoms, space.values, size)


@inlined(fastmath={"contract"})
def _relax(potential: Any, gradient: Any, lam: Any, lower: Any, rate: Any, hard: bool) -> Any:
    """u += rate · (g + a - u); returns the largest |g + a - u|."""
    fastest = ZERO
    for k in range(potential.size):
        code = _threshold(potential[k], lam, lower, hard)
        force = gradient[k] + code - potential[k]
        potential[k] += rate * force
        fastest = max(fastest, abs(force))
    return fastest


@inlined()
def _lca_column(
    gram: Any, corr: Any, energy: Any, lam: Any, lower: Any, tol: Any, rate: Any, most: int, hard: bool, space: Any,
    code: Any,
) -> Any:  # fmt: skip
    gradient, potential = space.gradient, space.potential
    gradient[corr.size :] = ZERO
    potential[:] = ZERO
    size, iterations = NONE, NONE
    while True:
        _complete_gradient(gram, corr, space, size)
        if not hard:
            excess = find_excess(gradient, lam, lower, space.lanes, space.peaks)
            distance = relative_gap(corr, gradient, space.atoms, space.values, size, energy, lam, excess)
            if distance <= tol or iterations == most:
                break
        fastest = _relax(potential, gradient, lam, lower, rate, hard)
        if hard:
            distance = np.float64(fastest) / lam
            if distance <= tol or iterations == most:
                break
        iterations += 1
        size = _list_active(potential, lam, lower, hard, space)
    code[:] = ZERO
    for s in range(size):
        code[space.atoms[s]] = space.values[s]
    return distance, iterations


@njit(cache=True, nogil=True, error_model="numpy")
def lca_columns(
    gram: Any, corr: Any, energy: Any, lam: Any, lower: Any, tol: Any, rate: Any, most: int, hard: bool, space: Any,
    codes: Any, gaps: Any, iterations: Any,
) -> None:  # fmt: skip
    """The dynamics for every row of `corr`, at most `most` steps: codes, distances from the end, and steps.

    The distance is the relative duality gap; with the hard threshold, which has no dual, max |τ du/dt| / λ.
    """
    for column in range(corr.shape[0]):
        gaps[column], iterations[column] = _lca_column(
            gram, corr[column], energy[column], lam, lower, tol, rate, most, hard, space, codes[column]
        )


@njit(cache=True, nogil=True, error_model="numpy")
def lca_trajectory(
    gram: Any, corr: Any, energy: Any, lam: Any, lower: Any, rate: Any, hard: bool, space: Any, trajectory: Any
) -> None:
    """trajectory[column, n] = E after n steps; the hard threshold's penalty is λ²/2 for every active atom."""
    gradient, potential = space.gradient, space.potential
    gradient[gram.shape[0] :] = ZERO
    penalty = np.float64(lam)
    for column in range(corr.shape[0]):
        potential[:] = ZERO
        size = NONE
        for n in range(trajectory.shape[1]):
            _complete_gradient(gram, corr[column], space, size)
            residual, _, total = quadratic_terms(
                corr[column], gradient, space.atoms, space.values, size, energy[column]
            )
            price = 0.5 * penalty * penalty * size if hard else penalty * total
            trajectory[column, n] = 0.5 * residual + price
            _relax(potential, gradient, lam, lower, rate, hard)
            size = _list_active(potential, lam, lower, hard, space)
