"""Scratch arrays of the sparse solvers, planned once for a number of atoms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtsep.types import F32

BLOCK = 32  # slots by which the working set grows: loops over whole blocks need no scalar remainder
LANES = 128  # the gradient is searched by the maxima over its every 128th entry
ADDED = 10  # atoms that may join the working set in one round


class Workspace(NamedTuple):
    """Arrays the kernels work in; what they hold between calls means nothing. Not for two calls at once.

    The working set is a few atoms in slots 0..size-1; slots are rounded up to whole blocks.
    """

    small: F32  # (slots, slots + BLOCK // 2): Gram of the working set
    gradient: F32  # (n_atoms rounded up to whole LANES,): g, then negative numbers
    lanes: F32  # (LANES,): maxima of g
    values: F32  # (slots,), as all below: the code on the working set
    slopes: F32  # g on the working set
    before: F32  # values when g was last complete
    free: F32  # 1 where an atom is active, else 0
    step: F32  # subspace step, its image G step, conjugate direction, and that one's image
    step_image: F32
    direction: F32
    image: F32
    atoms: NDArray[np.int32]  # which atom sits in a slot
    changed: NDArray[np.int32]  # atoms whose values changed
    found: NDArray[np.int32]  # (ADDED,): atoms about to join
    is_member: NDArray[np.bool_]  # (n_atoms,)
    potential: F32  # (n_atoms,): u of the locally competitive algorithm

    @property
    def n_atoms(self) -> int:
        return self.is_member.size

    @classmethod
    def plan(cls, n_atoms: int) -> Workspace:
        """Arrays for `n_atoms` atoms; the Gram of a working set of all of them is the largest, `n_atoms`² floats."""
        slots = -(-n_atoms // BLOCK) * BLOCK
        per_slot = ("values", "slopes", "before", "free", "step", "step_image", "direction", "image")
        return cls(
            # Rows of an odd number of cache lines: a power of two apart, they would crowd a few sets of the cache.
            small=np.zeros((slots, slots + BLOCK // 2), np.float32),
            gradient=np.zeros(-(-n_atoms // LANES) * LANES, np.float32),
            lanes=np.zeros(LANES, np.float32),
            **{name: np.zeros(slots, np.float32) for name in per_slot},
            atoms=np.zeros(slots, np.int32),
            changed=np.zeros(slots, np.int32),
            found=np.zeros(ADDED, np.int32),
            is_member=np.zeros(n_atoms, np.bool_),
            potential=np.zeros(n_atoms, np.float32),
        )
