"""Compiled loops of the sparse solvers: arrays in, arrays filled; the checks are in `solvers`.

Notation: G the Gram, c the correlations of one column, a its code, gradient g = c - G a - λ. A code is
optimal when g = 0 on its active atoms and g <= 0 elsewhere. Columns are solved one after the other, each from
zero, so that a code does not depend on its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SWEEPS = 50  # at most, before the gradients outside the working set are looked at again
BLOCK = 64  # gradients whose maximum is taken at once: a search skips the blocks that hold nothing
_SUMS = {"contract", "reassoc"}
_MAXIMA = {"nnan", "nsz", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_MAXIMA)
def _block_maximum(values: Any, start: int, stop: int) -> Any:
    highest = values[start]
    for k in range(start, stop):
        highest = max(highest, values[k])
    return highest


@njit(cache=True, nogil=True, fastmath={"contract"})
def _subtract_rows(target: Any, gram: Any, atoms: Any, steps: Any, n: int) -> None:
    """target -= steps @ gram[atoms], four rows at a time: `target` is read and written once for four."""
    whole = n - n % 4
    for s in range(0, whole, 4):
        r0, r1, r2, r3 = gram[atoms[s]], gram[atoms[s + 1]], gram[atoms[s + 2]], gram[atoms[s + 3]]
        d0, d1, d2, d3 = steps[s], steps[s + 1], steps[s + 2], steps[s + 3]
        for k in range(target.size):
            target[k] -= (d0 * r0[k] + d1 * r1[k]) + (d2 * r2[k] + d3 * r3[k])
    for s in range(whole, n):
        row, step = gram[atoms[s]], steps[s]
        for k in range(target.size):
            target[k] -= step * row[k]


@njit(cache=True, nogil=True)
def _largest_outside(gradient: Any, is_member: Any, most: int, found: Any) -> int:
    """The (at most `most`) atoms outside the working set with the largest positive gradients, into `found`."""
    n_found = 0
    floor = np.float32(0.0)
    for start in range(0, gradient.size, BLOCK):
        stop = min(start + BLOCK, gradient.size)
        if _block_maximum(gradient, start, stop) <= floor:
            continue
        for atom in range(start, stop):
            if gradient[atom] <= floor or is_member[atom]:
                continue
            place = n_found if n_found < most else most - 1
            while place > 0 and gradient[found[place - 1]] < gradient[atom]:
                found[place] = found[place - 1]
                place -= 1
            found[place] = atom
            n_found = min(n_found + 1, most)
            if n_found == most:
                floor = gradient[found[most - 1]]
    return n_found


@njit(cache=True, nogil=True)
def _join(gram: Any, small: Any, atoms: Any, size: int, atom: int) -> None:
    """Give `atom` slot `size` of the working set, and its row and column of the working set's own Gram."""
    atoms[size] = atom
    row = gram[atom]
    for s in range(size + 1):
        small[size, s] = row[atoms[s]]
        small[s, size] = small[size, s]


@njit(cache=True, nogil=True)
def _leave(small: Any, atoms: Any, values: Any, size: int, slot: int) -> None:
    """Free `slot` by moving the last slot, `size - 1`, into it."""
    last = size - 1
    atoms[slot] = atoms[last]
    values[slot] = values[last]
    corner = small[last, last]
    for s in range(last):
        small[slot, s] = small[last, s]
        small[s, slot] = small[last, s]
    small[slot, slot] = corner


@njit(cache=True, nogil=True, fastmath={"contract"})
def _sweep(small: Any, slopes: Any, values: Any, size: int) -> Any:
    """One pass of exact coordinate steps over the working set; returns the largest change of a gradient."""
    largest = np.float32(0.0)
    for s in range(size):
        row = small[s]
        value = max(values[s] + slopes[s] / row[s], np.float32(0.0))
        step = value - values[s]
        if step != 0.0:
            values[s] = value
            for t in range(size):
                slopes[t] -= step * row[t]
            largest = max(largest, abs(step) * row[s])
    return largest


