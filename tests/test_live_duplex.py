"""The audio callback's part: exact delay, and a bridge of dry signal over what comes too late, without a click."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rtsep.errors import OptionError
from rtsep.live.desk import make_desk, weights
from rtsep.live.duplex import Duplex
from rtsep.live.mixer import Mixer
from rtsep.live.plan import LEAST_DEADLINE_SECONDS, LivePlan, make_plan
from rtsep.types import Audio, ChunkShape

PLAN = LivePlan(
    rate=8000,
    n_channels=2,
    block=32,
    reserve=3,
    algorithmic=50,
    chunking=0,
    resampling=0,
    pipeline=0,
    advance=40,
)
SHAPE = ChunkShape(hop=512, slice_length=1024, slice_output=1024, latency=896, context_slices=1, slices=4)


class Stage:
    """A duplex whose worker gives `gain` times what it hears, `algorithmic` samples later, unless it is late."""

    def __init__(self, gain: float, plan: LivePlan = PLAN) -> None:
        self.duplex = Duplex(plan, Mixer(weights(make_desk(("all",))), plan.n_channels, plan.fade))
        self.gain = gain
        self.waiting = np.zeros((0, 2), np.float32)

    def work(self) -> None:
        """Do all that can be done by now."""
        block = np.empty((self.duplex.heard.available, 2), np.float32)
        self.duplex.heard.read_into(block)
        self.waiting = np.concatenate([self.waiting, block])
        n = max(0, len(self.waiting) - PLAN.algorithmic)
        self.duplex.stems.write(np.float32(self.gain) * self.waiting[:n])
        self.waiting = self.waiting[n:]

    def play(self, song: Audio, asleep: range = range(0)) -> Audio:
        """What is played while `song` is heard, block by block; in the blocks of `asleep` no work is done."""
        played = []
        for k, start in enumerate(range(0, len(song), PLAN.block)):
            block = song[start : start + PLAN.block]
            out = np.full_like(block, np.nan)
            self.duplex.exchange(block, out)
            if k not in asleep:
                self.work()
            played.append(out)
        return np.concatenate(played)


def noise(n_blocks: int) -> Audio:
    return np.random.default_rng(3).standard_normal((n_blocks * PLAN.block, 2), np.float32)


def delayed(song: Audio) -> Audio:
    return np.concatenate([np.zeros((PLAN.delay, 2), np.float32), song])[: len(song)]


def test_stems_are_played_after_the_delay_to_the_sample() -> None:
    song = noise(40)
    stage = Stage(gain=-0.5)
    np.testing.assert_array_equal(stage.play(song), -0.5 * delayed(song))
    assert (stage.duplex.n_misses, stage.duplex.n_dry, stage.duplex.n_overruns) == (0, 0, 0)
    assert stage.duplex.n_exchanged == len(song)


@pytest.mark.parametrize("reserve", [4, 6, 9])
def test_a_worker_that_is_late_by_its_deadline_is_not_noticed_but_a_block_later_it_is(reserve: int) -> None:
    plan = replace(PLAN, reserve=reserve)
    n_blocks = plan.deadline // plan.block
    in_time, late = Stage(gain=-1, plan=plan), Stage(gain=-1, plan=plan)
    in_time.play(noise(40), asleep=range(20, 20 + n_blocks))
    late.play(noise(40), asleep=range(20, 21 + n_blocks))
    assert (in_time.duplex.n_misses, late.duplex.n_misses) == (0, 1)


@pytest.mark.parametrize("n_asleep", [1, 2, 3, 5, 11])
def test_a_miss_is_bridged_by_the_dry_signal_in_its_place_and_faded(n_asleep: int) -> None:
    """Stems are the song upside down, so that the weight of the stems is to be read off the sound."""
    song = noise(60)
    stage = Stage(gain=-1)
    played = stage.play(song, asleep=range(20, 20 + n_asleep))
    dry = delayed(song)[PLAN.delay :]
    weight = ((1 - played[PLAN.delay :] / dry) / 2)[:, 0]
    np.testing.assert_allclose((1 - played[PLAN.delay :] / dry)[:, 1] / 2, weight, atol=1e-3)
    assert np.all((weight > -1e-3) & (weight < 1 + 1e-3))
    steepest = np.pi / 2 / PLAN.fade
    assert np.abs(np.diff(weight)).max() <= steepest * 1.01 + 1e-3
    assert weight[0] == weight[-1] == 1
    assert stage.duplex.n_misses == 1
    assert weight.min() < 0.4
    assert stage.duplex.n_dry == pytest.approx(np.sum(weight < 1e-4), abs=2)


def test_each_miss_counts_once() -> None:
    stage = Stage(gain=-1)
    song = noise(40)
    stage.play(song, asleep=range(5, 12))
    stage.play(song, asleep=range(5, 12))
    assert stage.duplex.n_misses == 2


def test_what_is_no_sound_is_silence_for_the_worker_and_in_the_dry_signal() -> None:
    song = noise(40)
    broken = song.copy()
    broken[100] = np.nan, -np.inf
    broken[700, 1] = 3e38
    song[100] = song[700, 1] = 0
    stage, dry = Stage(0.5), Stage(0.5)
    np.testing.assert_array_equal(stage.play(broken), np.float32(0.5) * delayed(song))
    np.testing.assert_array_equal(
        dry.play(broken, asleep=range(40))[PLAN.delay + PLAN.fade :], delayed(song)[PLAN.delay + PLAN.fade :]
    )
    assert stage.duplex.n_broken == dry.duplex.n_broken == 3


def test_what_a_stalled_worker_has_no_room_for_reaches_it_as_silence() -> None:
    stage = Stage(gain=1)
    n_blocks = stage.duplex.heard.room // PLAN.block + 7
    song = noise(1)
    for _ in range(n_blocks):
        stage.duplex.exchange(song, np.empty_like(song))
    assert stage.duplex.n_overruns == 7
    stage.duplex.heard.skip(stage.duplex.heard.available)
    stage.duplex.exchange(song, np.empty_like(song))
    heard = np.empty((8 * PLAN.block, 2), np.float32)
    stage.duplex.heard.read_into(heard)
    np.testing.assert_array_equal(heard, np.concatenate([np.zeros((7 * PLAN.block, 2)), song]))
    assert stage.duplex.heard.available == 0


def test_the_parts_of_the_delay_are_those_of_the_chunks() -> None:
    plan = make_plan(SHAPE, 44100, 44100, 2, 256)
    assert (plan.algorithmic, plan.chunking, plan.resampling) == (896, 3 * 512, 0)
    assert plan.delay == 896 + 3 * 512 + plan.reserve * 256
    assert plan.fade == 220
    assert SHAPE.advance <= plan.deadline < SHAPE.advance + 256
    least = LEAST_DEADLINE_SECONDS * 44100
    assert least <= make_plan(replace(SHAPE, slices=1), 44100, 44100, 2, 256).deadline < least + 256


def test_at_another_rate_the_parts_last_as_long_and_the_resamplers_add_theirs() -> None:
    plan = make_plan(SHAPE, 44100, 48000, 2, 256)
    assert plan.algorithmic == pytest.approx(896 / 44100 * 48000, abs=1)
    assert plan.resampling > 0


def test_ranks_that_take_turns_have_longer_and_the_stream_waits_for_them() -> None:
    one, three = (make_plan(SHAPE, 44100, 44100, 2, 256, n_computing=n) for n in (1, 3))
    assert (one.pipeline, three.pipeline) == (0, 2 * SHAPE.advance)
    assert three.delay - one.delay == three.deadline - one.deadline == three.pipeline
    assert (one.capacity, three.capacity) == (SHAPE.advance, 3 * SHAPE.advance)


@pytest.mark.parametrize(
    ("block", "reserve", "told"),
    [(8, 4, "block 8"), (9000, 2, "block 9000"), (256, 1, "reserve 1"), (256, 10**8, "30 s late at most; give fewer")],
)
def test_a_plan_that_cannot_be_is_refused(block: int, reserve: int, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        make_plan(SHAPE, 44100, 44100, 2, block, reserve)
