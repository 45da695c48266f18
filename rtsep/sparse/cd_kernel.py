"""Coordinate descent on a working set, compiled: columns in, codes filled; notation as in `kernels`.

Columns are solved one after the other, each from zero, so that a code does not depend on its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from rtsep.sparse.kernels import NONE, ZERO, find_excess, inlined, relative_gap, subtract_rows
from rtsep.sparse.working_set import dismiss_zeros, join, layout, solve_inside, widen
from rtsep.sparse.workspace import ADDED, CAPACITY

LOOSE = np.float32(0.1)  # solve inside to this part of the largest excess outside, as more atoms will come
HALF = np.float32(0.5)
FIRST: Any = np.int64(6)  # atoms that may join in the first round
FEWEST = 3  # in any


@inlined()
def _find_outside(space: Any, most: int) -> int:
    """Fill `found` with the `most` lanes of the largest excess, the largest first, where that is of an atom outside.

    One atom of a lane at most: to sort all of them would take longer than to find the others in the next round.
    """
    lanes, found, last = space.lanes, space.found, most - 1
    n_found, floor = 0, ZERO
    for lane in range(lanes.size):
        if lanes[lane] <= floor or space.is_member[space.peaks[lane]]:
            continue
        place = min(n_found, last)
        while place > 0 and lanes[found[place - 1]] < lanes[lane]:
            found[place] = found[place - 1]
            place -= 1
        found[place] = lane
        n_found = min(n_found + 1, last + 1)
        if n_found > last:
            floor = lanes[found[last]]
    return n_found


@inlined()
def _join_found(gram: Any, small: Any, space: Any, size: int, n_found: int) -> int:
    """Seat the atoms of `found` in empty slots, the first first; returns the new size."""
    slot = 0
    for f in range(n_found):
        while slot < size and space.inverse[slot] != ZERO:
            slot += 1
        size = join(gram, small, space, size, slot, space.peaks[space.found[f]])
    return size


@inlined()
def _complete_gradient(gram: Any, space: Any, size: int) -> None:
    """Bring what changed inside to all of g."""
    n_changed = NONE
    for s in range(size):
        change = space.values[s] - space.before[s]
        if change != ZERO:
            space.step[n_changed] = change
            space.changed[n_changed] = space.atoms[s]
            n_changed += 1
    subtract_rows(space.gradient, gram, space.changed, space.step, n_changed)


@inlined()
def _next_batch(batch: int, n_found: int, n_left: int) -> int:
    """How many atoms may join next: twice as many where few of a round's left again, half as many where most did.

    Atoms that resemble each other overstep their bounds together, but one of them is enough; others are all needed.
    """
    if 4 * n_left <= n_found:
        return min(2 * batch, ADDED)
    if 2 * n_left > n_found:
        return max(batch // 2, FEWEST)
    return batch


@inlined()
def _cd_column(
    gram: Any, corr: Any, energy: Any, lam: Any, lower: Any, tol: Any, most: int, space: Any, code: Any
) -> Any:
    gradient, atoms, values = space.gradient, space.atoms, space.values
    for k in range(corr.size):
        gradient[k] = corr[k]
    gradient[corr.size :] = ZERO
    space.is_member[:] = False
    code[:] = ZERO
    slots = min(CAPACITY, atoms.size)
    small = layout(space.small, slots)
    size, rounds, batch = NONE, NONE, FIRST
    finest = np.float32(tol) * lam
    highest = find_excess(gradient, lam, lower, space.lanes, space.peaks)
    gap = relative_gap(corr, gradient, atoms, values, size, energy, lam, highest)
    while gap > tol and rounds < most:
        rounds += 1
        n_found = _find_outside(space, batch)
        accuracy = finest
        if n_found > 0:
            accuracy = max(finest, LOOSE * space.lanes[space.found[0]])
        if size + ADDED > slots and slots < atoms.size:
            slots = min(2 * slots, atoms.size)
            small = widen(space.small, small, size, slots)
        size = _join_found(gram, small, space, size, n_found)
        for s in range(size):
            space.before[s] = values[s]
        solve_inside(small, space, size, lam, lower, accuracy)
        _complete_gradient(gram, space, size)
        size, n_left = dismiss_zeros(space, size)
        batch = _next_batch(batch, n_found, n_left)
        highest = find_excess(gradient, lam, lower, space.lanes, space.peaks)
        gap = relative_gap(corr, gradient, atoms, values, size, energy, lam, highest)
        if accuracy == finest:
            finest *= HALF
    for s in range(size):
        if values[s] != ZERO:
            code[atoms[s]] = values[s]
    return gap, rounds


@njit(cache=True, nogil=True, error_model="numpy")
def cd_columns(
    gram: Any, corr: Any, energy: Any, lam: Any, lower: Any, tol: Any, most: int, space: Any,
    codes: Any, gaps: Any, rounds: Any,
) -> None:  # fmt: skip
    """Coordinate descent for every row of `corr`: codes, relative duality gaps, and rounds, at most `most`."""
    for column in range(corr.shape[0]):
        gaps[column], rounds[column] = _cd_column(
            gram, corr[column], energy[column], lam, lower, tol, most, space, codes[column]
        )
