"""Properties of the sparse solvers over any shape, gain, penalty and sign: optimal, finite, columns on their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_solvers import Problem
from test_solvers_signed import gap, signed_problem

from rtsep.errors import AudioError
from rtsep.sparse.solvers import solve_cd, solve_lca

SHAPES = {
    "n_features": st.integers(1, 50),
    "n_atoms": st.integers(1, 140),
    "n_columns": st.integers(0, 3),
    "lam": st.floats(0.01, 1.5),
    "seed": st.integers(0, 999),
}


def violations(problem: Problem, codes: np.ndarray, nonnegative: bool) -> np.ndarray:
    """By how much the float64 gradient oversteps its bounds, column by column."""
    residual = problem.patches - codes.astype(np.float64) @ problem.atoms.astype(np.float64)
    pulls = residual @ problem.atoms.T.astype(np.float64)
    return np.max(pulls if nonnegative else np.abs(pulls), axis=1, initial=0.0) - problem.lam


@settings(max_examples=60, deadline=None)
@given(nonnegative=st.booleans(), **SHAPES)
def test_coordinate_descent_is_optimal_for_any_shape(nonnegative, **shape) -> None:
    problem = signed_problem(**shape)
    result = solve_cd(*problem.seen, nonnegative=nonnegative)
    assert result.codes.shape == (shape["n_columns"], shape["n_atoms"])
    assert np.all(result.gap <= 1e-3)
    # One step along an atom of unit norm gains violation²/2, which is at most the gap times E, itself at most 1/2.
    assert np.all(violations(problem, result.codes, nonnegative) <= np.sqrt(1.1e-3))
    if nonnegative:
        assert np.all(result.codes >= 0)
    else:
        assert np.all(gap(problem, result.codes) <= 1.05e-3 + 1e-6)


@settings(max_examples=25, deadline=None)
@given(nonnegative=st.booleans(), seed=st.integers(0, 999), n_atoms=st.integers(1, 40), lam=st.floats(0.05, 1.0))
def test_both_solvers_reach_the_same_energy(nonnegative, seed, n_atoms, lam) -> None:
    problem = signed_problem(n_features=60, n_atoms=n_atoms, n_columns=2, lam=lam, seed=seed)
    energies = []
    for solve in (solve_cd, solve_lca):
        codes = solve(*problem.seen, nonnegative=nonnegative).codes.astype(np.float64)
        residual = problem.patches - codes @ problem.atoms
        energies.append(0.5 * np.sum(residual**2, axis=1) + lam * np.abs(codes).sum(axis=1))
    np.testing.assert_allclose(*energies, rtol=1.1e-3)


@settings(max_examples=40, deadline=None)
@given(power=st.integers(-30, 30), nonnegative=st.booleans(), seed=st.integers(0, 99))
def test_gains_by_powers_of_two_scale_the_bits(power, nonnegative, seed) -> None:
    # Further down the squares of small slopes are no longer normal float32 numbers.
    gram, corr, energy, lam = signed_problem(n_columns=2, seed=seed).seen
    gain = np.float32(2.0**power)
    for solve, options in ((solve_cd, {}), (solve_lca, {"max_steps": 30})):
        plain = solve(gram, corr, energy, lam, nonnegative=nonnegative, **options)
        scaled = solve(
            gram, corr * gain, energy * gain**2, lam * float(gain), nonnegative=nonnegative, **options
        )  # fmt: skip
        np.testing.assert_array_equal(scaled.codes, plain.codes * gain)


@settings(max_examples=40, deadline=None)
@given(
    level=st.sampled_from([0.0, 1e-45, 1e-39, 1e-30, 1e-10, 1.0, 1e10, 1e15]),
    lam=st.sampled_from([1e-30, 1e-3, 1.0, 1e18]), nonnegative=st.booleans(),
    solve=st.sampled_from([solve_cd, solve_lca]),
)  # fmt: skip
def test_any_level_gives_finite_codes_and_silence_gives_none(level, lam, nonnegative, solve) -> None:
    gram, corr, _, _ = signed_problem(n_columns=2).seen
    corr = corr * np.float32(level)
    energy = np.full(2, np.float32(level) ** 2, np.float32)
    options = {"max_steps": 30} if solve is solve_lca else {}
    result = solve(gram, corr, energy, lam, nonnegative=nonnegative, **options)
    assert np.isfinite(result.codes).all()
    assert np.isfinite(result.gap).all()
    if np.abs(corr).max() <= lam:
        assert not result.codes.any()
        assert not result.iterations.any()


@settings(max_examples=30, deadline=None)
@given(
    n_columns=st.integers(1, 6), nonnegative=st.booleans(), solve=st.sampled_from([solve_cd, solve_lca]),
    threshold=st.sampled_from(["soft", "hard"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_column_has_the_same_bits_alone(n_columns, nonnegative, solve, threshold, seed) -> None:
    gram, corr, energy, lam = signed_problem(n_columns=n_columns, seed=seed).seen
    options = {"threshold": threshold, "max_steps": 100} if solve is solve_lca else {}
    together = solve(gram, corr, energy, lam, nonnegative=nonnegative, **options)
    for k in range(n_columns):
        alone = solve(gram, corr[k : k + 1], energy[k : k + 1], lam, nonnegative=nonnegative, **options)
        np.testing.assert_array_equal(alone.codes[0], together.codes[k])
        assert alone.iterations[0] == together.iterations[k]


@pytest.mark.parametrize("solve", [solve_cd, solve_lca])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [1, 2])
def test_values_that_are_not_finite_are_refused_for_signed_codes(solve, value, place) -> None:
    arguments = signed_problem().seen
    arguments[place][3] = value
    with pytest.raises(AudioError, match="not finite"):
        solve(*arguments, nonnegative=False)
