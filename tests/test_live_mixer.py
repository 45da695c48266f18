"""The mixing desk: gains that ramp without a click, whatever the blocks; what keys, presets and knobs set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rtsep.errors import OptionError
from rtsep.live.desk import PRESETS, Strip, change_strip, make_desk, set_gain, set_master, use_preset, weights
from rtsep.live.duplex import Duplex
from rtsep.live.mixer import Mixer
from rtsep.live.plan import LivePlan
from rtsep.types import F32, STEMS, Audio, Stems

RAMP = 50
N = 400
FULL = weights(make_desk(STEMS))


def sounds(n_channels: int = 2) -> tuple[Stems, Audio]:
    random = np.random.default_rng(1)
    return random.standard_normal((4, N, n_channels), np.float32), random.standard_normal((N, n_channels), np.float32)


def play(mixer: Mixer, stems: Stems, dry: Audio, presence: F32, steps: dict[int, F32], block: int) -> Audio:
    """What is played in blocks; at the samples of `steps`, where a block begins also, the desk is set."""
    n_channels = dry.shape[1]
    wide = np.concatenate(list(stems), axis=1)
    played = np.full((N, mixer.n_played), np.nan, np.float32)
    starts = sorted({*range(0, N, block), *steps})
    for start, end in zip(starts, [*starts[1:], N], strict=True):
        if start in steps:
            mixer.steer(steps[start])
        mixer.mix(wide[start:end], dry[start:end], presence[start:end], played[start:end])
    assert mixer.n_heard == 4 * n_channels
    return played


def slow_weights(first: F32, steps: dict[int, F32]) -> np.ndarray:
    """The weights at each sample: straight lines from where they were to where they are to be."""
    found = np.empty((N, len(first)))
    now = aim = begin = first.astype(np.float64)
    since = 0
    for i in range(N):
        if i in steps and np.any(steps[i] != aim):
            begin, aim, since = now, steps[i].astype(np.float64), i
        now = begin + (aim - begin) * min(1, (i - since + 1) / RAMP)
        found[i] = now
    return found


def slow_mix(stems: Stems, dry: Audio, presence: F32, found: np.ndarray, apart: bool) -> np.ndarray:
    wet = presence[:, None] * (1 - found[:, 4:5])
    parts = found[None, :, 5:6] * (wet * found.T[:4, :, None] * stems + (1 - wet) * dry / 4)
    return np.concatenate(list(parts), axis=1) if apart else parts.sum(axis=0)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_it_plays_the_weighted_sum_and_ramps_whatever_the_blocks(n_channels: int, apart: bool) -> None:
    stems, dry = sounds(n_channels)
    presence = np.random.default_rng(2).random(N, np.float32)
    desk = make_desk(STEMS)
    steps = {
        64: weights(use_preset(desk, "karaoke")),
        96: weights(set_master(replace(desk, bypass=True), -6)),  # in the middle of the ramp before it
        224: weights(set_gain(desk, 1, 12)),
        230: weights(set_gain(desk, 1, 12)),  # nothing new
    }
    expected = slow_mix(stems, dry, presence, slow_weights(FULL, steps), apart)
    mixer = Mixer(FULL, n_channels, RAMP, apart=apart)
    whole = play(mixer, stems, dry, presence, steps, N)
    np.testing.assert_allclose(whole, expected, atol=2e-5)
    assert mixer.take_peak() == np.abs(whole).max() > 0 == mixer.take_peak()
    for block in (1, 7, 32):
        blocks = play(Mixer(FULL, n_channels, RAMP, apart=apart), stems, dry, presence, steps, block)
        np.testing.assert_array_equal(blocks, whole)


def test_stems_at_full_level_are_their_sum_to_the_bit() -> None:
    stems, dry = sounds()
    played = play(Mixer(FULL, 2, RAMP), stems, dry, np.ones(N, np.float32), {}, 32)
    np.testing.assert_array_equal(played, stems.sum(axis=0))


def test_bypass_is_the_dry_signal_to_the_bit_and_no_change_is_a_click() -> None:
    stems, dry = np.full((4, N, 2), 0.25, np.float32), np.full((N, 2), -1, np.float32)
    steps = {32: weights(replace(make_desk(STEMS), bypass=True))}
    played = play(Mixer(FULL, 2, RAMP), stems, dry, np.ones(N, np.float32), steps, 32)
    np.testing.assert_array_equal(played[32 + RAMP :], dry[32 + RAMP :])
    assert np.abs(np.diff(played, axis=0)).max() <= 2 / RAMP * 1.001


def test_bypass_is_in_time_with_the_stems() -> None:
    """A duplex whose stems are the song upside down: only the sign shows which of the two is heard."""
    plan = LivePlan(8000, 2, 32, reserve=3, algorithmic=50, chunking=0, resampling=0, pipeline=0, advance=40)
    desk = make_desk(("all",))
    mixer = Mixer(weights(desk), 2, plan.fade)
    duplex = Duplex(plan, mixer)
    song = np.random.default_rng(3).standard_normal((60 * 32, 2), np.float32)
    waiting, played = song[:0], []
    for k, block in enumerate(np.split(song, 60)):
        if k in (20, 40):
            mixer.steer(weights(replace(desk, bypass=k == 20)))
        played.append(np.empty_like(block))
        duplex.exchange(block, played[-1])
        waiting = np.concatenate([waiting, block])
        n = max(0, len(waiting) - plan.algorithmic)
        duplex.stems.write(-waiting[:n])
        waiting = waiting[n:]
    weight = np.concatenate(played)[plan.delay :] / song[: -plan.delay]
    change, back = (32 * k - plan.delay for k in (20, 40))
    assert np.all(weight[:change] == -1)
    assert np.all(weight[change + plan.fade : back] == 1)
    assert np.all(weight[back + plan.fade :] == -1)
    assert np.abs(np.diff(weight, axis=0)).max() < 2 / plan.fade * 1.01
    assert duplex.n_misses == 0


def test_solo_mute_and_silence_are_silent_and_solo_does_not_lift_a_mute() -> None:
    desk = make_desk(STEMS)
    assert weights(desk).tolist() == [1, 1, 1, 1, 0, 1]
    solo = change_strip(change_strip(desk, 0, lambda s: replace(s, solo=True)), 2, lambda s: replace(s, solo=True))
    assert weights(solo)[:4].tolist() == [1, 0, 1, 0]
    assert weights(change_strip(solo, 0, lambda s: replace(s, muted=True)))[:4].tolist() == [0, 0, 1, 0]
    assert weights(set_gain(desk, 3, -60))[3] == 0
    assert weights(set_gain(desk, 3, -59))[3] == pytest.approx(10 ** (-59 / 20))
    assert set_gain(desk, 3, 40).strips[3].gain_db == 12
    assert weights(set_master(desk, -20))[5] == pytest.approx(0.1)


def test_presets_touch_one_stem_and_set_the_others_to_full() -> None:
    changed = set_gain(make_desk(STEMS), 3, -7)
    for preset, stem in [("karaoke", 2), ("instrumental", 2), ("drumless", 1), ("bassless", 0)]:
        found = weights(use_preset(changed, preset))[:4]
        assert np.delete(found, stem).tolist() == [1, 1, 1]
        assert found[stem] == (pytest.approx(10 ** (-18 / 20)) if preset == "karaoke" else 0)
        assert make_desk(STEMS, preset=preset) == use_preset(make_desk(STEMS), preset)
    assert {strip.stem for strip in PRESETS.values()} <= set(STEMS)
    assert use_preset(make_desk(("voice", "rest")), "drumless") == make_desk(("voice", "rest"))


def test_only_what_is_to_be_heard_is_open() -> None:
    assert make_desk(STEMS, hear=("bass", "other")).strips == (
        Strip("bass"),
        Strip("drums", muted=True),
        Strip("vocals", muted=True),
        Strip("other"),
    )


@pytest.mark.parametrize(
    ("stems", "hear", "preset", "told"),
    [
        (STEMS, ("flute",), "", "stem flute: .*; choose among bass, drums"),
        (STEMS, (), "loud", "preset loud: .*; choose among karaoke, instrumental, drumless, bassless"),
        (("vocals", "rest"), (), "drumless", "preset drumless: .*; choose among karaoke, instrumental$"),
        (STEMS, ("bass",), "karaoke", "preset karaoke: .*; leave one"),
    ],
)
def test_what_cannot_be_set_is_refused(stems: tuple[str, ...], hear: tuple[str, ...], preset: str, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        make_desk(stems, hear, preset)
