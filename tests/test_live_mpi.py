"""Live sound over MPI ranks: the stems of one process, whatever becomes of the other ranks, and kept at the end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from launch import Launched
from small_model import write_small_model
from sound_files import make_song, read_song, write_song

import rtsep as package
from rtsep.commands.live_ranks import ranks_at_work
from rtsep.separator import load_separator
from rtsep.types import STEMS

RATE = 44100


def test_ranks_that_stall_or_die_are_told_of_and_the_recording_outlives_an_interruption(
    tmp_path: Path,
) -> None:
    song = make_song(25 * RATE)
    model = write_small_model(tmp_path / "small.safetensors")
    path = write_song(tmp_path / "song.wav", song, subtype="FLOAT")
    options = ("--input-file", path, "--output", "none", "--model", model)
    recording = ("--record", tmp_path / "live", "--format", "wav")
    command = ("-m", "rtsep.cli", "live", *options, *recording)
    with Launched(*command, n_ranks=3, launcher=("mpirun", "--with-ft", "ulfm")) as live:
        live.wait_for(lambda: any(part.stat().st_size > RATE for part in tmp_path.glob("live/**/bass.wav")))
        _, first, second = (pid for _, pid in sorted(live.ranks().items()))
        live.signal(signal.SIGSTOP, first)
        lines = [live.hear()]
        live.signal(signal.SIGCONT, first)
        lines.append(live.hear())
        live.signal(signal.SIGKILL, second)
        lines.append(live.hear())
        live.signal(signal.SIGINT)
        live.finish()
    assert lines == [
        "rtsep: rank 1 stalled; others compute what it had\n",
        "rtsep: rank 1 is back\n",
        "rtsep: rank 2 died; others compute what it had\n",
    ]
    stems = np.stack([read_song(tmp_path / "live" / "take-1" / f"{stem}.wav") for stem in STEMS])
    n = stems.shape[1]
    assert n > RATE
    # What was heard last is separated as a song's end, if 30 ms are enough for it; else the recording ends before it.
    # Two seconds further, what comes after the end of a song no longer matters to its beginning.
    separator = load_separator(str(model))
    ending, going_on = (package.separate(song[:end], RATE, separator)[:, :n] for end in (n, n + 2 * RATE))
    assert np.array_equal(stems, ending) or np.array_equal(stems, going_on)


@pytest.mark.parametrize(("n_ranks", "n_here", "at_work"), [(8, 8, 3), (2, 2, 2), (8, 4, 8)])
def test_the_stream_waits_for_those_who_compute_alone(
    monkeypatch: pytest.MonkeyPatch, n_ranks: int, n_here: int, at_work: int
) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", str(n_ranks))
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", str(n_here))
    # This rank is bound to a core; its launcher has three.
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2} if pid else {0})
    assert ranks_at_work() == at_work
