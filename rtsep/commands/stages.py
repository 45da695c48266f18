"""How far a job of several stages is: bars on a terminal, a line for each tenth otherwise; all on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rtsep.engine.process import world_rank, world_size
from rtsep.engine.waiting import check_launcher

Report = Callable[[str, float, str], None]


@contextmanager
def show_stages() -> Iterator[Report]:
    """A function to be told the stage, the share done of it, and a few words.

    Of several ranks the first alone shows them; on all of them it raises Terminated once the launcher is gone.
    """
    if world_size() > 1:
        yield _heedful(_lines() if world_rank() == 0 else lambda stage, share, words: None)
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


def _heedful(report: Report) -> Report:
    def heedful(stage: str, share: float, words: str) -> None:
        check_launcher()
        report(stage, share, words)

    return heedful


@contextmanager
def _bars() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        tasks = {}

        def report(stage: str, share: float, words: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=share, description=f"{stage}: {words}")

        yield report


def _lines() -> Report:
    tenths: dict[str, int] = {}

    def report(stage: str, share: float, words: str) -> None:
        if int(10 * share) > tenths.get(stage, -1):
            tenths[stage] = int(10 * share)
            print(f"{stage}: {share:.0%}, {words}", file=sys.stderr, flush=True)

    return report
