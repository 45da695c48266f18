"""The decoder by gradient descent: it comes down to the closed form, on any number of ranks, with or without a stop."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array
from sound_files import assert_one_line
from thread_ranks import on_ranks

from rtsep.decoder.adam import Descent, adam_step, cosine_rate
from rtsep.decoder.linear import solve_ridge
from rtsep.errors import OptionError
from rtsep.sparse.ranks import Shard, in_steps
from rtsep.training.fit_gradient import Coded, Course, fit_gradient, split_by_mixture
from rtsep.training.run_folder import NOTHING_KEPT, NothingKept

RIDGE = 0.02
SIZES = np.array([90, 0, 130, *[100] * 28])
N_ATOMS, N_OUTPUTS = 40, 6
ATOMS = np.ones((N_ATOMS, 3), np.float32)


class InMemory(NothingKept):
    """Keeps the states of a stage; raises after so many, as a run that is stopped."""

    def __init__(self, stop: int | None = None) -> None:
        self.states: list[dict] = []
        self._stop = stop

    def state(self, stage):
        assert stage == "decoder"
        return deepcopy(self.states[-1]) if self.states else None

    def keep(self, stage, state):
        self.states.append(deepcopy(state))
        if len(self.states) == self._stop:
            raise KeyboardInterrupt


def make_examples(seed: int = 0) -> Coded:
    """Codes of a few atoms each, some rare; stems that are their linear map and noise."""
    rng = np.random.default_rng(seed)
    n = int(SIZES.sum())
    used = rng.random((n, N_ATOMS)) < rng.uniform(0.01, 0.3, N_ATOMS)
    codes = in_steps((used * rng.exponential(0.2, (n, N_ATOMS))).astype(np.float32))
    truth = rng.normal(0, 0.3, (N_ATOMS, N_OUTPUTS))
    scale = rng.uniform(0.5, 2, (n, 1)).astype(np.float32)
    stems = (codes @ truth + rng.normal(0, 0.02, (n, N_OUTPUTS))) * scale
    return Coded(csr_array(codes), stems.astype(np.float32), scale)


CODED = make_examples()
MIXTURES = np.repeat(np.arange(len(SIZES)), SIZES)
SPLIT = split_by_mixture(MIXTURES, Shard.whole(len(MIXTURES)))


def fit(epochs: int, keeper=NOTHING_KEPT, atoms=ATOMS, told=lambda *_: None):
    whole = Shard.whole(len(CODED.stems))
    return fit_gradient(CODED, SPLIT, whole, Course(epochs, RIDGE, 7), atoms, told, keeper)


def dense(rows) -> tuple[np.ndarray, np.ndarray]:
    return CODED.codes[rows].toarray().astype(np.float64), (CODED.stems / CODED.scale)[rows].astype(np.float64)


def test_adam_is_the_papers_algorithm() -> None:
    rng = np.random.default_rng(0)
    descent, w, m, v = Descent.from_zero(3, 2), *np.zeros((3, 3, 2))
    for t in range(1, 30):
        g = rng.normal(0, 10.0 ** rng.integers(-3, 3), (3, 2)).astype(np.float32)
        adam_step(descent, g, t, 0.01)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g.astype(np.float64) ** 2
        w = w - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(descent.weights, w, rtol=1e-4, atol=1e-6)


def test_the_rate_falls_from_the_first_to_nothing() -> None:
    rates = [cosine_rate(0.5, number, 10) for number in range(11)]
    assert (rates[0], rates[5], rates[10]) == (0.5, pytest.approx(0.25), 0.0)
    assert all(later < earlier for earlier, later in pairwise(rates))


def test_the_curve_comes_down_to_the_loss_of_the_closed_form() -> None:
    weights, curve = fit(epochs=100)
    x, y = dense(SPLIT.learned)
    n = len(x)
    exact = solve_ridge(x.T @ x, x.T @ y, RIDGE)
    penalty = RIDGE * np.mean(np.diag(x.T @ x)) / n

    def loss(w, x=x, y=y):
        return np.sum((y - x @ w) ** 2) / len(x) + penalty * np.sum(w.astype(np.float64) ** 2)

    assert curve[:, 0].tolist() == list(range(101))
    assert curve[0, 1] == pytest.approx(np.sum(y**2) / n, rel=1e-4)
    assert curve[-1, 1:] == pytest.approx([loss(weights), loss(weights, *dense(SPLIT.judged))], rel=1e-4)
    assert loss(exact) <= curve[-1, 1] * (1 + 1e-6)
    assert curve[-1, 1] < 1.005 * loss(exact)
    np.testing.assert_allclose(weights, exact, atol=0.02)
    unpenalised = solve_ridge(x.T @ x, x.T @ y, 1e-9)
    assert loss(unpenalised) > 1.02 * loss(exact)  # half a per cent can tell them apart


def test_what_is_held_out_is_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, curve = fit(epochs=3)
    stems = CODED.stems.copy()
    stems[SPLIT.judged] += 1
    monkeypatch.setattr("test_fit_gradient.CODED", Coded(CODED.codes, stems, CODED.scale))
    other_weights, other_curve = fit(epochs=3)
    np.testing.assert_array_equal(other_weights, weights)
    np.testing.assert_array_equal(other_curve[:, 1], curve[:, 1])
    assert (other_curve[:, 2] > 2 * curve[:, 2]).all()


@pytest.mark.parametrize("n_ranks", [1, 2, 3])
def test_any_number_of_ranks_has_the_same_bits(n_ranks: int) -> None:
    weights, curve = fit(epochs=4)

    def task(ranks):
        shard = Shard.of_parts(SIZES, np.arange(ranks.rank, len(SIZES), n_ranks), ranks)
        split = split_by_mixture(MIXTURES[shard.numbers], shard)
        own = Coded(CODED.codes[shard.numbers], CODED.stems[shard.numbers], CODED.scale[shard.numbers])
        return fit_gradient(own, split, shard, Course(4, RIDGE, 7), ATOMS, lambda *_: None, NOTHING_KEPT)

    for other_weights, other_curve in on_ranks(n_ranks, task):
        np.testing.assert_array_equal(other_weights, weights)
        np.testing.assert_array_equal(other_curve, curve)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_descent_that_stopped_goes_on_to_the_same_bits(stop: int) -> None:
    weights, curve = fit(epochs=5)
    keeper = InMemory(stop)
    with pytest.raises(KeyboardInterrupt):
        fit(epochs=5, keeper=keeper)
    told: list = []
    other_weights, other_curve = fit(epochs=5, keeper=keeper, told=lambda *step: told.append(step))
    np.testing.assert_array_equal(other_weights, weights)
    np.testing.assert_array_equal(other_curve, curve)
    assert [share for _, share, _ in told] == [epoch / 5 for epoch in range(stop + 1, 6)]
    assert len(keeper.states) == 5


def test_a_descent_on_another_dictionary_is_refused() -> None:
    keeper = InMemory()
    fit(epochs=1, keeper=keeper)
    with pytest.raises(OptionError, match="begun on another dictionary") as caught:
        fit(epochs=2, keeper=keeper, atoms=2 * ATOMS)
    assert_one_line(caught.value, "--run")


def test_every_tenth_mixture_is_held_out_whole() -> None:
    split = split_by_mixture(np.repeat(np.arange(12), [2, 1, 0, *[1] * 7, 3, 4]), Shard.whole(17))
    assert split.judged.tolist() == [0, 1, 10, 11, 12]
    assert split.learned.tolist() == [2, *range(3, 10), *range(13, 17)]
    for mixture, words in ((0, "^0 patches to learn from and 5"), (1, "^5 patches to learn from and 0")):
        with pytest.raises(OptionError, match=words) as caught:
            split_by_mixture(np.full(5, mixture), Shard.whole(5))
        assert_one_line(caught.value, "draw more")
