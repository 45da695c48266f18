"""Dictionaries and how they are learned: exact steps, falling energy, planted atoms found again, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from rtsep.errors import ModelError, OptionError
from rtsep.sparse.atoms import ATOM_BLOCK, Statistics, absorb, batch_statistics, empty_statistics, update_atoms
from rtsep.sparse.dictionary import Dictionary, gram_of, normalise, whitening_matrix
from rtsep.sparse.learning import encode, energy_of, full_batch_step, learn_dictionary, reseed, worst_explained

LAM = 0.1


def planted(n_atoms=16, n_features=48, n_patches=3000, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Sparse nonnegative atoms, and unit-norm patches that mix one to three of them."""
    rng = np.random.default_rng(seed)
    atoms = normalise(
        (rng.random((n_atoms, n_features)) * (rng.random((n_atoms, n_features)) < 0.3)).astype(np.float32)
    )
    codes = np.zeros((n_patches, n_atoms))
    for code in codes:
        code[rng.choice(n_atoms, rng.integers(1, 4), replace=False)] = 0.5
    codes *= rng.uniform(0.5, 1.5, codes.shape)
    return atoms, normalise((codes @ atoms).astype(np.float32))


def test_learning_finds_planted_atoms() -> None:
    atoms, patches = planted()
    learned = learn_dictionary(patches, 20, LAM, seed=1, epochs=12, minibatch=100)
    closest = (atoms @ learned.T).max(axis=1)
    assert np.count_nonzero(closest > 0.97) >= 14
    # What it starts from does not do.
    started = normalise(patches[np.random.default_rng(1).choice(len(patches), 20, replace=False)])
    assert np.count_nonzero((atoms @ started.T).max(axis=1) > 0.97) <= 10


def test_learning_lowers_the_energy_of_patches_not_learned_from() -> None:
    _, patches = planted()
    seen, unseen = patches[:2000], patches[2000:]
    energies = [
        energy_of(matrix, unseen, encode(matrix, unseen, LAM, 1e-4), LAM).mean()
        for matrix in (normalise(seen[:20]), learn_dictionary(seen, 20, LAM, epochs=4, minibatch=100))
    ]
    assert energies[1] < 0.9 * energies[0]


@pytest.mark.parametrize("tol", [1e-4, 0.1])
def test_full_batch_energy_never_rises(tol) -> None:
    _, patches = planted(n_patches=500)
    matrix, codes = normalise(patches[:20]), np.zeros((500, 20), np.float32)
    energies = [energy_of(matrix, patches, codes, LAM).mean(dtype=np.float64)]
    for _ in range(15):
        matrix, codes = full_batch_step(matrix, patches, codes, LAM, tol)
        energies.append(energy_of(matrix, patches, codes, LAM).mean(dtype=np.float64))
    assert np.all(np.diff(energies) <= 1e-7)
    assert energies[-1] < 0.9 * energies[1]


def test_same_seed_same_atoms_and_another_seed_others() -> None:
    _, patches = planted(n_patches=600)
    first, again, other = (learn_dictionary(patches, 12, LAM, seed=seed, minibatch=100) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_atoms_are_nonnegative_and_of_unit_norm() -> None:
    _, patches = planted(n_patches=600)
    matrix = learn_dictionary(patches, 12, LAM, minibatch=100)
    assert matrix.dtype == np.float32
    assert matrix.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1.0, atol=1e-5)


def test_every_minibatch_is_reported() -> None:
    _, patches = planted(n_patches=600)
    reports = []
    matrix = learn_dictionary(patches, 150, LAM, epochs=2, minibatch=200, progress=reports.append)
    assert matrix.shape == (150, 48)
    assert [report.minibatch for report in reports] == [1, 2, 3, 4, 5, 6]
    last = reports[-1]
    assert 0 < last.energy < 0.5
    assert 0 < last.active_atoms < 20
    assert last.atoms_in_use + last.reseeded == 150


def test_too_few_sounding_patches_are_refused() -> None:
    _, patches = planted(n_patches=30)
    patches[10:] = 0.0
    with pytest.raises(OptionError, match="10 sounding patches for 12 atoms"):
        learn_dictionary(patches, 12, LAM)
    with pytest.raises(OptionError, match="0 sounding patches"):
        learn_dictionary(patches[:0], 12, LAM)


def test_update_is_one_exact_step_after_the_other() -> None:
    rng = np.random.default_rng(0)
    n_atoms = 2 * ATOM_BLOCK + 5
    matrix = normalise(rng.random((n_atoms, 40)).astype(np.float32))
    patches = rng.random((200, 40), np.float32)
    codes = (rng.random((200, n_atoms)) * (rng.random((200, n_atoms)) < 0.2)).astype(np.float32)
    codes[:, 3] = 0.0
    statistics = empty_statistics(n_atoms, 40)
    absorb(statistics, batch_statistics(codes, patches), keep=0.0)

    plain, exact_codes = matrix.astype(np.float64), codes.astype(np.float64)
    for j in range(n_atoms):
        others = patches - np.delete(exact_codes, j, axis=1) @ np.delete(plain, j, axis=0)
        atom = np.maximum(exact_codes[:, j] @ others, 0.0)
        if atom.any():
            plain[j] = atom / np.linalg.norm(atom)
    still = matrix[3].copy()
    update_atoms(matrix, statistics)
    np.testing.assert_allclose(matrix, plain, atol=2e-4)
    np.testing.assert_array_equal(matrix[3], still)


