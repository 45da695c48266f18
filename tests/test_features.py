"""Columns of energy and the patches that they make, held to a slow version that sums whole spectrograms."""

import numpy as np
import pytest

from rtsep.errors import OptionError
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.cqt import CQT
from rtsep.frontend.features import ColumnGrid, Columns, compress
from rtsep.frontend.stft import STFT

LAYOUT = BandLayout(44100)
FRONT_ENDS = {"cqt": lambda: CQT(LAYOUT), "fine": lambda: CQT(LAYOUT, n_columns=16), "stft": lambda: STFT(LAYOUT)}


@pytest.fixture(params=FRONT_ENDS)
def frontend(request):
    return FRONT_ENDS[request.param]()


def slow_patches(powers, grid, weight, newest):
    """Energies around slice `newest`: all slices up to it added on one long timeline, divided by their weights."""
    n_channels, n_bands, n_columns = powers[0].shape
    total = np.zeros((n_channels, n_bands, newest * grid.hop + n_columns))
    weights = np.zeros(total.shape[2])
    for s in range(newest + 1):
        total[:, :, s * grid.hop : s * grid.hop + n_columns] += powers[s]
        weights[s * grid.hop : s * grid.hop + n_columns] += weight
    patches = []
    for column in newest * grid.hop + grid.ends:
        past = slice(column - grid.patch_columns + 1, column + 1)
        patches.append((total[:, :, past] / weights[past]).transpose(0, 2, 1))
    return np.stack(patches, axis=1)


@pytest.mark.parametrize(
    ("patch_columns", "decoded"), [(1, "newest"), (3, "newest"), (8, "newest"), (8, "middle"), (12, "middle")]
)
def test_patches_are_the_slow_ones_whatever_came_before_the_context(frontend, patch_columns, decoded):
    rng = np.random.default_rng(1)
    grid = ColumnGrid(frontend, patch_columns, decoded)
    powers = [rng.random((2, frontend.n_bands, frontend.n_columns), np.float32) for _ in range(12)]
    whole = Columns(grid, 2, frontend.n_bands)
    for power in powers:
        from_the_start = whole.push(power)
    late = Columns(grid, 2, frontend.n_bands)
    for power in powers[-1 - grid.context_slices :]:
        with_context_only = late.push(power)
    assert with_context_only.shape == (2, grid.ends.size, patch_columns, frontend.n_bands)
    assert np.allclose(from_the_start, slow_patches(powers, grid, frontend.column_weight, 11), rtol=1e-5)
    # Context is all that a patch may know of the past: not a bit more.
    assert np.array_equal(with_context_only, from_the_start)


def test_every_column_that_sounds_in_a_slice_is_decoded_or_next_to_one_that_is(frontend):
    grid = ColumnGrid(frontend, 4)
    heard = np.flatnonzero(frontend.column_weight)
    assert set(grid.decoded) <= set(heard)
    assert grid.decoded[0] == heard[0] or frontend.column_weight[grid.decoded[0] - 1] < 0.5
    assert (np.abs(grid.decoded[grid.nearest_decoded] - np.arange(frontend.n_columns))[heard] <= 4).all()


def test_the_middle_is_decoded_from_one_patch_that_hears_what_follows_it(frontend):
    grid, weight = ColumnGrid(frontend, 12, "middle"), frontend.column_weight
    assert grid.ends.size == 1
    assert weight[grid.ends[0]] > 0
    assert weight[grid.ends[0] + 1 :].sum() <= 0.05 * weight.sum()
    # Its columns are the heaviest, beside each other, and where in the patch it is said that they are.
    assert set(grid.decoded) == set(np.argsort(-weight, kind="stable")[: grid.decoded.size])
    assert np.array_equal(grid.ends[0] - 11 + grid.places, grid.decoded)
    assert grid.context_slices <= ColumnGrid(frontend, 12).context_slices


def test_a_grid_for_other_columns_or_too_short_patches_is_refused():
    with pytest.raises(OptionError, match=r"'last' are not known: choose newest or middle"):
        ColumnGrid(CQT(LAYOUT), 8, "last")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"patches of 2 columns begin after the middle: take \d or more"):
        ColumnGrid(CQT(LAYOUT), 2, "middle")


def test_compressed_amplitudes_keep_their_proportions_under_a_gain():
    power = np.random.default_rng(2).random((5, 7), np.float32)
    assert np.allclose(compress(power, 1.0), np.sqrt(power))
    assert np.allclose(compress(100 * power, 0.5), np.sqrt(10) * compress(power, 0.5), rtol=1e-5)
