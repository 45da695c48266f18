"""Dictionary learning with patches of any size and level, on any number of ranks: the same atoms, or one clear line."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thread_ranks import on_ranks

from rtsep.errors import AudioError, OptionError
from rtsep.sparse.dictionary import normalise
from rtsep.sparse.learning import LearnerState, LearningProgress, encode, energy_of, learn_dictionary
from rtsep.sparse.ranks import Shard

LAM = 0.1


def some_patches(n: int, n_features: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n, n_features)) * (rng.random((n, n_features)) < 0.4)).astype(np.float32)


def learn_on(n_ranks: int, patches: np.ndarray, owner: np.ndarray, **options) -> list[np.ndarray]:
    """The atoms that each rank gets, where patch i lies on rank owner[i]."""

    def task(ranks):
        numbers = np.flatnonzero(owner == ranks.rank)
        return learn_dictionary(patches[numbers], shard=Shard(numbers, len(patches), ranks), **options)

    return on_ranks(n_ranks, task)


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 5])
def test_any_number_of_ranks_learns_the_same_atoms(n_ranks: int) -> None:
    patches = np.tile(some_patches(300, 60)[:150], (6, 1)) + 0.01 * some_patches(900, 60)  # many atoms start alike
    patches[::50] = 0.0
    reports: list[list] = [[] for _ in range(n_ranks)]
    options = {"n_atoms": 200, "lam": 0.3, "seed": 5, "epochs": 2, "minibatch": 300}
    alone = learn_dictionary(patches, progress=(told := []).append, **options)
    assert any(step.reseeded for step in told)  # dead atoms too are the same everywhere

    def task(ranks):
        numbers = np.arange(ranks.rank, len(patches), n_ranks)
        shard = Shard(numbers, len(patches), ranks)
        return learn_dictionary(patches[numbers], shard=shard, progress=reports[ranks.rank].append, **options)

    for atoms in on_ranks(n_ranks, task):
        np.testing.assert_array_equal(atoms, alone)
    assert all(report == told for report in reports)


@pytest.mark.parametrize("stop", [1, 4, 6])
def test_learning_that_stopped_goes_on_to_the_same_atoms(stop: int) -> None:
    patches = np.tile(some_patches(300, 60)[:150], (6, 1)) + 0.01 * some_patches(900, 60)
    options = {"n_atoms": 200, "lam": 0.3, "seed": 5, "epochs": 2, "minibatch": 300}
    states: list[LearnerState] = []
    whole = learn_dictionary(
        patches, progress=(told := []).append, keep=lambda s: states.append(deepcopy(s)), **options
    )
    assert [state.minibatches for state in states] == [1, 2, 3, 4, 5, 6]
    assert any(step.reseeded for step in told)
    rest: list[LearningProgress] = []
    again = learn_dictionary(patches, progress=rest.append, start=states[stop - 1], **options)
    np.testing.assert_array_equal(again, whole)
    assert rest == told[stop:]
    assert not np.array_equal(learn_dictionary(patches, **options | {"seed": 6}), whole)


def test_a_rank_may_hold_nothing_and_the_others_anything() -> None:
    patches = some_patches(70, 20)
    alone = learn_dictionary(patches, 8, LAM, minibatch=30)
    owner = np.where(np.random.default_rng(1).random(70) < 0.1, 0, 2)
    for atoms in learn_on(3, patches, owner, n_atoms=8, lam=LAM, minibatch=30):
        np.testing.assert_array_equal(atoms, alone)


@pytest.mark.parametrize("n_atoms", [8, 70, 300])
@pytest.mark.parametrize("n_features", [9, 400])
def test_no_bit_of_a_code_depends_on_the_patches_beside_it(n_atoms: int, n_features: int) -> None:
    matrix, patches = (normalise(0.01 + some_patches(n, n_features, n)) for n in (n_atoms, 150))
    codes = encode(matrix, patches, LAM, 1e-3)
    energies = energy_of(matrix, patches, codes, LAM)
    for some in (slice(0, 1), slice(5, 7), slice(40, 140), slice(9, 9)):
        again = encode(matrix, patches[some], LAM, 1e-3)
        np.testing.assert_array_equal(again, codes[some])
        np.testing.assert_array_equal(energy_of(matrix, patches[some], again, LAM), energies[some])


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 12),
    n_features=st.integers(1, 6),
    n_atoms=st.integers(1, 6),
    gain=st.sampled_from([1e-45, 1e-38, 1e-20, 1.0, 1e20, 1e38]),
    minibatch=st.integers(1, 5),
    seed=st.integers(0, 5),
)
def test_atoms_of_unit_norm_from_patches_of_any_size_and_level(n, n_features, n_atoms, gain, minibatch, seed) -> None:
    patches = np.minimum(some_patches(n, n_features, seed) * gain, 3e38).astype(np.float32)
    n_sounding = np.count_nonzero(patches.any(axis=1))
    if n_sounding < n_atoms:
        with pytest.raises(OptionError, match=f"^{n_sounding} sounding patches for {n_atoms} atoms: [^\n]*$"):
            learn_dictionary(patches, n_atoms, LAM, seed, minibatch=minibatch)
        return
    atoms = learn_dictionary(patches, n_atoms, LAM, seed, minibatch=minibatch)
    assert atoms.shape == (n_atoms, n_features)
    assert atoms.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(atoms.astype(np.float64), axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("exponent", [-100, -20, 60, 120])
def test_level_does_not_count(exponent: int) -> None:
    patches = some_patches(60, 10) + np.float32(0.01)
    louder = patches * np.float32(2.0) ** exponent
    np.testing.assert_array_equal(learn_dictionary(louder, 5, LAM), learn_dictionary(patches, 5, LAM))


def test_denormal_patches_are_patches() -> None:
    patches = some_patches(60, 10)
    patches[::2] = np.round(patches[::2] * 1000) * np.float32(1e-45)
    atoms = learn_dictionary(patches, 5, LAM)
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1])
@pytest.mark.parametrize("n_ranks", [1, 2])
def test_values_that_are_no_amplitudes_are_refused_on_all_ranks(value: float, n_ranks: int) -> None:
    patches = some_patches(40, 10)
    patches[3, 2] = value
    with pytest.raises(AudioError, match="amplitudes are finite and not negative"):
        learn_on(n_ranks, patches, np.arange(40) % n_ranks, n_atoms=4, lam=LAM)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_atoms": 0}, "0 atoms"),
        ({"epochs": 0}, "0 epochs"),
        ({"minibatch": 0}, "minibatches of 0"),
        ({"minibatch": 4097}, "minibatches of 4097"),
        ({"lam": 0.0}, "lambda 0.0"),
        ({"lam": np.nan}, "lambda nan"),
        ({"tol": 0.0}, "tolerance 0.0"),
    ],
)
def test_options_that_cannot_be_are_one_line(options: dict, words: str) -> None:
    with pytest.raises(OptionError, match=f"^{words}[^\n]*$"):
        learn_dictionary(some_patches(20, 5), **{"n_atoms": 3, "lam": LAM, **options})
