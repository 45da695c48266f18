"""Songs rendered from MIDI and voices, through FluidSynth, MMA and a SoundFont as Debian has them."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import launch
import numpy as np
import pytest
import soundfile

from rtsep.commands.quartet import single_notes
from rtsep.commands.render import render
from rtsep.errors import OptionError
from rtsep.quartet.single_notes import SAMPLE_RATE, find_notes, load_sound
from rtsep.quartet.songs import INSTRUMENTS
from rtsep.rendering.arrange import Library, Song, arrange, bass_line, find_library
from rtsep.rendering.bands import band_parts, chart, find_styles
from rtsep.rendering.midi import Note, Part, write_part
from rtsep.rendering.players import DrumMachine, Preset, draw_voices, loosely
from rtsep.rendering.single_notes import write_notes
from rtsep.rendering.songs import master, mix_sounds, render_songs
from rtsep.rendering.soundfonts import Room, SoundFont, find_soundfonts, read_soundfont, read_soundfonts, render_part
from rtsep.rendering.synthesizer_kernels import Patch
from rtsep.training.datasets import SongFolder

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
DRY = Room(0.1, 0.5, 10.0, 0.0)
LEFT = 0


@pytest.fixture(scope="module")
def font() -> SoundFont:
    return read_soundfont(FONT)


@pytest.fixture(scope="module")
def midi(tmp_path_factory) -> Path:
    """One drummer's bar and one pop song's piano and bridge, in the folders of their collections."""
    folder = tmp_path_factory.mktemp("midi")
    bar = [Note(i * 0.25, i * 0.25 + 0.1, p, 100) for i, p in enumerate((36, 22, 38, 22, 36, 36, 38, 26))]
    write_part(folder / "1_rock_120_beat_4-4.mid", Part("Drums", 0, True, tuple(bar)), 0, 9, 64, 2.0)
    (folder / "001").mkdir()
    write_part(folder / "001" / "001.mid", piano(), 0, 0, 64, 8.0)
    return folder


@pytest.fixture(scope="module")
def singers(tmp_path_factory) -> Path:
    """Two clips of one song as MIR-1K has them, the voice on the right."""
    folder = tmp_path_factory.mktemp("mir1k")
    voice = 0.3 * np.sin(2 * np.pi * 330 * np.arange(16000) / 16000)
    for clip in ("01", "02"):
        soundfile.write(folder / f"amy_1_{clip}.wav", np.stack([np.zeros(16000), voice], axis=1), 16000)
    return folder


@pytest.fixture(scope="module")
def library(midi, singers, font) -> Library:
    found = find_library(midi, [singers])
    styles = tuple(s for s in found.styles if s.name in ("8beat", "bossanova"))
    return Library(styles, found.performances, found.pop_songs, (font,), found.singers)


def piano() -> Part:
    chords = [(t, p) for t in range(8) for p in ((45, 60, 64) if t % 2 else (41, 57, 60, 65))]
    return Part("PIANO", 0, False, tuple(Note(float(t), t + 0.9, p, 80) for t, p in chords))


def test_presets_are_those_of_the_file(font):
    assert font.is_general
    assert {(128, 0), (128, 25), (128, 40)} <= set(font.kits())
    assert font.variants(33) == [0]
    kit_alone = SoundFont(FONT, frozenset({(0, 0)}))
    assert (kit_alone.kits(), kit_alone.variants(0)) == ([(0, 0)], [])


def test_what_is_no_soundfont_is_one_line(tmp_path):
    with pytest.raises(OptionError, match=r"no SoundFont with instruments \(none was found\)"):
        read_soundfonts(find_soundfonts(tmp_path))
    (tmp_path / "a.sf2").write_bytes(b"RIFF of another kind")
    (tmp_path / "a.sf3").touch()
    assert find_soundfonts(tmp_path) == [tmp_path / "a.sf2"]
    with pytest.raises(OptionError, match=r"a\.sf2 is no SoundFont"):
        read_soundfonts(find_soundfonts(tmp_path))


def test_a_part_sounds_when_where_and_at_the_pitch_that_it_says(font):
    flute = Part("Flute", 73, False, (Note(1.0, 2.0, 69, 100),))
    sound = render_part(flute, font, 0, LEFT, DRY, 3.0)
    assert sound.shape == (3 * 44100, 2)
    assert np.abs(sound[:44000]).max() < 1e-4
    left, right = np.sqrt(np.mean(sound[44100:88200] ** 2, axis=0))
    assert left > 0.003
    assert right < 0.1 * left
    spectrum = np.abs(np.fft.rfft(sound[44100:88200, 0] * np.hanning(44100)))
    assert np.argmax(spectrum) == pytest.approx(440, abs=4)


def test_rooms_ring_on_and_kits_differ(font):
    hit = Part("Drums", 0, True, (Note(0.0, 0.1, 38, 110),))
    dry = render_part(hit, font, 128, 64, DRY, 2.0)
    wet = render_part(hit, font, 128, 64, Room(0.9, 0.1, 50.0, 1.0), 2.0)
    assert np.sum(wet[44100:] ** 2) > 4 * np.sum(dry[44100:] ** 2)
    electronic = render_part(Part("Drums", 25, True, hit.notes), font, 128, 64, DRY, 2.0)
    assert np.abs(electronic - dry).max() > 0.1 * np.abs(dry).max()


@pytest.mark.parametrize("seed", range(8))
def test_a_bass_plays_the_left_hand_s_roots_in_its_own_range(seed):
    line = bass_line(piano(), np.random.default_rng(seed)).notes
    assert line
    assert all(28 <= note.pitch <= 58 and note.end > note.start for note in line)
    for note in line:
        root = 45 if int(note.start + 1e-9) % 2 else 41
        assert (note.pitch - root) % 12 in (0, 7)
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(line))


def test_a_band_plays_the_chart_to_its_end_and_alike_for_the_same_seed():
    (style,) = (s for s in find_styles() if s.name == "8beat")
    assert "8BeatFill" in style.fills
    assert not any("Intro" in name or "End" in name for name in style.verses)
    text = chart(style, 120.0, 8, np.random.default_rng(5))
    assert text == chart(style, 120.0, 8, np.random.default_rng(5))
    parts = band_parts(text)
    assert parts == band_parts(text)
    assert any(p.is_drums for p in parts)
    (bass,) = (p for p in parts if p.name == "Bass")
    assert 14.0 < bass.notes[-1].start < 16.5
    assert band_parts("Groove Nonesuch\n1 C\n") == []


def test_arrangements_choose_kits_and_instruments_that_exist_and_singers_where_there_are_some(library):
    songs = [arrange(library, 20.0, np.random.default_rng(seed)) for seed in range(8)]
    for song in songs:
        assert {v.stem for v in song.voices} <= {"bass", "drums", "other"}
        presets = [v for v in song.voices if isinstance(v.instrument, Preset)]
        assert all((v.instrument.bank, v.part.program) in v.instrument.font.presets for v in presets)
        assert all(v.part.notes[-1].start < 20.0 for v in song.voices)
        assert "1_rock_120_beat_4-4" in song.words
        assert all(end <= 20.0 for _, end in song.sung)
    assert len({song.words for song in songs}) == 8
    assert {type(v.instrument) for song in songs for v in song.voices} == {Preset, Patch, DrumMachine}
    assert {song.singer and song.singer.name for song in songs} >= {"amy_1"}
    alone = replace(library, singers=())
    assert all(arrange(alone, 4.0, np.random.default_rng(seed)).singer is None for seed in range(4))


def test_driven_guitars_are_doubled_at_times_by_a_second_take_on_the_other_side(font):
    chords = replace(piano(), name="GUITAR", program=30)
    drawn = [draw_voices("other", chords, [font], [DRY], False, 0.5, np.random.default_rng(seed)) for seed in range(60)]
    doubled = [voices for voices in drawn if len(voices) == 2]
    assert doubled
    for left, right in doubled:
        assert left.electric
        assert right.electric
        assert (left.instrument.pan, right.instrument.pan) == (10, 117)
        assert sorted(n.pitch for n in left.part.notes) == sorted(n.pitch for n in right.part.notes)
        assert left.part != right.part
    late = [n.start for n in loosely(chords, np.random.default_rng(0)).notes]
    assert late == sorted(late)
    assert late == pytest.approx([n.start for n in chords.notes], abs=0.05)


def test_stems_are_balanced_pump_with_the_bass_drum_and_add_up_below_full_scale():
    sounds = [("bass", 0.0, np.full((44100, 2), 1.0, np.float32)), ("other", 0.0, np.full((44100, 2), 0.5, np.float32))]
    sounds.append(("other", -60.0, np.zeros((44100, 2), np.float32)))
    seen = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        stems = mix_sounds(sounds, rng)
        assert set(stems) == {"bass", "other"}
        assert [20 * np.log10(stems[s].max()) for s in stems] == pytest.approx([-19, -19], abs=12)
        song = Song("", 0.5, True, (0.5,), (), None, ())
        out = master({name: 30 * samples for name, samples in stems.items()}, song, rng)
        assert np.abs(sum(out.values())).max() <= 0.9 + 1e-5
        seen.add(bool(out["bass"][22050, 0] < 0.9 * out["bass"][100, 0]))
    assert seen == {True, False}


def test_songs_are_the_same_for_the_same_seed_and_those_that_are_there_are_kept(library, tmp_path):
    seen: list[int] = []
    render_songs(library, tmp_path / "a", 1, 2.0, 3, 1, seen.append)
    first = tmp_path / "a" / "rendered-0000" / "drums.flac"
    before = first.stat().st_mtime_ns
    render_songs(library, tmp_path / "a", 2, 2.0, 3, 2, seen.append)
    assert seen == [1, 1, 2]
    assert first.stat().st_mtime_ns == before
    render_songs(library, tmp_path / "b", 1, 2.0, 3, 1, seen.append)
    stems = sorted(path.stem for path in (tmp_path / "a" / "rendered-0000").glob("*.flac"))
    assert len(stems) >= 3
    for stem in stems:
        ours, theirs = (soundfile.read(tmp_path / f / "rendered-0000" / f"{stem}.flac")[0] for f in "ab")
        assert np.array_equal(ours, theirs)
        assert ours.shape == (88200, 2)
        assert np.abs(ours).max() > 0.01
    with pytest.raises(OptionError, match="is of seed 3 and 2 s"):
        render_songs(library, tmp_path / "a", 2, 2.0, 4, 1, seen.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert {s.song for s in SongFolder("a").sources(tmp_path)} == {"rendered-0000", "rendered-0001"}
    about = json.loads((tmp_path / "a" / "rendered-0001" / "song.json").read_text())
    assert about["number"] == 1
    assert {v["stem"] for v in about["voices"]} <= {"bass", "drums", "other"}


def test_a_soundfont_that_cannot_be_played_is_one_line_from_any_process(library, font, tmp_path):
    (tmp_path / "empty.sf2").touch()
    broken = SoundFont(tmp_path / "empty.sf2", font.presets)
    with pytest.raises(OptionError, match=r"cannot play .*empty\.sf2"):
        render_songs(replace(library, fonts=(broken,)), tmp_path / "out", 1, 2.0, 0, 1, lambda _: None)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_renders_goes_on_and_refuses_another_length_in_one_line(midi, tmp_path):
    def launched(songs: int, seconds: int) -> launch.Finished:
        options = ["--songs", songs, "--seconds", seconds, "--processes", 1]
        return launch.rtsep("data", "render", "--midi", midi, "--out", "out", *options, cwd=tmp_path)

    done = launched(1, 2)
    assert (done.code, done.stdout) == (0, "out: 1 songs of 2 s\n")
    assert launched(2, 2).code == 0
    assert len(list((tmp_path / "out").glob("*/drums.flac"))) == 2
    refused = launched(2, 3)
    assert refused.code == 2
    assert "rendered-0000 is of seed 0 and 2 s" in refused.line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"midi": Path("none")}, "MIDI folder none is not there"),
        ({"midi": Path("tests")}, "no files of Groove MIDI"),
        ({"voices": [Path("none")]}, "voices folder none is not there"),
        ({"soundfonts": [Path("none.sf2")]}, "none.sf2 is no SoundFont"),
        ({"songs": 0}, "--songs 0"),
        ({"seconds": float("nan")}, "--seconds nan"),
    ],
)
def test_what_cannot_be_rendered_is_one_line(midi, tmp_path, options, words):
    usual = {
        "midi": midi,
        "voices": [],
        "soundfonts": [],
        "out": tmp_path,
        "songs": 1,
        "seconds": 2.0,
        "seed": 0,
        "processes": 1,
    }
    with pytest.raises(OptionError, match=words):
        render(**usual | options)


def test_single_notes_of_a_soundfont_are_in_tune_and_louder_as_they_are_played(tmp_path, font):
    done = launch.rtsep("data", "notes", "--soundfont", FONT, "--out", "notes", cwd=tmp_path)
    compass = sum(i.highest - i.lowest + 1 for i in INSTRUMENTS)
    assert (done.code, done.stdout) == (0, f"notes: {3 * compass} notes\n"), done.stderr
    for instrument in INSTRUMENTS:
        notes = find_notes(tmp_path / "notes" / instrument.name)
        middle = (instrument.lowest + instrument.highest) // 2
        levels = {}
        for note in (n for n in notes if n.pitch == middle):
            sound = load_sound(note)
            assert sound is not None
            assert sound.steady_end - sound.steady > SAMPLE_RATE  # played for 2.5 s
            steady = sound.samples[sound.steady : sound.steady_end]
            spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady)), 1 << 18))
            partials = 440 * 2 ** ((middle - 69) / 12) * np.arange(1, 6) * (1 << 18) / SAMPLE_RATE  # in bins
            # The loudest of all is a partial, a quarter of a semitone high or low at most.
            assert max(spectrum[round(p * 0.986) : round(p * 1.0145)].max() for p in partials) == spectrum.max()
            levels[note.dynamic] = float(np.abs(soundfile.read(note.path)[0]).max())
        assert levels["piano"] < levels["mezzo-forte"] < levels["fortissimo"]


def test_another_preset_is_another_player(tmp_path, font):
    for folder, others in (("tenor", {}), ("alto", {"saxophone": (0, 65)})):
        write_notes(font, others, tmp_path / folder, lambda done, of: None)
    changed = {
        path.parent.name
        for path in (tmp_path / "tenor").rglob("*_25_piano_*.flac")
        if path.read_bytes() != (tmp_path / "alto" / path.relative_to(tmp_path / "tenor")).read_bytes()
    }
    assert changed == {"saxophone"}


@pytest.mark.parametrize("text", ["sax=0:65", "saxophone", "saxophone=0", "saxophone=65:", "saxophone=-1:65"])
def test_a_preset_that_cannot_be_understood_is_one_line(tmp_path, font, text):
    with pytest.raises(OptionError, match=rf"--preset {text}: it must be INSTRUMENT=BANK:PROGRAM, one of violin"):
        single_notes(font.path, [text], tmp_path / "notes")
    assert not (tmp_path / "notes").exists()


def test_a_soundfont_of_drums_has_no_violin(tmp_path, font):
    drums = SoundFont(font.path, frozenset({(128, 0)}))
    with pytest.raises(OptionError, match="has no violin at 0:40: take a General MIDI SoundFont"):
        write_notes(drums, {}, tmp_path, lambda done, of: None)
