"""Chorales played from single notes; the notes are tones made for it, so that it can be heard what was played."""

from pathlib import Path

import launch
import numpy as np
import pytest
import soundfile

from rtsep.commands.quartet import quartet
from rtsep.errors import AudioError, OptionError
from rtsep.quartet.chorales import Chorale, Timing, Tone, chorale_names, draw_timing, read_chorale
from rtsep.quartet.kernels import read_at
from rtsep.quartet.phrases import Player, hold, play
from rtsep.quartet.single_notes import SAMPLE_RATE, cut_sound, find_notes, load_sound, split_notes
from rtsep.quartet.songs import INSTRUMENTS, fitted, perform, split_all

VIOLIN, _, _, BASSOON = INSTRUMENTS
EVEN = Player(0.0, 0.0, 5.0, 1.0, 0.04, 0.0, 0.0, -80.0, 0.0, "forte")


def tone(frequency: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.1 * np.sin(2 * np.pi * frequency * time) * np.clip(time / 0.02, 0, 1)).astype(np.float32)


def hertz(pitch: float) -> float:
    return 440 * 2 ** ((pitch - 69) / 12)


def pitch_of(samples: np.ndarray) -> float:
    """The loudest frequency as a MIDI number."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(69 + 12 * np.log2(np.argmax(spectrum) * SAMPLE_RATE / (1 << 18) / 440))


@pytest.fixture(scope="module")
def notes(tmp_path_factory) -> Path:
    """A sine of 0.8 s at every other pitch of each instrument, in two dynamics, and an empty file as there is one."""
    folder = tmp_path_factory.mktemp("notes")
    names = ("C", "Cs", "D", "Ds", "E", "F", "Fs", "G", "Gs", "A", "As", "B")
    for instrument in INSTRUMENTS:
        (folder / instrument.name).mkdir()
        for pitch in range(instrument.lowest, instrument.highest + 1, 2):
            for dynamic in ("forte", "piano"):
                name = f"{instrument.name}_{names[pitch % 12]}{pitch // 12 - 1}_1_{dynamic}_normal.wav"
                samples = np.pad(tone(hertz(pitch), 0.8), (3000, 1000))
                soundfile.write(folder / instrument.name / name, samples, SAMPLE_RATE)
    (folder / "violin" / "violin_C9_1_forte_arco-normal.mp3").touch()
    return folder


def test_a_chorale_has_its_voices_and_fermatas():
    chorale = read_chorale("269")
    assert [(t.start, t.end, t.pitch) for t in chorale.voices[0][:4]] == [
        (0, 1, 67),
        (1, 3, 67),
        (3, 4, 74),
        (4, 5.5, 71),
    ]
    assert [len(voice) for voice in chorale.voices] == [46, 60, 59, 60]  # tied notes are one
    assert chorale.fermatas[0] == (10, 12)
    assert read_chorale("8.6") is None  # five parts
    assert len(set(chorale_names())) == len(chorale_names()) == 350


def test_fermatas_last_longer_and_all_voices_share_the_time():
    chorale = Chorale("", (((Tone(0, 8, 60)),),), ((4.0, 6.0),))
    for seed in range(5):
        timing = draw_timing(chorale, np.random.default_rng(seed))
        quarters = np.diff([timing.at(beat) for beat in range(9)])
        assert np.all((quarters > 0.5) & (quarters < 2.5))
        assert quarters[4:6].mean() > 0.95 * quarters[:4].mean()


def test_held_out_notes_share_neither_pitch_nor_dynamic_with_the_others(notes):
    found = find_notes(notes / "violin")
    assert len(found) == 34
    assert {note.pitch for note in found} == set(range(55, 89, 2))
    heard, held_out = split_notes(found * 2, np.random.default_rng(0))  # twice: 34 of each dynamic
    dynamic = {note.dynamic for note in heard}
    assert len(dynamic) == 1
    assert not {(n.pitch, n.dynamic) for n in heard} & {(n.pitch, n.dynamic) for n in held_out}
    left_out = {n.pitch for n in held_out if n.dynamic in dynamic}
    assert left_out
    assert not left_out & {n.pitch for n in heard}
    assert set(heard) | set(held_out) == set(found)


def test_a_name_that_tells_no_note_and_a_file_that_is_none(tmp_path):
    with pytest.raises(OptionError, match=r"no notes under .*expected files as"):
        find_notes(tmp_path)
    (tmp_path / "violin_H4_1_forte_normal.wav").write_text("none")
    with pytest.raises(OptionError, match="does not tell its note: name it as"):
        find_notes(tmp_path)
    (tmp_path / "violin_H4_1_forte_normal.wav").rename(tmp_path / "violin_A4_1_forte_normal.wav")
    with pytest.raises(AudioError, match=r"cannot be read .*fetch it again"):
        load_sound(find_notes(tmp_path)[0])


def test_a_sound_begins_with_its_onset_and_its_steady_tone_has_a_level_of_one():
    sound = cut_sound(np.pad(tone(440, 0.8), (5000, 8000)))
    assert len(sound.samples) == pytest.approx(0.8 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
    assert np.abs(sound.samples[round(0.03 * SAMPLE_RATE) :]).max() == pytest.approx(np.sqrt(2), rel=1e-3)
    steady = sound.samples[sound.steady : sound.steady_end]
    assert np.mean(steady.astype(np.float64) ** 2) == pytest.approx(1, rel=1e-4)
    assert len(steady) > 0.6 * SAMPLE_RATE
    assert cut_sound(tone(440, 0.15)) is None
    assert cut_sound(np.zeros(1000, np.float32)) is None


def test_interpolation_is_exact_at_samples_and_on_parabolas():
    parabola = (0.01 * np.arange(50.0) ** 2 - 3).astype(np.float32)
    positions = np.array([0.9, 1.0, 1.25, 7.5, 40.75, 47.0, 48.5])
    out = np.full(positions.size, np.nan, np.float32)
    read_at(parabola, positions, out)
    expected = 0.01 * positions**2 - 3
    expected[[0, -1]] = 0
    assert out == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("frequency", [100.0, 441.3, 1900.0])
def test_a_held_tone_goes_on_without_a_seam(frequency):
    sound = cut_sound(tone(frequency, 0.6))
    held = hold(sound, 3 * SAMPLE_RATE, np.random.default_rng(1))[sound.steady :]
    assert len(held) == 3 * SAMPLE_RATE - sound.steady
    level = np.sqrt(np.mean(held[: len(held) // 441 * 441].reshape(-1, 441).astype(np.float64) ** 2, axis=1))
    assert level == pytest.approx(np.ones(len(level)), abs=0.06 if frequency > 200 else 0.5)
    steepest = np.abs(np.diff(held)).max()
    assert steepest < 1.1 * np.sqrt(2) * 2 * np.pi * frequency / SAMPLE_RATE
    assert pitch_of(held) == pytest.approx(69 + 12 * np.log2(frequency / 440), abs=0.05)


def test_a_voice_has_its_pitches_at_their_times(notes):
    voice = [Tone(0, 1, 62), Tone(1, 2, 65), Tone(2, 4, 65), Tone(5, 6, 70)]
    timing = Timing(np.array([0.0, 10.0]), np.array([0.0, 5.0]))
    samples = play(voice, timing, VIOLIN, EVEN, find_notes(notes / "violin"), np.random.default_rng(2))
    assert len(samples) == round(3.5 * SAMPLE_RATE)
    for note in voice:
        start, end = (round(timing.at(beat) * SAMPLE_RATE) for beat in (note.start, note.end))
        assert pitch_of(samples[start + 4000 : end - 4500]) == pytest.approx(note.pitch, abs=0.3)
    rest = samples[round(2.05 * SAMPLE_RATE) : round(2.45 * SAMPLE_RATE)]
    joined, parted = (samples[round(t * SAMPLE_RATE) - 1500 :][:3000] for t in (0.51, 1.0))
    level = np.sqrt(np.mean(samples**2))
    assert np.abs(rest).max() < 0.01 * level
    assert np.sqrt(np.mean(joined[1000:2000] ** 2)) > 0.4 * level
    assert np.sqrt(np.mean(parted**2)) < np.sqrt(np.mean(joined**2))


def test_a_voice_is_moved_by_octaves_into_a_compass():
    low, high = [Tone(0, 1, 40), Tone(1, 2, 45)], [Tone(0, 1, 70), Tone(1, 2, 75)]
    assert [t.pitch for t in fitted(low, 2, BASSOON)] == [42, 47]
    assert [t.pitch for t in fitted(high, 0, BASSOON)] == [46, 51]
    assert [t.pitch for t in fitted(low, 1, VIOLIN)] == [65, 70]


def test_what_is_tested_on_was_not_learned_from(notes):
    learn, test = split_all([notes], 3)
    assert not set(learn.chorales) & set(test.chorales)
    assert len(learn.chorales) + len(test.chorales) == 350
    for instrument in INSTRUMENTS:
        assert not set(learn.notes[instrument.name][0]) & set(test.notes[instrument.name][0])
    assert split_all([notes], 3) == (learn, test) != split_all([notes], 4)


def test_another_collection_changes_no_split_of_the_first_and_each_player_has_one_of_them(notes, tmp_path):
    for instrument in INSTRUMENTS:  # the same, 31 cents higher
        (tmp_path / instrument.name).mkdir()
        for note in find_notes(notes / instrument.name):
            samples = np.pad(tone(hertz(note.pitch + 0.31), 0.8), (3000, 1000))
            soundfile.write(tmp_path / instrument.name / note.path.name, samples, SAMPLE_RATE)
    alone, both = (split_all(collections, 3)[0] for collections in ([notes], [notes, tmp_path]))
    assert both.chorales == alone.chorales
    assert all(both.notes[i.name][0] == alone.notes[i.name][0] for i in INSTRUMENTS)
    chorale = Chorale("", tuple((Tone(0, 8, pitch),) for pitch in (67, 62, 58, 46)), ())
    higher = 0
    for seed in range(4):
        stems, players = perform(chorale, both.notes, np.random.default_rng(seed))
        for name, samples in stems.items():
            steady = samples[SAMPLE_RATE : 3 * SAMPLE_RATE]
            cents = 100 * (pitch_of(steady) - round(pitch_of(steady) - 0.15)) - players[name].tuning
            assert min(abs(cents), abs(cents - 31)) < 12
            higher += cents > 15
    assert 3 <= higher <= 13  # of 16


def test_four_play_together_and_the_same_for_the_same_seed(notes):
    chorale = Chorale("", tuple((Tone(0, 1, p), Tone(1, 3, p + 2)) for p in (67, 62, 58, 46)), ())
    learn = split_all([notes], 3)[0].notes
    stems, players = perform(chorale, learn, np.random.default_rng(5))
    assert list(stems) == list(players) == [i.name for i in INSTRUMENTS]
    assert len({len(samples) for samples in stems.values()}) == 1
    assert all(0.05 < np.abs(samples).max() <= 0.7001 for samples in stems.values())
    again, _ = perform(chorale, learn, np.random.default_rng(5))
    assert all(np.array_equal(stems[name], again[name]) for name in stems)


def test_the_command_renders_both_folders_keeps_what_is_there_and_refuses_another_seed(notes, tmp_path):
    options = ("--chorales", "1", "--seed", "3", "--processes", "1")
    done = launch.rtsep("data", "quartet", "--notes", notes, "--out", "q", *options, cwd=tmp_path)
    assert (done.code, done.stdout) == (0, "q/learn: 1 chorales\nq/test: 1 chorales\n"), done.stderr
    pages = sorted((tmp_path / "q").rglob("about.json"))
    assert [page.parts[-3] for page in pages] == ["learn", "test"]
    for page in pages:
        assert {p.name for p in page.parent.iterdir()} == {"about.json", *(f"{i.name}.flac" for i in INSTRUMENTS)}
    before = [page.stat().st_mtime_ns for page in pages]
    assert quartet([notes], tmp_path / "q", 1, 3, 1) == 0
    assert [page.stat().st_mtime_ns for page in pages] == before
    with pytest.raises(OptionError, match="is of seed 3, not 4: ask for the same, or choose another folder"):
        quartet([notes], tmp_path / "q", 1, 4, 1)
    with pytest.raises(OptionError, match=r"folder .*/violin is not there: it holds the violin's notes"):
        quartet([tmp_path], tmp_path / "q", 1, 3, 1)
