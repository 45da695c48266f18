"""The command line: `main`, which under a launcher joins the ranks before anything that takes time."""

# Every rank imports what is imported here, but options only rank 0 reads; NumPy waits until the threads are limited.

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from rtsep.commands.console import REFUSED, guarded, warn
from rtsep.engine.process import heed_signals, use_one_thread, world_rank, world_size

if TYPE_CHECKING:
    from typer import TyperException

_NUMBERS = {"int_parsing": "a whole number", "float_parsing": "a number"}
_LED = ("run", "live")  # under a launcher rank 0 alone reads their options


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command. The exit code is 2 for what the caller can mend, 130 after an interruption."""
    use_one_thread()
    heed_signals()
    words = sys.argv[1:] if arguments is None else arguments
    led = world_size() > 1 and any(command in words[:1] for command in _LED)
    if led:
        _join(words[0])
    if world_rank() > 0:
        sys.stdout = open(os.devnull, "w")  # rank 0 alone speaks; tracebacks go to stderr  # noqa: SIM115
    # pathlib takes an empty name for the current folder: what a shell's variable lacked would be all that is there.
    if empty := [word for word in words if not word or (word.startswith("--") and word.endswith("="))]:
        _refuse(f"argument {empty[0]!r}: it says nothing; leave it out, or look at what should stand there", led)
    import typer

    from rtsep.cli.app import app

    try:
        task = app(arguments, standalone_mode=False)
    except typer.TyperException as error:
        _refuse(f"{_slip(error)}; see --help", led)
    if led and not callable(task):
        _dismiss(task)
    code = guarded(task) if callable(task) else task
    # A launcher ends the job at the first bad exit code, maybe before rank 0 has told why.
    sys.exit(code if world_rank() == 0 else 0)


def _slip(error: TyperException) -> str:
    """What is wrong with the options, without the words of the library that checks types."""
    option = getattr(error, "param", None)
    for fault in getattr(error.__cause__, "errors", list)():  # pydantic's
        if option and (wanted := _NUMBERS.get(fault["type"])):
            return f"{option.opts[0]} {fault['input']}: it must be {wanted}"
    return error.format_message().replace("Value error, ", "").rstrip(".")


def _dismiss(code: int) -> NoReturn:
    """Send the other ranks home, and end with `code`."""
    from rtsep.engine.crew import dismiss_all

    dismiss_all(code)


def _join(command: str) -> None:
    """Join the ranks before all that takes time; those but 0 hear from it what there is to do."""
    from rtsep.engine.joining import connect

    connect()
    if world_rank() > 0:
        from rtsep.commands.following import follow

        follow(command)


def _refuse(message: str, led: bool) -> NoReturn:
    """End in one line, on all ranks together if there are several."""
    if led:
        warn(message)
        _dismiss(REFUSED)
    if world_size() > 1:
        from rtsep.engine.ending import leave_together

        leave_together(lambda: warn(message), REFUSED)
    warn(message)
    sys.exit(REFUSED)
