"""Ranks on two hosts, with TCP between: the stems of one process; a host that is cut off is as good as dead.

Collected where network namespaces can be made (tests/conftest.py).
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hosts import Hosts, two_hosts
from launch import ROOT, Launched, rtsep, run
from small_model import write_small_model
from sound_files import make_song, write_song

PROGRAM = ROOT / "tests" / "mpi_program.py"


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with two_hosts(tmp_path) as hosts:
        yield hosts


def test_two_hosts_give_the_same_files(tmp_path: Path, hosts: Hosts) -> None:
    song = write_song(tmp_path / "song.wav", make_song(6 * 44100), 44100)
    model = write_small_model(tmp_path / "small.safetensors")
    command = ("run", song, "--model", model, "--quiet", "--out")
    assert rtsep(*command, tmp_path / "alone").code == 0
    finished = rtsep(*command, tmp_path / "crew", n_ranks=4, launcher=hosts.launcher(2))
    # On a busy machine mpirun's own launching of hosts at times says that it came too late for a setpgid.
    told = [line for line in finished.stderr.splitlines() if "plm:ssh: Warning: setpgid" not in line]
    assert (finished.code, told) == (0, [])
    for path in (tmp_path / "alone" / "song.stems").iterdir():
        assert (tmp_path / "crew" / "song.stems" / path.name).read_bytes() == path.read_bytes()
    assert hosts.processes() == []


def test_a_host_that_is_unplugged_is_as_good_as_dead(tmp_path: Path, hosts: Hosts) -> None:
    alone, out = tmp_path / "alone.npy", tmp_path / "stems.npy"
    assert run(PROGRAM, "ok", alone).code == 0
    launcher = hosts.launcher(2, "--with-ft", "ulfm")
    with Launched(PROGRAM, "long", out, n_ranks=4, launcher=launcher) as launched:
        launched.wait_for(out.with_suffix(".began").exists)
        time.sleep(0.3)
        hosts.unplug()
        # Open MPI's launcher cannot see the end of the other host's part, and has to be forced.
        assert launched.code() == 1
        for pid in hosts.processes():  # they would end when they miss the launcher, minutes later
            launched.signal(signal.SIGKILL, pid)
    np.testing.assert_array_equal(np.load(out), np.load(alone))
    fates = json.loads(out.with_suffix(".json").read_text())
    assert fates[:2] == ["", ""]
    assert set(fates[2:]) <= {"died", "stalled"}
