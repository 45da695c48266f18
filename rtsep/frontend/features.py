"""What the sparse coder sees: the newest columns of band amplitudes, compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import OptionError
from rtsep.frontend import kernels
from rtsep.types import C64, F32, Audio

# A column is decoded if the newest slice touches it and the slices so far give it this share of a full column's weight:
# columns under the foot of the Tukey slope say more of their neighbours than of themselves.
_DECODABLE = 0.5
# The middle of a slice is what weighs this share of its heaviest column; its last column is the last of this weight.
_MIDDLE, _LAST = 0.75, 0.05

Decoded = Literal["newest", "middle"]
"""Which columns a patch decodes: its newest one, or those in the middle of the slice that it ends with."""


class FrontEnd(Protocol):
    """Slices of sound to coefficients and back; gains and energies on one common grid of columns.

    `synthesize` gives the last `output_length` samples of a slice, to overlap-add every `hop`; a sample of the output
    is final once `latency` samples from it on are known. Leading dimensions are many slices at once; for `apply_gains`
    they are many masks of one slice. Where `out` is given, the result is put there.
    """

    name: str
    hop: int
    slice_length: int
    output_length: int
    latency: int
    n_bands: int
    n_columns: int
    columns_per_hop: int
    column_weight: F32
    band_centres: NDArray[np.float64]  # in Hz

    def analyze(self, samples: Audio, out: C64 | None = None) -> C64: ...

    def synthesize(self, coefficients: C64, out: F32 | None = None) -> F32: ...

    def band_power(self, coefficients: C64, out: F32 | None = None) -> F32: ...

    def apply_gains(self, coefficients: C64, gains: F32, out: C64 | None = None) -> C64: ...


class ColumnGrid:
    """Which columns a slice decodes, and how much past their patches need.

    Patches end at the columns `ends` of a slice, one patch at each; all of them together decode the columns `decoded`,
    which lie at `places` of a patch.
    By `newest` a patch decodes the column that it ends with. By `middle` there is one patch, it ends with the last
    column that the slice has something of, and decodes the few that the slice's window leaves nearly whole, which make
    up most of what the slice will sound: they are heard with what follows them, and no later for that.
    """

    def __init__(self, frontend: FrontEnd, patch_columns: int, decoded: Decoded = "newest") -> None:
        if decoded not in get_args(Decoded):
            raise OptionError(f"decoded columns {decoded!r} are not known: choose {' or '.join(get_args(Decoded))}")
        hop, weight = frontend.columns_per_hop, frontend.column_weight
        self.patch_columns = patch_columns
        self.hop = hop
        self.n_columns = frontend.n_columns
        self.history = patch_columns - 1
        self.weight = _summed_weight(weight, hop, self.history)
        newest = self.weight[self.history :]
        if decoded == "newest":
            self.ends = self.decoded = np.flatnonzero((newest >= _DECODABLE * newest.max()) & (weight > 0))
            self.places = np.array([self.history])
        else:
            self.ends = np.flatnonzero(weight >= _LAST * weight.max())[-1:]
            self.decoded = np.flatnonzero(weight >= _MIDDLE * weight.max())
            self.places = self.history - self.ends[0] + self.decoded
        if self.places[0] < 0:
            fewest = patch_columns - int(self.places[0])
            raise OptionError(f"patches of {patch_columns} columns begin after the middle: take {fewest} or more")
        oldest = int(self.ends[0]) - self.history
        last_heard = int(np.flatnonzero(weight)[-1])
        # The oldest column of the first patch is touched by slices back to the one that just reaches it.
        self.context_slices = max(0, -((oldest - last_heard) // hop))
        # Columns that are not decoded take the mask of the nearest one that is.
        nearest = np.abs(np.arange(frontend.n_columns)[:, None] - self.decoded).argmin(axis=1)
        self.nearest_decoded = nearest


class Columns:
    """The newest columns of band energy, slices weighted and summed; starts from silence."""

    def __init__(self, grid: ColumnGrid, n_channels: int, n_bands: int) -> None:
        self._grid = grid
        self._sum = np.zeros((n_channels, n_bands, grid.history + grid.n_columns), np.float32)

    def push(self, power: F32) -> F32:
        """Patches `(n_channels, n_ends, patch_columns, n_bands)` of energy that a slice's columns make up.

        `power` is the slice's `(n_channels, n_bands, n_columns)`; the energy of a column is the sum over its slices
        divided by the sum of their squared windows.
        """
        grid = self._grid
        kernels.push_columns(power, grid.hop, self._sum)
        n_channels, n_bands = power.shape[:2]
        patches = np.empty((n_channels, grid.ends.size, grid.patch_columns, n_bands), np.float32)
        kernels.cut_patches(self._sum, grid.weight, grid.ends, patches)
        return patches


def cut_patches(grid: ColumnGrid, power: Sequence[F32] | F32) -> F32:
    """Patches `(n, n_channels, n_ends, patch_columns, n_bands)` of the slices that have all their context before them.

    `power` are the energies of successive slices, each `(n_channels, n_bands, n_columns)`.
    """
    n_channels, n_bands = power[0].shape[:2]
    columns = Columns(grid, n_channels, n_bands)
    return np.stack([columns.push(energy) for energy in power][grid.context_slices :])


def compress(power: F32, exponent: float) -> F32:
    """Amplitudes to the power `exponent`: |c|^exponent from |c|^2. Stays proportional to itself under a gain."""
    return np.asarray(np.power(power, np.float32(exponent / 2)), np.float32)


def _summed_weight(weight: F32, hop: int, history: int) -> F32:
    """Squared windows summed over the newest slice and all before it, on the newest `history + n_columns` columns."""
    n_slices = -(-(history + weight.size) // hop) + 1
    total = np.zeros(history + weight.size + n_slices * hop, np.float32)
    for j in range(n_slices):
        start = total.size - weight.size - j * hop
        total[start : start + weight.size] += weight
    tail = total[-(history + weight.size) :]
    return np.maximum(tail, np.float32(1e-3))
