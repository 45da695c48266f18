"""`rtsep live` under a launcher: rank 0 hears and plays, the others compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from rtsep.commands.console import guarded
from rtsep.engine.local import warm_up
from rtsep.live.report import LiveReport, Show, Tell
from rtsep.live.session import LiveJob
from rtsep.types import Engine, Separator

if TYPE_CHECKING:
    from rtsep.engine.crew import Crew
    from rtsep.engine.mpi import MpiEngine

# Sound waits for no one: what a rank keeps for longer than this, another computes. (And longer than 20 median chunks.)
_STALL_SECONDS = 0.5

StartEngine = Callable[[LiveJob, Separator, Show, Tell], tuple[Engine, Show]]


def live_on_ranks(play: Callable[[StartEngine], int], slices: int) -> NoReturn:
    """Run `play` with an engine over all ranks, and end the process: rank 0, the others are in `following.follow`."""
    from rtsep.engine.crew import lead_ranks

    lead_ranks(lambda crew: guarded(lambda: _lead(play, slices, crew)))


def _lead(play: Callable[[StartEngine], int], slices: int, crew: Crew) -> int:
    """Rank 0's part: the others are made ready for the job that `play` comes with."""
    from rtsep.engine.worker import Order
    from rtsep.model_file import model_path

    def start(job: LiveJob, separator: Separator, show: Show, tell: Tell) -> tuple[Engine, Show]:
        n_channels = job.plan.n_channels
        warm_up(separator, n_channels)  # so that the others find all compiled
        model = model_path(job.model).read_bytes()
        engine = crew.start(Order("cd", n_channels, slices), model, separator, _STALL_SECONDS)
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
