"""The folder of a run: what it holds, what may go on from it, and what is refused in one line."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from sound_files import assert_one_line
from thread_ranks import on_ranks

from rtsep.errors import ModelError, OptionError, OutputError
from rtsep.sparse.ranks import ONE_RANK
from rtsep.training.curves import COLUMNS, draw_curves, read_curve
from rtsep.training.run_folder import RunFolder
from rtsep.training.sources import Source

SOURCES = [Source("Song", stem, Path(f"data/{stem}.wav"), 44100, 1000, (0, 1)) for stem in ("bass", "drums")]


@dataclass(frozen=True)
class Recipe:
    """As much of a recipe as a run's folder asks for."""

    text: str = "seed = 3 # λ\n"
    seed: int = 3


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run", ONE_RANK)
    folder.begin(Recipe(), SOURCES)
    return folder


def make_state(n_rows: int, n_columns: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n_rows)
    return {"matrix": rng.random((3, 4)).astype(np.float32), "curve": rng.random((n_rows, n_columns))}


def test_it_says_what_the_run_is_made_of(run: RunFolder) -> None:
    assert sorted(os.listdir(run.path)) == ["recipe.toml", "run.json"]
    assert (run.path / "recipe.toml").read_text() == Recipe().text
    told = json.loads((run.path / "run.json").read_text())
    assert (told["seed"], told["recipe"]) == (3, Recipe().text)
    assert told["versions"]["numpy"] == np.__version__
    assert told["versions"]["python"] == sys.version.split()[0]


def test_states_and_curves_come_back_to_the_last_bit(run: RunFolder) -> None:
    assert run.state("dictionary") is None
    for n_rows in (2, 7):
        state = make_state(n_rows)
        run.keep("dictionary", state)
        kept = RunFolder(run.path, ONE_RANK).state("dictionary")
        assert kept is not None
        assert kept.keys() == state.keys()
        assert all(np.array_equal(kept[name], state[name]) and kept[name].flags.writeable for name in state)
        columns = read_curve(run.path / "dictionary.csv")
        assert tuple(columns) == COLUMNS["dictionary"]
        np.testing.assert_array_equal(np.transpose([*columns.values()]), state["curve"])
    assert run.state("decoder") is None
    assert not list(run.path.glob(".*"))


def test_the_same_run_goes_on_wherever_its_recordings_are(run: RunFolder) -> None:
    before = (run.path / "run.json").stat().st_mtime_ns
    run.begin(Recipe(), [replace(s, path=Path("/elsewhere") / s.path.name) for s in SOURCES])
    assert (run.path / "run.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("recipe", "sources", "words"),
    [
        (Recipe(seed=4), SOURCES, "begun with another seed, 3 and not 4"),
        (Recipe(text="seed = 3\n"), SOURCES, "begun with another recipe"),
        (Recipe(), SOURCES[:1], "begun with other recordings"),
        (Recipe(), [replace(SOURCES[0], n_samples=999), SOURCES[1]], "begun with other recordings"),
        (Recipe(), [replace(SOURCES[0], path=Path("data/b.wav")), SOURCES[1]], "begun with other recordings"),
    ],
)
def test_another_run_is_refused(run: RunFolder, recipe: Recipe, sources: list[Source], words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        run.begin(recipe, sources)
    assert_one_line(caught.value, str(run.path), "another folder by --run")


@pytest.mark.parametrize("text", ["", "[1]", '{"seed": 3}', "{"])
def test_a_damaged_record_is_refused(run: RunFolder, text: str) -> None:
    (run.path / "run.json").write_text(text)
    with pytest.raises(OptionError, match="is damaged") as caught:
        run.begin(Recipe(), SOURCES)
    assert_one_line(caught.value, f"delete {run.path}")


def test_a_damaged_state_is_refused(run: RunFolder) -> None:
    run.keep("decoder", make_state(4, 3))
    path = run.path / "decoder.state.safetensors"
    whole = path.read_bytes()
    for part in (b"", whole[:20], whole[:-3]):
        path.write_bytes(part)
        with pytest.raises(ModelError, match=r"decoder\.state.safetensors is damaged") as caught:
            run.state("decoder")
        assert_one_line(caught.value, "delete it to begin anew")


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "no" / "run"):
        with pytest.raises(OutputError, match="cannot be written") as caught:
            RunFolder(path, ONE_RANK).begin(Recipe(), SOURCES)
        assert_one_line(caught.value, str(path))
    with pytest.raises(OutputError, match="cannot be written"):
        RunFolder(tmp_path / "no" / "run", ONE_RANK).keep("decoder", make_state(1, 3))


@pytest.mark.parametrize("interrupted", ["pathlib.Path.replace", "pathlib.Path.chmod"])
def test_an_interruption_leaves_what_was_kept_before(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    run.keep("dictionary", make_state(2))
    before = sorted(os.listdir(run.path))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(interrupted, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run.keep("dictionary", make_state(3))
    state = run.state("dictionary")
    assert state is not None
    np.testing.assert_array_equal(state["curve"], make_state(2)["curve"])
    assert len(read_curve(run.path / "dictionary.csv")["energy"]) in (2, 3)
    assert sorted(os.listdir(run.path)) == before


def test_rank_0_alone_writes_and_all_read(tmp_path: Path) -> None:
    def task(ranks):
        run = RunFolder(tmp_path / "run", ranks)
        ranks.together(lambda: run.begin(Recipe(), SOURCES))
        run.keep("decoder", make_state(4 + ranks.rank, 3))
        return run.state("decoder")

    for state in on_ranks(3, task):
        np.testing.assert_array_equal(state["curve"], make_state(4, 3)["curve"])


def test_a_folder_that_some_ranks_do_not_see_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    RunFolder(tmp_path / "0", ONE_RANK).keep("decoder", make_state(4, 3))
    with pytest.raises(OptionError, match="seen by 1 of 3 ranks") as caught:
        on_ranks(3, lambda ranks: RunFolder(tmp_path / str(ranks.rank), ranks).state("decoder"))
    assert_one_line(caught.value, "share")


def test_curves_are_drawn_as_far_as_there_are_any(run: RunFolder) -> None:
    draw_curves(run.path)
    assert not (run.path / "curves.png").exists()
    heights = []
    for stage, n_rows in (("decoder", 1), ("decoder", 50), ("dictionary", 200)):
        run.keep(stage, make_state(n_rows, len(COLUMNS[stage])))
        draw_curves(run.path)
        picture = imread(run.path / "curves.png")
        assert picture[:, :, :3].std() > 0.05
        heights.append(picture.shape[0])
    assert heights[0] == heights[1] == heights[2] / 4
    assert not list(run.path.glob(".*"))


def test_without_matplotlib_a_picture_is_one_line(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.keep("decoder", make_state(3, 3))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OptionError, match="matplotlib is not installed") as caught:
        draw_curves(run.path)
    assert_one_line(caught.value, "pip install")
