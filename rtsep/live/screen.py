"""The screen of `rtsep live`: meters, what is set, figures and keys, redrawn while it plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtsep.live.desk import SILENT_DB, Strip
from rtsep.live.keys import Key
from rtsep.live.report import LiveReport, Show, Tell

_METER_DB = 48
_METER_LENGTH = 24


@contextmanager
def open_screen(keys: tuple[Key, ...]) -> Iterator[tuple[Show, Tell]]:
    """A screen on stderr, gone afterwards; `keys` are those that are listened to."""
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

        def show(report: LiveReport) -> None:
            live.update(Group(live_table(report), keys_text(keys)) if keys else live_table(report), refresh=True)

        def tell(message: str) -> None:
            live.console.print(f"rtsep: {message}", markup=False, highlight=False)

        yield show, tell


def live_table(report: LiveReport) -> Table:
    """The report for people, on the screen and at the end."""
    table = Table(title=f"{report.model}: {report.source} to {report.sink}", show_header=False)
    for index, strip in enumerate(report.desk.strips):
        mark = ">" if index == report.desk.selected else " "
        table.add_row(f"{mark} {index + 1} {strip.stem}", strip_text(strip, report.peak_dbfs[strip.stem]))
    table.add_row("  master", _master_text(report), end_section=True)
    for name, value in _lines(report):
        table.add_row(name, value)
    return table


def keys_text(keys: tuple[Key, ...]) -> Text:
    """All keys and what they do."""
    # None of them is broken over two lines.
    parts = [part for key in keys for part in ((key.letter, "bold"), f" {key.word}".replace(" ", "\xa0"), "  ")]
    return Text.assemble(*parts, overflow="fold")


def strip_text(strip: Strip, level: float) -> Text:
    """Meter, level, gain, mute and solo."""
    gain = f"{strip.gain_db:+5.0f} dB" if strip.gain_db > SILENT_DB else "  silent"
    marks = ("  mute" if strip.muted else "", "bold red"), ("  solo" if strip.solo else "", "bold yellow")
    return Text.assemble(f"{_meter(level)} {level:6.1f} dBFS {gain}", *marks)


def _master_text(report: LiveReport) -> Text:
    desk = report.desk
    return Text.assemble(
        f"{desk.master_db:+.0f} dB" if desk.master_db > SILENT_DB else "silent",
        ("  bypass" if desk.bypass else "", "bold yellow"),
        ("  ● recording" if desk.recording else "", "bold red"),
        f"  takes: {len(report.takes)}" if report.takes else "",
    )


def _lines(report: LiveReport) -> list[tuple[str, str]]:
    latency = [f"{name.replace('_', ' ')} {ms:.1f} ms" for name, ms in report.latency_ms.items()]
    compute = ", ".join(f"{name} {ms:.1f}" for name, ms in report.compute_ms.items()) or "nothing yet"
    return [
        ("time", f"{report.seconds:.1f} s, {report.sample_rate} Hz, {report.channels} channels"),
        ("blocks", f"{report.block} samples, {report.reserve_blocks} of them in reserve"),
        ("latency", ", ".join(latency)),
        ("compute", f"{compute} ms, deadline {report.deadline_ms:.1f} ms, {report.chunks} chunks"),
        ("misses", f"{report.misses}, {report.dry_seconds:.2f} s played dry"),
        ("device", f"{report.underruns} underruns, {report.overruns} overruns{_clocks(report.clock_ppm)}"),
        ("queue", f"{report.queue_samples} samples to be separated, at most {report.longest_queue_samples}"),
        ("processor", f"{report.cpu:.2f} cores; real-time priority: {report.real_time_priority or 'yes'}"),
    ]


def _clocks(ppm: float | None) -> str:
    return "" if ppm is None else f", output's clock {ppm:+.0f} ppm of the input's, made up for"


def _meter(level: float) -> str:
    """A bar from -48 dBFS to full scale."""
    n = round(_METER_LENGTH * (1 + max(level, -_METER_DB) / _METER_DB))
    return "█" * min(n, _METER_LENGTH) + "·" * (_METER_LENGTH - n)
