"""`rtsep run`: a song, or the songs of a folder, by this process alone or by all the ranks of a launcher."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import NoReturn

from rtsep.commands.computing import Conclude, Load, RunOptions, compute, frontend_of, solver_of
from rtsep.commands.console import print_tables, warn
from rtsep.commands.run_album import separate_songs
from rtsep.commands.truth import check_truth, score_stems
from rtsep.engine.process import RankRecord
from rtsep.errors import OptionError
from rtsep.file_job import FileRun, StartEngine, separate_file
from rtsep.new_file import check_new_file
from rtsep.progress import show_progress
from rtsep.run_report import Score, make_report, tables, write_json


def run(options: RunOptions) -> NoReturn:
    """Do what is asked for and end the process; under a launcher every rank has to come here."""
    separate = separate_songs if options.job.song.is_dir() else _separate_song
    compute(options, lambda load, start_engine: separate(options, load, start_engine))


def _separate_song(options: RunOptions, load: Load, start_engine: StartEngine) -> Conclude:
    if options.report:
        check_new_file(options.report)
    if options.part:
        raise OptionError(f"part {options.part}: goes with a folder of songs; leave it out")
    if options.truth:
        check_truth(options.truth, options.job)
    with show_progress(options.quiet) as progress:
        done = separate_file(options.job, load, start_engine, progress)
    return lambda records: _conclude(options, done, records)


def _score(options: RunOptions, done: FileRun) -> dict[str, Score]:
    """The scores, if there are true stems; they take longer than the separation."""
    if options.truth is None:
        return {}
    if not options.quiet:
        print("scoring the stems against the true ones", file=sys.stderr, flush=True)
    return score_stems(options.truth, options.job, done)


def _conclude(options: RunOptions, done: FileRun, records: Mapping[int, RankRecord]) -> int:
    """Tell what was done, on the console and in the JSON file; returns the exit code."""
    job = options.job
    for stem, n_clipped in done.n_clipped.items():
        if n_clipped:
            warn(f"{stem}: {n_clipped} samples clipped, as {job.audio_format} ends at full scale; wav does not")
    scores = _score(options, done)
    frontend, solver = frontend_of(done.separator), solver_of(done.separator)
    report = make_report(done, job.model, frontend, solver, records, scores)
    if options.report:
        write_json(asdict(report), options.report)
    if not options.quiet:
        print_tables(tables(report))
    return 0
