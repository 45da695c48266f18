"""Steering while it plays: keys through a terminal, what is recorded between two of them, the terminal afterwards."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from small_model import write_small_model
from sound_files import make_song, read_song, write_song

import rtsep as package
from rtsep.live.desk import make_desk
from rtsep.live.keys import make_keys, pressed
from rtsep.separator import load_separator
from rtsep.types import STEMS

RATE = 44100
KEYS = make_keys(STEMS)


def press(letters: bytes, stems: tuple[str, ...] = STEMS) -> dict[str, object]:
    """What of a fresh desk differs after these keys."""
    fresh = desk = make_desk(stems)
    for change in pressed(letters, make_keys(stems)):
        desk = change(desk)
    return {name: value for name, value in vars(desk).items() if value != vars(fresh)[name]}


class Terminal:
    """Python, as with `rtsep live`, on a terminal of its own, which can be typed into and read."""

    def __init__(self, *words: object) -> None:
        self._master, self._slave = pty.openpty()
        termios.tcsetwinsize(self._slave, (40, 110))
        self.before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            stdin=self._slave,
            stderr=self._slave,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._shown = b""
        self._open = True

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Until this is shown, after what was waited for before."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self._shown:
            assert time.monotonic() < deadline, self._shown[-3000:].decode(errors="replace")
            assert self.process.poll() is None, self._shown.decode(errors="replace")
            if select.select([self._master], [], [], 0.1)[0]:
                self._shown += os.read(self._master, 65536)
        self._shown = self._shown.partition(text.encode())[2]

    def type(self, letters: bytes) -> None:
        os.write(self._master, letters)

    def hang_up(self) -> None:
        """The window is closed; returns when the process has ended."""
        os.close(self._master)
        os.close(self._slave)
        self._open = False
        self.process.wait(20)

    def end(self, send: Callable[[], object]) -> str:
        """What stdout had in the end, which must come in order, with the terminal as it was."""
        attributes = termios.tcgetattr(self._slave)
        assert not attributes[3] & termios.ECHO
        send()
        deadline = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self._master], [], [], 0.1)[0]:
                os.read(self._master, 65536)
        assert self.process.returncode == 0
        assert termios.tcgetattr(self._slave) == self.before
        assert self.process.stdout
        return self.process.stdout.read()

    def wait_until_as_before(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while termios.tcgetattr(self._slave) != self.before:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        if self._open:
            os.close(self._master)
            os.close(self._slave)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("song")
    write_small_model(folder / "small.safetensors")
    return write_song(folder / "[b] song.wav", make_song(60 * RATE, n_channels=1), subtype="FLOAT")


def options(song: Path, folder: Path) -> tuple[object, ...]:
    source = ("--input-file", song, "--model", song.with_name("small.safetensors"))
    files = ("--record", folder / "takes", "--format", "wav", "--report", folder / "report.json")
    return ("-m", "rtsep.cli", "live", *source, "--output", "none", "--preset", "drumless", *files)


def test_keys_steer_and_what_is_recorded_between_two_is_the_file_runs(tmp_path: Path, song: Path) -> None:
    with Terminal(*options(song, tmp_path)) as terminal:
        terminal.wait_for("● recording")
        terminal.wait_for("time       │ 1.")
        terminal.type(b"r")
        terminal.wait_for("takes: 1")
        terminal.type(b"3+m\x1b[A.b")
        terminal.wait_for("bypass")
        terminal.type(b"r")
        terminal.wait_for("● recording")
        time.sleep(1)
        terminal.type(b"r")
        terminal.wait_for("takes: 2")
        printed = terminal.end(lambda: terminal.type(b"q"))
    assert "[b] song.wav to none" in " ".join(printed.split())
    assert all(word in printed for word in ("master", "bypass", "takes: 2", "mute"))
    report = json.loads((tmp_path / "report.json").read_text())
    strips = {strip["stem"]: (strip["gain_db"], strip["muted"]) for strip in report["desk"]["strips"]}
    assert strips == {"bass": (0, False), "drums": (0, True), "vocals": (1, True), "other": (0, False)}
    assert (report["desk"]["master_db"], report["desk"]["bypass"], report["desk"]["recording"]) == (1, True, False)
    first, second = report["takes"]
    assert first["start"] == 0 < first["n_samples"] < second["start"]
    assert second["n_samples"] == pytest.approx(RATE, rel=0.5)
    end = second["start"] + second["n_samples"]
    heard = read_song(song)[: end + RATE]
    stems = package.separate(heard, RATE, load_separator(str(song.with_name("small.safetensors"))))
    for take in (first, second):
        recorded = np.stack([read_song(Path(take["folder"]) / f"{stem}.wav") for stem in STEMS])
        assert_array_equal(recorded, stems[:, take["start"] :][:, : take["n_samples"]])


def test_a_take_outlives_its_terminal(tmp_path: Path, song: Path) -> None:
    with Terminal(*options(song, tmp_path)) as terminal:
        terminal.wait_for("time       │ 1.")
        terminal.hang_up()
    assert len(list(tmp_path.glob("takes/take-1/*.wav"))) == len(STEMS)
    assert len(json.loads((tmp_path / "report.json").read_text())["takes"]) == 1


def test_a_killed_process_leaves_the_terminal_as_it_was() -> None:
    program = """
import queue, signal, sys, time
from rtsep.live.keys import keyboard, make_keys
signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background jobs, as tests may be, inherit that it is ignored
with keyboard(make_keys(("bass",)), queue.SimpleQueue()):
    print("listening", file=sys.stderr, flush=True)
    time.sleep(60)
"""
    with Terminal("-c", program) as terminal:
        terminal.wait_for("listening")
        terminal.type(b"\x1c")
        assert terminal.process.wait(20) == -signal.SIGQUIT
        terminal.wait_until_as_before()


def test_each_key_is_shown_once_and_does_what_it_says() -> None:
    assert len({key.letter for key in KEYS}) == len(KEYS)
    assert press(b"2") == {"selected": 1}
    assert press(b"q") == {"ended": True}
    assert press(b"rbrbb") == {"bypass": True}
    assert press(b"...,") == {"master_db": 2}
    assert press(b"4mm-sd+k") == {"selected": 3, "strips": make_desk(STEMS, preset="karaoke").strips}
    assert press(b"kidla") == press(b"") == {}
    for letter, preset in zip(b"kidl", ("karaoke", "instrumental", "drumless", "bassless"), strict=True):
        assert press(bytes([letter])) == {"strips": make_desk(STEMS, preset=preset).strips}
    (strip,) = {strip for strip in press(b"1=+=sm-")["strips"] if strip.stem == "bass"}
    assert (strip.gain_db, strip.solo, strip.muted) == (2, True, True)
    assert press(b"3", ("voice", "rest")) == {}
    assert [key.word for key in make_keys(("vocals", "rest"))][8:11] == ["all stems", "karaoke", "instrumental"]


@pytest.mark.parametrize("sent", [b"\x1b[A", b"\x1b[15~", b"\x1bOP", b"\x1b[1;5D", b"\x1bm", b"\x1b", b"xyz\xc3\xa9\0"])
def test_other_keys_do_nothing(sent: bytes) -> None:
    assert press(sent) == {}
    assert press(sent + b"b" if len(sent) > 1 else b"b") == {"bypass": True}
