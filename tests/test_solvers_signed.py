"""Codes of both signs, and the dynamics with both thresholds: float64 twins, scikit-learn, and a doubled dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso
from test_solvers import Problem

from rtsep.errors import OptionError
from rtsep.sparse.dictionary import normalise
from rtsep.sparse.solvers import lca_energies, lca_rate, solve_cd, solve_lca

SOLVERS = (solve_cd, solve_lca)


def signed_problem(n_features=40, n_atoms=70, n_columns=9, lam=0.05, seed=0) -> Problem:
    """Atoms of both signs with a direction in common, and mixtures of a few of them and noise."""
    rng = np.random.default_rng(seed)
    atoms = normalise((rng.standard_normal((n_atoms, n_features)) + 0.3).astype(np.float32))
    codes = rng.standard_normal((n_columns, n_atoms)) * (rng.random((n_columns, n_atoms)) < 0.1)
    patches = codes @ atoms + 0.02 * rng.standard_normal((n_columns, n_features))
    return Problem(atoms, normalise(patches.astype(np.float32)), lam)


def residuals(problem: Problem, codes: np.ndarray) -> np.ndarray:
    return problem.patches - codes.astype(np.float64) @ problem.atoms.astype(np.float64)


def objective(problem: Problem, codes: np.ndarray) -> np.ndarray:
    penalty = problem.lam * np.abs(codes.astype(np.float64)).sum(axis=1)
    return 0.5 * np.sum(residuals(problem, codes) ** 2, axis=1) + penalty


def gap(problem: Problem, codes: np.ndarray) -> np.ndarray:
    """Relative duality gap in float64: the residual shrunk until no atom correlates by more than λ."""
    residual, primal = residuals(problem, codes), objective(problem, codes)
    largest = np.abs(residual @ problem.atoms.T.astype(np.float64)).max(axis=1)
    dual_point = residual * np.minimum(1.0, problem.lam / largest)[:, None]
    dual = 0.5 * np.sum(problem.patches**2, axis=1) - 0.5 * np.sum((problem.patches - dual_point) ** 2, axis=1)
    return (primal - dual) / primal


def plain_coordinate_descent(problem: Problem) -> np.ndarray:
    """Cyclic coordinate descent in float64, one coordinate after the other, until nothing moves."""
    atoms, patches = problem.atoms.astype(np.float64), problem.patches.astype(np.float64)
    gram, corr = atoms @ atoms.T, patches @ atoms.T
    codes = np.zeros_like(corr)
    for _ in range(20_000):
        before = codes.copy()
        for j in range(len(atoms)):
            pull = corr[:, j] - codes @ gram[:, j] + gram[j, j] * codes[:, j]
            codes[:, j] = np.sign(pull) * np.maximum(np.abs(pull) - problem.lam, 0.0) / gram[j, j]
        if np.max(np.abs(codes - before)) < 1e-7:
            return codes
    raise AssertionError("the reference did not converge")


def plain_dynamics(problem: Problem, steps: int, hard: bool, nonnegative: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rozell's equation in float64: the last codes, and E after every step, from its definition."""
    gram, corr = (problem.atoms @ problem.atoms.T).astype(np.float64), problem.patches @ problem.atoms.T
    inhibition, rate = gram - np.eye(len(gram)), lca_rate(problem.seen[0])
    potential, energies = np.zeros(corr.shape), []
    for _ in range(steps + 1):
        active = potential > problem.lam if nonnegative else np.abs(potential) > problem.lam
        codes = np.where(active, potential if hard else potential - np.sign(potential) * problem.lam, 0.0)
        price = 0.5 * problem.lam**2 * active.sum(axis=1) if hard else problem.lam * np.abs(codes).sum(axis=1)
        energies.append(0.5 * np.sum(residuals(problem, codes) ** 2, axis=1) + price)
        potential = potential + rate * (corr - potential - codes @ inhibition)
    return codes, np.stack(energies, axis=1)


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("lam", [0.02, 0.2])
@pytest.mark.parametrize(("n_features", "n_atoms"), [(40, 70), (90, 33)])
def test_objective_is_that_of_plain_coordinate_descent(solve, lam, n_features, n_atoms) -> None:
    problem = signed_problem(n_features, n_atoms, lam=lam)
    result = solve(*problem.seen, nonnegative=False)
    best = objective(problem, plain_coordinate_descent(problem))
    np.testing.assert_allclose(objective(problem, result.codes), best, rtol=1e-3)
    assert result.codes.min() < 0 < result.codes.max()
    assert np.all(result.gap <= 1e-3)
    np.testing.assert_allclose(gap(problem, result.codes), result.gap, rtol=0.05, atol=5e-6)


