"""The modes of `rtsep live --latency`, and what to do where a machine is too slow for what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from rtsep.errors import OptionError
from rtsep.live.plan import LivePlan

# Of the time from one chunk to the next: what computing may take for a stream to be safe from a busy moment.
_SAFE_LOAD = 0.7


@dataclass(frozen=True)
class Mode:
    """A model with chunks of one slice; `load` is its computing time over playing time on one core of a Xeon.

    It is what `bench/soak.py` found (bench/results/soak.json), and the README has it from here; a test compares them.
    Other machines are faster or slower, but by about the same factor for all modes.
    """

    name: str
    model: str
    load: float


# In the order of their latency.
MODES = (
    Mode("low", "stft-sparse-lowdelay", 0.49),
    Mode("balanced", "cqt-sparse-lowlatency", 0.1),
    Mode("quality", "cqt-sparse", 0.05),
)
DEFAULT = "quality"


def choose_model(latency: str | None, model: str | None, n_ranks: int) -> str:
    """The model of a mode, or the one that is named in its place. Raises OptionError where both are given."""
    if latency and model:
        raise OptionError(f"latency {latency}: it brings its own model; leave out one of --latency and --model")
    if latency == "low" and n_ranks > 1:
        raise OptionError(f"latency low: ranks would add to it, {n_ranks} were started; start one process, no mpirun")
    return model or _mode(latency or DEFAULT).model


def too_slow(plan: LivePlan, model: str, took_ms: Mapping[str, float]) -> str:
    """One line with a cure if chunks, by the median of `took_ms`, take longer than they may; '' if they do not."""
    if not took_ms:
        return f"this machine has not separated a single chunk yet: all is played dry; {_cure(plan, model, None)}"
    per_ms = plan.rate / 1e3
    median = took_ms["p50"] * per_ms
    if median <= min(plan.deadline, plan.capacity):
        return ""
    return (
        f"this machine takes {took_ms['p50']:.0f} ms for a chunk, the deadline is {plan.deadline / per_ms:.0f} ms: "
        f"what comes too late is played dry; {_cure(plan, model, median)}"
    )


def _cure(plan: LivePlan, model: str, median: float | None) -> str:
    """What to do where a chunk takes `median` samples' time, None if it is not known how long."""
    if median is not None and median <= _SAFE_LOAD * plan.capacity:
        return f"give --reserve {1 + ceil((1.5 * median + plan.fade) / plan.block)}"
    if lighter := _lighter(model, None if median is None else median / plan.capacity):
        return f"choose --latency {lighter.name}"
    return "give more --slices, or separate a recording with rtsep run"


def _lighter(model: str, load: float | None) -> Mode | None:
    """The mode of the lowest latency that a machine with this `load` can do; the lightest where it is not known."""
    lightest = min(MODES, key=lambda mode: mode.load)
    current = next((mode for mode in MODES if mode.model == model), None)
    if current is None or load is None:
        return lightest if current != lightest else None
    lighter = [mode for mode in MODES if mode.load < current.load]
    return next((mode for mode in lighter if load * mode.load / current.load <= _SAFE_LOAD), None)


def _mode(name: str) -> Mode:
    return next(mode for mode in MODES if mode.name == name)
