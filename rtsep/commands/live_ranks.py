"""`rtsep live` under a launcher: rank 0 hears and plays, and computes what comes while the others are busy."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from rtsep.commands.console import guarded
from rtsep.engine.local import warm_up
from rtsep.engine.process import on_one_host, own_cores, world_size
from rtsep.live.report import LiveReport, Show, Tell
from rtsep.live.session import LiveJob
from rtsep.types import Engine, Separator

if TYPE_CHECKING:
    from rtsep.engine.crew import Crew
    from rtsep.engine.mpi import MpiEngine

# Sound waits for no one: what a rank keeps for longer than this, another computes. (And longer than 20 median chunks.)
_STALL_SECONDS = 0.5

StartEngine = Callable[[LiveJob, Separator, Show, Tell], tuple[Engine, Show]]


def ranks_at_work() -> int:
    """How many ranks compute, rank 0 included: as many as there are cores, the others are in reserve.

    Only known where all are on this host; otherwise all that were started. The cores are the launcher's, as each rank
    may be bound to one.
    """
    if not on_one_host():
        return world_size()
    cores = os.sched_getaffinity(os.getppid()) if hasattr(os, "sched_getaffinity") else own_cores()
    return min(world_size(), len(cores))


def live_on_ranks(play: Callable[[StartEngine], int], slices: int) -> NoReturn:
    """Run `play` with an engine over all ranks, and end the process: rank 0, the others are in `following.follow`."""
    from rtsep.engine.crew import lead_ranks

    lead_ranks(lambda crew: guarded(lambda: _lead(play, slices, crew)))


def _lead(play: Callable[[StartEngine], int], slices: int, crew: Crew) -> int:
    """Rank 0's part: the others are made ready for the job that `play` comes with."""
    from rtsep.engine.worker import Order
    from rtsep.model_file import map_model

    def start(job: LiveJob, separator: Separator, show: Show, tell: Tell) -> tuple[Engine, Show]:
        n_channels = job.plan.n_channels
        warm_up(separator, n_channels)  # so that the others find all compiled
        order = Order("cd", n_channels, slices)
        engine = crew.start(order, map_model(job.model), separator, _STALL_SECONDS, longest_run=1)
        return engine, _telling(engine, show, tell)

    with crew:
        crew.prepare()
        return play(start)


def _telling(engine: MpiEngine, show: Show, tell: Tell) -> Show:
    """`show`, and beside it a line for each rank that dies or stalls, and for one that comes back."""
    known: dict[int, str] = {}

    def show_and_tell(report: LiveReport) -> None:
        fates = engine.fates
        for rank, fate in fates.items():
            if fate != known.get(rank, ""):
                tell(f"rank {rank} {fate}; others compute what it had" if fate else f"rank {rank} is back")
        known.update(fates)
        show(report)

    return show_and_tell
