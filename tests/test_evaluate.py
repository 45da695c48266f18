"""`rtsep evaluate`, from folders of songs to tables, JSON and figures; and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from demo_song import RATE, stems
from small_model import write_small_model
from small_timbrenet import small_timbrenet

import rtsep
from rtsep.commands import evaluate as command
from rtsep.errors import ModelError, OptionError, RtsepError
from rtsep.evaluation.bsseval import SongScorer, evaluate, mixture_sdr
from rtsep.evaluation.experiment import HPSS, IDEAL, MIXTURE, evaluate_song, evaluate_songs, methods
from rtsep.evaluation.figures import draw_figures
from rtsep.evaluation.songs import find_songs
from rtsep.evaluation.summary import MEAN, score_matrix, summarize
from rtsep.timbrenet.model import save_timbrenet
from rtsep.types import STEMS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two songs: the demo's music in one channel, and the same without vocals; and a model of random weights."""
    folder = tmp_path_factory.mktemp("data")
    for name, start, kept in (("first", 6.0, STEMS), ("second", 10.0, ("bass", "drums", "other"))):
        (folder / name).mkdir()
        for stem, sound in zip(STEMS, stems(start, 1.2), strict=True):
            if stem in kept:
                soundfile.write(folder / name / f"{stem}.wav", sound[:, :1], RATE, subtype="FLOAT")
    write_small_model(folder / "small.safetensors", "stft")
    yield folder
    shutil.rmtree(folder)


def truth_of(data: Path, name: str) -> np.ndarray:
    files = [data / name / f"{stem}.wav" for stem in STEMS]
    return np.stack([soundfile.read(file, dtype="float32", always_2d=True)[0] for file in files])


def small(data: Path) -> str:
    return str(data / "small.safetensors")


def test_a_models_scores_are_those_of_its_stems_by_the_products_own_way(data: Path) -> None:
    chosen = methods([small(data)], [MIXTURE])
    result = evaluate_song(find_songs(data, ["first"])[0], chosen)
    truth = truth_of(data, "first")
    mixture = truth.sum(axis=0)
    separated = rtsep.separate(mixture, RATE, rtsep.load_separator(small(data)))
    assert list(result.scores[small(data)]) == evaluate(truth, separated, RATE)
    np.testing.assert_allclose([row.sdr for row in result.scores[MIXTURE]], mixture_sdr(truth, mixture, RATE))


def test_a_stem_that_is_not_there_is_not_judged_and_the_others_are_as_if_it_did_not_exist(data: Path) -> None:
    chosen = methods([small(data)], [MIXTURE])
    result = evaluate_song(find_songs(data, ["second"])[0], chosen)
    assert result.absent == ("vocals",)
    kept = [s for s in STEMS if s != "vocals"]
    truth = np.stack([soundfile.read(data / "second" / f"{s}.wav", always_2d=True, dtype="float32")[0] for s in kept])
    mixture = truth.sum(axis=0)
    expected = SongScorer(truth, RATE, kept).scores(np.broadcast_to(mixture, truth.shape))
    assert [row.stem for row in result.scores[MIXTURE]] == kept
    for row, other in zip(result.scores[MIXTURE], expected, strict=True):
        np.testing.assert_allclose([row.sdr, row.sir], [other.sdr, other.sir], atol=1e-6)


def test_two_processes_say_what_one_says(data: Path) -> None:
    songs, chosen = find_songs(data), methods([small(data)], [MIXTURE])
    told: list[tuple[int, int]] = []
    alone = evaluate_songs(songs, chosen, 1, lambda done, total: told.append((done, total)))
    assert evaluate_songs(songs, chosen, 2, lambda done, total: None) == alone
    assert [result.song for result in alone] == ["first", "second"]
    assert told[0] == (0, 2)
    assert told[-1] == (2, 2)


