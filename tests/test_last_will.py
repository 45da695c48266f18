"""What a process leaves to be done is done if it is killed, and only then; whoever does it is gone soon after."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from launch import run

PROGRAM = """
import os, signal, sys
from rtsep.last_will import LastWill
with LastWill('echo "$1 $0" > "$2"', "gone;", sys.argv[1]):
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "raises":
        raise SystemExit(3)
"""


@pytest.mark.parametrize(("how", "code"), [("killed", -signal.SIGKILL), ("raises", 3), ("ends", 0)])
def test_a_will_is_done_where_a_process_is_killed(tmp_path: Path, how: str, code: int) -> None:
    deed = tmp_path / "a deed"
    finished = run("-c", PROGRAM, deed, how)  # which waits until no process is left
    assert (finished.code, finished.stderr) == (code, "")
    assert deed.exists() == (how == "killed")
    if how == "killed":
        assert deed.read_text() == "gone; sh\n"