@pytest.mark.parametrize("solve", SOLVERS)
def test_codes_are_those_of_scikit_learn(solve) -> None:
    problem = signed_problem(n_features=90, n_atoms=33)
    result = solve(*problem.seen, tol=1e-5, nonnegative=False)
    lasso = Lasso(problem.lam / 90, fit_intercept=False, tol=1e-10, max_iter=100_000)
    design = problem.atoms.T.astype(np.float64)
    peer = np.stack([lasso.fit(design, patch.astype(np.float64)).coef_.copy() for patch in problem.patches])
    np.testing.assert_allclose(objective(problem, result.codes), objective(problem, peer), rtol=1e-5)
    np.testing.assert_allclose(result.codes, peer, atol=5e-3)


@pytest.mark.parametrize("solve", SOLVERS)
def test_signed_code_is_the_nonnegative_one_of_atoms_and_their_negatives(solve) -> None:
    problem = signed_problem()
    doubled = Problem(np.concatenate([problem.atoms, -problem.atoms]), problem.patches, problem.lam)
    positive, negative = np.split(solve(*doubled.seen, tol=1e-5).codes, 2, axis=1)
    signed = solve(*problem.seen, tol=1e-5, nonnegative=False).codes
    np.testing.assert_allclose(objective(problem, positive - negative), objective(problem, signed), rtol=2e-5)


@pytest.mark.parametrize("solve", SOLVERS)
def test_negated_columns_have_negated_codes(solve) -> None:
    gram, corr, energy, lam = signed_problem().seen
    codes = solve(gram, corr, energy, lam, nonnegative=False).codes
    np.testing.assert_array_equal(solve(gram, -corr, energy, lam, nonnegative=False).codes, -codes)


def test_working_set_grows_beyond_its_first_capacity() -> None:
    rng = np.random.default_rng(0)
    atoms = normalise(rng.standard_normal((400, 400)).astype(np.float32))
    problem = Problem(atoms, normalise(rng.standard_normal((2, 400)).astype(np.float32)), 1e-3)
    result = solve_cd(*problem.seen, nonnegative=False)
    assert np.count_nonzero(result.codes[0]) > 256
    assert np.all(gap(problem, result.codes) <= 1.05e-3)


@pytest.mark.parametrize("threshold", ["soft", "hard"])
@pytest.mark.parametrize("nonnegative", [True, False])
def test_energies_are_those_of_the_equation(threshold, nonnegative) -> None:
    problem = signed_problem(n_features=90, n_atoms=33)
    codes, energies = plain_dynamics(problem, 50, threshold == "hard", nonnegative)
    options = {"threshold": threshold, "nonnegative": nonnegative}
    np.testing.assert_allclose(lca_energies(*problem.seen, steps=50, **options), energies, rtol=1e-4)
    result = solve_lca(*problem.seen, tol=1e-6, max_steps=50, **options)
    still = result.iterations == 50  # a column that stopped earlier had arrived
    np.testing.assert_allclose(result.codes[still], codes[still], atol=1e-4)
    np.testing.assert_allclose(result.codes[~still], codes[~still], atol=1e-3)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_soft_energy_ends_at_the_optimum_of_coordinate_descent(nonnegative) -> None:
    problem = signed_problem(n_features=90, n_atoms=33)
    energies = lca_energies(*problem.seen, steps=2000, nonnegative=nonnegative)
    best = objective(problem, solve_cd(*problem.seen, tol=1e-6, nonnegative=nonnegative).codes)
    np.testing.assert_allclose(energies[:, -1], best, rtol=1e-5)
    np.testing.assert_allclose(energies[:, 0], 0.5, rtol=1e-5)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_hard_threshold_ends_at_least_squares_on_its_active_atoms(nonnegative) -> None:
    problem = signed_problem(n_features=90, n_atoms=33, lam=0.2)
    result = solve_lca(*problem.seen, tol=1e-5, threshold="hard", nonnegative=nonnegative, max_steps=20_000)
    assert np.all(result.gap <= 1e-5)
    pulls = residuals(problem, result.codes) @ problem.atoms.T
    active = result.codes != 0
    assert active.any()
    np.testing.assert_allclose(pulls[active], 0.0, atol=1e-4)  # u = a and du/dt = 0 leave no correlation
    assert np.all((pulls if nonnegative else np.abs(pulls))[~active] <= 0.2 + 1e-4)
    assert np.all(np.abs(result.codes[active]) > 0.2)


def test_steps_that_do_not_suffice_show_in_the_gap() -> None:
    problem = signed_problem()
    for threshold in ("soft", "hard"):
        result = solve_lca(*problem.seen, threshold=threshold, max_steps=3)
        assert np.all(result.gap > 1e-3)
        assert np.all(result.iterations == 3)


def test_unknown_threshold_is_refused() -> None:
    with pytest.raises(OptionError, match="threshold 'firm'"):
        solve_lca(*signed_problem().seen, threshold="firm")
