"""`rtsep run` on a folder: all its songs in one go, and a summary at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from rtsep.album.plan import album_jobs, jobs_of_part, parse_part
from rtsep.album.report import album_tables, make_album_report
from rtsep.album.run import AlbumRun, separate_album
from rtsep.commands.computing import Conclude, Load, RunOptions, frontend_of, solver_of
from rtsep.commands.console import REFUSED, print_tables, warn
from rtsep.engine.process import RankRecord
from rtsep.errors import OptionError
from rtsep.file_job import StartEngine
from rtsep.io.names import printable
from rtsep.new_file import check_new_file
from rtsep.progress import show_progress
from rtsep.run_report import write_json


def separate_songs(options: RunOptions, load: Load, start_engine: StartEngine) -> Conclude:
    """Separate the songs of a folder; the exit code is 2 if any of them failed. Raises RtsepError."""
    if options.report:
        check_new_file(options.report)
    if options.truth:
        raise OptionError(f"truth {options.truth}: goes with one song; score many by rtsep evaluate")
    jobs = album_jobs(options.job)
    if options.part:
        jobs = jobs_of_part(jobs, parse_part(options.part))
    with show_progress(options.quiet) as progress:
        done = separate_album(jobs, load, start_engine, progress, warn)
    return lambda records: _conclude(options, done, records)


def _conclude(options: RunOptions, done: AlbumRun, records: Mapping[int, RankRecord]) -> int:
    """Tell what was done, on the console and in the JSON file; returns the exit code."""
    job = options.job
    for song, run in done.runs.items():
        for stem, n_clipped in run.n_clipped.items():
            if n_clipped:
                where = printable(song.folder / f"{stem}.{job.audio_format}")
                warn(f"{where}: {n_clipped} samples clipped, as {job.audio_format} ends at full scale; wav does not")
    frontend, solver = frontend_of(done.separator), solver_of(done.separator)
    report = make_album_report(done, job.song, job.model, frontend, solver, records)
    if options.report:
        write_json(asdict(report), options.report)
    if not options.quiet:
        print_tables(album_tables(report))
    return REFUSED if done.faults else 0
