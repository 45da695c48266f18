"""The experiments in bench/: who is judged by whom, what is replaced in a recipe, what is trained once and shared."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from demo_song import FOLDER, RATE

from rtsep.errors import OptionError
from rtsep.evaluation.songs import Song, find_songs, read_song
from rtsep.model_file import load_model
from rtsep.training.fit_sparse import FitJob, fit_sparse
from rtsep.training.recipe import read_recipe

RECIPES = FOLDER / "recipes"
TINY = {
    "data": {"songs": "songs", "held_out": [], "mixtures": 4},
    "remix.seconds": 1.0,
    "dictionary.atoms": 16,
    "dictionary.patches": 200,
    "tuning.steps": 2,
}


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, ModuleType]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER / "bench"))
        yield {name: import_module(f"_{name}") for name in ("folds", "recipes", "songs", "crossval")}


@pytest.fixture(scope="module")
def halves(bench: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("halves")
    bench["songs"].write_demo_halves(data, 2.0)
    return data


def song(artist: str, name: str) -> Song:
    return Song(name, {"bass": Path("/songs") / artist / name / "bass.wav"}, RATE, RATE, 1)


def test_songs_of_one_artist_are_one_fold(bench: dict[str, ModuleType]) -> None:
    folds = bench["folds"].folds_by_folder([song("trio", "a"), song("duo", "b"), song("trio", "c")])
    assert [(fold.name, [s.name for s in fold.songs]) for fold in folds] == [("duo", ["b"]), ("trio", ["a", "c"])]


def test_folds_of_a_file(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    file = tmp_path / "folds.toml"
    file.write_text('one = ["c"]\ntwo = ["b", "a"]\n')
    folds = bench["folds"].read_folds(file, [song("trio", name) for name in "abcd"])
    assert [(fold.name, [s.name for s in fold.songs]) for fold in folds] == [("one", ["c"]), ("two", ["b", "a"])]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('one = ["a", "x"]', "'x' is unknown"),
        ('one = ["a"]\ntwo = ["a"]', "'a' is unknown or in two folds"),
        ("one = []", "one is"),
        ('one = "a"', "one is 'a'"),
        ("one", "must be TOML"),
    ],
)
def test_wrong_folds_are_told(bench: dict[str, ModuleType], tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "folds.toml"
    file.write_text(text)
    with pytest.raises(OptionError, match=says):
        bench["folds"].read_folds(file, [song("trio", "a")])


def test_a_judged_song_in_another_set_of_the_recipe_is_refused(bench: dict[str, ModuleType], halves: Path) -> None:
    """Held out of `data.songs`, but a second set has its files."""
    recipes, crossval = bench["recipes"], bench["crossval"]
    leak = {"data.set": [{"kind": "songs", "folder": "songs/first"}]}
    table = recipes.override(recipes.read_table(RECIPES / "cqt-sparse.toml"), {**TINY, **leak})
    fold = bench["folds"].folds_by_folder(find_songs(halves / "songs"))[0]
    with pytest.raises(OptionError, match="trained on and judged"):
        crossval.train(crossval.plan({"leaky": table}, fold, halves / "leaky"), halves)


@pytest.mark.parametrize("name", ["cqt-sparse", "stft-sparse"])
def test_a_recipe_written_again_is_the_same(bench: dict[str, ModuleType], tmp_path: Path, name: str) -> None:
    recipes = bench["recipes"]
    path = RECIPES / f"{name}.toml"
    again = recipes.write_recipe(recipes.read_table(path), tmp_path / "again.toml")
    assert recipes.unlike(again, read_recipe(path)) == []
    assert recipes.model_key(again) == recipes.model_key(read_recipe(path))


def test_entries_are_replaced_in_a_copy(bench: dict[str, ModuleType]) -> None:
    recipes = bench["recipes"]
    table = {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    entries = recipes.parse_entries('a.x = 1e-3; b = {w = ["é"]}; c.new = "text"')
    assert recipes.override(table, entries) == {"a": {"x": 1e-3, "y": 2}, "b": {"w": ["é"]}, "c": {"new": "text"}}
    assert table == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}


def test_a_replaced_section_stays_as_it_was_given(bench: dict[str, ModuleType]) -> None:
    section = {"x": 1}
    assert bench["recipes"].override({}, {"a": section, "a.y": 2}) == {"a": {"x": 1, "y": 2}}
    assert section == {"x": 1}


@pytest.mark.parametrize("text", ["dictionary.atoms", "dictionary.atoms=", "=3", "a.b=word"])
def test_wrong_entries_are_told(bench: dict[str, ModuleType], text: str) -> None:
    with pytest.raises(OptionError, match=r"write it as dictionary\.atoms=512"):
        bench["recipes"].parse_entries(text)


@pytest.mark.parametrize(
    ("entry", "shares"),
    [
        ("decoder.mask_exponent=1.77", {"examples", "dictionary"}),
        ("dictionary.sparsity=0.2", {"examples", "dictionary"}),
        ("dictionary.whitening_floor=1.0", {"examples", "dictionary"}),
        ("dictionary.atoms=512", {"examples"}),
        ("dictionary.learning_sparsity=0.1", {"examples"}),
        ("dictionary.compression=0.7", set()),
        ("dictionary.patch_columns=4", set()),
        ("remix.tilt_db=0.0", set()),
        ("decoder.epochs=3", {"examples", "dictionary"}),
        ("decoder.columns='newest'", set()),
        ("frontend.transition=1024", set()),
        ("data.held_out=[]", set()),
    ],
)
def test_what_a_variant_shares_with_its_base(
    bench: dict[str, ModuleType], tmp_path: Path, entry: str, shares: set[str]
) -> None:
    recipes = bench["recipes"]
    base = recipes.read_table(RECIPES / "cqt-sparse.toml")
    one = recipes.write_recipe(base, tmp_path / "one.toml")
    other = recipes.write_recipe(recipes.override(base, recipes.parse_entries(entry)), tmp_path / "other.toml")
    keys = {"examples": recipes.examples_key, "dictionary": recipes.dictionary_key, "model": recipes.model_key}
    assert {name for name, key in keys.items() if key(one) == key(other)} == shares


def test_shared_training_makes_the_models_of_training_alone(bench: dict[str, ModuleType], halves: Path) -> None:
    """Variants that share examples and a dictionary, against `fit_sparse` on each recipe by itself."""
    recipes, crossval = bench["recipes"], bench["crossval"]
    base = recipes.override(recipes.read_table(RECIPES / "stft-sparse.toml"), TINY)
    tables = {"base": base, "exponent": recipes.override(base, {"decoder.mask_exponent": 2.0, "decoder.ridge": 0.1})}
    tables["atoms"] = recipes.override(base, {"dictionary.atoms": 8})
    fold = bench["folds"].folds_by_folder(find_songs(halves / "songs"))[0]
    jobs = crossval.plan(tables, fold, halves / "models")
    crossval.train(jobs, halves)
    for job in jobs:
        assert job.recipe.held_out == ("first_half",)
        alone, kept = fit_sparse(FitJob(job.recipe, halves, 1, lambda *_: None)), load_model(str(job.model))
        assert kept.notes["recipe"] == job.recipe.text
        assert kept.mask_exponent == job.recipe.mask_exponent
        for name in ("atoms", "whitening", "decoder"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(alone, name).astype(np.float16))


def test_models_that_are_there_are_not_trained_again(bench: dict[str, ModuleType], halves: Path) -> None:
    recipes, crossval = bench["recipes"], bench["crossval"]
    table = recipes.override(recipes.read_table(RECIPES / "stft-sparse.toml"), TINY)
    fold = bench["folds"].folds_by_folder(find_songs(halves / "songs"))[1]
    (job,) = crossval.plan({"stft": table}, fold, halves / "kept")
    job.model.write_bytes(b"here already")
    crossval.train([job], halves)
    assert job.model.read_bytes() == b"here already"


def test_scores_go_by_the_names_of_recipes(bench: dict[str, ModuleType], halves: Path) -> None:
    recipes, crossval = bench["recipes"], bench["crossval"]
    table = recipes.override(recipes.read_table(RECIPES / "stft-sparse.toml"), TINY)
    fold = bench["folds"].folds_by_folder(find_songs(halves / "songs"))[0]
    jobs = crossval.plan({"one": table}, fold, halves / "scored")
    crossval.train(jobs, halves)
    (whole,), (middle,) = (crossval.judge(jobs, ["mixture"], seconds) for seconds in (None, 1.0))
    assert (whole.song, whole.seconds, middle.song, middle.seconds) == ("first_half", 2.0, "first_half", 1.0)
    assert list(whole.scores) == ["one", "mixture"]
    assert whole.scores["one"] != middle.scores["one"]


def test_a_stretch_is_that_of_the_song(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    (demo,) = find_songs(FOLDER / "demo" / "stems")
    (middle,) = bench["songs"].middles((demo,), 1.0, tmp_path)
    first = (demo.n_samples - RATE) // 2
    np.testing.assert_array_equal(read_song(middle).truth, read_song(demo).truth[:, first : first + RATE])
