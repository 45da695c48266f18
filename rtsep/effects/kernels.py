"""Compiled loops of the effects: arrays in, arrays filled."""

from __future__ import annotations

import numpy as np
from numba import njit

from rtsep.types import F32


@njit(cache=True, nogil=True)
def follow(level_db: F32, threshold: float, slope: float, attack: float, release: float, out: F32) -> None:
    """Gain in dB of a compressor: -slope · (level - threshold) where positive, smoothed by one pole."""
    reduction = 0.0
    for i in range(level_db.size):
        wanted = max(slope * (level_db[i] - threshold), 0.0)
        pole = attack if wanted > reduction else release
        reduction = pole * reduction + (1.0 - pole) * wanted
        out[i] = np.float32(-reduction)
