"""Locally competitive algorithm, compiled: arrays in, arrays filled; the checks are in `solvers`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from rtsep.sparse.kernels import ZERO, lane_maxima, relative_gap, subtract_rows


@njit(cache=True, nogil=True)
def _list_active(potential: Any, lam: Any, space: Any) -> int:
    """Slots of the atoms above threshold, with a = u - λ; how many."""
    size = 0
    for k in range(potential.size):
        if potential[k] > lam:
            space.atoms[size] = k
            space.values[size] = potential[k] - lam
            size += 1
    return size


@njit(cache=True, nogil=True, fastmath={"contract"})
def _relax(potential: Any, gradient: Any, lam: Any, rate: Any) -> None:
    """u += rate · (c - u - (G - I) a), where c - G a is g + λ."""
    for k in range(potential.size):
        code = max(potential[k] - lam, ZERO)
        potential[k] += rate * (gradient[k] + lam + code - potential[k])


@njit(cache=True, nogil=True)
def _lca_column(
    gram: Any, corr: Any, energy: Any, lam: Any, tol: Any, rate: Any, most: int, space: Any, code: Any
) -> Any:
    gradient, potential = space.gradient, space.potential
    gradient[corr.size :] = np.float32(-1.0)
    potential[:] = ZERO
    size, iterations = 0, 0
    while True:
        for k in range(corr.size):
            gradient[k] = corr[k] - lam
        subtract_rows(gradient, gram, space.atoms, space.values, size)
        gap = relative_gap(corr, space, size, energy, lam, lane_maxima(gradient, space.lanes))
        if gap <= tol or iterations == most:
            break
        iterations += 1
        _relax(potential, gradient, lam, rate)
        size = _list_active(potential, lam, space)
    code[:] = ZERO
    for s in range(size):
        code[space.atoms[s]] = space.values[s]
    return gap, iterations


@njit(cache=True, nogil=True)
def lca_columns(
    gram: Any, corr: Any, energy: Any, lam: Any, tol: Any, rate: Any, most: int, space: Any, codes: Any, gaps: Any,
    iterations: Any,
) -> None:  # fmt: skip
    """The dynamics for every row of `corr`, at most `most` steps: codes, relative duality gaps and steps."""
    for column in range(corr.shape[0]):
        gaps[column], iterations[column] = _lca_column(
            gram, corr[column], energy[column], lam, tol, rate, most, space, codes[column]
        )
