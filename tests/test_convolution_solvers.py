"""Convolutional codes are those of scikit-learn on the explicit matrix, for any shape, level and sign."""

import numpy as np
import pytest
from convolution_reference import Problem, make_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.sparse.convolution_solvers import ConvolutionalCodes, solve_convolutional_cd, solve_convolutional_lca
from rtsep.sparse.solvers import solve_cd

TOL = 1e-3
SOLVERS = (solve_convolutional_cd, solve_convolutional_lca)
both_solvers = pytest.mark.parametrize("solve", SOLVERS)
both_signs = pytest.mark.parametrize("signed", [False, True])


def solved(solve, problem: Problem, tol: float = TOL) -> ConvolutionalCodes:
    return solve(problem.convolution, problem.columns, problem.lam, tol, problem.signed)


def check_optimal(problem: Problem, result: ConvolutionalCodes, tol: float = TOL) -> None:
    assert result.codes.shape == (len(problem.starts), problem.dictionary.n_atoms)
    assert problem.signed or np.all(result.codes >= 0)
    assert result.gap <= tol
    assert problem.gap(result.codes) <= 1.05 * tol + 1e-6


@both_solvers
@both_signs
@pytest.mark.parametrize(("length", "stride"), [(1, 1), (4, 1), (4, 2), (5, 3), (3, 5)])
def test_energy_is_that_of_scikit_learn(solve, signed, length, stride):
    problem = make_problem(n_columns=31, length=length, stride=stride, signed=signed)
    result = solved(solve, problem)
    check_optimal(problem, result)
    assert problem.energy(result.codes) == pytest.approx(problem.energy(problem.lasso()), rel=TOL)
    assert np.count_nonzero(result.codes) > 0
    assert not signed or np.min(result.codes) < 0


@both_solvers
@both_signs
def test_codes_are_those_of_scikit_learn_where_they_are_unique(solve, signed):
    problem = make_problem(n_atoms=4, n_bands=30, signed=signed)
    np.testing.assert_allclose(solved(solve, problem, 1e-5).codes, problem.lasso(), atol=1e-2)


@both_solvers
def test_one_column_atoms_give_the_codes_of_each_column_alone(solve):
    problem = make_problem(n_atoms=8, length=1, n_bands=20, lam=0.05)
    columns, dictionary = problem.columns, problem.dictionary
    energy = np.sum(columns * columns, axis=1)
    alone = solve_cd(dictionary.gram, dictionary.correlate(columns), energy, problem.lam, 1e-5)
    np.testing.assert_allclose(solved(solve, problem, 1e-5).codes, alone.codes, atol=2e-3)


