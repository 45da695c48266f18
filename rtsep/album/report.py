"""The report of many songs: what became of each, how fast they went, and who did what; as tables and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from rtsep.album.plan import PlannedSong
from rtsep.album.run import AlbumRun
from rtsep.engine.process import RankRecord
from rtsep.run_report import RankShare, rank_shares, rank_table

SEPARATED, KEPT, FAILED = "separated", "kept", "failed"


@dataclass(frozen=True)
class SongLine:
    """One song: `busy_seconds` of computing on all ranks; `clipped_samples` of its stems; `fault` where it failed."""

    song: str
    status: str
    audio_seconds: float
    chunks: int
    busy_seconds: float
    clipped_samples: Mapping[str, int]
    fault: str


@dataclass(frozen=True)
class AlbumReport:
    """Figures of many songs; RTF is wall time over the audio that was separated, not over that which was kept."""

    folder: str
    model: str
    frontend: str
    solver: str
    ranks: int
    songs: tuple[SongLine, ...]
    status: Mapping[str, int]
    audio_seconds: float
    wall_seconds: float
    startup_seconds: float
    rtf: float | None
    rtf_without_startup: float | None
    shares: tuple[RankShare, ...]


def make_album_report(
    done: AlbumRun, folder: Path, model: str, frontend: str, solver: str, records: Mapping[int, RankRecord]
) -> AlbumReport:
    """The figures of `done` by the ranks whose records are given; RTF is None where nothing was separated."""
    lines = tuple(_line(done, song, folder) for song in done.songs)
    audio_seconds = sum(line.audio_seconds for line in lines if line.status == SEPARATED)
    computed = [chunk for run in done.runs.values() for chunk in run.computed]
    return AlbumReport(
        folder=str(folder),
        model=model,
        frontend=frontend,
        solver=solver,
        ranks=len(records),
        songs=lines,
        status=dict(Counter(line.status for line in lines)),
        audio_seconds=audio_seconds,
        wall_seconds=done.done,
        startup_seconds=done.ready,
        rtf=done.done / audio_seconds if audio_seconds else None,
        rtf_without_startup=(done.done - done.ready) / audio_seconds if audio_seconds else None,
        shares=rank_shares(computed, records, done.done - done.ready),
    )


def album_tables(report: AlbumReport) -> list[Table]:
    """The report for people: the songs, the whole, the ranks."""
    title = f"{report.model} ({report.frontend}, {report.solver}) on {report.folder}"
    songs = Table("song", "audio s", "chunks", "busy s", "what became of it", title=title)
    for line in report.songs:
        figures = (f"{line.audio_seconds:.1f}", str(line.chunks), f"{line.busy_seconds:.2f}")
        songs.add_row(line.song, *figures, f"{line.status}: {line.fault}" if line.fault else line.status)
    whole = Table(show_header=False)
    whole.add_row("songs", ", ".join(f"{n} {status}" for status, n in report.status.items()))
    whole.add_row("separated", f"{report.audio_seconds:.2f} s of audio")
    whole.add_row("wall time", f"{report.wall_seconds:.2f} s, of it start-up {report.startup_seconds:.2f} s")
    if report.rtf is not None:
        whole.add_row("RTF", f"{report.rtf:.3f}, without start-up {report.rtf_without_startup:.3f}")
    whole.add_row("ranks", str(report.ranks))
    return [songs, whole, rank_table(report.shares)]


def _line(done: AlbumRun, song: PlannedSong, folder: Path) -> SongLine:
    run = done.runs.get(song.job)
    fault = done.faults.get(song.job, "")
    return SongLine(
        song=str(song.job.song.relative_to(folder)),
        status=FAILED if fault else KEPT if song.kept else SEPARATED,
        audio_seconds=song.n_samples / song.info.sample_rate if song.info else 0.0,
        chunks=len(run.computed) if run else 0,
        busy_seconds=sum(seconds for _, seconds in run.computed) if run else 0.0,
        clipped_samples={stem: n for stem, n in run.n_clipped.items() if n} if run else {},
        fault=fault,
    )
