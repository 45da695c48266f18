"""Each compiled loop does what a line or two of NumPy on the explicit matrix does."""

import numpy as np
import pytest
from convolution_reference import make_problem

from rtsep.sparse.convolution_kernels import (
    dot,
    exact_dot,
    pick,
    relax,
    shrink,
    small_times,
    solve_inside,
    subspace_step,
    subtract_atoms,
    sweep,
)
from rtsep.sparse.convolution_working_set import WorkingSet

LAM = np.float32(0.05)
both_signs = pytest.mark.parametrize("signed", [False, True])


def soft(values: np.ndarray, lam: float, signed: bool) -> np.ndarray:
    return np.maximum(values - lam, 0) - signed * np.maximum(-values - lam, 0)


class Active:
    """A problem, a working set of some of its atoms with values, and the same as explicit matrices."""

    def __init__(self, signed: bool, seed: int = 0) -> None:
        self.problem = make_problem(n_columns=14, n_bands=6, signed=signed)
        rng = np.random.default_rng(seed)
        n_keys = len(self.problem.starts) * 12
        half = WorkingSet.empty().renewed(self.problem.convolution, np.sort(rng.choice(n_keys, 40, replace=False)))
        half.values[::2] = rng.uniform(0.1, 0.5, 20) * (rng.choice([-1, 1], 20) if signed else 1)
        # Renewed once more, so that the Gram is in part copied and in part gathered.
        self.atoms = half.renewed(self.problem.convolution, np.sort(rng.choice(n_keys, 40, replace=False)))
        rows = self.problem.design[self.atoms.keys]
        self.gram, self.target = rows @ rows.T, (rows @ self.problem.sound).astype(np.float32)
        self.slopes = (self.target - self.gram @ self.atoms.values).astype(np.float32)

    @property
    def band(self) -> tuple[np.ndarray, ...]:
        return self.atoms.small, self.atoms.begin, self.atoms.first, self.atoms.last

    def energy(self, values: np.ndarray) -> float:
        exact = values.astype(np.float64)
        return float(0.5 * exact @ self.gram @ exact - self.target @ exact + LAM * np.abs(exact).sum())


@both_signs
def test_working_set_keeps_what_is_in_use_and_its_band_of_the_gram(signed):
    active = Active(signed)
    atoms = active.atoms
    assert np.count_nonzero(atoms.values) == 20
    assert np.all(np.diff(atoms.keys) > 0)
    np.testing.assert_array_equal(atoms.keys, atoms.positions * 12 + atoms.atoms)
    band = np.zeros_like(active.gram)
    for s in range(atoms.keys.size):
        band[s, atoms.first[s] : atoms.last[s]] = atoms.small[atoms.begin[s] : atoms.begin[s + 1]]
    np.testing.assert_allclose(band, active.gram, atol=1e-6)


def test_shrink_is_the_soft_threshold():
    values = np.linspace(-2, 2, 41)
    for signed in (False, True):
        np.testing.assert_allclose([shrink(v, 0.5, signed) for v in values], soft(values, 0.5, signed))


def test_atoms_are_subtracted_where_they_start():
    active = Active(signed=True)
    convolution, atoms = active.problem.convolution, active.atoms
    steps = convolution.surrounded(active.problem.columns)
    subtract_atoms(steps, convolution.matrix, atoms.positions, atoms.atoms, atoms.values)
    expected = active.problem.sound - atoms.values @ active.problem.design[atoms.keys]
    np.testing.assert_allclose(steps.ravel(), expected, atol=1e-5)


@both_signs
@pytest.mark.parametrize("most", [1, 3, 20])
def test_pick_finds_the_highest_at_every_position(signed, most):
    corr = np.random.default_rng(0).standard_normal((7, 20)).astype(np.float32)
    corr[2] = 0
    keys = np.full(7 * most, -1)
    n = pick(corr, np.float32(0.4), signed, most, keys)
    heights = np.abs(corr) if signed else corr
    expected = [
        p * 20 + k for p in range(7) for k in np.argsort(-heights[p], kind="stable")[:most] if heights[p, k] > 0.4
    ]
    assert keys[:n].tolist() == expected


