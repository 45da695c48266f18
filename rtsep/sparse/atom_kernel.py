"""Inner loop of the atoms' update: fills arrays that the caller planned, checks nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

ZERO = np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def update_block(matrix: Any, gram: Any, pull: Any, start: int) -> None:
    """Exact steps of the atoms from `start` on, one after the other, as many as `pull` has rows.

    Row j of `pull` is B_j - Σ_k A_jk φ_k with the atoms as they are at first; what is left there means nothing.
    """
    stop = start + pull.shape[0]
    for j in range(start, stop):
        own, atom, usage = pull[j - start], matrix[j], gram[j, j]
        squared = 0.0  # in float64, as the squares of small float32 numbers vanish
        for k in range(atom.size):
            own[k] = max(own[k] + usage * atom[k], ZERO)
            squared += np.float64(own[k]) * np.float64(own[k])
        if not (usage > ZERO and squared > 0.0):
            continue
        norm = np.sqrt(squared)
        for k in range(atom.size):
            value = np.float32(own[k] / norm)
            own[k] = value - atom[k]
            atom[k] = value
        for i in range(j + 1, stop):
            # The gradients of the block's later atoms were taken with the old atom.
            shared, other = gram[i, j], pull[i - start]
            for k in range(atom.size):
                other[k] -= shared * own[k]
