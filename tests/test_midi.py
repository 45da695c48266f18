"""MIDI files read and written by rtsep against files made by hand, and what is done to notes in between."""

from pathlib import Path

import mido
import numpy as np
import pytest

from rtsep.errors import OptionError
from rtsep.rendering.midi import Note, Part, looped, merged, played, read_parts, stretched, window, write_part

NOTES = (Note(0.0, 0.5, 40, 100), Note(0.5, 1.5, 47, 64), Note(2.0, 2.25, 52, 1))
PART = Part("Bass", 33, False, NOTES)


def midi_file(path: Path, *tracks: list[mido.Message | mido.MetaMessage]) -> Path:
    mido.MidiFile(ticks_per_beat=100, tracks=[mido.MidiTrack(track) for track in tracks]).save(path)
    return path


def key(kind: str, note: int, wait: int, channel: int = 0) -> mido.Message:
    return mido.Message(kind, note=note, velocity=80, time=wait, channel=channel)


def test_a_part_written_is_the_part_read(tmp_path):
    write_part(tmp_path / "a.mid", PART, bank=8, channel=2, pan=10, seconds=5.0)
    (part,) = read_parts(tmp_path / "a.mid")
    assert (part.program, part.is_drums, part.notes) == (33, False, NOTES)
    song = mido.MidiFile(tmp_path / "a.mid")
    assert song.length == pytest.approx(5.0, abs=1e-3)
    controls = {(m.control, m.value) for m in song.tracks[0] if m.type == "control_change"}
    assert {(0, 8), (10, 10)} <= controls


def test_times_follow_the_tempo_map_of_another_track(tmp_path):
    tempos = [mido.MetaMessage("set_tempo", tempo=1_000_000), mido.MetaMessage("set_tempo", tempo=250_000, time=200)]
    notes = [key("note_on", 60, 100), key("note_off", 60, 200)]  # beats 1 to 3: 1 s a beat, then 0.25 s
    (part,) = read_parts(midi_file(tmp_path / "a.mid", tempos, notes))
    assert part.notes == (Note(1.0, 2.25, 60, 80),)


def test_without_a_tempo_a_beat_is_half_a_second(tmp_path):
    (part,) = read_parts(midi_file(tmp_path / "a.mid", [key("note_on", 60, 100), key("note_off", 60, 100)]))
    assert part.notes == (Note(0.5, 1.0, 60, 80),)


def test_every_channel_of_a_track_is_a_part_and_the_tenth_are_drums(tmp_path):
    track = [mido.Message("program_change", program=19, channel=1), key("note_on", 60, 0, 1), key("note_on", 36, 0, 9)]
    track += [key("note_off", 60, 100, 1), key("note_off", 36, 0, 9)]
    parts = read_parts(midi_file(tmp_path / "a.mid", track, []))
    assert [(p.program, p.is_drums, p.notes[0].pitch) for p in parts] == [(19, False, 60), (0, True, 36)]


def test_the_pedal_holds_notes_until_it_rises(tmp_path):
    down, up = (mido.Message("control_change", control=64, value=v, time=t) for v, t in ((127, 0), (0, 100)))
    track = [down, key("note_on", 60, 0), key("note_off", 60, 100), up, key("note_on", 62, 0), key("note_off", 62, 100)]
    (part,) = read_parts(midi_file(tmp_path / "a.mid", track))
    assert [(n.start, n.end) for n in part.notes] == [(0.0, 1.0), (1.0, 1.5)]


@pytest.mark.parametrize("content", [b"", b"RIFF and so on", b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\xff\xff\0"])
def test_a_file_that_is_no_midi_is_one_line(tmp_path, content):
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(OptionError, match=r"a\.mid is no MIDI file"):
        read_parts(tmp_path / "a.mid")


def test_stretched_window_looped_merged():
    assert stretched(PART, 2.0).notes[1] == Note(1.0, 3.0, 47, 64)
    assert window(PART, 0.5, 1.5).notes == (Note(0.0, 1.0, 47, 64),)
    assert [n.start for n in looped(PART, 1.0, 2.4).notes] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [n.pitch for n in merged([PART, stretched(PART, 0.5)]).notes] == [40, 40, 47, 47, 52, 52]


def test_velocities_follow_the_curve_and_stay_in_range():
    exact = played(PART, 2.0, 0.0, np.random.default_rng(0))
    assert [n.velocity for n in exact.notes] == [79, 32, 1]
    rough = played(Part("", 0, False, NOTES * 200), 1.0, 0.1, np.random.default_rng(0))
    velocities = np.array([n.velocity for n in rough.notes])
    assert velocities.min() >= 1
    assert velocities.max() <= 127
    assert np.std(np.log(velocities[1::3])) == pytest.approx(0.1, rel=0.15)
