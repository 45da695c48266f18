"""Examples for a TimbreNet: what it hears of a mixture, and the energies from which any filter's error follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtsep.frontend.features import FrontEnd
from rtsep.timbrenet.features import Features, band_views
from rtsep.timbrenet.layers import Sizes
from rtsep.training.drawing import stem_energies
from rtsep.types import C64, F32


@dataclass(frozen=True, eq=False)
class Example:
    """One channel of a mixture of 6 s or so, or with a further dimension in front a batch of them.

    `features` `(n_slices, n_bands, VIEWS * n_columns)`; energies relative to the mixture's mean: `mixture` |X|^2
    `(n_slices, n_bands, n_columns)`, `cross` Re(X* S) and `power` |S|^2 of its stems
    `(n_stems, n_slices, n_bands, n_columns)`.
    """

    features: F32
    mixture: F32
    cross: F32
    power: F32


def make_example(parts: C64, channel: int, frontend: FrontEnd, sizes: Sizes) -> Example:
    """The example of one channel of the sum of `parts`, as `analyze_stems` gives them."""
    views = band_views(frontend, parts.sum(axis=0))
    listen = Features(sizes.level_slices, sizes.compression)
    features = np.stack([listen.push(slice_views)[channel] for slice_views in views])
    mixture, cross, power = stem_energies(np.ascontiguousarray(parts[:, :, channel]), frontend)
    unit = mixture.mean() + np.float32(1e-20)
    return Example(features, mixture / unit, cross / unit, power / unit)