def test_statistics_forget() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.random((2, 30, 4), np.float32)
    statistics = empty_statistics(4, 4)
    absorb(statistics, batch_statistics(old, old), keep=0.0)
    absorb(statistics, batch_statistics(new, new), keep=0.25)
    np.testing.assert_allclose(statistics.code_gram, 0.25 * old.T @ old + new.T @ new, rtol=1e-5)
    np.testing.assert_allclose(statistics.code_patch, statistics.code_gram, rtol=1e-5)


def test_dead_atoms_become_the_worst_explained_patches() -> None:
    rng = np.random.default_rng(0)
    matrix, patches = normalise(rng.random((5, 8), np.float32)), rng.random((20, 8), np.float32)
    statistics = Statistics(np.eye(5, dtype=np.float32), np.ones((5, 8), np.float32))
    statistics.code_gram[[1, 3], [1, 3]] = 1e-6
    kept = matrix.copy()
    energies = np.linspace(0, 1, 20, dtype=np.float32)
    energies[7] = 0.0
    seeds = worst_explained(statistics, energies)
    np.testing.assert_array_equal(seeds, [19, 18])
    assert reseed(matrix, statistics, patches[seeds]) == 2
    np.testing.assert_allclose(matrix[[1, 3]], normalise(patches[[19, 18]]))
    np.testing.assert_array_equal(matrix[[0, 2, 4]], kept[[0, 2, 4]])
    assert not statistics.code_gram[[1, 3]].any()
    assert not statistics.code_patch[[1, 3]].any()
    assert statistics.code_patch[[0, 2, 4]].all()


def test_dictionary_lays_out_columns_then_bands() -> None:
    matrix = np.random.default_rng(0).random((5, 12)).astype(np.float32)
    dictionary = Dictionary.from_matrix(matrix, n_columns=3)
    assert (dictionary.n_atoms, dictionary.n_columns, dictionary.n_bands) == (5, 3, 4)
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    np.testing.assert_allclose(dictionary.atoms[2, 1], unit[2, 4:8], rtol=1e-6)
    np.testing.assert_allclose(dictionary.matrix, unit, rtol=1e-6)
    np.testing.assert_allclose(dictionary.gram, unit @ unit.T, rtol=1e-5)
    np.testing.assert_array_equal(dictionary.gram, dictionary.gram.T)
    np.testing.assert_allclose(dictionary.correlate(matrix), matrix @ unit.T, rtol=1e-5)


def test_dictionaries_that_are_none_are_refused() -> None:
    atoms = np.ones((2, 1, 4), np.float32) / 2
    Dictionary(atoms)
    for wrong in (atoms[0], atoms.astype(np.float64), atoms[:0], 2 * atoms, np.nan * atoms):
        with pytest.raises(ModelError):
            Dictionary(wrong)
    with pytest.raises(ModelError, match="as many bands"):
        Dictionary.from_matrix(np.ones((2, 7), np.float32), n_columns=2)
    with pytest.raises(ModelError, match="floor"):
        whitening_matrix(np.ones((2, 7), np.float32), floor=0.0)


@pytest.mark.parametrize("gain", [1e-30, 1.0, 1e30])
def test_normalise_at_any_level(gain) -> None:
    rows = np.random.default_rng(0).random((4, 9)).astype(np.float32) * np.float32(gain)
    rows[2] = 0.0
    norms = np.linalg.norm(normalise(rows), axis=1)
    np.testing.assert_allclose(norms, [1, 1, 0, 1], rtol=1e-6)


def test_whitening_evens_out_what_the_atoms_span() -> None:
    rng = np.random.default_rng(0)
    matrix = normalise((rng.random((80, 30)) + 0.5).astype(np.float32))
    dictionary = Dictionary.from_matrix(matrix, n_columns=3)
    whitening = whitening_matrix(matrix, floor=1e-3)
    covariance = (matrix @ whitening).T @ (matrix @ whitening)
    eigenvalues = np.linalg.eigvalsh(matrix.astype(np.float64).T @ matrix)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(covariance), eigenvalues / (eigenvalues + 1e-3 * eigenvalues.mean()), atol=1e-4
    )
    white = dictionary.whitened(whitening)
    assert white.atoms.shape == dictionary.atoms.shape
    assert np.linalg.eigvalsh(gram_of(white.matrix))[-1] < 0.1 * np.linalg.eigvalsh(dictionary.gram)[-1]
