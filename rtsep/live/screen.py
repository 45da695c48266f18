"""The screen of `rtsep live`: meters, what is set, figures and keys, redrawn while it plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtsep.live.desk import SILENT_DB, Strip
from rtsep.live.keys import Key
from rtsep.live.report import LiveReport, Show, Tell

_NAME_WIDTH = 10
_METER_DB = 48
_METER_LENGTH = 24


@contextmanager
def open_screen(keys: tuple[Key, ...]) -> Iterator[tuple[Show, Tell]]:
    """A screen on stderr, gone afterwards; `keys` are those that are listened to. A lost terminal interrupts."""
    live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def show(report: LiveReport) -> None:
        with _interrupting():
            # The figures last: a low terminal has no room for all of them.
            live.update(Group(desk_table(report), _keys_text(keys), figures_table(report)), refresh=True)

    def tell(message: str) -> None:
        with _interrupting():
            live.console.print(f"rtsep: {message}", markup=False, highlight=False)

    live.start()
    try:
        yield show, tell
    finally:
        with suppress(OSError):
            live.stop()


def desk_table(report: LiveReport) -> Table:
    """What is set and how loud it is, for people, on the screen and at the end."""
    table = Table(title=Text(f"{report.model}: {report.source} to {report.sink}"), show_header=False)
    table.add_column(min_width=_NAME_WIDTH)
    for index, strip in enumerate(report.desk.strips):
        mark = ">" if index == report.desk.selected else " "
        table.add_row(Text(f"{mark} {index + 1} {strip.stem}"), _strip_text(strip, report.peak_dbfs[strip.stem]))
    table.add_row("  master", _master_text(report))
    table.add_row("  record", _record_text(report))
    return table


def figures_table(report: LiveReport) -> Table:
    """All other figures, those first that tell whether the sound is whole."""
    table = Table(show_header=False)
    table.add_column(min_width=_NAME_WIDTH)
    for name, value in _lines(report):
        table.add_row(name, value)
    return table


@contextmanager
def _interrupting() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeyboardInterrupt from error


def _keys_text(keys: tuple[Key, ...]) -> Columns:
    """All keys and what they do."""
    return Columns([Text.assemble((key.letter, "bold"), f" {key.word}") for key in keys], padding=(0, 2))


def _strip_text(strip: Strip, level: float) -> Text:
    """Meter, level, gain, mute and solo."""
    marks = ("  mute" if strip.muted else "", "bold red"), ("  solo" if strip.solo else "", "bold yellow")
    return Text.assemble(_level_text(level, strip.gain_db), *marks)


def _master_text(report: LiveReport) -> Text:
    """Meter, level and gain of what is played, red where it is clipped; bypass."""
    return Text.assemble(
        (_level_text(report.mix_peak_dbfs, report.desk.master_db), "bold red" if report.mix_peak_dbfs > 0 else ""),
        ("  bypass" if report.desk.bypass else "", "bold yellow"),
    )


def _record_text(report: LiveReport) -> Text:
    light = ("● recording  ", "bold red") if report.desk.recording else "○ "
    return Text.assemble(light, f"takes: {len(report.takes)}")


def _level_text(level: float, gain_db: float) -> str:
    gain = f"{gain_db:+5.0f} dB" if gain_db > SILENT_DB else "  silent"
    return f"{_meter(level)} {level:6.1f} dBFS {gain}"


def _lines(report: LiveReport) -> list[tuple[str, str]]:
    latency = [f"{name.replace('_', ' ')} {ms:.1f} ms" for name, ms in report.latency_ms.items()]
    compute = ", ".join(f"{name} {ms:.1f}" for name, ms in report.compute_ms.items()) or "nothing yet"
    callback = ", ".join(f"{name} {ms:.2f}" for name, ms in report.callback_ms.items()) or "nothing yet"
    return [
        ("time", f"{report.seconds:.1f} s, {report.sample_rate} Hz, {report.channels} channels"),
        ("misses", f"{report.misses}, {report.dry_seconds:.2f} s played dry"),
        ("device", f"{report.underruns} underruns, {report.overruns} overruns{_clocks(report.clock_ppm)}"),
        ("latency", ", ".join(latency)),
        ("compute", f"{compute} ms, deadline {report.deadline_ms:.1f} ms, {report.chunks} chunks"),
        ("callback", f"{callback} ms of {1e3 * report.block / report.sample_rate:.1f} ms a block"),
        ("blocks", f"{report.block} samples, {report.reserve_blocks} of them in reserve"),
        ("queue", f"{report.queue_samples} samples to be separated, at most {report.longest_queue_samples}"),
        ("processor", f"{report.cpu:.2f} cores; real-time priority: {report.real_time_priority or 'yes'}"),
    ]


def _clocks(ppm: float | None) -> str:
    return "" if ppm is None else f", output's clock {ppm:+.0f} ppm of the input's, made up for"


def _meter(level: float) -> str:
    """A bar from -48 dBFS to full scale."""
    n = round(_METER_LENGTH * (1 + max(level, -_METER_DB) / _METER_DB))
    return "█" * min(n, _METER_LENGTH) + "·" * (_METER_LENGTH - n)
