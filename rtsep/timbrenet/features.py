"""What the network hears of a slice: compressed band energies, relative to the level of the last second or so."""

from __future__ import annotations

import numpy as np

from rtsep.frontend.features import FrontEnd
from rtsep.types import C64, F32

VIEWS = 3  # of each band: the channel itself, the mean of the channels, the mean of their energies
_FLOOR = np.float32(1e-30)


def band_views(frontend: FrontEnd, coefficients: C64) -> F32:
    """Energies `(n_slices, n_channels, n_bands, VIEWS * n_columns)` of slices `(n_slices, n_channels, n_coefficients)`.

    The three of a mono recording are the same; in stereo they tell what is panned, and what is out of phase. They
    stand for any number of channels.
    """
    own = frontend.band_power(coefficients)
    middle = frontend.band_power(coefficients.mean(axis=1, keepdims=True))
    whole = own.mean(axis=1, keepdims=True)
    return np.concatenate([own, *(np.broadcast_to(view, own.shape) for view in (middle, whole))], axis=3)


class Features:
    """(e / level)^(compression / 2), slice by slice: level is the mean energy of the newest `level_slices` slices.

    A gain of the whole song changes nothing. Starts from silence, and remembers just these slices.
    """

    def __init__(self, level_slices: int, compression: float) -> None:
        self._energies = np.zeros(level_slices, np.float32)  # from the oldest to the newest: the sum has one order
        self._exponent = np.float32(compression / 2)

    def push(self, views: F32) -> F32:
        """Features of the next slice, of the shape of its `views` `(n_channels, n_bands, VIEWS * n_columns)`."""
        self._energies[:-1] = self._energies[1:]
        self._energies[-1] = views.mean()
        level = self._energies.mean() + _FLOOR
        return np.asarray(np.power(views / level, self._exponent), np.float32)
