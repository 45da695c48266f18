"""Many songs under mpirun: the files of one process, from one start of the ranks; what is there is kept."""

from __future__ import annotations

import json
from pathlib import Path

from launch import rtsep
from small_model import write_small_model
from sound_files import make_song, write_song

SONGS = {"a.wav": (3, 2, 44100), "b.flac": (2, 1, 44100), "c.wav": (1, 3, 32000), "d.wav": (2, 2, 48000)}


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_ranks_write_the_files_of_one_process_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    model = write_small_model(tmp_path / "small.safetensors")
    (tmp_path / "album").mkdir()
    for name, (seconds, n_channels, rate) in SONGS.items():
        write_song(tmp_path / "album" / name, make_song(seconds * rate, n_channels), rate)
    (tmp_path / "album" / "bad.wav").write_text("no music")

    def separate(out: str, n_ranks: int) -> dict[str, object]:
        options = ("--out", out, "--model", model, "--report", "report.json", "--quiet")
        finished = rtsep("run", "album", *options, n_ranks=n_ranks, cwd=tmp_path)
        assert (finished.code, finished.line.partition(":")[0]) == (2, "rtsep"), finished.stderr
        told: dict[str, object] = json.loads((tmp_path / "report.json").read_text())
        return told

    separate("alone", 0)
    assert separate("ranks", 3)["status"] == {"separated": 4, "failed": 1}
    assert read_files(tmp_path / "ranks") == read_files(tmp_path / "alone")
    (tmp_path / "ranks" / "b.stems" / "drums.wav").unlink()
    told = separate("ranks", 3)
    assert told["status"] == {"kept": 3, "failed": 1, "separated": 1}
    assert len(told["shares"]) == 3
    assert read_files(tmp_path / "ranks") == read_files(tmp_path / "alone")
