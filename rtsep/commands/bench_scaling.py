"""`rtsep bench scaling`: speed over ranks on this machine or cluster; each figure from runs of `rtsep run` itself."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from rtsep.commands.console import print_tables
from rtsep.engine.process import own_cores
from rtsep.errors import OptionError, RtsepError
from rtsep.io.audio_file import open_audio
from rtsep.model_file import model_path
from rtsep.new_file import check_new_file
from rtsep.run_report import write_json
from rtsep.types import Audio

RATE = 44100
Row = dict[str, str | int | float]
_SHOWN = {
    "model": "model",
    "ranks": "ranks",
    "rtf": "RTF",
    "speedup": "speed-up",
    "efficiency": "efficiency",
    "idle_share": "idle",
    "message_ms": "message ms",
    "chunk_ms": "chunk ms",
    "startup_seconds": "start s",
    "peak_memory_mb": "peak MB",
}


@dataclass(frozen=True)
class ScalingOptions:
    """What to measure: `ranks` from the fewest on, each with each model; `song`, or `seconds` of a synthetic one.

    `launcher` starts as many processes as the number behind its `-n`; `cores` is what all of them share, this
    machine's if None. Runs of different ranks take turns, `repeats` of each.
    """

    models: tuple[str, ...]
    ranks: tuple[int, ...]
    song: Path | None = None
    seconds: float = 180.0
    repeats: int = 3
    launcher: str = "mpirun"
    cores: int | None = None


def parse_ranks(text: str) -> tuple[int, ...]:
    """The numbers of ranks in "1,2,4". Raises OptionError."""
    words = text.split(",")
    if not all(word.isdigit() and int(word) > 0 for word in words):
        raise OptionError(f"ranks {text}: must be numbers above 0, as in 1,2,4")
    return tuple(sorted(set(map(int, words))))


def bench_scaling(options: ScalingOptions, path: Path | None, picture: Path | None) -> int:
    """Measure, print the table, write the rows to `path` as JSON and draw `picture`; returns the exit code."""
    for what, file in (("report", path), ("picture", picture)):
        if file:
            check_new_file(file, what)
    _check(options)
    rows = measure(options)
    print_rows(rows)
    if path:
        write_json({"rows": rows}, path)
    if picture:
        from rtsep.commands.scaling_figure import draw_scaling

        draw_scaling(rows, picture)
    return 0


def _check(options: ScalingOptions) -> None:
    """Refuse what can be known to fail before anything is measured. Raises RtsepError."""
    for name, number in (("repeats", options.repeats), ("cores", options.cores)):
        if number is not None and number < 1:
            raise OptionError(f"{name} {number}: must be 1 or more; leave it out for the usual number")
    for model in options.models:
        model_path(model)
    if options.song:
        with open_audio(options.song):
            pass
    if max(options.ranks) > 1:
        _check_launcher(options.launcher)


def _check_launcher(launcher: str) -> None:
    try:
        program = next(iter(shlex.split(launcher)), "")
    except ValueError as error:
        raise OptionError(f"launcher {launcher}: cannot be read ({error}); write it as for a shell") from error
    if shutil.which(program, path=_path()) is None:
        raise OptionError(f"launcher {launcher}: is not installed; give another, or --ranks 1")


def measure(options: ScalingOptions) -> list[Row]:
    """A row for each model and number of ranks: medians over repeated runs. Raises RtsepError."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        song = options.song or write_synthetic_song(folder, options.seconds)
        return [row for model in options.models for row in _measure_model(model, song, options, folder)]


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


def _measure_model(model: str, song: Path, options: ScalingOptions, folder: Path) -> list[Row]:
    """Runs of different ranks take turns, so that whatever else the machine does falls on all of them."""
    reports: dict[int, list[Any]] = {n: [] for n in options.ranks}
    for _ in range(options.repeats):
        for n in options.ranks:
            reports[n].append(run_once(model, song, n, options.launcher, folder))
    cores = options.cores or len(own_cores())
    return [_row(model, n, reports, cores) for n in options.ranks]


def run_once(model: str, song: Path, n_ranks: int, launcher: str, folder: Path) -> Any:
    """The report of one run, whose files go to `folder`; a single rank needs no launcher. Raises RtsepError."""
    report = folder / "report.json"
    launch = [*shlex.split(launcher), "-n", str(n_ranks)] if n_ranks > 1 else []
    options = ["--model", model, "--out", str(folder), "--overwrite", "--quiet", "--report", str(report)]
    command = [*launch, sys.executable, "-m", "rtsep.cli", "run", str(song), *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": _path()})
    if done.returncode:
        lines = done.stderr.splitlines()
        told = next((line for line in lines if line.startswith("rtsep: ")), lines[-1] if lines else "nothing was told")
        raise RtsepError(f"bench: {n_ranks} ranks ended with code {done.returncode} ({told}); mend that first")
    return json.loads(report.read_text())


def _path() -> str:
    """Where programs are looked for: first beside this Python, where Open MPI is installed with rtsep."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _row(model: str, n_ranks: int, reports: dict[int, list[Any]], cores: int) -> Row:
    """Medians over the runs of `n_ranks`. Speed-up is over the fewest ranks, turn by turn, efficiency over cores."""
    fewest = min(reports)
    own = reports[n_ranks]
    turns = [
        (few["rtf_without_startup"], report["rtf_without_startup"])
        for few, report in zip(reports[fewest], own, strict=True)
    ]
    rtf = median(many for _, many in turns)
    speedup = fewest * median(few / many for few, many in turns)
    return {
        "case": f"{model}, {n_ranks} ranks" if n_ranks > 1 else f"{model}, 1 process",
        "who": "rtsep",
        "model": model,
        "ranks": n_ranks,
        "audio_seconds": own[0]["audio_seconds"],
        "rtf": rtf,
        "speedup": speedup,
        "efficiency": speedup / min(n_ranks, cores),
        "idle_share": median(mean(share["idle_share"] for share in report["shares"]) for report in own),
        "message_ms": median(_message_ms(report) for report in own),
        "chunk_ms": median(report["chunk_ms"]["p50"] for report in own),
        "startup_seconds": median(report["startup_seconds"] for report in own),
        "peak_memory_mb": max(share["peak_memory_mb"] for report in own for share in report["shares"]),
    }


def _message_ms(report: Any) -> float:
    """What the messages of a chunk take, on both ends together, for each chunk that travelled."""
    n_sent: int = sum(share["chunks"] for share in report["shares"] if share["rank"] > 0)
    seconds: float = sum(share["message_seconds"] for share in report["shares"])
    return 1e3 * seconds / max(1, n_sent)


def print_rows(rows: list[Row]) -> None:
    from rich.table import Table

    table = Table(*_SHOWN.values(), title="RTF without start-up; efficiency: speed-up over ranks or cores, the fewer")
    for row in rows:
        cells = (row[name] for name in _SHOWN)
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in cells))
    print_tables([table])
