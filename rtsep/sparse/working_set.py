"""Compiled loops on the few atoms that coordinate descent works with; notation and inlining as in `kernels`.

They sit in slots 0..size-1 with their own small Gram; `width` is `size` rounded up to whole blocks. A slot whose atom
left is empty, `inverse` 0, until another takes it; so is every slot beyond `size`. Empty slots have value 0; what else
they hold is finite and not used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtsep.sparse.kernels import ONE, ZERO, inlined, row_of, soften
from rtsep.sparse.workspace import BLOCK

INNER = 5  # pairs of a sweep and a subspace step before the atoms outside are looked at again
SUBSPACE = 5  # conjugate gradient iterations of a subspace step, at most
SUBSPACE_GOAL = np.float32(0.01)  # or until the squared gradient has fallen to this part


@inlined()
def layout(buffer: Any, slots: int) -> Any:
    """The first of `buffer` as `slots` rows of an odd number of cache lines, so that they do not crowd a few sets."""
    stride = slots + BLOCK // 2
    return buffer[: slots * stride].reshape(slots, stride)


@inlined()
def widen(buffer: Any, small: Any, size: int, slots: int) -> Any:
    """The small Gram laid out for `slots`: entries move backwards, the last first, so that none is overwritten."""
    wider = layout(buffer, slots)
    for s in range(size - 1, -1, -1):
        for t in range(size - 1, -1, -1):
            wider[s, t] = small[s, t]
    return wider


@inlined()
def join(gram: Any, small: Any, space: Any, size: int, slot: int, atom: int) -> int:
    """Give `atom` the empty `slot`, at most `size`; returns the new size."""
    size = max(size, slot + 1)
    space.atoms[slot] = atom
    space.is_member[atom] = True
    space.values[slot] = ZERO
    space.inverse[slot] = ONE / gram[atom, atom]
    row = np.uint64(atom)
    for s in range(size):
        entry = gram[row, row_of(space.atoms, s)]
        small[slot, s] = entry
        small[s, slot] = entry
    return size


@inlined()
def dismiss_zeros(space: Any, size: int) -> Any:
    """Empty the slots of atoms at zero; returns the new size, and how many left."""
    last, n_left = 0, 0
    for s in range(size):
        if space.values[s] != ZERO:
            last = s + 1
        elif space.inverse[s] != ZERO:
            space.is_member[space.atoms[s]] = False
            space.inverse[s] = ZERO
            n_left += 1
    return last, n_left


@inlined(fastmath={"contract"})
def _sweep(small: Any, space: Any, size: int, width: int, lam: Any, lower: Any) -> Any:
    """Exact coordinate steps over the working set, one after the other; returns the largest change of a slope."""
    slopes, values, inverse = space.slopes, space.values, space.inverse
    largest = ZERO
    for s in range(size):
        scale = inverse[s]
        if scale == ZERO:
            continue
        value = soften(values[s] + slopes[s] * scale, lam * scale, lower * scale)
        step = value - values[s]
        if step != ZERO:
            values[s] = value
            for t in range(width):
                slopes[t] -= step * small[s, t]
            largest = max(largest, abs(step) * small[s, s])
    return largest


@inlined(fastmath={"contract", "reassoc"})
def _dot(left: Any, right: Any, width: int) -> Any:
    total = ZERO
    for k in range(width):
        total += left[k] * right[k]
    return total


@inlined(fastmath={"contract"})
def _small_times(small: Any, vector: Any, out: Any, size: int, width: int) -> None:
    """out = small @ vector. `small` is symmetric, and `vector` zero beyond `size`: whole fours of rows will do."""
    for k in range(width):
        out[k] = ZERO
    for start in range(0, size, 4):
        s0 = np.uint64(start)
        s1, s2, s3 = s0 + np.uint64(1), s0 + np.uint64(2), s0 + np.uint64(3)
        d0, d1, d2, d3 = vector[s0], vector[s1], vector[s2], vector[s3]
        for k in range(width):
            out[k] += (d0 * small[s0, k] + d1 * small[s1, k]) + (d2 * small[s2, k] + d3 * small[s3, k])


@inlined(fastmath={"contract"})
def _subspace_step(small: Any, space: Any, size: int, width: int, lam: Any) -> None:
    """Move the active atoms towards their common optimum by conjugate gradients, up to the first that becomes zero.

    Sweeps find which atoms are active but crawl where atoms resemble each other; this does not (Moré & Toraldo,
    "On the solution of large quadratic programming problems with bound constraints", 1991).
    """
    slopes, values, target = space.slopes, space.values, space.target
    step, step_image, direction, image = space.step, space.step_image, space.direction, space.image
    for s in range(width):
        target[s] = lam if values[s] > ZERO else -lam
        step[s] = ZERO
        step_image[s] = ZERO
        direction[s] = slopes[s] - target[s] if values[s] != ZERO else ZERO
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
            residual = slopes[s] - target[s] - step_image[s]
            image[s] = residual if values[s] != ZERO else ZERO  # the image is done with
        fresh = _dot(image, image, width)
        ratio = fresh / squared
        for s in range(width):
            direction[s] = image[s] + ratio * direction[s]
        squared = fresh
    part = ONE
    for s in range(size):
        if step[s] != ZERO and (values[s] + part * step[s] > ZERO) != (values[s] > ZERO):
            part = -values[s] / step[s]
    for s in range(width):
        value = values[s] + part * step[s]
        values[s] = value if (value > ZERO) == (values[s] > ZERO) else ZERO
        slopes[s] -= part * step_image[s]


@inlined()
def solve_inside(small: Any, space: Any, size: int, lam: Any, lower: Any, accuracy: Any) -> None:
    """Sweeps and subspace steps on the working set until a sweep changes no slope by `accuracy`."""
    width = (size + BLOCK - 1) // BLOCK * BLOCK
    space.slopes[size:width] = ZERO
    space.values[size:width] = ZERO
    for s in range(size):
        space.slopes[s] = space.gradient[space.atoms[s]]
    for _ in range(INNER):
        if _sweep(small, space, size, width, lam, lower) < accuracy:
            return
        _subspace_step(small, space, size, width, lam)
