"""Modes of live sound: the model of each, and the cure for a machine that is too slow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rtsep.errors import OptionError
from rtsep.live.modes import MODES, choose_model, too_slow
from rtsep.live.plan import LivePlan, make_plan
from rtsep.separator import load_separator

ROOT = Path(__file__).parents[1]
# 1 ms is 10 samples: a chunk each 20 ms, a deadline of 13 ms.
PLAN = LivePlan(
    rate=10_000,
    n_channels=2,
    block=20,
    reserve=10,
    algorithmic=100,
    chunking=0,
    resampling=0,
    pipeline=0,
    advance=200,
)


@pytest.mark.parametrize(("latency", "most_ms"), [("low", 12), ("balanced", 93), ("quality", 186)])
def test_a_mode_has_the_latency_that_is_said_of_it(latency: str, most_ms: float) -> None:
    separator = load_separator(choose_model(latency, None, 1), slices=1)
    assert most_ms - 1 < 1e3 * separator.shape.latency / separator.sample_rate <= most_ms
    plan = make_plan(separator.shape, separator.sample_rate, separator.sample_rate, 2, 256)
    (mode,) = (mode for mode in MODES if mode.name == latency)
    end_to_end = f"{1e3 * plan.delay / plan.rate:.0f} ms | {100 * mode.load:.0f} % |"
    assert f"| `{latency}` | `{mode.model}` | {most_ms} ms | {end_to_end}\n" in (ROOT / "README.md").read_text()


def test_loads_are_those_that_the_soak_found() -> None:
    rows = json.loads((ROOT / "bench/results/soak.json").read_text())["rows"]
    found = {row["case"].partition(",")[0]: round(row["load"], 2) for row in rows if "load" in row}
    assert [(mode.name, mode.load) for mode in MODES] == [(mode.name, found[mode.name]) for mode in MODES]


def test_without_a_mode_the_model_is_the_one_that_is_named() -> None:
    assert choose_model(None, "mine.safetensors", 3) == "mine.safetensors"
    assert choose_model(None, None, 3) == choose_model("quality", None, 3)


@pytest.mark.parametrize(
    ("latency", "model", "n_ranks", "told"),
    [("balanced", "cqt-sparse", 1, "leave out one of"), ("low", None, 3, "start one process")],
)
def test_what_contradicts_itself_is_refused(latency: str, model: str | None, n_ranks: int, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        choose_model(latency, model, n_ranks)


@pytest.mark.parametrize(
    ("mode", "took_ms", "cure"),
    [
        ("low", 12.9, ""),
        ("low", 13.5, "give --reserve 14"),
        ("low", 30, "choose --latency balanced"),
        ("low", 90, "choose --latency quality"),
        ("balanced", 17, "choose --latency quality"),
        ("quality", 19, "more --slices"),
        ("low", 500, "more --slices"),
        ("mine.safetensors", 30, "choose --latency quality"),
    ],
)
def test_a_machine_that_is_too_slow_is_told_what_it_can_do(mode: str, took_ms: float, cure: str) -> None:
    model = next((m.model for m in MODES if m.name == mode), mode)
    line = too_slow(PLAN, model, {"p50": took_ms})
    assert cure in line
    assert bool(line) == bool(cure)


def test_the_reserve_that_is_told_is_enough() -> None:
    told = too_slow(PLAN, "mine", {"p50": 13.5}).rpartition(" ")[2]
    assert replace(PLAN, reserve=int(told)).deadline >= 1.5 * 135


def test_chunks_that_come_in_time_but_pile_up_are_too_slow() -> None:
    assert "choose --latency quality" in too_slow(replace(PLAN, reserve=50), "mine", {"p50": 25})


def test_a_machine_without_a_single_chunk_is_told_the_lightest_mode() -> None:
    assert "choose --latency quality" in too_slow(PLAN, "stft-sparse-lowdelay", {})
    assert "more --slices" in too_slow(PLAN, "cqt-sparse", {})
