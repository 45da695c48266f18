"""Live sound through PortAudio on a JACK server: latency by impulses, and devices that are wrong or go away."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounddevice
from jack_server import PERIOD, RATE, Probe, cable, clients, jack_server, loudspeaker
from launch import Launched, rtsep, run
from small_model import write_small_model
from sound_files import read_song

from rtsep.errors import DeviceError
from rtsep.io.audio_device import explain, list_devices

LIVE = ("-m", "rtsep.cli", "live", "--input", "system", "--output", "system", "--block", PERIOD)


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with jack_server():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.mark.usefixtures("server")
def test_devices_are_listed_as_sounddevice_does() -> None:
    finished = rtsep("devices")
    assert finished.code == 0
    # What there is by other systems, such as ALSA, may come before it.
    assert re.search(r"^[ *>]+\d+ system, JACK Audio Connection Kit \(2 in, 2 out\)$", finished.stdout, re.MULTILINE)


@pytest.mark.usefixtures("server")
def test_impulses_take_as_long_as_is_declared(tmp_path: Path, model: Path) -> None:
    report = tmp_path / "report.json"
    options = ("--model", model, "--duration", 6, "--reserve", 40, "--report", report, "--quiet")
    with Launched(*LIVE, *options) as live:
        live.wait_for(lambda: "PortAudio" in clients())
        probe = Probe(spacing=RATE // 2)
        with probe.through("PortAudio"):
            time.sleep(5)
        assert live.finish().code == 0
    figures = json.loads(report.read_text())
    assert figures["misses"] == 0
    # A period that a busy machine leaves out delays the impulses under way, or swallows one; the quickest met none.
    took = [min(came - sent for came in probe.came if came > sent) for sent in probe.sent[1:-2]]
    assert len(took) >= 5
    assert abs(min(took) - figures["latency_ms"]["end_to_end"] * RATE / 1e3) <= PERIOD


@pytest.mark.usefixtures("server")
def test_two_devices_are_joined_and_as_late_as_is_declared(tmp_path: Path, model: Path) -> None:
    report = tmp_path / "report.json"
    options = ("--output", "speaker", "--model", model, "--duration", 5, "--reserve", 40, "--report", report, "--quiet")
    with loudspeaker("speaker"), Launched(*LIVE, *options) as live:
        live.wait_for(lambda: "PortAudio" in clients())
        probe = Probe(spacing=RATE // 2)
        with probe.through("PortAudio"):
            time.sleep(4)
        assert live.finish().code == 0
    figures = json.loads(report.read_text())
    assert (figures["source"], figures["sink"]) == ("system", "speaker")
    assert abs(figures["clock_ppm"]) < 1500  # one clock, under the noise of a busy machine in a few seconds
    took = [min(came - sent for came in probe.came if came > sent) for sent in probe.sent[1:-2]]
    assert len(took) >= 3
    assert abs(min(took) - figures["latency_ms"]["end_to_end"] * RATE / 1e3) <= PERIOD


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--rate", "48000"), "cannot do 48000 Hz"),
        (("--channels", "3"), "fewer channels"),
    ],
)
def test_what_a_device_cannot_do_is_one_line(model: Path, options: tuple[str, str], told: str) -> None:
    finished = rtsep("live", "--model", model, *options)
    assert finished.code == 2
    assert told in finished.line
    assert "; " in finished.line


ASK = """
import sys
from rtsep.errors import DeviceError
from rtsep.io.audio_device import find_device
for wanted in sys.argv[2:]:
    try:
        print(find_device(wanted, sys.argv[1]).name)
    except DeviceError as error:
        print(error)
"""


@pytest.mark.usefixtures("server")
def test_a_name_or_number_that_is_no_device_is_told_what_is_wrong_with_it() -> None:
    with loudspeaker("horn left"), loudspeaker("horn right"):
        inputs = run("-c", ASK, "input", "system", "nix", "99", "-1", "--5", "²", "horn left").stdout.splitlines()
        outputs = run("-c", ASK, "output", "horn left", "orn").stdout.splitlines()
    reason = "there is no such one, or another program holds it"
    none = [f"input device {name}: {reason}; choose " for name in ("nix", "99", "-1", "--5", "²")]
    for line, told in zip(inputs, ["system", *none, "input device horn left: it has no inputs; choose "], strict=True):
        assert line.startswith(told)
    assert outputs[0] == "horn left"
    assert re.match(r"output device orn: it may be \[\d+\] horn left.* or \[\d+\] horn right.*; give a ", outputs[1])


@pytest.mark.usefixtures("server")
def test_impulses_over_a_cable_take_as_long_as_is_declared(tmp_path: Path, model: Path) -> None:
    options = ("--input", "system", "--output", "system", "--model", model, "--json", tmp_path / "rows.json")
    with Launched("-m", "rtsep.cli", "bench", "latency", *options) as bench:
        bench.wait_for(lambda: "PortAudio" in clients())
        with cable("PortAudio"):
            finished = bench.finish()
    assert finished.code == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["case"] for row in rows] == ["output, cable, input", "input to output", "end to end"]
    for row in rows:
        assert row["impulses"] >= 5
        assert row["least_ms"] == pytest.approx(row["declared_ms"], abs=2 * 1e3 * PERIOD / RATE)
        assert f"{row['measured_ms']:.2f}" in finished.stdout
    assert rows[1]["least_ms"] == pytest.approx(rows[1]["declared_ms"], abs=0.1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_when_the_device_goes_away_or_no_longer_answers_the_recording_is_kept(
    tmp_path: Path, model: Path, how: signal.Signals
) -> None:
    options = ("--model", model, "--record", tmp_path / "stems", "--report", tmp_path / "report.json", "--quiet")
    with jack_server() as server, Launched(*LIVE, *options) as live:
        live.wait_for(lambda: "PortAudio" in clients())
        time.sleep(2)
        server.send_signal(how)
        finished = live.finish()
        server.send_signal(signal.SIGCONT)
    assert finished.code == 2
    assert "the device stopped" in finished.line
    lengths = {len(read_song(path)) for path in (tmp_path / "stems").glob("take-1/*.flac")}
    assert len(lengths) == 1
    assert min(lengths) > RATE
    assert json.loads((tmp_path / "report.json").read_text())["takes"][0]["error"] == ""


def test_of_what_libraries_print_on_stderr_nothing_is_read() -> None:
    speak = "os.write(2, b'Expression failed'); print('a line', file=sys.stderr)"
    finished = run("-c", f"import os, sys; from rtsep.io.quiet import *; leave_stderr_to_python(); {speak}")
    assert finished.line == "a line"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (sounddevice._lib.paDeviceUnavailable, "is busy or gone; end the program that holds it"),
        (sounddevice._lib.paInvalidSampleRate, "cannot do 96000 Hz; give another --rate"),
        (sounddevice._lib.paInvalidChannelCount, "give fewer --channels"),
        (sounddevice._lib.paBadIODeviceCombination, "cannot be opened (no such pair); it may be gone"),
    ],
)
def test_each_refusal_of_portaudio_has_its_cure(code: int, told: str) -> None:
    error = sounddevice.PortAudioError("Error opening Stream: no such pair", code)
    assert told in explain(error, 96000)


def test_without_portaudio_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(DeviceError, match=r"not installed; install it .*libportaudio2"):
        list_devices()
