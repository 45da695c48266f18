"""`rtsep bench scaling`: true runs, and the figures that follow from each other."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from launch import ROOT, rtsep
from small_model import write_small_model
from sound_files import make_song, write_song

from rtsep.commands.bench_scaling import ScalingOptions, bench_scaling, parse_ranks
from rtsep.errors import OptionError, RtsepError


def test_figures_of_one_and_two_ranks(tmp_path: Path) -> None:
    write_small_model(tmp_path / "small.safetensors")
    write_song(tmp_path / "song.wav", make_song(3 * 44100))
    options = "--ranks 2,1 --model small.safetensors --song song.wav --repeats 1 --cores 1"
    command = ("bench", "scaling", *options.split(), "--json", "rows.json", "--plot", "rows.png")
    finished = rtsep(*command, cwd=tmp_path)
    assert finished.code == 0, finished.stderr
    one, two = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert (one["ranks"], two["ranks"]) == (1, 2)
    assert one["speedup"] == one["efficiency"] == 1
    assert two["speedup"] == two["efficiency"] == pytest.approx(one["rtf"] / two["rtf"])
    assert one["message_ms"] == 0 < two["message_ms"]
    for row in (one, two):
        assert row["audio_seconds"] == 3.0
        assert 0 <= row["idle_share"] < 1
        assert 0 < row["chunk_ms"] < 1e3 * row["rtf"] * 3.0
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")
    assert "efficiency" in finished.stdout


def test_the_readme_has_what_was_measured_last() -> None:
    rows = json.loads((ROOT / "bench/results/scaling.json").read_text())["rows"]
    found = {row["ranks"]: row for row in rows if row["model"] == "cqt-sparse"}
    rtf = {ranks: f"{row['rtf']:.3f}" for ranks, row in found.items()}
    start = {ranks: f"{row['startup_seconds']:.1f} s" for ranks, row in found.items()}
    said = f"""RTF {rtf[1]} for stereo at 44.1 kHz with one process, {rtf[2]} with two ranks, {rtf[16]} with sixteen,
        {rtf[32]} with thirty-two"""
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert " ".join(said.split()) in readme
    assert f"Start-up takes {start[1]}, with sixteen ranks {start[16]};" in readme


def test_numbers_of_ranks_are_read_in_any_order_once() -> None:
    assert parse_ranks("4,1,2,2") == (1, 2, 4)


@pytest.mark.parametrize("text", ["", "0", "1,,2", "two", "-1", "1.5"])
def test_what_is_no_number_of_ranks_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="1,2,4"):
        parse_ranks(text)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"launcher": "nonesuch --hosts all"}, "launcher nonesuch --hosts all: is not installed"),
        ({"launcher": " "}, "is not installed"),
        ({"launcher": "mpirun 'x"}, "cannot be read"),
        ({"cores": -1}, "cores -1"),
        ({"repeats": 0}, "repeats 0"),
        ({"models": ("cqt-sparse", "nonesuch")}, "'nonesuch' is not known"),
        ({"song": Path("nowhere.wav")}, "nowhere.wav"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_work(wrong: dict[str, Any], told: str) -> None:
    options = {"models": ("cqt-sparse",), "ranks": (1, 2), "seconds": math.nan} | wrong
    with pytest.raises(RtsepError, match=told):
        bench_scaling(ScalingOptions(**options), None, None)
