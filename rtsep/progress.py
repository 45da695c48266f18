"""How far a run is: a bar on a terminal, a line for each tenth otherwise; both on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]


@contextmanager
def show_progress(quiet: bool, doing: str = "separating") -> Iterator[Progress]:
    """A function to be told what is done, and of how much; `doing` names it."""
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _bar(doing) as progress:
            yield progress
    else:
        yield _lines()


@contextmanager
def _bar(doing: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines() -> Progress:
    tenths = 0

    def progress(done: int, total: int) -> None:
        nonlocal tenths
        if 10 * done // total > tenths:
            tenths = 10 * done // total
            print(f"{10 * tenths} % done", file=sys.stderr, flush=True)

    return progress