@settings(max_examples=150, deadline=None)
@given(
    n_columns=st.integers(0, 14), n_atoms=st.integers(1, 9), length=st.integers(1, 6), n_bands=st.integers(1, 6),
    stride=st.integers(1, 8), lam=st.floats(0.01, 1.0), signed=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_coordinate_descent_is_optimal_for_any_shape(
    n_columns, n_atoms, length, n_bands, stride, lam, signed, seed
):  # fmt: skip
    problem = make_problem(n_columns, n_atoms, length, n_bands, stride, lam, signed, seed)
    check_optimal(problem, solved(solve_convolutional_cd, problem))


@both_signs
def test_long_stretch_takes_many_atoms_and_rounds(signed):
    problem = make_problem(n_columns=90, n_atoms=30, n_bands=6, lam=0.03, signed=signed)
    result = solved(solve_convolutional_cd, problem, 1e-4)
    check_optimal(problem, result, 1e-4)
    assert result.iterations > 2
    assert np.count_nonzero(result.codes) > 90


@both_solvers
@both_signs
def test_silence_costs_nothing(solve, signed):
    problem = make_problem(n_columns=6, signed=signed)
    result = solve(problem.convolution, np.zeros_like(problem.columns), 0.1, signed=signed)
    assert (result.gap, result.iterations) == (0.0, 0)
    assert not result.codes.any()
    assert solve(problem.convolution, problem.columns[:0], 0.1).codes.shape == (0, 12)


@both_solvers
@both_signs
def test_code_is_zero_from_the_largest_correlation_on(solve, signed):
    problem = make_problem(signed=signed)
    convolution = problem.convolution
    corr = convolution.correlate(convolution.surrounded(problem.columns))
    highest = float(np.max(np.abs(corr) if signed else corr))
    assert not solve(convolution, problem.columns, 1.0001 * highest, 1e-5, signed).codes.any()
    assert solve(convolution, problem.columns, 0.9 * highest, 1e-5, signed).codes.any()


@both_solvers
@pytest.mark.parametrize("power", [-100, -30, 30, 100])
def test_gain_by_a_power_of_two_scales_the_bits(solve, power):
    problem = make_problem()
    codes = solved(solve, problem).codes
    louder = np.ldexp(problem.columns, power)
    result = solve(problem.convolution, louder, problem.lam * 2.0**power)
    np.testing.assert_array_equal(result.codes, np.ldexp(codes, power))


@settings(max_examples=40, deadline=None)
@given(decades=st.floats(-36, 36), lam=st.floats(0.01, 1.0), signed=st.booleans())
def test_any_gain_is_coded_as_well(decades, lam, signed):
    problem = make_problem(n_columns=7, signed=signed, lam=lam)
    gain = 10.0**decades
    result = solve_convolutional_cd(
        problem.convolution, problem.columns * np.float32(gain), lam * gain, signed=signed
    )  # fmt: skip
    assert result.gap <= TOL
    assert problem.gap(result.codes.astype(np.float64) / gain) <= 2 * TOL


def test_lambda_far_from_the_level_of_the_sound_stays_finite():
    problem = make_problem(n_columns=5, n_atoms=3)
    assert not solve_convolutional_cd(problem.convolution, problem.columns * np.float32(1e-35), 1e300).codes.any()
    faint = solve_convolutional_cd(problem.convolution, problem.columns, 1e-300)
    assert np.isfinite(faint.codes).all()
    assert np.isfinite(faint.gap)


@both_signs
def test_delay_of_the_sound_delays_the_code(signed):
    problem = make_problem(n_atoms=4, n_bands=30, stride=2, signed=signed)
    delayed = Problem(
        problem.dictionary, np.pad(problem.columns, ((6, 0), (0, 0))), problem.stride, problem.lam, signed
    )  # fmt: skip
    codes = solved(solve_convolutional_cd, problem, 1e-5).codes
    later = solved(solve_convolutional_cd, delayed, 1e-5).codes
    assert not later[:3].any()
    np.testing.assert_allclose(later[3:], codes, atol=1e-3)


def test_the_same_sound_gives_the_same_bits():
    problem = make_problem(n_columns=80, n_atoms=40)
    first, again = (solved(solve_convolutional_cd, problem).codes for _ in range(2))
    np.testing.assert_array_equal(first, again)


@both_signs
def test_lca_is_the_dynamics_of_its_paper(signed):
    problem = make_problem(signed=signed)
    result = solved(solve_convolutional_lca, problem)
    gram, corr = problem.design @ problem.design.T, problem.design @ problem.sound
    rate = 1.8 / problem.convolution.largest_eigenvalue
    potential, code = np.zeros(len(corr)), np.zeros(len(corr))
    for _ in range(result.iterations):
        potential += rate * (corr - potential - (gram - np.eye(len(gram))) @ code)
        code = np.maximum(potential - problem.lam, 0) - signed * np.maximum(-potential - problem.lam, 0)
    np.testing.assert_allclose(result.codes.ravel(), code, atol=1e-5)
    assert result.iterations > 10


@both_solvers
def test_what_cannot_be_coded_is_refused(solve):
    problem = make_problem()
    convolution, columns = problem.convolution, problem.columns.copy()
    for lam in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(OptionError, match="lambda"):
            solve(convolution, columns, lam)
    for tol in (0.0, 1e-6, 1.0, np.nan):
        with pytest.raises(OptionError, match="tolerance"):
            solve(convolution, columns, 0.1, tol)
    with pytest.raises(ModelError, match="columns"):
        solve(convolution, columns[:, 1:], 0.1)
    columns[2, 3] = np.nan
    with pytest.raises(AudioError, match="not finite"):
        solve(convolution, columns, 0.1)
