"""`rtsep bench latency`: how late live sound is on this machine, by impulses over a cable from output to input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NoReturn

from rtsep.commands.console import print_tables, warn
from rtsep.commands.live import LiveOptions, end_after, plan_job
from rtsep.engine.local import LocalEngine
from rtsep.errors import OptionError
from rtsep.io.quiet import leave_stderr_to_python
from rtsep.live.probe import Echoes, Probe
from rtsep.live.report import LiveReport
from rtsep.live.session import play
from rtsep.new_file import check_new_file
from rtsep.run_report import write_json

N_IMPULSES = 10
Row = dict[str, str | float]


def bench_latency(options: LiveOptions, path: Path | None) -> NoReturn:
    """Measure, print the table, write the rows to `path` as JSON, and end the process."""
    leave_stderr_to_python()
    end_after(lambda: _bench(options, path))


def _bench(options: LiveOptions, path: Path | None) -> int:
    if path:
        check_new_file(path)
    rows = measure(options)
    print_rows(rows)
    if path:
        write_json({"rows": rows}, path)
    return 0


def measure(options: LiveOptions) -> list[Row]:
    """Rows of what is declared and what impulses took, in milliseconds, of the way outside, inside, and of both.

    Raises OptionError without an output to send them to, DeviceError where they do not come back.
    """
    job, separator = plan_job(options, None)
    if job.ends.output is None:
        raise OptionError("output none: impulses need one; give the --output that a cable leads from")
    spacing = max(job.plan.delay + job.plan.rate // 4, job.plan.rate // 2)
    probe = Probe((N_IMPULSES + 2) * spacing, spacing)
    timed = replace(job, n_samples=(N_IMPULSES + 2) * spacing, probe=probe)
    played = play(timed, separator, LocalEngine(separator), lambda report: None, warn)
    if played.error:
        raise played.error
    report = played.report
    if report.misses:
        warn(f"{report.misses} misses: the stems came too late, and the dry signal, as late as they, was measured")
    return _rows(report, probe.echoes())


def _rows(report: LiveReport, echoes: Echoes) -> list[Row]:
    declared = report.latency_ms
    outside = declared["device"] + declared.get("bridge", 0.0)
    both = [out + back for out, back in zip(echoes.outside, echoes.inside, strict=True)]
    return [
        _row("output, cable, input", outside, echoes.outside, report.sample_rate),
        _row("input to output", declared["end_to_end"] - outside, echoes.inside, report.sample_rate),
        _row("end to end", declared["end_to_end"], both, report.sample_rate),
    ]


def _row(case: str, declared_ms: float, samples: list[int] | tuple[int, ...], rate: int) -> Row:
    return {
        "case": case,
        "declared_ms": declared_ms,
        "measured_ms": 1e3 * median(samples) / rate,
        "least_ms": 1e3 * min(samples) / rate,
        "most_ms": 1e3 * max(samples) / rate,
        "impulses": len(samples),
    }


def print_rows(rows: list[Row]) -> None:
    from rich.table import Table

    table = Table(*rows[0], title="Latency by impulses over a cable")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    print_tables([table])
