"""The tables of bench/experiment.py and bench/ablation.py, from scores that are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from demo_song import FOLDER

from rtsep.evaluation.bsseval import StemScores
from rtsep.evaluation.experiment import SongScores
from rtsep.types import STEMS


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, ModuleType]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER / "bench"))
        yield {name: import_module(name) for name in ("experiment", "ablation", "_recipes")}


def judged(song: str, **sdr: float) -> SongScores:
    """Each method has one SDR for all stems; its SIR is 1 dB above, its SAR 2, its ISR 3."""
    scores = {name: tuple(StemScores(stem, v, v + 1, v + 2, v + 3, ()) for stem in STEMS) for name, v in sdr.items()}
    return SongScores(song, 1.0, (), scores)


SONGS = [judged("a", cqt=3.0, stft=1.0), judged("b", cqt=5.0, stft=4.0), judged("c", cqt=10.0, stft=10.0)]


def test_medians_and_means_are_over_songs(bench: dict[str, ModuleType]) -> None:
    rows = {(row["case"], row["who"]): row for row in bench["experiment"].score_rows(SONGS, ["cqt", "stft"])}
    wanted = {"SDR, median": "5.00", "SDR, mean": "6.00", "SIR, median": "6.00", "SAR, median": "7.00"}
    for case, value in {**wanted, "ISR, median": "8.00"}.items():
        assert [rows[case, "cqt"][stem].split()[0] for stem in (*STEMS, "mean")] == [value] * 5
    assert rows["SDR, median", "stft"]["bass"].split()[0] == "4.00"


def test_an_interval_stays_within_the_songs(bench: dict[str, ModuleType]) -> None:
    row = bench["experiment"].score_rows(SONGS, ["cqt"])[0]
    assert row["bass"] == "5.00 [3.00, 10.00]"
    assert bench["experiment"].score_rows(SONGS[:1], ["cqt"])[0]["bass"] == "3.00"


def test_differences_are_the_songs_own_and_of_the_first_recipe_above_the_other(bench: dict[str, ModuleType]) -> None:
    """Medians of 3, 5, 10 and of 1, 4, 10 differ by 1 as well; their means' difference is that of the differences."""
    rows = {row["case"]: row for row in bench["experiment"].difference_rows(SONGS, "cqt", "stft")}
    assert rows["SDR, median of differences"]["vocals"] == "1.00 [0.00, 2.00]"
    assert rows["SAR, median of differences"]["vocals"] == "1.00 [0.00, 2.00]"
    crossed = [judged("a", cqt=3.0, stft=4.0), judged("b", cqt=5.0, stft=1.0), judged("c", cqt=4.0, stft=3.0)]
    rows = {row["case"]: row for row in bench["experiment"].difference_rows(crossed, "cqt", "stft")}
    assert rows["SDR, median of differences"]["drums"].startswith("1.00 [-1.00")  # of -1, 4, 1


def test_scores_are_measured_once_and_read_again(
    bench: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be measured is null in the file, and NaN again afterwards."""
    ablation, calls = bench["ablation"], []
    found = judged("a", base=2.0)
    gap = StemScores("bass", float("nan"), 0.0, 0.0, 0.0, ())
    found = SongScores("a", 1.0, ("drums",), {"base": (gap, *found.scores["base"][1:])})

    def judge(jobs: list[SimpleNamespace], baselines: tuple[str, ...], seconds: float | None) -> list[SongScores]:
        calls.append([job.name for job in jobs])
        return [found]

    monkeypatch.setattr(ablation, "judge", judge)
    jobs = [SimpleNamespace(name="base", model=tmp_path / "base=0.5.safetensors")]
    once, again = ablation.kept_scores(jobs, None), ablation.kept_scores(jobs, None)
    assert calls == [["base"]]
    assert repr(once) == repr(again) == repr({"base": [found]})  # NaN equals nothing, but reads as itself
    ablation.kept_scores(jobs, 30.0)  # another stretch of the songs is another measurement
    assert calls == [["base"]] * 2
    assert json.loads((tmp_path / "base=0.5.all.json").read_text())[0]["scores"]["base"][0]["sdr"] is None


def test_the_front_ends_are_compared_with_all_else_equal(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    tables = bench["experiment"].two_front_ends()
    cqt, stft = (bench["_recipes"].write_recipe(table, tmp_path / f"{name}.toml") for name, table in tables.items())
    assert (cqt.spec.kind, stft.spec.kind) == ("cqt", "stft")
    assert bench["_recipes"].unlike(cqt, stft) == ["front end"]


def test_variants_that_are_the_base_are_left_out(bench: dict[str, ModuleType]) -> None:
    ablation = bench["ablation"]
    replaced = {"dictionary.atoms": 512, "decoder.mask_exponent": 2, "frontend.transition": 4096}
    table = ablation.override(ablation.read_table(FOLDER / "recipes" / "cqt-sparse.toml"), replaced)
    names = set(ablation.chosen_variants(table, SimpleNamespace(variant=None, data=FOLDER)))
    assert not names & {"dictionary.atoms=512", "decoder.mask_exponent=2.0", "cqt, Hann slices"}
    assert {"dictionary.atoms=1024", "decoder.mask_exponent=1.2", "cqt, Tukey slices"} < names