@njit(cache=True, nogil=True)
def _relative_gap(corr: Any, gradient: Any, atoms: Any, values: Any, size: int, energy: Any, lam: Any) -> Any:
    """(E(a) - D(θ)) / E(a) with the dual point θ = s r, the residual r shrunk until Φᵀθ <= λ.

    r·r = ‖x‖² - 2 cᵀa + aᵀGa, x·r = ‖x‖² - cᵀa, and D(θ) = s x·r - s² r·r / 2; where G a is c - λ - g.
    """
    corr_code, code_gram_code, total = 0.0, 0.0, 0.0
    for s in range(size):
        value, c = np.float64(values[s]), np.float64(corr[atoms[s]])
        corr_code += c * value
        code_gram_code += (c - lam - gradient[atoms[s]]) * value
        total += value
    residual = max(energy - 2.0 * corr_code + code_gram_code, 0.0)
    alignment = energy - corr_code
    objective = 0.5 * residual + lam * total
    if objective <= 0.0:
        return 0.0
    highest = _block_maximum(gradient, 0, gradient.size) + lam
    shrink = max(alignment, 0.0) / residual if residual > 0.0 else 1.0
    if highest > 0.0:
        shrink = min(shrink, lam / highest)
    dual = shrink * alignment - 0.5 * shrink * shrink * residual
    return (objective - dual) / objective


@njit(cache=True, nogil=True)
def cd_column(
    gram: Any, corr: Any, energy: Any, lam: Any, tol: Any, added: int, max_rounds: int,
    small: Any, gradient: Any, slopes: Any, values: Any, synced: Any,
    atoms: Any, is_member: Any, found: Any, code: Any,
) -> Any:  # fmt: skip
    """Working-set coordinate descent for one column; returns the relative duality gap and the sweeps made."""
    size, sweeps = 0, 0
    for k in range(corr.size):
        gradient[k] = corr[k] - lam
        is_member[k] = False
        code[k] = 0.0
    gap = _relative_gap(corr, gradient, atoms, values, size, energy, lam)
    accuracy = np.float32(tol) * lam
    for _ in range(max_rounds):
        if gap <= tol:
            break
        n_found = _largest_outside(gradient, is_member, added, found)
        for f in range(n_found):
            values[size] = 0.0
            _join(gram, small, atoms, size, found[f])
            is_member[found[f]] = True
            size += 1
        for s in range(size):
            slopes[s] = gradient[atoms[s]]
            synced[s] = values[s]
        for _ in range(SWEEPS):
            sweeps += 1
            if _sweep(small, slopes, values, size) < accuracy:
                break
        for s in range(size):
            synced[s] = values[s] - synced[s]
        _subtract_rows(gradient, gram, atoms, synced, size)
        for s in range(size - 1, -1, -1):
            if values[s] == 0.0:
                is_member[atoms[s]] = False
                _leave(small, atoms, values, size, s)
                size -= 1
        gap = _relative_gap(corr, gradient, atoms, values, size, energy, lam)
        if n_found == 0:
            accuracy *= np.float32(0.3)
    for s in range(size):
        code[atoms[s]] = values[s]
    return gap, sweeps


@njit(cache=True, nogil=True)
def cd_columns(
    gram: Any, corr: Any, energy: Any, lam: Any, tol: Any, added: int, max_rounds: int,
    small: Any, gradient: Any, slopes: Any, values: Any, synced: Any, atoms: Any, is_member: Any, found: Any,
    codes: Any, gaps: Any, sweeps: Any,
) -> None:  # fmt: skip
    """`cd_column` for every row of `corr`."""
    for column in range(corr.shape[0]):
        gaps[column], sweeps[column] = cd_column(
            gram, corr[column], energy[column], lam, tol, added, max_rounds,
            small, gradient, slopes, values, synced, atoms, is_member, found, codes[column],
        )  # fmt: skip
