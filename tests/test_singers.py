"""Recorded voices made ready for rendered songs."""

import numpy as np
import pytest
import soundfile

from rtsep.errors import OptionError
from rtsep.rendering.singers import brighten, draw_singer, find_singers, sing

RATE = 44100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two songs of one singer as in MIR-1K, at 16 kHz with the voice on the right, and a folder of single sounds."""
    root = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    (root / "notes").mkdir()
    for name in ("amy_1_01", "amy_1_02", "amy_2_01"):
        t = np.arange(16000) / 16000
        voice = np.sin(2 * np.pi * 330 * t) + 0.3 * rng.standard_normal(16000) * (t > 0.5)
        soundfile.write(root / f"{name}.wav", 0.3 * np.stack([np.sin(2 * np.pi * 55 * t), voice], axis=1), 16000)
    soundfile.write(root / "notes" / "la.wav", 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE), RATE)
    return root


def test_singers_are_told_apart_by_song_and_folder(folder, tmp_path):
    groups = find_singers(folder)
    names = {singer.name: [clip.path.stem for clip in singer.clips] for group in groups for singer in group}
    assert names == {"amy_1": ["amy_1_01", "amy_1_02"], "amy_2": ["amy_2_01"], "notes": ["la"]}
    assert {draw_singer(groups, np.random.default_rng(s)).name for s in range(20)} == set(names)
    with pytest.raises(OptionError, match="no sound files below"):
        find_singers(tmp_path)


def test_a_song_is_sung_by_the_voice_not_its_accompaniment(folder):
    (singer,) = (s for group in find_singers(folder) for s in group if s.name == "amy_1")
    for seed in range(4):
        voice = sing(singer, 4.0, 0.5, np.random.default_rng(seed))
        assert voice.shape == (4 * RATE, 2)
        assert np.isfinite(voice).all()
        assert np.array_equal(voice, sing(singer, 4.0, 0.5, np.random.default_rng(seed)))
        power = np.abs(np.fft.rfft(voice.mean(axis=1))) ** 2
        hertz = np.fft.rfftfreq(len(voice), 1 / RATE)
        assert power[hertz < 100].sum() < 0.03 * power[(hertz > 250) & (hertz < 420)].sum()


def test_a_dull_voice_gets_sibilants_where_it_hisses_and_stays_itself_below():
    rng = np.random.default_rng(1)
    t = np.arange(RATE) / RATE
    hiss = np.fft.irfft(np.fft.rfft(rng.standard_normal(RATE)) * (np.fft.rfftfreq(RATE, 1 / RATE) < 6000), RATE)
    clip = (np.sin(2 * np.pi * 300 * t) * (t < 0.5) + 0.3 * hiss * (t >= 0.5))[:, None].astype(np.float32)
    bright = brighten(clip, 6000.0, 0.0, np.random.default_rng(2))
    added = bright - clip
    spectrum = np.abs(np.fft.rfft(added[:, 0])) ** 2
    assert spectrum[:4000].sum() < 0.05 * spectrum.sum()
    vowel, sibilant = (np.sqrt(np.mean(added[a:b] ** 2)) for a, b in ((4000, 20000), (24000, 42000)))
    assert sibilant > 0.02
    assert vowel < 0.02 * sibilant
