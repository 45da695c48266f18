"""Compiled loops of the sparse solvers: arrays in, arrays filled; the checks are in `solvers`.

Notation: G the Gram, c the correlations of one column, a its code, gradient g = c - G a - λ (down the slope of E).
A code is optimal when g = 0 on its active atoms and g <= 0 elsewhere. Columns are solved one after the other,
each from zero, so that a code does not depend on its neighbours.

The working set is a few atoms in slots 0..size-1 with their own small Gram, and zeros from there to `width`, a whole
number of blocks. numba's cache does not see changes in other files: after one here, empty the __pycache__.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from rtsep.sparse.workspace import BLOCK, LANES

INNER = 5  # pairs of a sweep and a subspace step before the atoms outside are looked at again
SUBSPACE = 5  # conjugate gradient iterations of a subspace step, at most
SUBSPACE_GOAL = np.float32(0.01)  # or until the squared gradient has fallen to this part
LOOSE = np.float32(0.1)  # solve inside to this part of the largest gradient outside, as more atoms will come
ZERO = np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def subtract_rows(target: Any, gram: Any, atoms: Any, steps: Any, n: int) -> None:
    """target -= steps @ gram[atoms], four rows at a time: `target` is read and written once for four."""
    n_atoms = gram.shape[1]
    whole = n - n % 4
    for s in range(0, whole, 4):
        j0, j1, j2, j3 = atoms[s], atoms[s + 1], atoms[s + 2], atoms[s + 3]
        d0, d1, d2, d3 = steps[s], steps[s + 1], steps[s + 2], steps[s + 3]
        for k in range(n_atoms):
            target[k] -= (d0 * gram[j0, k] + d1 * gram[j1, k]) + (d2 * gram[j2, k] + d3 * gram[j3, k])
    for s in range(whole, n):
        j, d = atoms[s], steps[s]
        for k in range(n_atoms):
            target[k] -= d * gram[j, k]


@njit(cache=True, nogil=True, error_model="numpy")
def lane_maxima(gradient: Any, lanes: Any) -> Any:
    """lanes[k] = max of gradient[k::LANES]; returns the largest of all, or 0 if none is positive."""
    highest = ZERO
    for k in range(LANES):
        lanes[k] = gradient[k]
    for block in range(1, gradient.size // LANES):
        # Unsigned: an index that might be negative would keep the loop from being vectorised.
        start = np.uint64(block * LANES)
        for k in range(LANES):
            other = gradient[start + np.uint64(k)]
            lanes[k] = other if other > lanes[k] else lanes[k]
    for k in range(LANES):
        highest = max(highest, lanes[k])
    return highest


@njit(cache=True, nogil=True, error_model="numpy")
def _find_outside(gradient: Any, lanes: Any, is_member: Any, found: Any) -> int:
    """Fill `found` with the atoms outside the working set whose gradients are the largest positive ones."""
    n_found = 0
    floor = ZERO
    for lane in range(LANES):
        if lanes[lane] <= floor:
            continue
        for atom in range(lane, is_member.size, LANES):
            if gradient[atom] <= floor or is_member[atom]:
                continue
            place = n_found if n_found < found.size else found.size - 1
            while place > 0 and gradient[found[place - 1]] < gradient[atom]:
                found[place] = found[place - 1]
                place -= 1
            found[place] = atom
            if n_found < found.size:
                n_found += 1
            if n_found == found.size:
                floor = gradient[found[n_found - 1]]
    return n_found


@njit(cache=True, nogil=True, error_model="numpy")
def _join(gram: Any, space: Any, size: int, atom: int) -> None:
    """Give `atom` the slot `size`; the first of a new block clears it."""
    small, atoms = space.small, space.atoms
    if size % BLOCK == 0:
        small[: size + BLOCK, size : size + BLOCK] = ZERO
        small[size : size + BLOCK, :size] = ZERO
        space.values[size : size + BLOCK] = ZERO
        space.slopes[size : size + BLOCK] = ZERO
    atoms[size] = atom
    for s in range(size + 1):
        small[size, s] = gram[atom, atoms[s]]
        small[s, size] = small[size, s]
    space.is_member[atom] = True


@njit(cache=True, nogil=True, error_model="numpy")
def _leave(space: Any, size: int, slot: int) -> None:
    """Free `slot`: the last one, `size - 1`, moves there, and leaves zeros behind."""
    small, atoms, last = space.small, space.atoms, size - 1
    space.is_member[atoms[slot]] = False
    corner = small[last, last]
    for s in range(size):
        moved = small[last, s]
        small[last, s] = ZERO
        small[s, last] = ZERO
        if slot < last:
            small[slot, s] = moved
            small[s, slot] = moved
    if slot < last:
        small[slot, slot] = corner
        small[slot, last] = ZERO
        small[last, slot] = ZERO
        atoms[slot] = atoms[last]
        space.values[slot] = space.values[last]
    space.values[last] = ZERO
    space.slopes[last] = ZERO


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _sweep(small: Any, slopes: Any, values: Any, size: int, width: int) -> Any:
    """Exact coordinate steps over the working set, one after the other; returns the largest change of a slope."""
    largest = ZERO
    for s in range(size):
        value = max(values[s] + slopes[s] / small[s, s], ZERO)
        step = value - values[s]
        if step != ZERO:
            values[s] = value
            for t in range(width):
                slopes[t] -= step * small[s, t]
            largest = max(largest, abs(step) * small[s, s])
    return largest


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _dot(left: Any, right: Any, width: int) -> Any:
    total = ZERO
    for k in range(width):
        total += left[k] * right[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _small_times(small: Any, vector: Any, out: Any, size: int, width: int) -> None:
    """out = small @ vector. `small` is symmetric, and zero beyond `size`, so that whole fours of rows will do."""
    for k in range(width):
        out[k] = ZERO
    for s in range(0, size, 4):
        d0, d1, d2, d3 = vector[s], vector[s + 1], vector[s + 2], vector[s + 3]
        for k in range(width):
            out[k] += (d0 * small[s, k] + d1 * small[s + 1, k]) + (d2 * small[s + 2, k] + d3 * small[s + 3, k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _subspace_step(space: Any, size: int, width: int) -> None:
    """Move the active atoms towards their common optimum by conjugate gradients, up to the first that becomes zero.

    Sweeps find which atoms are active but crawl where atoms resemble each other; this does not (Moré & Toraldo,
    "On the solution of large quadratic programming problems with bound constraints", 1991).
    """
    small, slopes, values, free = space.small, space.slopes, space.values, space.free
    step, step_image, direction, image = space.step, space.step_image, space.direction, space.image
    for s in range(width):
        free[s] = np.float32(1.0) if values[s] > ZERO else ZERO
        step[s] = ZERO
        step_image[s] = ZERO
        direction[s] = free[s] * slopes[s]
    squared = _dot(direction, direction, width)
    goal = SUBSPACE_GOAL * squared
    for _ in range(SUBSPACE):
        _small_times(small, direction, image, size, width)
        curvature = _dot(direction, image, width)
        if not (squared > goal and curvature > ZERO):
            break
        length = squared / curvature
        for s in range(width):
            step[s] += length * direction[s]
            step_image[s] += length * image[s]
            image[s] = free[s] * (slopes[s] - step_image[s])  # the new residual; the image is done with
        fresh = _dot(image, image, width)
        for s in range(width):
            direction[s] = image[s] + (fresh / squared) * direction[s]
        squared = fresh
    part = np.float32(1.0)
    for s in range(size):
        if values[s] + part * step[s] < ZERO:
            part = -values[s] / step[s]
    for s in range(width):
        values[s] = max(values[s] + part * step[s], ZERO)
        slopes[s] -= part * step_image[s]


@njit(cache=True, nogil=True, error_model="numpy")
def relative_gap(corr: Any, space: Any, size: int, energy: Any, lam: Any, highest: Any) -> Any:
    """(E(a) - D(θ)) / E(a) at the dual point θ = s r, the residual r shrunk until Φᵀθ <= λ.

    r·r = ‖x‖² - 2 cᵀa + aᵀGa, x·r = ‖x‖² - cᵀa and D(θ) = s x·r - s² r·r / 2, where G a = c - λ - g; `highest` is
    the largest of g and 0.
    """
    corr_code, code_gram_code, total = 0.0, 0.0, 0.0
    for s in range(size):
        atom = space.atoms[s]
        value, c = np.float64(space.values[s]), np.float64(corr[atom])
        corr_code += c * value
        code_gram_code += (c - lam - space.gradient[atom]) * value
        total += value
    residual = max(energy - 2.0 * corr_code + code_gram_code, 0.0)
    alignment = max(energy - corr_code, 0.0)
    objective = 0.5 * residual + lam * total
    if objective <= 0.0:
        return 0.0
    shrink = lam / (lam + np.float64(highest))
    if alignment < shrink * residual:
        shrink = alignment / residual
    return (objective - shrink * alignment + 0.5 * shrink * shrink * residual) / objective


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_inside(space: Any, size: int, accuracy: Any) -> Any:
    """Sweeps and subspace steps on the working set until a sweep changes no slope by `accuracy`."""
    width = (size + BLOCK - 1) // BLOCK * BLOCK
    for _ in range(INNER):
        if _sweep(space.small, space.slopes, space.values, size, width) < accuracy:
            return
        _subspace_step(space, size, width)


@njit(cache=True, nogil=True, error_model="numpy")
def _complete_gradient(gram: Any, space: Any, size: int) -> int:
    """Bring what changed inside to all of g, and let the atoms at zero go; returns the new size."""
    n_changed = 0
    for s in range(size):
        change = space.values[s] - space.before[s]
        if change != ZERO:
            space.step[n_changed] = change
            space.changed[n_changed] = space.atoms[s]
            n_changed += 1
    subtract_rows(space.gradient, gram, space.changed, space.step, n_changed)
    for s in range(size - 1, -1, -1):
        if space.values[s] == ZERO:
            _leave(space, size, s)
            size -= 1
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def _cd_column(gram: Any, corr: Any, energy: Any, lam: Any, tol: Any, max_rounds: int, space: Any, code: Any) -> Any:
    gradient = space.gradient
    for k in range(corr.size):
        gradient[k] = corr[k] - lam
        space.is_member[k] = False
        code[k] = ZERO
    gradient[corr.size :] = np.float32(-1.0)
    size, rounds = 0, 0
    finest = np.float32(tol) * lam
    highest = lane_maxima(gradient, space.lanes)
    gap = relative_gap(corr, space, size, energy, lam, highest)
    while gap > tol and rounds < max_rounds:
        rounds += 1
        n_found = _find_outside(gradient, space.lanes, space.is_member, space.found)
        accuracy = finest
        if n_found > 0:
            accuracy = max(accuracy, LOOSE * gradient[space.found[0]])
        for f in range(n_found):
            _join(gram, space, size, space.found[f])
            size += 1
        for s in range(size):
            space.slopes[s] = gradient[space.atoms[s]]
            space.before[s] = space.values[s]
        _solve_inside(space, size, accuracy)
        size = _complete_gradient(gram, space, size)
        highest = lane_maxima(gradient, space.lanes)
        gap = relative_gap(corr, space, size, energy, lam, highest)
        if accuracy == finest:
            finest *= np.float32(0.5)
    for s in range(size):
        code[space.atoms[s]] = space.values[s]
    return gap, rounds


@njit(cache=True, nogil=True, error_model="numpy")
def cd_columns(
    gram: Any, corr: Any, energy: Any, lam: Any, tol: Any, max_rounds: int, space: Any,
    codes: Any, gaps: Any, rounds: Any,
) -> None:  # fmt: skip
    """Working-set coordinate descent for every row of `corr`: codes, relative duality gaps and rounds."""
    for column in range(corr.shape[0]):
        gaps[column], rounds[column] = _cd_column(
            gram, corr[column], energy[column], lam, tol, max_rounds, space, codes[column]
        )
