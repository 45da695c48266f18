"""Atoms and decoder tuned by the masks' error: slopes as automatic differentiation has them, examples, the stage."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import demo_song
import numpy as np
import pytest
import torch
from small_recipe import recipe
from sound_files import assert_one_line
from thread_ranks import ThreadRanks, on_ranks

from rtsep.decoder.masks import ratio_masks
from rtsep.errors import OptionError
from rtsep.frontend.features import ColumnGrid
from rtsep.model_file import SparseModel
from rtsep.sparse.code_gradient import along_sphere, dictionary_slope
from rtsep.sparse.dictionary import gram_of, normalise
from rtsep.sparse.ranks import ONE_RANK
from rtsep.sparse.solvers import solve_cd
from rtsep.training.augment import Mixer
from rtsep.training.drawing import analyze_stems
from rtsep.training.examples import mixture_examples
from rtsep.training.fit_sparse import FitJob, fit_sparse
from rtsep.training.fit_tuning import fit_tuning
from rtsep.training.mask_loss import mask_loss
from rtsep.training.recipe import SAMPLE_RATE, read_recipe
from rtsep.training.run_folder import NOTHING_KEPT, NothingKept
from rtsep.training.tuning_data import make_tuning_example
from rtsep.types import F32

LAM = 0.05
TUNING = "mask_exponent = 1.5\n[tuning]\nsteps = 30\npermutations = 2\nrate = 0.02"


class Kept(NothingKept):
    """Keeps the states of the stage `tuning` in memory; raises after so many, as a run that is stopped."""

    def __init__(self, stop: int | None = None) -> None:
        self.states: list[dict] = []
        self._stop = stop

    def state(self, stage):
        return deepcopy(self.states[-1]) if stage == "tuning" and self.states else None

    def keep(self, stage, state):
        if stage == "tuning":
            self.states.append(deepcopy(state))
            if len(self.states) == self._stop:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs of 4 s, and the recipe that tunes."""
    folder = tmp_path_factory.mktemp("data")
    demo_song.write_stems(folder / "songs" / "First", 0, 4)
    demo_song.write_stems(folder / "songs" / "Second", 8, 4)
    (folder / "recipe.toml").write_text(recipe(mask_exponent=1.5).replace("mask_exponent = 1.5", TUNING))
    return folder


@pytest.fixture(scope="module")
def tuned(data: Path) -> SparseModel:
    return fit(data)


def fit(data: Path, keeper: NothingKept = NOTHING_KEPT, processes: int = 1, ranks=ONE_RANK, **changes) -> SparseModel:
    changed = replace(read_recipe(data / "recipe.toml"), **changes)
    return fit_sparse(FitJob(changed, data, processes, lambda *_: None, ranks, keeper))


def problem(n: int = 7, n_atoms: int = 40, n_features: int = 24) -> tuple[F32, F32, F32]:
    """Atoms, rows of unit norm, and their codes, each of a few atoms."""
    rng = np.random.default_rng(3)
    matrix = normalise(rng.exponential(1, (n_atoms, n_features)).astype(np.float32))
    rows = normalise((rng.exponential(1, (n, 3)) @ matrix[:3] + rng.random((n, n_features)) * 0.2).astype(np.float32))
    corr = np.ascontiguousarray(rows @ matrix.T)
    codes = solve_cd(gram_of(matrix), corr, np.sum(rows * rows, axis=1), LAM, 1e-6).codes
    assert 2 < np.count_nonzero(codes) / n < n_atoms / 2
    return matrix, rows, codes


def active_codes(matrix: torch.Tensor, row: torch.Tensor, active: np.ndarray) -> torch.Tensor:
    """The code of one row on its active atoms, in closed form."""
    atoms = matrix[active]
    return torch.linalg.solve(atoms @ atoms.T, atoms @ row - LAM)


def test_slope_in_the_dictionary_is_that_of_the_closed_form_on_the_active_atoms():
    matrix, rows, codes = problem()
    slopes = np.random.default_rng(4).normal(size=codes.shape).astype(np.float32)
    variable = torch.tensor(matrix, dtype=torch.float64, requires_grad=True)
    loss = torch.zeros(())
    for row, code, slope in zip(rows, codes, slopes, strict=True):
        active = np.flatnonzero(code)
        exact = active_codes(variable, torch.tensor(row, dtype=torch.float64), active)
        assert np.allclose(exact.detach(), code[active], atol=2e-3)
        loss = loss + (exact * torch.tensor(slope[active], dtype=torch.float64)).sum()
    loss.backward()
    found = dictionary_slope(matrix, gram_of(matrix), rows, codes, slopes)
    assert np.abs(found - variable.grad.numpy()).max() < 0.02 * np.abs(variable.grad.numpy()).max()


def test_a_small_step_down_the_slope_changes_the_codes_as_it_says():
    matrix, rows, codes = problem()
    slopes = np.random.default_rng(4).normal(size=codes.shape).astype(np.float32)
    slope = along_sphere(matrix, dictionary_slope(matrix, gram_of(matrix), rows, codes, slopes))
    assert np.abs(np.sum(slope * matrix, axis=1)).max() < 1e-4 * np.abs(slope).max()
    step = 1e-3 / np.linalg.norm(slope)
    moved = normalise(matrix - step * slope)
    after = solve_cd(gram_of(moved), np.ascontiguousarray(rows @ moved.T), np.sum(rows * rows, axis=1), LAM, 1e-6).codes
    gained = float(np.sum(slopes * (codes - after)))
    assert gained == pytest.approx(step * np.sum(slope**2), rel=0.1)


