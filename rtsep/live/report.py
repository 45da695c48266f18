"""The figures of live sound, while it plays and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, log10

import numpy as np

from rtsep.live.desk import Desk
from rtsep.live.plan import LivePlan
from rtsep.live.recorder import Take
from rtsep.types import F32


@dataclass(frozen=True)
class LiveReport:
    """Figures of a live stream up to now.

    `latency_ms` has its parts and, as `end_to_end`, their sum: what was declared and arranged for, `device` being what
    PortAudio says. `clock_ppm` is how much faster the output's clock runs than the input's, None for a single device.
    `compute_ms` is of one chunk, to be held against `deadline_ms`; `compute_histogram_ms` has where bins end and how
    many chunks lie in each. `callback_ms` is what the audio callback took for a block, once it was let run.
    `broken_samples` of the input were no numbers, or 120 dB above full scale, and taken for silence. `dry_seconds` is
    how long the dry signal was heard in the place of the stems. `queue_samples` wait to be separated,
    `longest_queue_samples` did at the most. `cpu` is processor time of the whole process per second of wall time: 1 is
    one core. `peak_dbfs` is of each stem as it was separated, `mix_peak_dbfs` of what was played: on the screen what
    `fall_back` shows, in the end over all. `desk` is what is set, `takes` are the recordings that have ended.
    """

    model: str
    source: str
    sink: str
    sample_rate: int
    channels: int
    block: int
    reserve_blocks: int
    seconds: float
    latency_ms: Mapping[str, float]
    clock_ppm: float | None
    compute_ms: Mapping[str, float]
    compute_histogram_ms: tuple[tuple[float, int], ...]
    callback_ms: Mapping[str, float]
    deadline_ms: float
    chunks: int
    misses: int
    dry_seconds: float
    underruns: int
    overruns: int
    broken_samples: int
    queue_samples: int
    longest_queue_samples: int
    cpu: float
    real_time_priority: str
    peak_dbfs: Mapping[str, float]
    mix_peak_dbfs: float
    desk: Desk
    takes: tuple[Take, ...]


Show = Callable[[LiveReport], None]
Tell = Callable[[str], None]


def latency_ms(plan: LivePlan, device_seconds: float, bridge: int) -> dict[str, float]:
    """The parts of the latency in milliseconds, those that not every stream has where there are any, and the sum.

    `device_seconds` are those of input and output, `bridge` samples lie between the two where they have two clocks.
    """
    parts = {
        "algorithmic": plan.algorithmic,
        "chunking": plan.chunking,
        "resampling": plan.resampling,
        "pipeline": plan.pipeline,
        "reserve": plan.reserve * plan.block,
        "bridge": bridge,
    }
    shown = {name: 1e3 * n / plan.rate for name, n in parts.items() if n or name in ("algorithmic", "reserve")}
    shown["device"] = 1e3 * device_seconds
    return {**shown, "end_to_end": sum(shown.values())}


def fall_back(shown: F32, peaks: F32, seconds: float) -> F32:
    """Magnitudes for the meters: up with `peaks` at once, down by 20 dB in 1.5 s (IEC 60268-10, type I)."""
    fallen: F32 = np.maximum(peaks, shown * np.float32(10 ** (-seconds / 1.5)))
    return fallen


def decibels(peak: float) -> float:
    """20 log10 of a magnitude, -inf for silence."""
    return 20 * log10(peak) if peak > 0 else -inf
