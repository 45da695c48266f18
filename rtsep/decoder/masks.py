"""Ratio masks from decoded amplitudes."""

from __future__ import annotations

import numpy as np

from rtsep.types import F32


def ratio_masks(amplitudes: F32, exponent: float) -> F32:
    """m_s = max(A_s, 0)^exponent / sum over stems; `amplitudes` is `(n_stems, ...)`, and the masks add up to one.

    Where no stem has anything, all stems share alike. Exponent 2 on amplitudes is the Wiener filter.
    """
    positive = np.maximum(amplitudes, np.float32(0))
    # Relative to the largest stem: no power can overflow or vanish in all stems at once.
    largest = positive.max(axis=0)
    safe = np.where(largest > 0, largest, np.float32(1))
    powered = np.power(positive / safe, np.float32(exponent))
    powered[:, largest <= 0] = 1
    return np.asarray(powered / powered.sum(axis=0), np.float32)