def test_mask_loss_and_its_slope_are_those_of_the_formula():
    rng = np.random.default_rng(5)
    shape = (3, 5, 2, 4, 6)
    amplitudes = rng.normal(0.5, 0.5, shape).astype(np.float32)
    parts = rng.normal(size=shape) * rng.exponential(1, (3, 1, 1, 4, 1))
    whole = parts.sum(axis=3, keepdims=True)
    energies = (whole[:, :, :, 0] ** 2, whole * parts, (parts**2).sum(axis=(1, 2, 4)))
    losses, slope = mask_loss(amplitudes, *(e.astype(np.float32) for e in energies), 1.5)

    variable = torch.tensor(amplitudes, dtype=torch.float64, requires_grad=True)
    powered = variable.clamp(min=0) ** 1.5
    masks = powered / powered.sum(3, keepdim=True)
    assert np.allclose(
        masks.detach().numpy(), np.moveaxis(ratio_masks(np.moveaxis(amplitudes, 3, 0), 1.5), 0, 3), atol=1e-5
    )
    mixture, true = torch.tensor(whole), torch.tensor(parts)
    error = ((masks * mixture - true) ** 2).sum((1, 2, 4))
    floor = (mixture**2).sum((1, 2, 3, 4))[:, None]
    expected = 10 * torch.log10((error + floor) / ((true**2).sum((1, 2, 4)) + floor))
    assert np.allclose(losses, expected.detach(), atol=1e-3)
    expected.mean().backward()
    # Where an amplitude is nearly nothing, the slope of its power is held down.
    clear = (amplitudes > 0.02) & np.all(np.abs(amplitudes) > 0.02, axis=3, keepdims=True)
    assert clear.mean() > 0.5
    assert np.allclose(slope[clear], variable.grad.numpy()[clear], rtol=1e-3, atol=1e-6)


def test_an_example_has_the_patches_that_a_decoder_is_fitted_on(data: Path):
    chosen = read_recipe(data / "recipe.toml")
    stems = demo_song.stems(2, 2)
    frontend, made_of = chosen.spec.build(), (chosen.patch_columns, chosen.decoded_columns, chosen.compression)
    example = make_tuning_example(analyze_stems(stems, frontend), 1, frontend, *made_of)
    known = mixture_examples(stems[:, :, 1], chosen.spec, chosen.patch_columns, chosen.compression)
    assert np.allclose(example.patches.reshape(known.patches.shape), known.patches, atol=1e-4)
    assert np.allclose(example.cross.sum(axis=2), example.mixture, atol=1e-3 * example.mixture.max())
    n_decoded = ColumnGrid(frontend, *made_of[:2]).decoded.size
    assert example.mixture.shape == (len(example.patches), n_decoded, frontend.n_bands)
    # Masks of one let all through, the error of which is the sum of the other stems.
    others = np.array([(stems[:, :, 1].sum(0) - stem)[8192:-8192].var() for stem in stems[:, :, 1]])
    error = example.mixture.sum() - 2 * example.cross.sum(axis=(0, 1, 3)) + example.power
    assert np.allclose(error / error.sum(), others / others.sum(), atol=0.03)


def test_tuning_lowers_the_masks_error(data: Path, tuned: SparseModel):
    keeper = Kept()
    again = fit(data, keeper)
    curve = keeper.states[-1]["curve"]
    assert curve[:, 0].tolist() == [25, 30]
    assert curve[-1, 1] < curve[0, 1]
    assert tuned.notes["tuned_loss"] == pytest.approx(curve[-1, 1], abs=1e-3)
    assert_same(again, tuned)
    plain = fit(data, tuning=None)
    assert "tuned_loss" not in plain.notes
    assert not np.array_equal(plain.atoms, tuned.atoms)
    assert np.array_equal(plain.whitening, tuned.whitening)


def test_tuning_that_was_stopped_goes_on_to_the_same_bits(data: Path, tuned: SparseModel):
    keeper = Kept(stop=1)
    with pytest.raises(KeyboardInterrupt):
        fit(data, keeper)
    assert_same(fit(data, keeper, processes=2), tuned)


def test_all_ranks_have_what_the_first_one_tuned(data: Path, tuned: SparseModel):
    chosen = read_recipe(data / "recipe.toml")
    plain = fit(data, tuning=None)
    mixer = Mixer(chosen.sources(data), chosen.remix, SAMPLE_RATE, chosen.seed)

    def task(ranks: ThreadRanks) -> SparseModel:
        return fit_tuning(chosen, chosen.tuning, plain, mixer, 0, lambda *_: None, ranks, NOTHING_KEPT)

    for model in on_ranks(2, task):
        assert_same(model, tuned)


@pytest.mark.parametrize(
    ("entries", "says"),
    [("steps = 0", "steps 0"), ("steps = 9\nrate = 2.0", "rate 2.0"), ("pace = 1", "pace"), ("rate = 0.1", "steps")],
)
def test_a_tuning_that_cannot_be_is_one_line(tmp_path: Path, entries: str, says: str):
    path = tmp_path / "recipe.toml"
    path.write_text(recipe() + f"[tuning]\n{entries}\n")
    with pytest.raises(OptionError) as caught:
        read_recipe(path)
    assert_one_line(caught.value, says)


def assert_same(one: SparseModel, other: SparseModel) -> None:
    for name in ("atoms", "whitening", "decoder"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
