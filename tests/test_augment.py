"""Mixtures drawn from sounds made for the purpose, so that it can be heard what was drawn and what was done to it."""

from dataclasses import fields

import numpy as np
import pytest
import soundfile

from rtsep.effects.chain import Chain, through_chain, through_limiter
from rtsep.training.augment import Mixer, Remix
from rtsep.training.datasets import SoloFolder, SongFolder
from rtsep.types import STEMS

RATE = 8000
EFFECTS = [field.name for field in fields(Chain) if field.name not in ("equalizer_db", "limiter")]
ALL = Chain(**dict.fromkeys(EFFECTS, 1.0), limiter=1.0)
PLAIN = Remix(seconds=1.0, absent_chance=0.0, tilt_db=0.0, semitones=0.0)


def tone(frequency: float, seconds: float = 4.0) -> np.ndarray:
    return 0.2 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A song whose stems are tones, left and right half an octave apart; its voice is missing, and sung elsewhere."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "songs" / "Song").mkdir(parents=True)
    for i, stem in enumerate(("bass", "drums", "other")):
        pair = np.stack([tone(200 * 2**i), tone(300 * 2**i)], axis=1)
        soundfile.write(folder / "songs" / "Song" / f"{stem}.wav", pair, RATE)
    (folder / "voices").mkdir()
    soundfile.write(folder / "voices" / "a.wav", tone(3000), RATE)
    return SongFolder("songs").sources(folder) + SoloFolder("voices", "vocals", "*.wav").sources(folder)


def mixer(sources, **changes) -> Mixer:
    return Mixer(sources, Remix(**{**PLAIN.__dict__, **changes}), RATE, seed=3)


def pitch(samples: np.ndarray) -> float:
    """The loudest frequency in Hz, to 1 Hz."""
    assert len(samples) == RATE
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(RATE)))))


def test_one_channel_is_left_or_right(sources):
    drawn = [mixer(sources).draw(i) for i in range(12)]
    assert {pitch(stems[0]) for stems in drawn} == {200, 300}
    assert {pitch(stems[STEMS.index("other")]) for stems in drawn} == {800, 1200}


def test_stereo_is_both_as_they_are_or_changed_over(sources):
    drawn = [mixer(sources).draw_stereo(i) for i in range(12)]
    assert drawn[0].shape == (4, RATE, 2)
    assert {tuple(pitch(side) for side in stems[0].T) for stems in drawn} == {(200, 300), (300, 200)}
    voice = drawn[0][STEMS.index("vocals")]
    assert np.array_equal(voice[:, 0], voice[:, 1])


def test_levels_are_those_of_the_recipe(sources):
    stems = mixer(sources, same_song_chance=0.0, level_spread_db=0.0, level_db=dict.fromkeys(STEMS, -20.0)).draw(0)
    loud = [x[np.abs(x) > 0.1 * np.sqrt(np.mean(x**2))] for x in stems]
    assert [20 * np.log10(np.sqrt(np.mean(x**2))) for x in loud] == pytest.approx([-20] * 4, abs=0.01)


def test_transposing_moves_pitch_by_no_more_than_it_may_and_absence_is_silence(sources):
    drawn = [mixer(sources, semitones=3.0, same_song_chance=0.0).draw(i) for i in range(20)]
    heard = np.array([pitch(stems[STEMS.index("vocals")]) for stems in drawn])
    assert np.all(np.abs(12 * np.log2(heard / 3000)) <= 3.01)
    assert np.ptp(heard) > 500
    assert not mixer(sources, absent_chance=1.0, same_song_chance=0.0).draw(0).any()


def test_a_stem_that_a_song_has_not_is_laid_over_it_by_chance(sources):
    vocals = STEMS.index("vocals")
    alone = mixer(sources, same_song_chance=1.0)
    filled = mixer(sources, same_song_chance=1.0, fill_chance=1.0, level_spread_db=0.0)
    for i in range(5):
        assert not alone.draw(i)[vocals].any()
        stems = filled.draw(i)
        assert pitch(stems[vocals]) == 3000
        rms = np.sqrt(np.mean(stems**2, axis=1))
        assert 0.5 < rms[vocals] / np.delete(rms, vocals).mean() < 2
        assert np.array_equal(np.delete(stems, vocals, 0), np.delete(alone.draw(i), vocals, 0))


def test_two_songs_of_one_name_are_two(tmp_path):
    """Stems of a true mix come from one of them, never from both."""
    for i, artist in enumerate(("one", "two")):
        (tmp_path / "songs" / artist / "Song").mkdir(parents=True)
        for stem in ("bass", "drums"):
            soundfile.write(tmp_path / "songs" / artist / "Song" / f"{stem}.wav", tone(300 + 400 * i), RATE)
    both = mixer(SongFolder("songs").sources(tmp_path), same_song_chance=1.0)
    pitches = [tuple(map(pitch, both.draw(i)[:2])) for i in range(12)]
    assert set(pitches) == {(300, 300), (700, 700)}


def test_effects_do_not_change_what_is_drawn_and_the_limiter_is_one_gain_for_all(sources):
    before, after = mixer(sources).draw_stereo(1), mixer(sources, chain=Chain(limiter=1.0)).draw_stereo(1)
    gain = np.sum(before * after, axis=(0, 2)) / np.maximum(np.sum(before**2, axis=(0, 2)), 1e-9)
    assert after == pytest.approx(before * gain[:, None], abs=1e-5)
    assert gain.min() < 0.9
    assert gain.max() <= 1 + 1e-5


def test_a_mixture_is_the_same_whatever_was_drawn_before(sources):
    one, two = mixer(sources, chain=ALL), mixer(sources, chain=ALL)
    one.draw(0)
    assert np.array_equal(one.draw(4), two.draw(4))
    assert not np.array_equal(one.draw(4), one.draw(5))


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_each_effect_is_heard_and_leaves_the_loudness_alone(effect, n_channels):
    samples = (0.1 * np.random.default_rng(0).standard_normal((RATE, n_channels))).astype(np.float32)
    samples[: RATE // 2] *= 0.1
    out = through_chain(samples, Chain(**{effect: 1.0}), 44100, np.random.default_rng(1))
    assert (out.shape, out.dtype) == (samples.shape, np.float32)
    assert np.mean(out**2) == pytest.approx(np.mean(samples**2), rel=1e-4)
    changed = np.abs(out - samples).max() > 0.01
    assert changed == (effect not in ("width", "pan") or n_channels == 2)


def test_no_chance_no_change_and_silence_stays_silent():
    samples = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32)
    assert np.array_equal(through_chain(samples, Chain(), 44100, np.random.default_rng(0)), samples)
    stems = np.stack([samples] * 4)
    assert np.array_equal(through_limiter(stems, Chain(), 44100, np.random.default_rng(0)), stems)
    silence = np.zeros((1000, 2), np.float32)
    assert not through_chain(silence, ALL, 44100, np.random.default_rng(0)).any()
    assert not through_limiter(np.stack([silence] * 4), ALL, 44100, np.random.default_rng(0)).any()


def test_chances_are_kept():
    samples = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    rng, half = np.random.default_rng(0), Chain(saturation=0.5)
    changed = [not np.array_equal(through_chain(samples, half, 44100, rng), samples) for _ in range(400)]
    assert np.mean(changed) == pytest.approx(0.5, abs=0.08)
