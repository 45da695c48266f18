"""The working set of convolutional coordinate descent: a few atoms at positions, and how they overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtsep.sparse.convolution import Convolution
from rtsep.sparse.convolution_kernels import fill_small
from rtsep.types import F32

I64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WorkingSet:
    """Slots in the order of `keys` = position * n_atoms + atom, with the code's `values`, all `(n_slots,)`.

    Slot s overlaps with the slots `first[s]..last[s] - 1` and no other; its inner products with them are
    `small[begin[s] : begin[s + 1]]`: a band of the Gram, as long as the stretch and as wide as two atoms.
    """

    keys: I64
    positions: I64
    atoms: I64
    values: F32
    begin: I64
    first: I64
    last: I64
    small: F32

    @classmethod
    def empty(cls) -> WorkingSet:
        """No slots at all."""
        none, nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return cls(none, none, none, nothing, np.zeros(1, np.int64), none, none, nothing)

    def renewed(self, convolution: Convolution, found: I64) -> WorkingSet:
        """The slots in use, and those of the keys `found` with values of zero; slots of value zero go."""
        kept = np.flatnonzero(self.values)
        keys = np.union1d(self.keys[kept], found)
        place = np.searchsorted(keys, self.keys[kept])
        origin, values = np.full(keys.size, -1, np.int64), np.zeros(keys.size, np.float32)
        origin[place], values[place] = kept, self.values[kept]
        positions, atoms = np.divmod(keys, convolution.n_atoms)
        first = np.searchsorted(positions, positions - (convolution.reach - 1))
        last = np.searchsorted(positions, positions + (convolution.reach - 1), side="right")
        begin = np.concatenate([[0], np.cumsum(last - first)])
        small = np.empty(begin[-1], np.float32)
        gram = convolution.lag_gram
        fill_small(gram, positions, atoms, begin, first, last, origin, self.small, self.begin, self.first, small)
        return WorkingSet(keys, positions, atoms, values, begin, first, last, small)
