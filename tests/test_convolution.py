"""Atoms over a stretch: positions, inner products and reconstructions are those of the explicit matrix."""

import numpy as np
import pytest
from convolution_reference import Problem, make_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.sparse.convolution import Convolution
from rtsep.sparse.dictionary import Dictionary


@settings(max_examples=80, deadline=None)
@given(
    n_columns=st.integers(0, 11), n_atoms=st.integers(1, 5), length=st.integers(1, 6), n_bands=st.integers(1, 4),
    stride=st.integers(1, 8), seed=st.integers(0, 99),
)  # fmt: skip
def test_correlations_and_reconstruction_are_those_of_the_matrix(n_columns, n_atoms, length, n_bands, stride, seed):
    problem = make_problem(n_columns, n_atoms, length, n_bands, stride, signed=True, seed=seed)
    convolution, shape = problem.convolution, (len(problem.starts), n_atoms)
    assert convolution.n_positions(n_columns) == len(problem.starts)
    assert convolution.start_columns(n_columns).tolist() == problem.starts
    corr = convolution.correlate(convolution.surrounded(problem.columns))
    np.testing.assert_allclose(corr, (problem.design @ problem.sound).reshape(shape), atol=1e-5)
    codes = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    np.testing.assert_allclose(convolution.reconstruct(codes, n_columns), problem.inside(codes), atol=1e-5)


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (5, 1), (5, 2), (6, 3), (3, 4)])
def test_lag_gram_holds_the_inner_products_at_any_two_positions(length, stride):
    problem = make_problem(12, 7, length, 5, stride)
    gram = (problem.design @ problem.design.T).reshape(len(problem.starts), 7, len(problem.starts), 7)
    lags = problem.convolution.lag_gram
    assert lags.shape == (7, -(-length // stride), 7)
    for i in range(len(problem.starts)):
        for later in range(i, len(problem.starts)):
            expected = lags[:, later - i] if later - i < lags.shape[1] else 0.0
            np.testing.assert_allclose(gram[i, :, later], np.broadcast_to(expected, (7, 7)), atol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("length", "stride"), [(1, 1), (5, 1), (5, 2), (3, 4)])
def test_largest_eigenvalue_is_a_bound_and_a_near_one(length, stride, signed):
    problem = make_problem(60, 6, length, 3, stride, signed=signed)
    largest = np.linalg.eigvalsh(problem.design @ problem.design.T)[-1]
    bound = problem.convolution.largest_eigenvalue
    assert largest <= bound * (1 + 1e-6)
    assert bound <= 1.12 * largest  # a stretch of 60 columns comes near to an endless one


def test_one_column_atoms_need_no_bound():
    problem = make_problem(5, 6, 1, 8)
    gram = problem.dictionary.gram
    assert problem.convolution.largest_eigenvalue == pytest.approx(np.linalg.eigvalsh(gram)[-1], rel=1e-5)
    np.testing.assert_array_equal(problem.convolution.lag_gram[:, 0], gram)


def test_stride_below_one_is_refused():
    with pytest.raises(OptionError, match="stride 0"):
        Convolution(make_problem().dictionary, 0)


def test_columns_and_codes_that_do_not_fit_are_refused():
    problem = make_problem()
    convolution = problem.convolution
    for wrong in (problem.columns[:, 1:], problem.columns.astype(np.float64), problem.columns[0]):
        with pytest.raises(ModelError, match="columns"):
            convolution.surrounded(wrong)
    for value in (np.nan, np.inf):
        broken = problem.columns.copy()
        broken[3, 2] = value
        with pytest.raises(AudioError, match="not finite"):
            convolution.surrounded(broken)
    with pytest.raises(ModelError, match="codes"):
        convolution.reconstruct(np.zeros((17, 12), np.float32), 17)


def test_ends_are_silence():
    """One atom twice as long as the stretch: inside it is half of itself, and the other half is error outside."""
    atom = np.full((1, 4), 0.5, np.float32)
    problem = Problem(Dictionary.from_matrix(atom, 4), np.ones((2, 1), np.float32))
    corr = problem.convolution.correlate(problem.convolution.surrounded(problem.columns))
    np.testing.assert_allclose(corr[:, 0], [0.5, 1.0, 1.0, 1.0, 0.5])
