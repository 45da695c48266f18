"""The coder: whitened patches of unit norm, blind to level, the same optimum from both solvers."""

import numpy as np
import pytest

from rtsep.errors import OptionError
from rtsep.sparse.coder import SparseCoder, unit_norm
from rtsep.sparse.dictionary import Dictionary, inner_products, whitening_matrix


@pytest.fixture(scope="module")
def atoms():
    return Dictionary.from_matrix(np.random.default_rng(0).random((40, 4 * 12), np.float32), 4)


@pytest.fixture(scope="module")
def patches(atoms):
    rng = np.random.default_rng(1)
    codes = rng.random((25, 40), np.float32) * (rng.random((25, 40)) < 0.1)
    mixed = (codes @ atoms.matrix).astype(np.float32)
    return mixed[mixed.any(axis=1)]


def objective(atoms, whitening, sparsity, patches, codes):
    white = patches.astype(np.float64) @ whitening
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    whitened = atoms.matrix.astype(np.float64) @ whitening
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    return 0.5 * np.sum((white - codes @ whitened) ** 2, axis=1) + sparsity * codes.sum(axis=1)


def test_both_solvers_reach_the_same_minimum(atoms, patches):
    whitening = whitening_matrix(atoms.matrix, 0.1)
    cd, _ = SparseCoder(atoms, whitening, 0.05, "cd").encode(patches)
    lca, _ = SparseCoder(atoms, whitening, 0.05, "lca").encode(patches)
    a, b = (objective(atoms, whitening, 0.05, patches, codes) for codes in (cd, lca))
    assert np.allclose(a, b, rtol=1e-3)
    assert (cd >= 0).all()
    rng = np.random.default_rng(2)
    for _ in range(20):  # no small step from the minimum goes down
        nearby = np.maximum(cd + 0.01 * rng.standard_normal(cd.shape), 0)
        assert (objective(atoms, whitening, 0.05, patches, nearby) >= a * (1 - 1e-3)).all()


@pytest.mark.parametrize("gain", [1e-30, 1e-3, 1e20])
def test_codes_do_not_know_the_level_and_the_scale_does(atoms, patches, gain):
    coder = SparseCoder(atoms, whitening_matrix(atoms.matrix), 0.05)
    codes, scale = coder.encode(patches)
    louder, louder_scale = coder.encode(patches * np.float32(gain))
    assert np.allclose(louder, codes, atol=2e-3)
    assert np.allclose(louder_scale, scale * np.float32(gain), rtol=1e-4)


@pytest.mark.parametrize("together", [1, 2, 7])
def test_no_bit_of_a_code_depends_on_what_is_coded_beside_it(atoms, patches, together):
    coder = SparseCoder(atoms, whitening_matrix(atoms.matrix), 0.05)
    codes, scale = coder.encode(patches)
    some, some_scale = coder.encode(patches[3 : 3 + together])
    assert np.array_equal(some, codes[3 : 3 + together])
    assert np.array_equal(some_scale, scale[3 : 3 + together])


@pytest.mark.parametrize(("m", "k"), [(1, 1), (9, 70), (24, 284), (300, 440), (1136, 1136)])
def test_products_of_equal_rows_are_equal_wherever_they_stand(m, k):
    rng = np.random.default_rng(5)
    matrix, row = rng.random((m, k), np.float32), rng.random((1, k), np.float32)
    rows = np.repeat(row, 70, axis=0)
    products = inner_products(matrix, rows)
    assert (products == products[0]).all()
    assert np.array_equal(inner_products(matrix, row), products[:1])
    assert np.allclose(products[0], matrix.astype(np.float64) @ row[0], rtol=1e-5)
    assert inner_products(matrix, rows[:0]).shape == (0, m)


@pytest.mark.parametrize("n_atoms", [48, 300])
def test_nor_does_it_where_blas_multiplies_small_matrices_in_a_way_of_its_own(n_atoms):
    rng = np.random.default_rng(4)
    coder = SparseCoder(
        Dictionary.from_matrix(rng.random((n_atoms, 440), np.float32), 4), np.eye(440, dtype="f4"), 0.05
    )
    patches = rng.random((260, 440), np.float32)
    codes, scale = coder.encode(patches)
    for together in (1, 2, 3, 64):
        some, some_scale = coder.encode(patches[:together])
        assert np.array_equal(some, codes[:together])
        assert np.array_equal(some_scale, scale[:together])


def test_scale_is_the_norm_of_the_whitened_patch(atoms, patches):
    whitening = whitening_matrix(atoms.matrix)
    _, scale = SparseCoder(atoms, whitening, 0.05).encode(patches)
    assert np.allclose(scale[:, 0], np.linalg.norm(patches @ whitening, axis=1), rtol=1e-4)


def test_silence_has_a_code_of_zeros(atoms):
    codes, scale = SparseCoder(atoms, whitening_matrix(atoms.matrix), 0.05).encode(np.zeros((2, 48), np.float32))
    assert not codes.any()
    assert (scale == 1).all()


def test_unknown_solver_is_refused(atoms):
    with pytest.raises(OptionError, match="choose cd or lca"):
        SparseCoder(atoms, whitening_matrix(atoms.matrix), 0.05, "ista")


def test_unit_norm_leaves_silence_alone():
    rows = np.array([[3, 4], [0, 0], [1e-18, 0]], np.float32)
    unit, length = unit_norm(rows)
    assert np.allclose(unit, [[0.6, 0.8], [0, 0], [1, 0]])
    assert np.allclose(length[:, 0], [5, 0, 1e-18])
