"""Scratch arrays of the sparse solvers, planned once for a number of atoms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtsep.types import F32

BLOCK = 32  # slots by which loops over the working set grow: whole blocks need no scalar remainder
LANES = 64  # the gradient is searched by the maxima over its every 64th entry
ADDED = 16  # atoms that may join the working set in one round, at most
CAPACITY = 128  # slots of the working set at first; wider rows than it needs would cost page translations


class Workspace(NamedTuple):
    """Arrays the kernels work in; what they hold between calls means nothing. Not for two calls at once.

    The working set is a few atoms in slots 0..size-1; slots are rounded up to whole blocks.
    """

    small: F32  # (slots * (slots + BLOCK // 2),): Gram of the working set, laid out by `kernels.layout`
    gradient: F32  # (n_atoms rounded up to whole LANES,): g, then zeros
    lanes: F32  # (LANES,): by how much g oversteps its bounds at most, lane by lane, but not below 0
    peaks: NDArray[np.int32]  # (LANES,): the atoms where it does
    values: F32  # (slots,), as all below: the code on the working set
    slopes: F32  # g on the working set
    before: F32  # values when g was last complete
    inverse: F32  # 1 / the diagonal of the Gram; 0 where a slot is empty
    target: F32  # what g is to become on the active atoms: λ, or -λ where the code is negative
    step: F32  # subspace step, its image G step, conjugate direction, and that one's image
    step_image: F32
    direction: F32
    image: F32
    atoms: NDArray[np.int32]  # which atom sits in a slot
    changed: NDArray[np.int32]  # atoms whose values changed
    found: NDArray[np.int32]  # (ADDED,): lanes of the atoms about to join
    is_member: NDArray[np.bool_]  # (n_atoms,)
    potential: F32  # (n_atoms,): u of the locally competitive algorithm

    @property
    def n_atoms(self) -> int:
        return self.is_member.size

    @classmethod
    def plan(cls, n_atoms: int) -> Workspace:
        """Arrays for `n_atoms` atoms; the Gram of a working set of all of them is the largest, `n_atoms`² floats."""
        slots = -(-n_atoms // BLOCK) * BLOCK
        floats = ("values", "slopes", "before", "inverse", "target", "step", "step_image", "direction", "image")
        return cls(
            small=np.zeros(slots * (slots + BLOCK // 2), np.float32),
            gradient=np.zeros(-(-n_atoms // LANES) * LANES, np.float32),
            lanes=np.zeros(LANES, np.float32),
            peaks=np.zeros(LANES, np.int32),
            **{name: np.zeros(slots, np.float32) for name in floats},
            atoms=np.zeros(slots, np.int32),
            changed=np.zeros(slots, np.int32),
            found=np.zeros(ADDED, np.int32),
            is_member=np.zeros(n_atoms, np.bool_),
            potential=np.zeros(n_atoms, np.float32),
        )
