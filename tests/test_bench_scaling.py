"""`rtsep bench scaling`: true runs, and the figures that follow from each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from launch import rtsep
from small_model import write_small_model
from sound_files import make_song, write_song

from rtsep.commands.bench_scaling import parse_ranks
from rtsep.errors import OptionError


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


def test_numbers_of_ranks_are_read_in_any_order_once() -> None:
    assert parse_ranks("4,1,2,2") == (1, 2, 4)


@pytest.mark.parametrize("text", ["", "0", "1,,2", "two", "-1", "1.5"])
def test_what_is_no_number_of_ranks_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="1,2,4"):
        parse_ranks(text)


def test_a_launcher_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    finished = rtsep("bench", "scaling", "--launcher", "nonesuch --hosts all", cwd=tmp_path)
    assert finished.code == 2
    assert finished.line.startswith("rtsep: launcher nonesuch --hosts all: ")
