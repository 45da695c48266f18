"""Examples to tune a sparse model by: patches of a mixture, and the energies from which any mask's error follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtsep.frontend.features import ColumnGrid, Decoded, FrontEnd, compress, cut_patches
from rtsep.sparse.coder import unit_norm
from rtsep.training.drawing import stem_energies
from rtsep.types import C64, F32


@dataclass(frozen=True, eq=False)
class TuningExample:
    """One channel of a mixture, or with a further dimension in front a batch of them.

    `patches` `(n_slices, n_ends, n_features)` of unit norm; energies relative to the mixture's mean: `mixture` |X|²
    `(n_slices, n_decoded, n_bands)` and `cross` Re(X* S) `(n_slices, n_decoded, n_stems, n_bands)` of all columns
    together that take the mask of a decoded one, `power` `(n_stems,)` all of |S|².
    """

    patches: F32
    mixture: F32
    cross: F32
    power: F32


def make_tuning_example(
    parts: C64, channel: int, frontend: FrontEnd, patch_columns: int, decoded: Decoded, compression: float
) -> TuningExample:
    """The example of one channel of the sum of `parts`, as `analyze_stems` gives them."""
    grid = ColumnGrid(frontend, patch_columns, decoded)
    first = grid.context_slices
    mixture, cross, power = stem_energies(np.ascontiguousarray(parts[:, :, channel]), frontend)
    patches = cut_patches(grid, mixture[:, None])[:, 0]
    rows = compress(patches, compression).reshape(-1, patch_columns * frontend.n_bands)
    # Columns by the decoded one whose mask they take, as a matrix of ones and zeros.
    takes = (grid.nearest_decoded[:, None] == np.arange(grid.decoded.size)).astype(np.float32)
    mixture, cross, power = mixture[first:], cross[:, first:], power[:, first:]
    unit = mixture.mean() + np.float32(1e-20)
    return TuningExample(
        unit_norm(rows)[0].reshape(*patches.shape[:2], -1),
        np.swapaxes(mixture @ takes, 1, 2) / unit,
        np.transpose(cross @ takes, (1, 3, 0, 2)) / unit,
        power.sum(axis=(1, 2, 3)) / unit,
    )
