"""The report of a run: how fast, how late, how much memory, and who did what; as a table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from rtsep.engine.process import RankRecord
from rtsep.file_job import FileRun
from rtsep.new_file import new_file

MB = 1e6


@dataclass(frozen=True)
class Latency:
    """One part of the way from a sample to its stems, in samples at the model's rate and in milliseconds."""

    samples: int
    ms: float


@dataclass(frozen=True)
class RankShare:
    """What one rank did: chunks, seconds spent on them and on messages, its share of all chunks, and its peak memory.

    `idle_share` is the share of the time after start-up in which it had neither a chunk nor a message at hand; `fate`
    is "died" or "stalled" for a rank that did not see the end, whose figures are 0.
    """

    rank: int
    chunks: int
    busy_seconds: float
    message_seconds: float
    idle_share: float
    share: float
    peak_memory_mb: float
    unshared_memory_mb: float
    fate: str


@dataclass(frozen=True)
class Score:
    """BSS Eval v4: medians over the song's windows in dB; `gain` is SDR less the SDR of the unseparated mixture."""

    sdr_db: float
    sir_db: float
    sar_db: float
    mixture_sdr_db: float
    gain_db: float


@dataclass(frozen=True)
class RunReport:
    """Figures of one run. RTF is wall time over audio time, the wall time counted from the start of the process."""

    song: str
    model: str
    frontend: str
    solver: str
    ranks: int
    sample_rate: int
    channels: int
    audio_seconds: float
    wall_seconds: float
    startup_seconds: float
    rtf: float
    rtf_without_startup: float
    chunk_ms: Mapping[str, float]
    latency: Mapping[str, Latency]
    shares: tuple[RankShare, ...]
    clipped_samples: Mapping[str, int]
    scores: Mapping[str, Score]


def make_report(
    run: FileRun, model: str, frontend: str, solver: str, records: Mapping[int, RankRecord], scores: Mapping[str, Score]
) -> RunReport:
    """The figures of `run` by the ranks whose records are given."""
    audio_seconds = run.n_samples / run.info.sample_rate
    chunk_ms = 1e3 * np.array([seconds for _, seconds in run.computed])
    percentiles = np.percentile(chunk_ms, (50, 95, 99, 100))
    return RunReport(
        song=str(run.info.path),
        model=model,
        frontend=frontend,
        solver=solver,
        ranks=len(records),
        sample_rate=run.info.sample_rate,
        channels=run.info.n_channels,
        audio_seconds=audio_seconds,
        wall_seconds=run.done,
        startup_seconds=run.ready,
        rtf=run.done / audio_seconds,
        rtf_without_startup=(run.done - run.ready) / audio_seconds,
        chunk_ms=dict(zip(("p50", "p95", "p99", "max"), map(float, percentiles), strict=True)),
        latency=_latency(run, float(percentiles[0])),
        shares=rank_shares(run.computed, records, run.done - run.ready),
        clipped_samples={stem: n for stem, n in run.n_clipped.items() if n},
        scores=dict(scores),
    )


def write_json(report: Any, path: Path) -> None:
    """Write plain data as JSON, whole or not at all; null for what is not finite. Raises OutputError."""
    with new_file(path) as scratch:
        scratch.write_text(json.dumps(_json_value(report), indent=1, allow_nan=False) + "\n")


def tables(report: RunReport) -> list[Table]:
    """The report for people: the run, the ranks, and the scores if there are any."""
    run = Table(title=f"{report.model} ({report.frontend}, {report.solver}) on {report.song}", show_header=False)
    for name, value in _lines(report):
        run.add_row(name, value)
    return [run, rank_table(report.shares), *([_score_table(report.scores)] if report.scores else [])]


def rank_shares(
    computed: Sequence[tuple[int, float]], records: Mapping[int, RankRecord], wall_seconds: float
) -> tuple[RankShare, ...]:
    """What each rank did of the chunks, given their ranks and seconds, in `wall_seconds` after start-up."""
    seconds: dict[int, list[float]] = {rank: [] for rank in sorted(records)}
    for rank, chunk_seconds in computed:
        seconds[rank].append(chunk_seconds)
    return tuple(_share(rank, own, len(computed), records[rank], wall_seconds) for rank, own in seconds.items())


def _share(rank: int, own: Sequence[float], n_chunks: int, record: RankRecord, wall_seconds: float) -> RankShare:
    busy = sum(own)
    return RankShare(
        rank=rank,
        chunks=len(own),
        busy_seconds=busy,
        message_seconds=record.message_seconds,
        idle_share=max(0.0, 1 - (busy + record.message_seconds) / wall_seconds),
        share=len(own) / max(1, n_chunks),
        peak_memory_mb=record.peak_bytes / MB,
        unshared_memory_mb=record.unshared_bytes / MB,
        fate=record.fate,
    )


def rank_table(shares: Sequence[RankShare]) -> Table:
    """What each rank did, for people; those that had nothing to do are counted in the last row."""
    table = Table("rank", "chunks", "share", "busy s", "messages s", "idle", "peak MB", "own MB")
    told = [share for share in shares if share.chunks or share.fate or share.rank == 0]
    for share in told:
        seconds = (f"{share.busy_seconds:.2f}", f"{share.message_seconds:.2f}")
        memory = (f"{share.peak_memory_mb:.0f}", f"{share.unshared_memory_mb:.0f}")
        shown = (
            f"{share.share:.0%}",
            *seconds,
            f"{share.idle_share:.0%}",
            *(memory if not share.fate else (share.fate, "")),
        )
        table.add_row(str(share.rank), str(share.chunks), *shown)
    if rest := len(shares) - len(told):
        table.add_row(f"{rest} more", "0", "0%", "", "", "100%")
    return table


def _json_value(value: Any) -> Any:
    """The value with None for what JSON has no number for: the scores of a silent stem."""
    if isinstance(value, dict):
        return {name: _json_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(report: RunReport) -> list[tuple[str, str]]:
    """Name and value of each line of the first table."""
    ms = report.chunk_ms
    parts = [f"{name} {part.ms:.0f} ms ({part.samples} samples)" for name, part in report.latency.items()]
    return [
        ("audio", f"{report.audio_seconds:.2f} s, {report.sample_rate} Hz, {report.channels} channels"),
        ("wall time", f"{report.wall_seconds:.2f} s, of it start-up {report.startup_seconds:.2f} s"),
        ("RTF", f"{report.rtf:.3f}, without start-up {report.rtf_without_startup:.3f}"),
        ("ranks", str(report.ranks)),
        ("chunk", f"p50 {ms['p50']:.1f} ms, p95 {ms['p95']:.1f}, p99 {ms['p99']:.1f}, max {ms['max']:.1f}"),
        ("latency", "\n".join(parts)),
    ]


def _score_table(scores: Mapping[str, Score]) -> Table:
    table = Table("stem", "SDR dB", "SIR dB", "SAR dB", "mixture's SDR dB", "gain dB", title="BSS Eval v4, medians")
    for stem, score in scores.items():
        table.add_row(stem, *(f"{value:.2f}" for value in asdict(score).values()))
    return table


def _latency(run: FileRun, chunk_ms: float) -> dict[str, Latency]:
    """The parts of the latency of a live stream cut in the same way; resampling only where there is any."""
    rate, shape = run.separator.sample_rate, run.separator.shape
    parts = {
        "algorithmic": shape.latency / rate,
        "resampling": run.resampling_seconds,
        "buffering": shape.advance / rate,
        "compute": chunk_ms / 1e3,
    }
    return {name: Latency(round(s * rate), 1e3 * s) for name, s in parts.items() if s or name != "resampling"}
