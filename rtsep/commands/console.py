"""What the user gets to read: tables on stdout, and what goes wrong in one line on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING

from rtsep.engine.process import INTERRUPTED, Terminated, dead_siblings, launched, open_launcher_stderr, world_rank
from rtsep.errors import RtsepError

if TYPE_CHECKING:
    from rich.table import Table

REFUSED = 2
_WIDE = 120
Task = Callable[[], int]  # a command, its options read; returns the exit code


def guarded(task: Task) -> int:
    """The exit code of `task`; of an RtsepError or an interruption, which is told in one line."""
    try:
        return task()
    except RtsepError as error:
        warn(str(error))
        return REFUSED
    except KeyboardInterrupt as error:
        _tell_interrupted(error)
        return INTERRUPTED


def warn(message: str) -> None:
    """One line on stderr, from rank 0 alone: what goes wrong on all ranks is told once."""
    if world_rank() == 0:
        print(f"rtsep: {message}", file=sys.stderr, flush=True)


def print_tables(tables: Sequence[Table]) -> None:
    """The tables on stdout, one below the other."""
    from rich.console import Console

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has the letters of names and meters
    # A file has room for whole lines. Under mpirun stdout looks like a terminal of no size, whatever it is in truth.
    on_screen = sys.stdout.isatty() and not launched()
    console = Console(markup=False) if on_screen else Console(force_terminal=False, width=_WIDE, markup=False)
    for table in tables:
        console.print(table)


def _tell_interrupted(error: KeyboardInterrupt) -> None:
    """Say so, from rank 0. Without ULFM the launcher ends the job also where a rank has died."""
    if world_rank() > 0:
        return
    line = "interrupted"
    if isinstance(error, Terminated) and (dead := dead_siblings()):
        ranks = ", ".join(map(str, dead))
        line = f"rank {ranks} died, and with it the job; rtsep run survives that under mpirun --with-ft ulfm"
    if stderr := open_launcher_stderr():
        with stderr:
            print(f"rtsep: {line}", file=stderr)
    else:
        warn(line)
