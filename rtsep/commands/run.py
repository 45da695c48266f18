"""`rtsep run`: one song, by this process alone or by all the ranks that a launcher started together."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rtsep.commands.console import guarded, print_tables, warn
from rtsep.commands.truth import check_truth, score_stems
from rtsep.engine.local import LocalEngine
from rtsep.engine.process import peak_memory_bytes, world_size
from rtsep.errors import OptionError
from rtsep.file_job import FileJob, FileRun, StartEngine, separate_file
from rtsep.progress import show_progress
from rtsep.run_report import Score, check_report_path, make_report, tables, write_report
from rtsep.types import Engine, Separator

if TYPE_CHECKING:
    from rtsep.engine.crew import Crew, Order
    from rtsep.separator import ModelSeparator

_PATIENCE_SECONDS = 4.0  # a start with kernels that are compiled takes two


@dataclass(frozen=True)
class RunOptions:
    """What `rtsep run` was asked for: the job, and what is to be told about it."""

    job: FileJob
    frontend: str | None = None
    report: Path | None = None
    truth: Path | None = None
    quiet: bool = False


def run(options: RunOptions) -> NoReturn:
    """Do what is asked for and end the process; under a launcher every rank has to come here."""
    if world_size() == 1:
        sys.exit(guarded(lambda: _run_alone(options)))
    from rtsep.engine.crew import run_ranks

    run_ranks(lambda crew: guarded(lambda: _lead(options, crew)), _import_separator, _load_ordered)


def _run_alone(options: RunOptions) -> int:
    done = _separate(options, lambda: _load(options), lambda separator, n_channels: LocalEngine(separator))
    return _conclude(options, done, {0: peak_memory_bytes()})


def _lead(options: RunOptions, crew: Crew) -> int:
    """Rank 0's part: the job, with the others at work as long as it takes."""
    from rtsep.engine.crew import Order

    job = options.job

    def load() -> Separator:
        crew.prepare()
        return _load(options)

    def start_engine(separator: Separator, n_channels: int) -> Engine:
        return crew.start(Order(job.model, job.solver, n_channels), separator)

    with crew:
        done = _separate(options, load, start_engine)
    return _conclude(options, done, {0: peak_memory_bytes(), **crew.peak_bytes})


def _separate(options: RunOptions, load: Callable[[], Separator], start_engine: StartEngine) -> FileRun:
    if options.report:
        check_report_path(options.report)
    if options.truth:
        check_truth(options.truth, options.job)
    with show_progress(options.quiet) as progress, _patience(options.quiet) as ready:

        def start(separator: Separator, n_channels: int) -> Engine:
            engine = start_engine(separator, n_channels)
            ready()
            return engine

        return separate_file(options.job, load, start, progress)


@contextmanager
def _patience(quiet: bool) -> Iterator[Callable[[], None]]:
    """Tell why nothing is to be seen where starting takes long; the function that comes back says that it is over."""
    hint = threading.Timer(_PATIENCE_SECONDS, warn, ["starting; the first time takes half a minute, as numba compiles"])
    hint.daemon = True
    if not quiet:
        hint.start()
    try:
        yield hint.cancel
    finally:
        hint.cancel()


def _load(options: RunOptions) -> ModelSeparator:
    """Load what the job asks for. Raises ModelError, and OptionError where model and front end disagree."""
    from rtsep.separator import load_separator

    job = options.job
    separator = load_separator(job.model, job.solver)
    kind = _frontend(separator)
    if options.frontend not in (None, kind):
        raise OptionError(f"front end {options.frontend}: model {job.model} has {kind}; leave out one of the two")
    return separator


def _frontend(separator: Separator) -> str:
    """The kind of the loaded model's front end."""
    from rtsep.separator import ModelSeparator

    assert isinstance(separator, ModelSeparator)  # no other kind is loaded
    return separator.model.spec.kind


def _solver(separator: Separator) -> str:
    """What finds the masks: a solver of sparse codes, or a network."""
    from rtsep.separator import SparseSeparator

    return separator.solver if isinstance(separator, SparseSeparator) else "network"


def _import_separator() -> None:
    """Import what separating takes; compiling anything, even nothing, makes numba import the rest of itself."""
    from numba import njit

    import rtsep.separator  # noqa: F401

    @njit()
    def nothing() -> None:
        pass

    nothing()


def _load_ordered(order: Order) -> ModelSeparator:
    from rtsep.separator import load_separator

    return load_separator(order.model, order.solver)


def _score(options: RunOptions, done: FileRun) -> dict[str, Score]:
    """The scores, if there are true stems; they take longer than the separation."""
    if options.truth is None:
        return {}
    if not options.quiet:
        print("scoring the stems against the true ones", file=sys.stderr, flush=True)
    return score_stems(options.truth, options.job, done)


def _conclude(options: RunOptions, done: FileRun, peak_bytes: Mapping[int, int]) -> int:
    """Tell what was done, on the console and in the JSON file; returns the exit code."""
    job = options.job
    for stem, n_clipped in done.n_clipped.items():
        if n_clipped:
            warn(f"{stem}: {n_clipped} samples clipped, as {job.audio_format} ends at full scale; wav does not")
    scores = _score(options, done)
    solver = _solver(done.separator)
    report = make_report(done, job.model, _frontend(done.separator), solver, peak_bytes, scores)
    if options.report:
        write_report(report, options.report)
    if not options.quiet:
        print_tables(tables(report))
    return 0
