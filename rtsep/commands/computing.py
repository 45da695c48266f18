"""How `rtsep run` gets its engine: this process alone, or all the ranks that a launcher started together."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rtsep.commands.console import guarded, warn
from rtsep.engine.local import LocalEngine
from rtsep.engine.process import RankRecord, dead_at_start, own_record, world_size
from rtsep.errors import OptionError
from rtsep.file_job import FileJob, StartEngine
from rtsep.types import Engine, Separator

if TYPE_CHECKING:
    from rtsep.engine.crew import Crew
    from rtsep.separator import ModelSeparator

_PATIENCE_SECONDS = 4.0  # a start with kernels that are compiled takes two

Load = Callable[[], Separator]
Conclude = Callable[[Mapping[int, RankRecord]], int]
Work = Callable[[Load, StartEngine], Conclude]


@dataclass(frozen=True)
class RunOptions:
    """What `rtsep run` was asked for: the job, and what is to be told about it.

    The job's song may be a folder of them; `part`, as in 3/8, is what is asked for of those.
    """

    job: FileJob
    frontend: str | None = None
    report: Path | None = None
    truth: Path | None = None
    quiet: bool = False
    part: str = ""


def compute(options: RunOptions, work: Work) -> NoReturn:
    """Do `work` and end the process; under a launcher this is rank 0, and the others are in `following.follow`.

    What `work` returns is called when the other ranks have been dismissed, with the records of all; the exit code is
    its result.
    """
    if world_size() == 1:
        sys.exit(guarded(lambda: _alone(options, work)))
    from rtsep.engine.crew import lead_ranks

    lead_ranks(lambda crew: guarded(lambda: _lead(options, work, crew)))


def _alone(options: RunOptions, work: Work) -> int:
    with _patience(options.quiet) as ready:

        def start_engine(separator: Separator, n_channels: int) -> Engine:
            ready()
            return LocalEngine(separator)

        conclude = work(lambda: _load(options), start_engine)
    dead = dead_at_start()
    if dead:
        warn(f"rank {', '.join(map(str, dead))} died before MPI was up; rank 0 went on alone")
    return conclude({0: own_record()} | {rank: RankRecord(fate="died") for rank in dead})


def _lead(options: RunOptions, work: Work, crew: Crew) -> int:
    """Rank 0's part: the work, with the others there as long as it takes."""
    from rtsep.engine.worker import Order
    from rtsep.model_file import map_model

    job = options.job

    def load() -> Separator:
        crew.prepare()
        return _load(options)

    with crew, _patience(options.quiet) as ready:

        def start_engine(separator: Separator, n_channels: int) -> Engine:
            engine = crew.start(Order(job.solver, n_channels), map_model(job.model), separator)
            ready()
            return engine

        conclude = work(load, start_engine)
    for rank, record in crew.records.items():
        if record.fate:
            warn(f"rank {rank} {record.fate}; others computed what it had")
    return conclude(crew.records)


@contextmanager
def _patience(quiet: bool) -> Iterator[Callable[[], None]]:
    """Tell why nothing is to be seen where starting takes long; the function that comes back says that it is over."""
    hint = threading.Timer(_PATIENCE_SECONDS, warn, ["starting; the first time takes longer, as numba compiles"])
    hint.daemon = True
    if not quiet:
        hint.start()
    try:
        yield hint.cancel
    finally:
        hint.cancel()


def _load(options: RunOptions) -> ModelSeparator:
    """Load what the job asks for. Raises ModelError, and OptionError where model and front end disagree."""
    from rtsep.kernel_loading import load_without_compiler
    from rtsep.separator import load_separator

    load_without_compiler()
    job = options.job
    separator = load_separator(job.model, job.solver)
    kind = frontend_of(separator)
    if options.frontend not in (None, kind):
        raise OptionError(f"front end {options.frontend}: model {job.model} has {kind}; leave out one of the two")
    return separator


def frontend_of(separator: Separator) -> str:
    """The kind of the loaded model's front end."""
    from rtsep.separator import ModelSeparator

    assert isinstance(separator, ModelSeparator)  # no other kind is loaded
    return separator.model.spec.kind


def solver_of(separator: Separator) -> str:
    """What finds the masks: a solver of sparse codes, or a network."""
    from rtsep.separator import SparseSeparator

    return separator.solver if isinstance(separator, SparseSeparator) else "network"
