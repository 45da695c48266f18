"""Compiled loops of the convolutional solvers: arrays in, arrays filled; `convolution_solvers` checks and stops.

The working set is a list of slots in the order of their positions, each an atom at a position. Slot s overlaps only
with the slots `first[s]..last[s] - 1`, whose inner products with it are `small[begin[s]:]`, one after the other.
Slopes are c - G a, without λ. numba's cache does not see changes in other files: after one here, empty __pycache__.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SUBSPACE = 10  # conjugate gradient iterations of a subspace step, at most
SUBSPACE_GOAL = np.float32(0.01)  # or until the squared gradient has fallen to this part
HALVINGS = 4  # of a subspace step that goes uphill once it is cut at zero
ZERO = np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def shrink(value: Any, lam: Any, signed: bool) -> Any:
    """Soft threshold: what is left of `value` when λ is taken off it; below zero only if `signed`."""
    if value > lam:
        return value - lam
    if signed and value < -lam:
        return value + lam
    return ZERO


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def subtract_atoms(steps: Any, matrix: Any, positions: Any, atoms: Any, values: Any) -> None:
    """steps -= Σ values · atoms at their positions; `steps` is `(n_steps, width)` flat, as rows of `matrix` are."""
    length = matrix.shape[1]
    width = steps.shape[1]
    flat = steps.reshape(-1)
    for s in range(positions.size):
        target, atom, value = flat[positions[s] * width :], matrix[atoms[s]], values[s]
        for k in range(length):
            target[k] -= value * atom[k]


@njit(cache=True, nogil=True, error_model="numpy")
def relax(potential: Any, corr: Any, lam: Any, rate: Any, signed: bool, codes: Any) -> None:
    """u += rate · (c - G a + a - u), then a = the soft threshold of u, on the whole plane; `corr` is c - G a."""
    for p in range(potential.shape[0]):
        for k in range(potential.shape[1]):
            potential[p, k] += rate * (corr[p, k] + codes[p, k] - potential[p, k])
            codes[p, k] = shrink(potential[p, k], lam, signed)


@njit(cache=True, nogil=True, error_model="numpy")
def pick(corr: Any, floor: Any, signed: bool, most: int, keys: Any) -> int:
    """At every position the up to `most` atoms whose correlations are the highest above `floor`; how many in all.

    `keys` gets position * n_atoms + atom.
    """
    n_atoms = corr.shape[1]
    total = 0
    for p in range(corr.shape[0]):
        n_found = 0
        least = floor
        for k in range(n_atoms):
            height = abs(corr[p, k]) if signed else corr[p, k]
            if height <= least:
                continue
            place = n_found if n_found < most else most - 1
            while place > 0 and abs(corr[p, keys[total + place - 1] - p * n_atoms]) < height:
                keys[total + place] = keys[total + place - 1]
                place -= 1
            keys[total + place] = p * n_atoms + k
            if n_found < most:
                n_found += 1
            if n_found == most:
                least = abs(corr[p, keys[total + most - 1] - p * n_atoms])
        total += n_found
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def fill_small(
    lag_gram: Any, positions: Any, atoms: Any, begin: Any, first: Any, last: Any, origin: Any,
    old: Any, old_begin: Any, old_first: Any, small: Any,
) -> None:  # fmt: skip
    """Inner products of overlapping slots; those of two slots with an `origin` (else -1) are copied from `old`."""
    for s in range(positions.size):
        row, atom, o = begin[s] - first[s], atoms[s], origin[s]
        for t in range(first[s], s):
            small[row + t] = small[begin[t] - first[t] + s]
        for t in range(s, last[s]):
            if o >= 0 and origin[t] >= 0:
                small[row + t] = old[old_begin[o] - old_first[o] + origin[t]]
            else:
                small[row + t] = lag_gram[atom, positions[t] - positions[s], atoms[t]]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def sweep(small: Any, begin: Any, first: Any, last: Any, slopes: Any, values: Any, lam: Any, signed: bool) -> Any:
    """Exact coordinate steps over the working set, one after the other; returns the largest change of a slope."""
    largest = ZERO
    for s in range(values.size):
        row = small[begin[s] : begin[s + 1]]
        diagonal = row[s - first[s]]
        value = shrink(values[s] * diagonal + slopes[s], lam, signed) / diagonal
        step = value - values[s]
        if step != ZERO:
            values[s] = value
            near = slopes[first[s] : last[s]]
            for t in range(row.size):
                near[t] -= step * row[t]
            largest = max(largest, abs(step) * diagonal)
    return largest


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def small_times(small: Any, begin: Any, first: Any, last: Any, vector: Any, out: Any) -> None:
    """out = small @ vector, rows of zeros in `vector` skipped."""
    out[:] = ZERO
    for s in range(vector.size):
        value = vector[s]
        if value != ZERO:
            row, near = small[begin[s] : begin[s + 1]], out[first[s] : last[s]]
            for t in range(row.size):
                near[t] += value * row[t]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def exact_dot(left: Any, right: Any) -> Any:
    """left · right of float32 vectors, in float64."""
    total = 0.0
    for k in range(left.size):
        total += np.float64(left[k]) * np.float64(right[k])
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def dot(left: Any, right: Any) -> Any:
    total = ZERO
    for k in range(left.size):
        total += left[k] * right[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _energy(corr: Any, slopes: Any, values: Any, lam: Any) -> Any:
    """E - ½‖x‖² = λ Σ|a| - ½ (c + s)·a, where s = c - G a."""
    energy = 0.0
    for s in range(values.size):
        energy += lam * abs(values[s]) - 0.5 * (np.float64(corr[s]) + slopes[s]) * values[s]
    return energy


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _common_step(
    small: Any, begin: Any, first: Any, last: Any, slopes: Any, values: Any, lam: Any, scratch: Any
) -> None:
    """scratch[0] = the step that takes the active slots towards their common optimum, by conjugate gradients."""
    step, residual, direction, image = scratch[0], scratch[1], scratch[2], scratch[3]
    for s in range(values.size):
        step[s] = ZERO
        residual[s] = slopes[s] - np.sign(values[s]) * lam if values[s] != ZERO else ZERO
        direction[s] = residual[s]
    squared = dot(residual, residual)
    goal = SUBSPACE_GOAL * squared
    for _ in range(SUBSPACE):
        small_times(small, begin, first, last, direction, image)
        curvature = dot(direction, image)
        if not (squared > goal and curvature > ZERO):
            return
        length = squared / curvature
        for s in range(values.size):
            step[s] += length * direction[s]
            if values[s] != ZERO:
                residual[s] -= length * image[s]
        fresh = dot(residual, residual)
        for s in range(values.size):
            direction[s] = residual[s] + (fresh / squared) * direction[s]
        squared = fresh


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def subspace_step(
    small: Any, begin: Any, first: Any, last: Any, corr: Any, slopes: Any, values: Any, lam: Any, scratch: Any
) -> None:
    """Move the active slots towards their common optimum; those that would change sign stop at zero.

    Sweeps find which atoms are active but crawl where atoms resemble each other; this does not. Cut at zero, the step
    may go uphill: it is halved until it does not, or given up (projected search: Moré & Toraldo, "On the solution of
    large quadratic programming problems with bound constraints", 1991).
    """
    _common_step(small, begin, first, last, slopes, values, lam, scratch)
    step, trial, change, image = scratch[0], scratch[1], scratch[2], scratch[3]
    before = _energy(corr, slopes, values, lam)
    part = np.float32(1.0)
    for _ in range(HALVINGS):
        for s in range(values.size):
            moved = values[s] + part * step[s]
            trial[s] = moved if moved * values[s] > ZERO else ZERO
            change[s] = trial[s] - values[s]
        small_times(small, begin, first, last, change, image)
        for s in range(values.size):
            image[s] = slopes[s] - image[s]
        if _energy(corr, image, trial, lam) < before:
            values[:] = trial
            slopes[:] = image
            return
        part *= np.float32(0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_inside(
    small: Any, begin: Any, first: Any, last: Any, corr: Any, slopes: Any, values: Any, lam: Any, signed: bool,
    accuracy: Any, most: int, scratch: Any,
) -> int:  # fmt: skip
    """Sweeps and subspace steps until a sweep changes no slope by `accuracy`, at most `most`; returns how many."""
    for n in range(most):
        if sweep(small, begin, first, last, slopes, values, lam, signed) < accuracy:
            return n + 1
        subspace_step(small, begin, first, last, corr, slopes, values, lam, scratch)
    return most
