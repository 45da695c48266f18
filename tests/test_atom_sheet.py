"""Pictures of dictionaries: every atom in its place, the right way up, with the colours of its stems."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from launch import rtsep
from matplotlib.image import imread
from small_model import write_small_model
from sound_files import assert_one_line

from rtsep.atom_sheet import (
    AtomSheet,
    centres_of_mass,
    draw_mosaic,
    draw_sheet,
    sheet_of_dictionary,
    sheet_of_model,
    stem_shares,
)
from rtsep.dictionary_file import LearnedDictionary, save_dictionary
from rtsep.errors import OptionError, OutputError
from rtsep.frontend.bands import BandLayout
from rtsep.model_file import FrontEndSpec, load_model
from rtsep.sparse.dictionary import Dictionary

HZ = np.geomspace(50, 15000, 30)


def spots(*places: tuple[int, int], n_columns: int = 4) -> np.ndarray:
    """An atom for each place: all of it in one column and band."""
    atoms = np.zeros((len(places), n_columns, len(HZ)), np.float32)
    for atom, (column, band) in zip(atoms, places, strict=True):
        atom[column, band] = 1.0
    return atoms


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.safetensors", n_atoms=7)


def test_time_runs_right_and_frequency_up() -> None:
    places = [(0, 0), (3, 0), (0, 29), (2, 10)]
    pixels, row_height = draw_mosaic(AtomSheet("", spots(*places), HZ, np.zeros((4, 0), np.float32)))
    assert pixels.shape == (row_height, 4 * 28, 3)
    for i, (column, band) in enumerate(places):
        tile = pixels[: 30 * 4, 28 * i : 28 * i + 24, 0]
        rows, columns = np.nonzero(tile == 0)
        assert (rows.min(), rows.max()) == (4 * (29 - band), 4 * (29 - band) + 3)
        assert (columns.min(), columns.max()) == (6 * column, 6 * column + 5)
        assert len(rows) == 24
        assert (np.delete(tile, np.unique(rows), axis=0) == 1).all()


@pytest.mark.parametrize("n_columns", [1, 8, 40])
def test_atoms_are_as_dark_as_they_are_strong(n_columns: int) -> None:
    atom = np.linspace(0, 0.5, n_columns * 30, dtype=np.float32).reshape(1, n_columns, 30)
    pixels, _ = draw_mosaic(AtomSheet("", atom, HZ, np.zeros((1, 0), np.float32)))
    wide = -(-24 // n_columns)
    inside = pixels[: 30 * 4 : 4, : n_columns * wide : wide, 1]
    np.testing.assert_allclose(inside, 1 - 2 * atom[0].T[::-1], atol=1e-6)


def test_atoms_fill_the_sheet_row_by_row() -> None:
    atoms = np.repeat(np.arange(1, 41, dtype=np.float32), 120).reshape(40, 4, 30)
    atoms[:, 0, 29] = 80.0  # the upper left corner is black, and all else as dark as the atom's number says
    pixels, row_height = draw_mosaic(AtomSheet("", atoms, HZ, np.zeros((40, 0), np.float32)))
    n_rows, across = pixels.shape[0] // row_height, pixels.shape[1] // 28
    assert n_rows * across >= 40 > (n_rows - 1) * across
    assert 0.7 < pixels.shape[1] / pixels.shape[0] < 2.0
    greys = pixels[10::row_height, 10::28, 0].ravel()
    np.testing.assert_allclose(greys[:40], 1 - np.arange(1, 41) / 80, atol=1e-6)
    assert (greys[40:] == np.float32(0.85)).all()


def test_the_strip_shows_the_stems_by_their_shares() -> None:
    shares = np.array([[0.5, 0.25, 0.25, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
    sheet = AtomSheet("", spots((0, 0), (1, 1), (2, 2)), HZ, shares, ("bass", "drums", "vocals", "other"))
    pixels, row_height = draw_mosaic(sheet)
    strips = [pixels[120, 28 * i : 28 * i + 24] for i in range(3)]
    assert row_height == 120 + 6 + 4
    colours = [[tuple(np.round(colour, 2)) for colour in np.unique(strip, axis=0)] for strip in strips]
    assert [len(c) for c in colours] == [3, 1, 1]
    assert (strips[0][:12] == strips[0][0]).all()
    assert (strips[0][12:18] != strips[0][0]).any(axis=1).all()
    np.testing.assert_allclose(strips[1][0], [0.12, 0.47, 0.71])
    np.testing.assert_allclose(strips[2], 0.85)


def test_shares_and_centres_are_their_formulas() -> None:
    decoder = np.array([[1, 2, -5, 1], [0, 0, -1, 0], [0, 0, 3, 3]], np.float32)
    np.testing.assert_allclose(stem_shares(decoder, 2, 2), [[0.75, 0.25], [0, 0], [0, 1]])
    two_columns = np.hstack([decoder, [[8, 0, 0, 4], [0, 1, 0, 0], [0, 0, 0, 0]]])  # the stems of each column in turn
    np.testing.assert_allclose(stem_shares(two_columns.astype(np.float32), 2, 2), [[11 / 16, 5 / 16], [1, 0], [0, 1]])
    atoms = spots((0, 4), (3, 20))
    atoms[1, 0, 10] = 2.0
    np.testing.assert_allclose(centres_of_mass(atoms), [4, (20 + 4 * 10) / 5])


def test_a_model_goes_from_low_to_high_and_a_dictionary_by_use(model_path: Path) -> None:
    model = load_model(str(model_path))
    sheet = sheet_of_model("small", model)
    assert (np.diff(centres_of_mass(sheet.atoms)) >= 0).all()
    order = np.argsort(centres_of_mass(model.atoms))
    np.testing.assert_array_equal(sheet.atoms, model.atoms[order])
    np.testing.assert_array_equal(sheet.shares, stem_shares(model.decoder, 4, len(sheet.hz))[order])
    np.testing.assert_allclose(sheet.shares.sum(axis=1), 1, rtol=1e-5)
    assert "small: 7 atoms of 142 bands × 4 columns (93 ms)" in sheet.title
    usage = np.array([0.1, 0.5, 0, 0.3, 0.2, 0.6, 0.4], np.float32)
    learned = LearnedDictionary(44100, model.spec, 0.5, model.atoms, usage)
    np.testing.assert_array_equal(sheet_of_dictionary("d", learned).atoms, model.atoms[[5, 1, 6, 3, 4, 0, 2]])


def test_a_band_that_catches_no_bin_has_no_row(tmp_path: Path) -> None:
    spec = FrontEndSpec("stft", BandLayout(44100), {"slice_length": 1024, "hop": 256})
    sheet = sheet_of_model(
        "small", load_model(str(write_small_model(tmp_path / "m.safetensors", n_atoms=2, spec=spec)))
    )
    assert len(sheet.hz) == sheet.atoms.shape[2] < len(spec.layout.centres())


@pytest.mark.parametrize("n_atoms", [1, 7, 300])
def test_the_picture_holds_the_mosaic_pixel_by_pixel(tmp_path: Path, n_atoms: int) -> None:
    rng = np.random.default_rng(n_atoms)
    sheet = AtomSheet("A title", rng.random((n_atoms, 3, 30), np.float32), HZ, rng.random((n_atoms, 2)), ("a", "b"))
    sheet.shares[:] /= sheet.shares.sum(axis=1, keepdims=True)
    path = tmp_path / "sheet.png"
    draw_sheet(sheet, path)
    assert os.listdir(tmp_path) == ["sheet.png"]
    drawn, (pixels, _) = imread(path)[:, :, :3], draw_mosaic(sheet)
    height, width = pixels.shape[:2]
    inside = drawn[60 : 60 + height, 80 : 80 + width]
    within = (slice(2, -2), slice(2, -2))  # the frame is drawn over the edge
    np.testing.assert_allclose(inside[within], pixels[within], atol=0.005)
    assert drawn[:60, 80 : 80 + width].min() < 0.5  # the title
    assert drawn[60 : 60 + height, :80].min() < 0.5  # the frequencies


def test_a_picture_that_cannot_be_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = AtomSheet("", spots((0, 0)), HZ, np.zeros((1, 0), np.float32))
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputError) as caught:
        draw_sheet(sheet, tmp_path / "taken.png")
    assert_one_line(caught.value, "taken.png", "cannot be written")
    assert os.listdir(tmp_path) == ["taken.png"]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OptionError) as missing:
        draw_sheet(sheet, tmp_path / "new.png")
    assert_one_line(missing.value, "matplotlib is not installed", "pip install 'rtsep[plots]'")


def test_models_show_draws_models_and_dictionaries_and_models_alone_lists(tmp_path: Path, model_path: Path) -> None:
    shipped = (Path(__file__).parents[1] / "rtsep" / "models").glob("*.safetensors")
    assert rtsep("models").stdout.split() == sorted(path.stem for path in shipped)
    done = rtsep("models", "show", model_path, cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr) == (0, "small.png\n", "")
    model = load_model(str(model_path))
    atoms = Dictionary.from_matrix(model.atoms.reshape(7, -1), 4).atoms
    learned = LearnedDictionary(44100, model.spec, 0.5, atoms, np.ones(7, np.float32))
    save_dictionary(learned, tmp_path / "learned.safetensors")
    done = rtsep("models", "show", "learned.safetensors", "--out", "x.png", cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr) == (0, "x.png\n", "")
    assert imread(tmp_path / "x.png").shape[0] < imread(tmp_path / "small.png").shape[0]  # no strips


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonesuch"], "nonesuch"),
        (["timbrenet-4stems"], "timbrenet-4stems is of kind 'timbrenet', which has no atoms"),
        (["cqt-sparse", "--out", "x.pdf"], "x.pdf must end in .png"),
        (["cqt-sparse", "--out", "nowhere/x.png"], "picture nowhere/x.png: its folder is not there"),
        ([], "name"),
    ],
)
def test_models_show_says_in_one_line_what_it_cannot(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = rtsep("models", "show", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert words in done.line
    assert os.listdir(tmp_path) == []
