"""Runs rtsep as its users do: as a process of its own, or several under mpirun; and sees that nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
# What `make setup` arranges for mpirun, for environments that were made otherwise.
MPI_SETTINGS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_mapby": "slot:oversubscribe",
}


@dataclass(frozen=True)
class Finished:
    """How a run ended: its exit code, what it said, the seconds that it took."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def line(self) -> str:
        """The only line of stderr; more than one, or any on stdout, is an error."""
        assert self.stdout == "", self.stdout
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        return lines[0]


class Launched:
    """A running command, in a session of its own: what it leaves behind is found, and ends with the `with` block."""

    def __init__(
        self, *arguments: object, n_ranks: int = 0, cwd: Path = ROOT, launcher: Sequence[str] = ("mpirun",)
    ) -> None:
        launch = [*launcher, "-n", str(n_ranks)] if n_ranks else []
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [*launch, sys.executable, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, **MPI_SETTINGS, "PATH": path},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, condition: Callable[[], bool], seconds: float = 180) -> None:
        """Return as soon as `condition` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def hear(self) -> str:
        """The next line on stderr, as soon as it is there; what `finish` tells later may lack it."""
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    def signal(self, number: signal.Signals, pid: int | None = None) -> float:
        """Send a signal, to the launched process unless told otherwise; returns the time."""
        os.kill(pid or self.pid, number)
        return time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.members():
            os.kill(pid, signal.SIGKILL)
        self._process.communicate()

    def finish(self, seconds: float = 180) -> Finished:
        """Wait for the end, which must come in time and leave no process behind."""
        stdout, stderr = self._process.communicate(timeout=seconds)
        ended = time.monotonic()
        self.wait_until_alone()
        # Open MPI ends what it says with a zero byte at times.
        return Finished(self._process.returncode, stdout, stderr.strip("\0"), ended - self._started)

    def code(self, seconds: float = 180) -> int:
        """The exit code, waited for; other processes may still be there."""
        return self._process.wait(seconds)

    def wait_until_alone(self, seconds: float = 5) -> None:
        """Wait until no process of the session is left."""
        deadline = time.monotonic() + seconds
        while members := self.members():
            assert time.monotonic() < deadline, [Path(f"/proc/{pid}/cmdline").read_text() for pid in members]
            time.sleep(0.02)

    def members(self) -> list[int]:
        """Processes of the session that are alive."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_member(pid)]

    def ranks(self) -> dict[int, int]:
        """The processes of the ranks that run."""
        found = {}
        for pid in self.members():
            try:
                words = Path(f"/proc/{pid}/environ").read_text().split("\0")
            except OSError:  # gone in between
                continue
            found |= {int(word.partition("=")[2]): pid for word in words if word.startswith("OMPI_COMM_WORLD_RANK=")}
        return found

    def _is_member(self, pid: int) -> bool:
        try:
            state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            return False
        return int(session) == self.pid and state != "Z"


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has had."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def run(*arguments: object, seconds: float = 180, **launch: Any) -> Finished:
    """Run Python with these arguments to the end; `launch` as for Launched, under mpirun where that has `n_ranks`."""
    with Launched(*arguments, **launch) as launched:
        return launched.finish(seconds)


def rtsep(*arguments: object, seconds: float = 180, **launch: Any) -> Finished:
    """Run the command line `rtsep ...` to the end."""
    return run("-m", "rtsep.cli", *arguments, seconds=seconds, **launch)