@both_signs
def test_relax_is_a_step_of_the_dynamics(signed):
    rng = np.random.default_rng(0)
    potential, corr = rng.standard_normal((2, 5, 6)).astype(np.float32)
    codes = soft(potential, LAM, signed).astype(np.float32)
    expected = potential + 0.3 * (corr + codes - potential)
    relax(potential, corr, LAM, np.float32(0.3), signed, codes)
    np.testing.assert_allclose(potential, expected, rtol=1e-5)
    np.testing.assert_allclose(codes, soft(expected, LAM, signed), atol=1e-6)


@both_signs
def test_sweep_takes_each_coordinate_to_its_optimum_in_turn(signed):
    active = Active(signed)
    values, slopes = active.atoms.values.copy(), active.slopes.copy()
    largest = sweep(*active.band, slopes, values, LAM, signed)
    expected, changes = active.atoms.values.astype(np.float64), []
    for s in range(expected.size):
        pull = active.target[s] - active.gram[s] @ expected + active.gram[s, s] * expected[s]
        best = soft(pull, LAM, signed) / active.gram[s, s]
        changes.append(abs(best - expected[s]) * active.gram[s, s])
        expected[s] = best
    np.testing.assert_allclose(values, expected, atol=1e-5)
    np.testing.assert_allclose(slopes, active.target - active.gram @ expected, atol=1e-5)
    assert largest == pytest.approx(max(changes), rel=1e-4)


def test_products_are_those_of_numpy():
    active = Active(signed=True)
    out = np.full_like(active.slopes, np.nan)
    small_times(*active.band, active.atoms.values, out)
    np.testing.assert_allclose(out, active.gram @ active.atoms.values, atol=1e-5)
    assert dot(active.slopes, out) == pytest.approx(float(active.slopes @ out), rel=1e-4)
    expected = float(active.slopes.astype(np.float64) @ out.astype(np.float64))
    assert exact_dot(active.slopes, out) == pytest.approx(expected, rel=1e-12)


@both_signs
@pytest.mark.parametrize("seed", range(8))
def test_subspace_step_goes_down_and_keeps_signs(signed, seed):
    active = Active(signed, seed)
    before = active.atoms.values
    values, slopes = before.copy(), active.slopes.copy()
    scratch = np.empty((4, values.size), np.float32)
    subspace_step(*active.band, active.target, slopes, values, LAM, scratch)
    assert active.energy(values) < active.energy(before)
    assert np.all(values * before >= 0)
    assert not values[before == 0].any()
    np.testing.assert_allclose(slopes, active.target - active.gram @ values, atol=1e-5)


def test_subspace_step_ends_near_the_common_optimum_where_no_sign_changes():
    active = Active(signed=False)
    values = np.where(active.atoms.values > 0, np.float32(1), np.float32(0))
    target = (active.gram @ (values * 1.5) + LAM).astype(np.float32)  # the optimum is 1.5 on all of them
    slopes = (target - active.gram @ values).astype(np.float32)
    before = np.linalg.norm((slopes - LAM)[values > 0])
    subspace_step(*active.band, target, slopes, values, LAM, np.empty((4, values.size), np.float32))
    assert np.linalg.norm((slopes - LAM)[values > 0]) < 0.1 * before
    np.testing.assert_allclose(values[values > 0], 1.5, atol=0.3)


@both_signs
def test_inside_is_solved_to_the_accuracy_asked_for(signed):
    active = Active(signed)
    values, slopes = active.atoms.values, active.slopes
    scratch = np.empty((4, values.size), np.float32)
    n = solve_inside(*active.band, active.target, slopes, values, LAM, signed, np.float32(1e-5), 100, scratch)
    assert 1 < n < 100
    kkt = np.where(values == 0, soft(slopes, LAM, signed), slopes - LAM * np.sign(values))
    assert np.max(np.abs(kkt)) < 1e-4
    assert np.count_nonzero(values) > 5
