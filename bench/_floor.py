"""The least that a computation can take: its arithmetic and its bytes, against what this machine does at its best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rtsep.frontend.cqt import CQT
from rtsep.frontend.stft import STFT


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, and bytes that must be read or written: every input and output once."""

    flops: float
    bytes: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def __mul__(self, times: float) -> Cost:
        return Cost(self.flops * times, self.bytes * times)


@dataclass(frozen=True)
class Machine:
    """One thread's best: operations a second in a matrix product, bytes a second in a copy inside its nearest cache."""

    flops: float
    bytes: float

    def floor_seconds(self, cost: Cost) -> float:
        """The longer of the times that arithmetic and bytes take by themselves."""
        return max(cost.flops / self.flops, cost.bytes / self.bytes)


def measure_machine() -> Machine:
    a = np.ones((384, 384), np.float32)
    product = np.empty_like(a)
    source, target = np.ones((2, 4096), np.float32)

    def copy() -> None:
        for _ in range(100):
            np.copyto(target, source)

    product_seconds, copy_seconds = best_seconds([lambda: np.matmul(a, a, out=product), copy], repeats=40)
    return Machine(2 * 384**3 / product_seconds, 200 * source.nbytes / copy_seconds)


def best_seconds(tasks: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """The shortest time of each task, all run in turn `repeats` times after one run to warm up: noise only adds."""
    for task in tasks:
        task()
    best = [float("inf")] * len(tasks)
    for _ in range(repeats):
        for i, task in enumerate(tasks):
            start = time.perf_counter()
            task()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def fft_flops(length: int) -> float:
    """Operations of a complex FFT, as they are counted since Cooley and Tukey: 5 n log2 n."""
    return float(5 * length * np.log2(max(length, 2)))


def analyze_cost(frontend: CQT | STFT) -> Cost:
    """One channel of one slice: window, real FFT by halves, and for constant-Q band windows and their FFTs."""
    length = frontend.slice_length
    flops = length + fft_flops(length // 2) + 10 * (length // 2)
    if isinstance(frontend, CQT):
        flops += 2 * frontend.n_coefficients + sum(fft_flops(int(n)) for n in frontend.band_lengths)
    return Cost(flops, 4 * length + 8 * frontend.n_coefficients)


def synthesize_cost(frontend: CQT | STFT) -> Cost:
    """One channel of one slice: the way back costs the same steps."""
    forward = analyze_cost(frontend)
    return Cost(forward.flops, forward.bytes - 4 * (frontend.slice_length - frontend.output_length))


def power_cost(frontend: CQT | STFT) -> Cost:
    """|c|^2 and a sum for each coefficient."""
    return Cost(4 * frontend.n_coefficients, 8 * frontend.n_coefficients + 4 * frontend.n_bands * frontend.n_columns)


def gains_cost(frontend: CQT | STFT) -> Cost:
    """An interpolated gain (two operations) and two products for each coefficient, which is read and written."""
    return Cost(4 * frontend.n_coefficients, 16 * frontend.n_coefficients + 4 * frontend.n_bands * frontend.n_columns)
