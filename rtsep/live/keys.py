"""The keys of `rtsep live`: what each does, and the terminal that they are read from."""

from __future__ import annotations

import os
import re
import select
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rtsep.last_will import LastWill
from rtsep.live.desk import PRESETS, Change, Desk, Strip, change_strip, open_all, set_gain, set_master, use_preset
from rtsep.live.steering import Changes
from rtsep.live.thread import start_thread

_STDIN = 0
_STEP_DB = 1.0
# As a shell that is in the background, which else would be stopped; the screen has hidden the cursor.
_RESTORE = r"trap '' TTOU; stty $1 <$2; printf '\033[?25h' >$2"
# What arrow and function keys send: it begins with ESC, and has letters and digits that are keys of ours.
_SEQUENCE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)


@dataclass(frozen=True)
class Key:
    """A key, the word for it on the screen, and what it changes."""

    letter: str
    word: str
    change: Change


def make_keys(stems: tuple[str, ...]) -> tuple[Key, ...]:
    """All keys for these stems, in the order of the screen."""
    choices = [Key(str(i + 1), stem, partial(_select, index=i)) for i, stem in enumerate(stems[:9])]
    letters = dict(zip("kidl", PRESETS, strict=True))
    presets = [
        Key(letter, name, partial(use_preset, preset=name))
        for letter, name in letters.items()
        if PRESETS[name].stem in stems
    ]
    return (
        *choices,
        Key("+", "louder", partial(_louder, by_db=_STEP_DB)),
        Key("-", "softer", partial(_louder, by_db=-_STEP_DB)),
        Key("m", "mute", partial(_on_selected, change=lambda strip: replace(strip, muted=not strip.muted))),
        Key("s", "solo", partial(_on_selected, change=lambda strip: replace(strip, solo=not strip.solo))),
        Key(".", "master up", lambda desk: set_master(desk, desk.master_db + _STEP_DB)),
        Key(",", "master down", lambda desk: set_master(desk, desk.master_db - _STEP_DB)),
        Key("a", "all stems", open_all),
        *presets,
        Key("b", "bypass", lambda desk: replace(desk, bypass=not desk.bypass)),
        Key("r", "record", lambda desk: replace(desk, recording=not desk.recording)),
        Key("q", "quit", lambda desk: replace(desk, ended=True)),
    )


@contextmanager
def keyboard(keys: tuple[Key, ...], changes: Changes) -> Iterator[bool]:
    """Put the changes of keys that are pressed into `changes`; False where there is no terminal to read them from.

    The terminal gives each key at once, does not show it, and does not suspend the sound by Ctrl-Z; afterwards it is as
    it was, also where Ctrl-\\ or something else has killed this process.
    """
    terminal = _terminal()
    if terminal is None:
        yield False
        return
    before = termios.tcgetattr(terminal)
    wake, waker = os.pipe()
    thread = start_thread(partial(_read, terminal, wake, keys, changes), "rtsep-keys")
    try:
        with _restoring(terminal):
            termios.tcsetattr(terminal, termios.TCSADRAIN, _at_once(terminal))
            yield True
    finally:
        with suppress(termios.error):  # where the terminal is gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        os.close(waker)
        thread.join()
        os.close(wake)


def pressed(read: bytes, keys: tuple[Key, ...]) -> list[Change]:
    """The changes that the bytes of a terminal ask for."""
    found = {key.letter: key.change for key in keys} | {"=": _find(keys, "+").change}  # + without shift
    letters = _SEQUENCE.sub(b"", read).decode("ascii", "ignore")
    return [found[letter] for letter in letters if letter in found]


def _find(keys: tuple[Key, ...], letter: str) -> Key:
    return next(key for key in keys if key.letter == letter)


def _terminal() -> int | None:
    """Standard input, if it is a terminal that is ours: one that belongs to another job stops who touches it."""
    if not os.isatty(_STDIN):
        return None
    with suppress(OSError):  # a terminal without jobs
        if os.tcgetpgrp(_STDIN) != os.getpgrp():
            return None
    return _STDIN


def _restoring(terminal: int) -> AbstractContextManager[object]:
    """If this process is killed within, have the terminal set as it is now."""
    try:
        now = subprocess.run(["stty", "-g"], stdin=terminal, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return nullcontext()
    return LastWill(_RESTORE, now, os.ttyname(terminal))


def _at_once(terminal: int) -> list[Any]:
    """The terminal's attributes for keys one by one, unseen."""
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
    attributes[6][termios.VSUSP] = bytes([os.fpathconf(terminal, "PC_VDISABLE")])
    return attributes


def _read(terminal: int, wake: int, keys: tuple[Key, ...], changes: Changes) -> None:
    """Until the other end of `wake` is closed, or the terminal is gone."""
    while wake not in select.select([terminal, wake], [], [])[0]:
        try:
            read = os.read(terminal, 64)
        except OSError:
            return
        if not read:
            return
        for change in pressed(read, keys):
            changes.put(change)


def _select(desk: Desk, index: int) -> Desk:
    return replace(desk, selected=index)


def _louder(desk: Desk, by_db: float) -> Desk:
    return set_gain(desk, desk.selected, desk.strips[desk.selected].gain_db + by_db)


def _on_selected(desk: Desk, change: Callable[[Strip], Strip]) -> Desk:
    return change_strip(desk, desk.selected, change)
