"""`rtsep bench rtf`: how fast this machine separates, over ranks; each figure from runs of `rtsep run` itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from rtsep.commands.console import print_tables
from rtsep.errors import RtsepError
from rtsep.run_report import check_report_path
from rtsep.types import Audio

RATE = 44100
RANKS = (1, 2, 3, 4, 8, 16)
Row = dict[str, str | int | float]


def bench_rtf(quick: bool, path: Path | None) -> int:
    """Measure with a synthetic song, print the table, write the rows to `path` as JSON; returns the exit code."""
    if path:
        check_report_path(path)
    rows = measure(quick)
    print_rows(rows)
    if path:
        path.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    return 0


def measure(quick: bool, songs: tuple[Path, ...] = ()) -> list[Row]:
    """Rows of medians over repeated runs, for a synthetic song and for `songs`; `quick` takes only one song."""
    ranks, n_repeats = ((1, 2), 2) if quick else (tuple(n for n in RANKS if n <= max(3, os.cpu_count() or 1)), 5)
    if shutil.which("mpirun", path=_path()) is None:
        ranks = (1,)
    with TemporaryDirectory() as folder:
        synthetic = write_synthetic_song(Path(folder), seconds=20.0)
        chosen = songs[:1] or (synthetic,) if quick else (synthetic, *songs)
        return [row for song in chosen for row in _measure_song(song, ranks, n_repeats, Path(folder))]


def write_synthetic_song(folder: Path, seconds: float) -> Path:
    """A stereo wav of chords, a wavering voice and hits of noise: dense enough to be work, and the same everywhere."""
    import soundfile

    path = folder / "synthetic.wav"
    soundfile.write(path, synthesize(seconds), RATE, subtype="FLOAT")
    return path


def synthesize(seconds: float) -> Audio:
    """The samples of the synthetic song `(n, 2)`, within full scale."""
    random = np.random.default_rng(1)
    t = np.arange(round(seconds * RATE)) / RATE
    beat = t % 0.5
    chord = sum(np.sin(2 * np.pi * f * t) / (1 + k) for k, f in enumerate((55.0, 220.0, 277.2, 329.6, 440.0, 880.0)))
    voice = sum(np.sin(2 * np.pi * 330 * h * t + 0.6 * h * np.sin(2 * np.pi * 5 * t)) / h for h in range(1, 12))
    hits = random.standard_normal(t.size) * np.exp(-30 * beat)
    song = 0.15 * chord * np.exp(-3 * beat) + 0.1 * voice + 0.2 * hits
    return np.stack([song, 0.9 * song + 0.02 * random.standard_normal(t.size)], axis=1).astype(np.float32)


def _measure_song(song: Path, ranks: tuple[int, ...], n_repeats: int, folder: Path) -> list[Row]:
    """Runs of different ranks take turns, so that whatever else the machine does falls on all of them."""
    reports: dict[int, list[Any]] = {n: [] for n in ranks}
    for _ in range(n_repeats):
        for n in ranks:
            reports[n].append(_run(song, n, folder))
    alone = median(report["rtf_without_startup"] for report in reports[ranks[0]])
    return [_row(song, n, reports[n], alone) for n in ranks]


def _run(song: Path, n_ranks: int, folder: Path) -> Any:
    """The report of one run."""
    report = folder / "report.json"
    launcher = ["mpirun", "-n", str(n_ranks)] if n_ranks > 1 else []
    options = ["--out", str(folder), "--overwrite", "--quiet", "--report", str(report)]
    command = [*launcher, sys.executable, "-m", "rtsep.cli", "run", str(song), *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": _path()})
    if done.returncode:
        raise RtsepError(f"bench: {n_ranks} ranks ended with code {done.returncode} ({done.stderr.strip()[-200:]})")
    return json.loads(report.read_text())


def _path() -> str:
    """Where programs are looked for: first beside this Python, where Open MPI is installed with rtsep."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _row(song: Path, n_ranks: int, reports: list[Any], alone: float) -> Row:
    rtf = median(report["rtf_without_startup"] for report in reports)
    return {
        "case": f"{song.stem}, {n_ranks} ranks" if n_ranks > 1 else f"{song.stem}, 1 process",
        "who": "rtsep",
        "ranks": n_ranks,
        "rtf": rtf,
        "time_over_one_rank": rtf / alone,
        "startup_seconds": median(report["startup_seconds"] for report in reports),
        "chunk_ms": median(report["chunk_ms"]["p50"] for report in reports),
        "peak_memory_mb": max(share["peak_memory_mb"] for report in reports for share in report["shares"]),
    }


def print_rows(rows: list[Row]) -> None:
    from rich.table import Table

    table = Table(*rows[0], title="RTF: separation without start-up, over audio time")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    print_tables([table])
