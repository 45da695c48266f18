"""How far ratio masks of decoded amplitudes are from the stems, and the slope of that in the amplitudes."""

from __future__ import annotations

import numpy as np

from rtsep.decoder.masks import ratio_masks
from rtsep.types import F32

_FLOOR = np.float32(1)  # of the mixture's energy: at less, dB of weak stems, won at the cost of the others, do not last
_SILENCE = np.float32(1e-9)  # keeps the slope finite where the whole mixture is silent
_SMALLEST = np.float32(1e-3)  # of the loudest stem's amplitude: the slope of a power grows without bounds towards 0


def mask_loss(amplitudes: F32, mixture: F32, cross: F32, power: F32, exponent: float) -> tuple[F32, F32]:
    """-SDR of each stem in dB, `(n, n_stems)`, with a floor under both energies, and the slope of its mean.

    `amplitudes` and `cross`, which is Re(X* S), are `(n, n_slices, n_columns, n_stems, n_bands)`, `mixture`, |X|², has
    no stems, and `power` `(n, n_stems)` is all of |S|²; the slope has the shape of `amplitudes`. The error of a stem is
    Σ m²|X|² - 2 m Re(X* S) + |S|²: exact where a mask is one number in a cell.
    """
    masks = np.moveaxis(ratio_masks(np.moveaxis(amplitudes, 3, 0), exponent), 0, 3)
    cells = (1, 2, 4)
    mixture = mixture[:, :, :, None]
    error = np.maximum(np.sum(masks * (masks * mixture - 2 * cross), axis=cells) + power, np.float32(0))
    floor = _FLOOR * mixture.sum(axis=(1, 2, 3, 4))[:, None] + _SILENCE
    losses = 10 * np.log10((error + floor) / (power + floor))
    per_error = np.float32(10 / np.log(10) / losses.size) / (error + floor)
    per_mask = 2 * (masks * mixture - cross) * per_error[:, None, None, :, None]
    # dm_s / dy_t = exponent / y_t · m_t (δ_st - m_s)
    shared = np.sum(per_mask * masks, axis=3, keepdims=True)
    loudest = np.max(amplitudes, axis=3, keepdims=True)
    divisor = np.maximum(amplitudes, _SMALLEST * np.where(loudest > 0, loudest, np.float32(1)))
    slope = np.float32(exponent) * masks * (per_mask - shared) / divisor
    return losses.astype(np.float32), slope.astype(np.float32)
