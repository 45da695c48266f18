"""Masks add up to one whatever is decoded; the ridge solution is the one of the normal equations, written out."""

import numpy as np
import pytest

from rtsep.decoder.linear import solve_ridge
from rtsep.decoder.masks import ratio_masks


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e30])
def test_masks_add_up_to_one(exponent, scale):
    amplitudes = np.random.default_rng(0).standard_normal((4, 2, 50, 6)).astype(np.float32) * np.float32(scale)
    masks = ratio_masks(amplitudes, exponent)
    assert np.allclose(masks.sum(axis=0), 1, atol=1e-6)
    assert (masks >= 0).all()
    assert masks.dtype == np.float32


def test_masks_are_the_formula_and_share_alike_where_nothing_is():
    amplitudes = np.array([[3.0, -1, 0], [1.0, -2, 0], [0.0, 5, 0], [-4.0, 5, 0]], np.float32)
    expected = [[0.9, 0, 0.25], [0.1, 0, 0.25], [0, 0.5, 0.25], [0, 0.5, 0.25]]
    assert np.allclose(ratio_masks(amplitudes, 2.0), expected)


def test_ridge_from_sums_over_batches_is_the_closed_form():
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((300, 8)).astype(np.float32)
    truth = rng.standard_normal((8, 3)).astype(np.float32)
    outputs = inputs @ truth
    batches = [slice(start, start + 70) for start in range(0, 300, 70)]
    xx = sum(inputs[batch].T.astype(np.float64) @ inputs[batch] for batch in batches)
    xy = sum(inputs[batch].T.astype(np.float64) @ outputs[batch] for batch in batches)
    assert np.allclose(solve_ridge(xx, xy, 1e-9), truth, atol=1e-4)
    scale = 0.1 * np.mean(np.diag(inputs.T @ inputs))
    penalised = np.linalg.lstsq(
        np.vstack([inputs, np.sqrt(scale) * np.eye(8)]), np.vstack([outputs, np.zeros((8, 3))]), rcond=None
    )[0]
    assert np.allclose(solve_ridge(xx, xy, 0.1), penalised, atol=1e-4)
