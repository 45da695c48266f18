"""Each stem on outputs of its own, through PortAudio on a JACK server, with gains by a MIDI device's faders."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import jack
import mido
import numpy as np
import pytest
from jack_server import RATE, jack_server
from launch import Launched, rtsep
from small_model import write_small_model
from sound_files import make_song, write_song

import rtsep as package
from rtsep.errors import DeviceError, OptionError
from rtsep.io.audio_device import Device
from rtsep.live.desk import make_desk
from rtsep.live.ends import NONE, Ends, find_ends, stems_apart
from rtsep.live.midi import (
    _choose,
    change_by,
    faders,
    list_midi_inputs,
    parse_controls,
    volume_controls,
    volume_db,
)
from rtsep.live.steering import Changes
from rtsep.separator import load_separator
from rtsep.types import STEMS, Audio, Stems

CARD = Device(0, "card", 8, 44100)


class Rack:
    """A JACK client that is two devices: `rack`, whose eight outputs it records, and the MIDI input `rack:faders`."""

    def __init__(self) -> None:
        self._client = jack.Client("rack", no_start_server=True)
        self._inputs = [self._client.inports.register(f"in_{channel}") for channel in range(8)]
        self._faders = self._client.midi_outports.register("faders")
        self.seconds = 0.0  # of sound
        self._blocks: list[Audio] = []
        self._to_send: list[bytes] = []
        self._client.set_process_callback(self._process)

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._client:
            yield

    def move_fader(self, channel: int, value: int) -> None:
        self._to_send.append(bytes([0xB0 + channel - 1, 7, value]))

    @property
    def recorded(self) -> Audio:
        return np.concatenate(self._blocks)

    def _process(self, n: int) -> None:
        self._blocks.append(np.stack([port.get_array() for port in self._inputs], axis=1))
        self.seconds += n / RATE * self._blocks[-1].any()
        self._faders.clear_buffer()
        if self._to_send:
            self._faders.write_midi_event(0, self._to_send.pop())


def is_found(stems: Stems, gains: list[float], recorded: Audio) -> bool:
    """Whether a stretch of stems with these gains was recorded, bit for bit; 500 samples, as a server may pause."""
    wide = np.concatenate(stems * np.array(gains, np.float32)[:, None, None], axis=1)
    for piece in np.split(wide[: len(wide) // 500 * 500], len(wide) // 500):
        for start in np.flatnonzero((recorded[: 1 - len(piece)] == piece[0]).all(axis=1)):
            if np.array_equal(recorded[start : start + len(piece)], piece):
                return True
    return False


if find_spec("rtmidi"):  # the package comes without a compiler up to Python 3.12

    def test_each_stem_has_outputs_of_its_own_and_a_fader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # The wheel of python-rtmidi brings a libjack of its own, which does not know this server.
        monkeypatch.setenv("LD_PRELOAD", "libjack.so.0")
        monkeypatch.setenv("MIDO_BACKEND", "mido.backends.rtmidi/UNIX_JACK")
        model = write_small_model(tmp_path / "small.safetensors")
        song = make_song(2 * RATE)
        files = ("--input-file", write_song(tmp_path / "song.wav", song, subtype="FLOAT"), "--model", model)
        report = tmp_path / "report.json"
        devices = ("--output", "rack", "--outputs", "stems", "--midi", "FADERS", "--reserve", 60)
        with jack_server():
            rack = Rack()
            with rack.running():
                assert "  MIDI rack:faders" in rtsep("devices").stdout.splitlines()
                with Launched("-m", "rtsep.cli", "live", *files, *devices, "--report", report, "--quiet") as live:
                    live.wait_for(lambda: rack.seconds > 0.6)
                    rack.move_fader(9, 0)
                    rack.move_fader(2, 0)
                    rack.move_fader(1, 64)
                    finished = live.finish()
        told = "rtsep: MIDI: controller 7 on channel 9 moves nothing; --faders can\n"
        assert (finished.code, finished.stderr) == (0, told)
        gains = {strip["stem"]: strip["gain_db"] for strip in json.loads(report.read_text())["desk"]["strips"]}
        assert gains == {"bass": pytest.approx(volume_db(64)), "drums": -60, "vocals": 0, "other": 0}
        stems = package.separate(song, RATE, load_separator(str(model)))
        assert is_found(stems[:, RATE // 20 : RATE // 2], [1, 1, 1, 1], rack.recorded)
        assert is_found(stems[:, -RATE // 2 :], [10 ** (volume_db(64) / 20), 0, 1, 1], rack.recorded)

    def test_midi_that_is_not_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
        with (
            pytest.raises(DeviceError, match=r"^MIDI[^\n]*; "),
            faders("nix", volume_controls(4), Changes(), pytest.fail),
        ):
            pytest.fail("a device was found")
        assert capfd.readouterr().err == ""


def test_a_midi_input_is_named_in_full_or_by_what_no_other_has_in_its_name() -> None:
    names = ["Pad", "Pad 2", "nano"]
    assert [_choose(wanted, names) for wanted in ("pad", "2", "NANO")] == names
    with pytest.raises(DeviceError, match="MIDI input a: it may be Pad or Pad 2 or nano; give more"):
        _choose("a", names)


def test_without_the_packages_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    with pytest.raises(DeviceError, match=r"rtmidi is not installed; pip install 'rtsep\[midi\]'"):
        list_midi_inputs()


def test_volume_on_a_stems_channel_is_its_gain_and_all_else_is_not() -> None:
    desk, controls = make_desk(STEMS), parse_controls("", STEMS)
    for channel, stem in enumerate(STEMS):
        change = change_by(mido.Message("control_change", control=7, channel=channel, value=100), controls)
        assert change is not None
        changed = [strip for strip in change(desk).strips if strip.gain_db != 0]
        assert [(strip.stem, strip.gain_db) for strip in changed] == [(stem, pytest.approx(-4.15, abs=0.01))]
    master = change_by(mido.Message("control_change", control=7, channel=4, value=0), controls)
    assert master is not None
    assert master(desk).master_db == -60
    assert (volume_db(127), volume_db(0)) == (0, -60)
    for other in (
        mido.Message("control_change", control=7, channel=5),
        mido.Message("control_change", control=1, channel=0),
        mido.Message("note_on", channel=0, note=7),
    ):
        assert change_by(other, controls) is None


def test_other_controllers_move_what_they_are_given_on_any_channel() -> None:
    controls = parse_controls("21=vocals, 22=master", STEMS)
    found = [
        change(make_desk(STEMS))
        for number, channel in ((21, 0), (21, 9), (22, 3), (7, 0))
        if (change := change_by(mido.Message("control_change", control=number, channel=channel, value=0), controls))
    ]
    gains = [(*(strip.gain_db for strip in desk.strips), desk.master_db) for desk in found]
    assert gains == [(0, 0, -60, 0, 0), (0, 0, -60, 0, 0), (0, 0, 0, 0, -60)]
    for wrong in ("21", "21=flute", "128=bass", "x=bass", "21=bass,", "-1=bass"):
        with pytest.raises(OptionError, match=r"^faders .*: must be controllers .* there are bass, .*, master$"):
            parse_controls(wrong, STEMS)


@pytest.mark.parametrize("rate", [0, -1, 200_000])
def test_a_rate_that_cannot_be_is_refused_before_devices_are_asked(rate: int) -> None:
    with pytest.raises(OptionError, match=f"rate {rate}: it must be 8000 to 192000 Hz; "):
        find_ends(None, None, NONE, None, rate)


def test_stems_apart_need_as_many_outputs() -> None:
    ends = Ends(None, CARD, CARD, 44100, 2, 2)
    assert stems_apart(ends, 4) == Ends(None, CARD, CARD, 44100, 2, 8, True)
    assert stems_apart(Ends(None, CARD, CARD, 44100, 1, 2), 4).n_played == 4
    with pytest.raises(OptionError, match=r"4 stems of 3 channels take 12 outputs, card has 8; choose"):
        stems_apart(Ends(None, CARD, CARD, 44100, 3, 3), 4)
    with pytest.raises(OptionError, match=r"take 8 outputs, none has 0; choose"):
        stems_apart(Ends(None, CARD, None, 44100, 2, 2), 4)
