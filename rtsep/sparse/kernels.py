"""Compiled loops that both sparse solvers share: arrays in, arrays filled; the checks are in `solvers`.

Notation: G the Gram, c the correlations of one column, a its code, g = c - G a, downhill of ½‖x - Φa‖². The penalty
holds an atom at zero while g stays within `lower`..λ: lower is -λ for signed codes, -∞ for nonnegative ones. A code is
optimal when g is λ where a > 0, -λ where a < 0, and within the bounds elsewhere.

numba's cache does not see changes in other files: after one here or in `workspace`, empty the __pycache__. Helpers are
inlined by force: a call that passes arrays counts references, which costs more than what many of them compute.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit

from rtsep.sparse.workspace import LANES

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
NONE: Any = np.int64(0)  # a plain 0 is of a type of its own to numba: what gets it as an argument is compiled twice

# Called by kernels alone: without the wrappers by which Python and C would call them, half of what there is to compile.
inlined = partial(
    njit, forceinline=True, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@inlined()
def row_of(atoms: Any, place: int) -> Any:
    """The row of the Gram that belongs to atoms[place], unsigned: an index that might be negative has to be checked."""
    return np.uint64(atoms[place])


@inlined(fastmath={"contract"})
def subtract_rows(target: Any, gram: Any, atoms: Any, steps: Any, n: int) -> None:
    """target -= steps @ gram[atoms], four rows at a time: `target` is read and written once for four."""
    n_atoms = gram.shape[1]
    whole = n - n % 4
    for s in range(0, whole, 4):
        j0, j1, j2, j3 = row_of(atoms, s), row_of(atoms, s + 1), row_of(atoms, s + 2), row_of(atoms, s + 3)
        d0, d1, d2, d3 = steps[s], steps[s + 1], steps[s + 2], steps[s + 3]
        for k in range(n_atoms):
            target[k] -= (d0 * gram[j0, k] + d1 * gram[j1, k]) + (d2 * gram[j2, k] + d3 * gram[j3, k])
    for s in range(whole, n):
        j, d = row_of(atoms, s), steps[s]
        for k in range(n_atoms):
            target[k] -= d * gram[j, k]


@inlined()
def soften(wish: Any, lam: Any, lower: Any) -> Any:
    """Soft threshold: what of `wish` is beyond `lower`..λ."""
    return wish - max(min(wish, lam), lower)


@inlined()
def find_excess(gradient: Any, lam: Any, lower: Any, lanes: Any, peaks: Any) -> Any:
    """By how much the gradient oversteps its bounds at most: lanes[k] for gradient[k::LANES], there at peaks[k].

    Returns the largest of all; where nothing oversteps, 0.
    """
    for k in range(LANES):
        lanes[k] = ZERO
        peaks[k] = 0
    for block in range(gradient.size // LANES):
        # Unsigned: an index that might be negative would keep the loop from being vectorised.
        start, first = np.uint64(block * LANES), np.int32(block * LANES)
        for k in range(LANES):
            slope = gradient[start + np.uint64(k)]
            excess = max(slope - lam, lower - slope)
            higher = excess > lanes[k]
            peaks[k] = first + np.int32(k) if higher else peaks[k]
            lanes[k] = excess if higher else lanes[k]
    return _largest(lanes)


@inlined(fastmath={"nnan", "nsz", "reassoc"})
def _largest(lanes: Any) -> Any:
    highest = ZERO
    for k in range(LANES):
        highest = lanes[k] if lanes[k] > highest else highest
    return highest


@inlined()
def quadratic_terms(corr: Any, gradient: Any, atoms: Any, values: Any, size: int, energy: Any) -> Any:
    """‖r‖² of the residual r = x - Φa, x·r, and Σ|a|, in float64 from ‖x‖², c and g.

    ‖r‖² = ‖x‖² - 2 cᵀa + aᵀGa, x·r = ‖x‖² - cᵀa, and G a = c - g.
    """
    corr_code, code_gram_code, total = 0.0, 0.0, 0.0
    for s in range(size):
        atom = atoms[s]
        value, c = np.float64(values[s]), np.float64(corr[atom])
        corr_code += c * value
        code_gram_code += (c - gradient[atom]) * value
        total += abs(value)
    return max(energy - 2.0 * corr_code + code_gram_code, 0.0), max(energy - corr_code, 0.0), total


@inlined()
def relative_gap(
    corr: Any, gradient: Any, atoms: Any, values: Any, size: int, energy: Any, lam: Any, highest: Any
) -> Any:
    """(E(a) - D(θ)) / E(a) at the dual point θ = s r, the residual r shrunk until Φᵀθ is within the bounds.

    D(θ) = s x·r - s² ‖r‖² / 2; `highest` is by how much the gradient oversteps the bounds.
    """
    residual, alignment, total = quadratic_terms(corr, gradient, atoms, values, size, energy)
    objective = 0.5 * residual + lam * total
    if objective <= 0.0:
        return 0.0
    shrink = lam / (lam + np.float64(highest))
    if alignment < shrink * residual:
        shrink = alignment / residual
    return (objective - shrink * alignment + 0.5 * shrink * shrink * residual) / objective
