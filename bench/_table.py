"""What every bench script shares: its two options, a table on the console, and `rows` as JSON.

A row is a plain dict: `case`, `who` (`rtsep` or the peer's name), and numbers whose names carry the unit
(`ms_per_column`, `rtf`, `sdr_db`). Rows of one bench may lack a column that others have.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

Row = dict[str, str | int | float]
_WIDE = 240  # of a file


def bench_parser(doc: str | None) -> argparse.ArgumentParser:
    """The command line of a bench whose question is the first line of `doc`; a script may add options of its own."""
    parser = argparse.ArgumentParser(description=question(doc))
    parser.add_argument("--quick", action="store_true", help="fewer cases and repeats: ends within 40 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
    return parser


def publish(doc: str | None, rows: Sequence[Row], path: Path | None, **more: object) -> None:
    """Print `rows` under the question, and write `{"rows": [...]}` and what is `more` to `path` if there is one."""
    names = columns(rows)
    table = Table(title=question(doc), title_justify="left")
    for name in names:
        table.add_column(name, justify="left" if name in ("case", "who") else "right")
    for row in rows:
        table.add_row(*cells(row, names))
    (Console() if sys.stdout.isatty() else Console(width=_WIDE)).print(table)
    if path:
        path.write_text(json.dumps({"rows": list(rows), **more}, indent=1) + "\n", encoding="utf-8")


def markdown(rows: Sequence[Row]) -> str:
    """The same table in Markdown."""
    names = columns(rows)
    rule = ["---" if name in ("case", "who") else "---:" for name in names]
    lines = [names, rule, *(cells(row, names) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def question(doc: str | None) -> str:
    """The first line of a script's docstring."""
    return (doc or "").strip().partition("\n")[0]


def columns(rows: Sequence[Row]) -> list[str]:
    """The names of all columns, in the order in which the rows bring them."""
    return list(dict.fromkeys(name for row in rows for name in row))


def cells(row: Row, names: Sequence[str]) -> list[str]:
    """The texts of one row; empty where it lacks the column."""
    return [_text(row[name]) if name in row else "" for name in names]


def _text(value: str | int | float) -> str:
    """Three significant digits; large numbers whole, without an exponent."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
