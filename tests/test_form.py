"""Sections, riffs, arpeggios, and basses that follow the drums."""

from itertools import pairwise

import numpy as np
import pytest

from rtsep.rendering.form import arpeggio, chords, draw_spans, on_the_kick, power_chords, within
from rtsep.rendering.midi import Note, Part


def part(*notes: tuple[float, float, int]) -> Part:
    return Part("Any", 0, False, tuple(Note(*note, 80) for note in notes))


CHORDS = part((0.0, 1.9, 48), (0.01, 1.9, 52), (0.02, 1.9, 55), (2.0, 3.0, 53), (2.0, 3.0, 57))


def test_somebody_plays_in_every_section_and_rests_are_as_rare_as_asked():
    shares = []
    for seed in range(200):
        spans = draw_spans([0.9, 0.2], 60.0, 2.0, np.random.default_rng(seed))
        bounds = sorted({0.0, 60.0, *(t for own in spans for span in own for t in span)})
        for start, end in pairwise(bounds):
            assert any(a <= start and end <= b for own in spans for a, b in own)
        shares.append([sum(b - a for a, b in own) / 60 for own in spans])
    often, seldom = np.mean(shares, axis=0)
    assert often > 0.85
    assert 0.3 < seldom < 0.75


def test_only_notes_in_the_spans_are_left_and_end_with_them():
    kept = within(part((0.0, 3.0, 40), (1.5, 1.8, 41), (2.0, 2.5, 42), (4.0, 5.0, 43)), ((0.0, 1.0), (2.0, 4.0)))
    assert [(n.start, n.end, n.pitch) for n in kept.notes] == [(0.0, 1.0, 40), (2.0, 2.5, 42)]


def test_notes_that_begin_together_are_a_chord():
    assert [[n.pitch for n in chord] for chord in chords(CHORDS)] == [[48, 52, 55], [53, 57]]


def test_a_bass_on_the_kick_has_its_own_pitches_at_the_drum_s_times():
    drums = part((0.0, 0.1, 36), (0.25, 0.3, 42), (0.5, 0.6, 36), (1.0, 1.1, 35))
    bass = part((0.0, 0.9, 28), (0.98, 1.9, 33))
    line = on_the_kick(bass, drums, 0.5).notes
    assert [(n.start, n.pitch) for n in line] == [(0.0, 28), (0.5, 28), (1.0, 33)]
    assert [n.end - n.start for n in line[:2]] == pytest.approx([0.25, 0.25])
    assert on_the_kick(bass, part((0.0, 0.1, 42)), 0.5) == bass


@pytest.mark.parametrize("seed", range(8))
def test_power_chords_are_fifths_on_the_root_inside_each_chord(seed):
    riff = power_chords(CHORDS, 0.25, np.random.default_rng(seed)).notes
    assert {(n.pitch - (48 if n.start < 2 else 53)) % 12 for n in riff} == {0, 7}
    assert all(40 <= n.pitch <= 63 and n.end > n.start for n in riff)
    assert {0.0, 2.0} <= {n.start for n in riff}
    assert max(n.start for n in riff) < 3.0


@pytest.mark.parametrize("seed", range(8))
def test_an_arpeggio_plays_one_note_of_the_chord_at_a_time(seed):
    line = arpeggio(CHORDS, 0.25, np.random.default_rng(seed)).notes
    assert [n.start for n in line] == pytest.approx([*np.arange(8) * 0.25, *(2 + np.arange(4) * 0.25)])
    assert {n.pitch % 12 for n in line if n.start < 2} == {0, 4, 7}
