"""Where the partials of a note lie among the bands, and those of which a band may itself be a partial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtsep.types import F32


@dataclass(frozen=True, eq=False)
class Partials:
    """For each band and ratio, two neighbouring bands and how they share in what lies there, all `(n_bands, n_ratios)`.

    `lower` is the lower band, `from_lower` and `from_upper` are the shares of it and of the one above it; both are 0
    where the ratio leads beyond the bands.
    """

    lower: NDArray[np.int32]
    from_lower: F32
    from_upper: F32

    def matrix(self) -> F32:
        """The same as matrices `(n_ratios, n_bands, n_bands)`, one for each ratio, from bands to bands."""
        n_bands, n_ratios = self.lower.shape
        out = np.zeros((n_ratios, n_bands, n_bands), np.float32)
        bands = np.arange(n_bands)
        for k in range(n_ratios):
            out[k, bands, self.lower[:, k]] = self.from_lower[:, k]
            out[k, bands, self.lower[:, k] + 1] = self.from_upper[:, k]
        return out


def find_partials(centres: NDArray[np.float64], ratios: Sequence[float]) -> Partials:
    """Of bands with these `centres` in Hz, rising, two at least; `ratios` are to a band's own frequency."""
    wanted = centres[:, None] * np.array(ratios)
    lower = np.clip(np.searchsorted(centres, wanted, side="right") - 1, 0, centres.size - 2)
    share = (wanted - centres[lower]) / (centres[lower + 1] - centres[lower])
    inside = (wanted >= centres[0]) & (wanted <= centres[-1])
    return Partials(
        lower.astype(np.int32),
        np.where(inside, 1 - share, 0).astype(np.float32),
        np.where(inside, share, 0).astype(np.float32),
    )