def test_damage_that_shows_in_another_process_is_told(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(data / "first", tmp_path / name)
    samples, _ = soundfile.read(tmp_path / "b" / "bass.wav", dtype="float32")
    samples[-5] = np.nan
    soundfile.write(tmp_path / "b" / "bass.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(RtsepError, match=r"bass\.wav: .* NaN"):
        evaluate_songs(find_songs(tmp_path), methods([small(data)], []), 2, lambda done, total: None)


def test_models_are_checked_before_any_work(data: Path) -> None:
    with pytest.raises(ModelError, match="'none' is not known"):
        methods(["none"], [])
    assert [m.name for m in methods([small(data), small(data)], [IDEAL])] == [small(data), IDEAL]


def test_instruments_are_judged_as_stems_are_by_a_model_that_tells_them_apart(data: Path, tmp_path: Path) -> None:
    instruments = ("violin", "clarinet")
    model = str(tmp_path / "duo.safetensors")
    save_timbrenet(small_timbrenet(stems=instruments), Path(model))
    (tmp_path / "duet").mkdir()
    truth = truth_of(data, "first")[:2]
    for name, sound in zip(instruments, truth, strict=True):
        soundfile.write(tmp_path / "duet" / f"{name}.wav", sound, RATE, subtype="FLOAT")
    chosen = methods([model], [MIXTURE, HPSS])
    assert [(m.name, m.stems) for m in chosen] == [(model, instruments), (MIXTURE, instruments)]
    result = evaluate_song(find_songs(tmp_path, stems=instruments)[0], chosen)
    mixture = truth.sum(axis=0)
    separated = rtsep.separate(mixture, RATE, rtsep.load_separator(model))
    assert list(result.scores[model]) == evaluate(truth, separated, RATE, instruments)
    assert list(summarize(score_matrix([result], model, "sdr"), instruments)) == [*instruments, MEAN]
    with pytest.raises(ModelError, match="needs violin, clarinet"):
        methods([model, small(data)], [])
    with pytest.raises(OptionError, match=r"expected SONG/violin\.wav, SONG/clarinet\.wav, \.\.\."):
        find_songs(data, stems=instruments)


def test_the_command_prints_tables_and_writes_json_and_figures(data: Path, tmp_path: Path) -> None:
    options = ["--data", data, "--model", small(data), "--model", "stft-sparse", "--songs", "first,second"]
    outputs = ["--json", tmp_path / "out.json", "--plots", tmp_path / "plots", "--baselines"]
    outputs += ["--audio", tmp_path / "page"]
    program = [sys.executable, "-W", "error", "-m", "rtsep.cli", "evaluate", *options, *outputs]
    done = subprocess.run(list(map(str, program)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "100 % done"), done.stderr
    for text in ("SDR: medians over 2 songs", "ideal mask", "HPSS", "REPET-SIM", "second: vocals not judged"):
        assert text in done.stdout
    document = json.loads((tmp_path / "out.json").read_text())
    assert [song["absent"] for song in document["songs"]] == [[], ["vocals"]]
    first = document["songs"][0]["scores"]
    assert list(first) == [small(data), "stft-sparse", "mixture", "ideal mask", "HPSS", "REPET-SIM"]
    assert [[row["stem"] for row in first[name]] for name in ("HPSS", "REPET-SIM")] == [["drums"], ["vocals"]]
    medians = [song["scores"]["mixture"][0]["sdr"] for song in document["songs"]]
    assert document["summary"]["sdr"]["mixture"]["bass"]["median"]["value"] == pytest.approx(np.median(medians))
    assert document["summary"]["sdr"]["ideal mask"]["mean"]["median"]["value"] > 3
    assert list(document["difference_to_first_model"]["sdr"]) == ["stft-sparse"]
    for name in ("sdr.png", "vocals.png"):
        assert (tmp_path / "plots" / name).read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "page" / "index.html").read_text()
    players = re.findall(r'<audio [^>]*src="([^"]+)"', page)
    assert len(players) == 2 * (1 + 4 * 3)
    assert all((tmp_path / "page" / player).is_file() for player in players)
    rows = {row["stem"]: row for row in first["stft-sparse"]}
    assert f"SDR {rows['drums']['sdr']:.1f}" in page
    assert page.count("not judged") == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_figures_of_songs_without_vocals_are_one(data: Path, tmp_path: Path) -> None:
    chosen = methods([small(data)], [MIXTURE])
    results = [evaluate_song(find_songs(data, ["second"])[0], chosen)]
    assert draw_figures(results, chosen, tmp_path) == [tmp_path / "sdr.png"]


def test_without_librosa_its_baselines_are_left_out_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert command._baselines(None) == (MIXTURE, IDEAL)
    assert capsys.readouterr().err == "rtsep: left out: HPSS and REPET-SIM need librosa: pip install librosa\n"
    with pytest.raises(OptionError, match="need librosa"):
        command._baselines(True)
    assert command._baselines(False) == ()


def test_outputs_that_cannot_be_written_are_told_before_any_work(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for options in (["--plots", tmp_path / "file"], ["--json", tmp_path]):
        program = [sys.executable, "-m", "rtsep.cli", "evaluate", "--data", data, *options]
        done = subprocess.run(list(map(str, program)), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
