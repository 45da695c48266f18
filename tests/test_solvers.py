"""The sparse solvers against plain float64 coordinate descent, scikit-learn's lasso and the optimality conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso

from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.sparse.dictionary import gram_of, normalise
from rtsep.sparse.solvers import SparseCodes, Workspace, lca_rate, solve_cd, solve_lca

SOLVERS = (solve_cd, solve_lca)
TOL = 1e-3


@dataclass(frozen=True)
class Problem:
    """Atoms and patches as rows, and what the solvers see of them."""

    atoms: np.ndarray
    patches: np.ndarray
    lam: float

    @property
    def seen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        energy = np.sum(self.patches * self.patches, axis=1)
        return gram_of(self.atoms), np.ascontiguousarray(self.patches @ self.atoms.T), energy, self.lam

    def objective(self, codes: np.ndarray) -> np.ndarray:
        codes = codes.astype(np.float64)
        residual = self.patches - codes @ self.atoms.astype(np.float64)
        return 0.5 * np.sum(residual**2, axis=1) + self.lam * codes.sum(axis=1)

    def gradient(self, codes: np.ndarray) -> np.ndarray:
        """Φᵀ(x - Φa) - λ in float64."""
        atoms = self.atoms.astype(np.float64)
        return (self.patches - codes.astype(np.float64) @ atoms) @ atoms.T - self.lam

    def gap(self, codes: np.ndarray) -> np.ndarray:
        """Relative duality gap in float64, straight from its definition."""
        primal = self.objective(codes)
        residual = self.patches - codes.astype(np.float64) @ self.atoms.astype(np.float64)
        dual_point = residual * np.minimum(1.0, self.lam / (self.gradient(codes).max(axis=1) + self.lam))[:, None]
        dual = 0.5 * np.sum(self.patches**2, axis=1) - 0.5 * np.sum((self.patches - dual_point) ** 2, axis=1)
        return (primal - dual) / primal


def make_problem(n_features=60, n_atoms=90, n_columns=12, lam=0.05, seed=0) -> Problem:
    """Nonnegative atoms that resemble each other, as those of spectra do, and mixtures of a few of them and noise."""
    rng = np.random.default_rng(seed)
    atoms = normalise((rng.random((n_atoms, n_features)) ** 4 + 0.05).astype(np.float32))
    codes = rng.random((n_columns, n_atoms)) * (rng.random((n_columns, n_atoms)) < 0.1)
    patches = codes @ atoms + 0.02 * rng.random((n_columns, n_features))
    return Problem(atoms, normalise(patches.astype(np.float32)), lam)


def plain_coordinate_descent(problem: Problem) -> np.ndarray:
    """Cyclic coordinate descent in float64, all columns at once, until nothing moves."""
    atoms, patches = problem.atoms.astype(np.float64), problem.patches.astype(np.float64)
    gram, corr = atoms @ atoms.T, patches @ atoms.T
    codes = np.zeros_like(corr)
    for _ in range(20_000):
        before = codes.copy()
        for j in range(len(atoms)):
            pull = corr[:, j] - codes @ gram[:, j] + gram[j, j] * codes[:, j] - problem.lam
            codes[:, j] = np.maximum(pull, 0.0) / gram[j, j]
        if np.max(np.abs(codes - before)) < 1e-6:
            return codes
    raise AssertionError("the reference did not converge")


def check_optimal(problem: Problem, result: SparseCodes, tol: float) -> None:
    assert np.all(result.codes >= 0)
    assert np.all(result.gap <= tol)
    assert np.all(problem.gap(result.codes) <= 1.05 * tol + 1e-6)


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("lam", [0.02, 0.2])
@pytest.mark.parametrize(("n_features", "n_atoms"), [(60, 90), (100, 33), (40, 80)])
def test_objective_is_that_of_plain_coordinate_descent(solve, lam, n_features, n_atoms) -> None:
    problem = make_problem(n_features, n_atoms, lam=lam)
    result = solve(*problem.seen)
    check_optimal(problem, result, TOL)
    best = problem.objective(plain_coordinate_descent(problem))
    np.testing.assert_allclose(problem.objective(result.codes), best, rtol=TOL)


@pytest.mark.parametrize("solve", SOLVERS)
def test_objective_is_that_of_scikit_learn(solve) -> None:
    problem = make_problem()
    result = solve(*problem.seen, tol=1e-4)
    lasso = Lasso(problem.lam / 60, positive=True, fit_intercept=False, tol=1e-10, max_iter=100_000)
    design = problem.atoms.T.astype(np.float64)
    peer = np.stack([lasso.fit(design, patch.astype(np.float64)).coef_.copy() for patch in problem.patches])
    np.testing.assert_allclose(problem.objective(result.codes), problem.objective(peer), rtol=1e-4)
    assert np.mean(np.abs(result.codes - peer)) < 1e-2 * np.mean(peer)


@pytest.mark.parametrize("solve", SOLVERS)
def test_gradient_vanishes_on_active_atoms_and_is_negative_elsewhere(solve) -> None:
    problem = make_problem()
    result = solve(*problem.seen, tol=1e-5)
    gradient = problem.gradient(result.codes)
    # One coordinate step of a unit-norm atom gains gradient²/2, which is at most the gap.
    bound = np.sqrt(2.0 * 1e-5 * problem.objective(result.codes).max()) + 1e-6
    assert gradient.max() <= bound
    assert np.max(np.abs(gradient[result.codes > bound])) <= bound
    assert np.count_nonzero(result.codes) > 0


@pytest.mark.parametrize("solve", SOLVERS)
def test_column_has_the_same_bits_whatever_is_solved_beside_it(solve) -> None:
    problem = make_problem(n_columns=9)
    gram, corr, energy, lam = problem.seen
    workspace = Workspace.plan(len(gram))
    together = solve(gram, corr, energy, lam).codes
    backwards = solve(gram, corr[::-1].copy(), energy[::-1].copy(), lam, workspace=workspace).codes[::-1]
    alone = [solve(gram, corr[k : k + 1], energy[k : k + 1], lam, workspace=workspace).codes for k in range(9)]
    np.testing.assert_array_equal(together, backwards)
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("solve", SOLVERS)
def test_order_of_the_atoms_does_not_matter(solve) -> None:
    problem = make_problem(n_features=100, n_atoms=60)
    order = np.random.default_rng(1).permutation(60)
    permuted = Problem(problem.atoms[order], problem.patches, problem.lam)
    codes, moved = (solve(*p.seen, tol=1e-5).codes for p in (problem, permuted))
    np.testing.assert_allclose(codes[:, order], moved, atol=5e-3)


@pytest.mark.parametrize("solve", SOLVERS)
def test_code_is_zero_from_the_largest_correlation_on(solve) -> None:
    gram, corr, energy, _ = make_problem().seen
    highest = float(corr.max())
    assert not solve(gram, corr, energy, highest).codes.any()
    assert solve(gram, corr, energy, 0.9 * highest).codes.any()


@pytest.mark.parametrize("solve", SOLVERS)
def test_one_atom_has_the_closed_form(solve) -> None:
    problem = make_problem(n_atoms=1)
    result = solve(*problem.seen, tol=1e-5)
    expected = np.maximum(problem.patches @ problem.atoms.T - problem.lam, 0.0)
    # The gap of one atom is half the squared error over E.
    np.testing.assert_allclose(result.codes, expected, atol=5e-3)


@pytest.mark.parametrize("solve", SOLVERS)
def test_repeated_atoms_share_what_one_had(solve) -> None:
    problem = make_problem()
    twice = Problem(np.concatenate([problem.atoms, problem.atoms]), problem.patches, problem.lam)
    result = solve(*twice.seen)
    check_optimal(twice, result, TOL)
    alone = solve(*problem.seen).codes
    np.testing.assert_allclose(twice.objective(result.codes), problem.objective(alone), rtol=TOL)


@pytest.mark.parametrize("solve", SOLVERS)
def test_silent_columns_give_zeros_at_once(solve) -> None:
    gram, corr, energy, lam = make_problem(n_columns=3).seen
    corr[1], energy[1] = 0.0, 0.0
    result = solve(gram, corr, energy, lam)
    assert not result.codes[1].any()
    assert result.iterations[1] == 0
    assert result.gap[1] == 0.0
    assert result.codes[0].any()
    assert solve(gram, corr[:0], energy[:0], lam).codes.shape == (0, len(gram))


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("power", [-30, 30])
def test_gain_by_a_power_of_two_scales_the_bits(solve, power) -> None:
    gram, corr, energy, lam = make_problem().seen
    gain = 2.0**power
    louder = solve(gram, corr * np.float32(gain), energy * np.float32(gain**2), lam * gain)
    np.testing.assert_array_equal(louder.codes, solve(gram, corr, energy, lam).codes * np.float32(gain))


@pytest.mark.parametrize("gain", [1e-17, 1e17])
def test_coordinate_descent_survives_gains_whose_squares_leave_float32(gain) -> None:
    gram, corr, energy, lam = make_problem(n_columns=2).seen
    far = solve_cd(gram, corr * np.float32(gain), energy * np.float32(gain**2), lam * gain)
    np.testing.assert_allclose(far.codes / gain, solve_cd(gram, corr, energy, lam).codes, atol=0.02)


@settings(max_examples=60, deadline=None)
@given(
    n_features=st.integers(1, 70), n_atoms=st.integers(1, 140), n_columns=st.integers(1, 3),
    lam=st.floats(0.003, 1.0), seed=st.integers(0, 999),
)  # fmt: skip
def test_coordinate_descent_is_optimal_for_any_shape(n_features, n_atoms, n_columns, lam, seed) -> None:
    problem = make_problem(n_features, n_atoms, n_columns, lam, seed)
    check_optimal(problem, solve_cd(*problem.seen), TOL)


def test_lca_is_the_dynamics_of_its_paper() -> None:
    problem = make_problem(n_columns=1)
    gram, corr, _, lam = problem.seen
    result = solve_lca(*problem.seen)
    potential = np.zeros(len(gram))
    competition = gram.astype(np.float64) - np.eye(len(gram))
    for _ in range(int(result.iterations[0])):
        code = np.maximum(potential - lam, 0.0)
        potential += lca_rate(gram) * (corr[0] - potential - competition @ code)
    np.testing.assert_allclose(result.codes[0], np.maximum(potential - lam, 0.0), atol=1e-5)
    assert result.iterations[0] > 10


def test_lca_rate_comes_from_the_largest_eigenvalue() -> None:
    gram = make_problem().seen[0]
    assert lca_rate(gram) == pytest.approx(1.8 / np.linalg.eigvalsh(gram)[-1], rel=1e-2)
    assert lca_rate(np.eye(5, dtype=np.float32)) == 1.0
    signs = np.array([1, -1, 1, -1, 1, -1], np.float32)  # whitened atoms may have no common direction
    assert lca_rate(np.eye(6, dtype=np.float32) + np.outer(signs, signs)) == pytest.approx(1.8 / 7, rel=1e-3)


@pytest.mark.parametrize("solve", SOLVERS)
def test_codes_are_written_to_out(solve) -> None:
    gram, corr, energy, lam = make_problem().seen
    out = np.full_like(corr, np.nan)
    result = solve(gram, corr, energy, lam, out=out)
    assert result.codes is out
    np.testing.assert_array_equal(out, solve(gram, corr, energy, lam).codes)


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [1, 2])
def test_values_that_are_not_finite_are_refused(solve, value, place) -> None:
    arguments = make_problem().seen
    arguments[place][3] = value
    with pytest.raises(AudioError, match="not finite"):
        solve(*arguments)


@pytest.mark.parametrize("solve", SOLVERS)
def test_arrays_that_do_not_fit_are_refused(solve) -> None:
    gram, corr, energy, lam = make_problem().seen
    blank = gram.copy()
    blank[4, 4] = 0.0
    for wrong in (
        (gram[:-1], corr, energy),
        (gram, corr[:, :-1].copy(), energy),
        (gram, corr, energy[:-1]),
        (gram[:0, :0].copy(), corr[:, :0].copy(), energy),
        (gram.astype(np.float64), corr, energy),
        (gram, np.asfortranarray(corr), energy),
        (blank, corr, energy),
    ):
        with pytest.raises(ModelError):
            solve(*wrong, lam)
    with pytest.raises(ModelError, match="workspace"):
        solve(gram, corr, energy, lam, workspace=Workspace.plan(3))
    with pytest.raises(ModelError, match="out"):
        solve(gram, corr, energy, lam, out=np.zeros((1, 1), np.float32))


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize(("lam", "tol"), [(0.0, 1e-3), (-1.0, 1e-3), (np.nan, 1e-3), (0.1, 0.0), (0.1, 1.0)])
def test_options_out_of_range_are_refused(solve, lam, tol) -> None:
    gram, corr, energy, _ = make_problem().seen
    with pytest.raises(OptionError):
        solve(gram, corr, energy, lam, tol)


def test_lca_rate_out_of_range_is_refused() -> None:
    with pytest.raises(OptionError, match="rate"):
        solve_lca(*make_problem().seen, rate=1.5)
