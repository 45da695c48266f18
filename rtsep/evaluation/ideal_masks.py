"""The ceiling: what a separator by masks would reach that never errs, through the front end that a model has."""

from __future__ import annotations

import numpy as np
import soxr

from rtsep.decoder.masks import ratio_masks
from rtsep.frontend.features import ColumnGrid, FrontEnd
from rtsep.types import F32, Stems

# Of amplitudes: the Wiener filter. Exponent 1, the ratio mask of amplitudes, scores about 1 dB less.
EXPONENT = 2.0


def ideal_stems(truth: Stems, rate: int, frontend: FrontEnd, frontend_rate: int) -> Stems:
    """`separate_ideally` for `truth` `(n_stems, n_samples, n_channels)` at another rate than the front end's."""
    if rate == frontend_rate:
        return separate_ideally(truth, frontend)
    stems = separate_ideally(np.stack([soxr.resample(stem, rate, frontend_rate) for stem in truth]), frontend)
    result = np.zeros_like(truth)
    for out, stem in zip(result, stems, strict=True):
        back = soxr.resample(stem, frontend_rate, rate)[: len(out)]
        out[: len(back)] = back
    return result


def separate_ideally(truth: Stems, frontend: FrontEnd) -> Stems:
    """The sum of `truth` `(n_stems, n_samples, n_channels)` taken apart by ratios of the true stems' band energies.

    The masks are on the columns of the front end's grid and applied as a model's are.
    """
    ends = frontend.slice_length
    padded = np.pad(truth, ((0, 0), (ends, ends), (0, 0)))
    mixture = padded.sum(axis=0)
    out = np.zeros_like(padded)
    nearest = ColumnGrid(frontend, 1).nearest_decoded
    starts = range(0, len(mixture) - ends + 1, frontend.hop)
    energies = _column_energies(padded, frontend, starts)
    for s, start in enumerate(starts):
        coefficients = frontend.analyze(mixture[start : start + ends])
        columns = energies[..., s * frontend.columns_per_hop :][..., : frontend.n_columns]
        masks = np.ascontiguousarray(ratio_masks(np.sqrt(columns), EXPONENT)[..., nearest])
        stems = frontend.synthesize(frontend.apply_gains(coefficients, masks))
        out[:, start + ends - frontend.output_length : start + ends] += stems
    return out[:, ends : ends + truth.shape[1]]


def _column_energies(padded: Stems, frontend: FrontEnd, starts: range) -> F32:
    """Energies `(n_stems, n_channels, n_bands, columns)` of the true stems, all slices that hear a column summed."""
    n_stems, _, n_channels = padded.shape
    n_columns = (len(starts) - 1) * frontend.columns_per_hop + frontend.n_columns
    energies = np.zeros((n_stems, n_channels, frontend.n_bands, n_columns), np.float32)
    for s, start in enumerate(starts):
        part = padded[:, start : start + frontend.slice_length].transpose(1, 0, 2).reshape(frontend.slice_length, -1)
        power = frontend.band_power(frontend.analyze(part))
        column = s * frontend.columns_per_hop
        energies[..., column : column + frontend.n_columns] += power.reshape(n_stems, n_channels, *power.shape[1:])
    return energies
