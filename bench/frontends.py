"""How fast are the front ends, forward and back, and how exact, beside nsgt's sliCQ and librosa's CQT?

Stereo on one thread, `x_realtime` a channel; with overlap-add, slice by slice but where it is said; best of repeats,
taken in turn.
`times_floor` compares with what the arithmetic and the bytes must take on this machine: at the speed of its matrix
product, and of a copy in its nearest cache.

Peers are timed if they are installed, as `make bench` does. nsgt runs as pip installs it: version 0.19 never finds its
compiled loops, even where there are any, and so loops over the bands in Python.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import soundfile
from _floor import Machine, analyze_cost, best_seconds, gains_cost, measure_machine, power_cost, synthesize_cost
from _table import Row, bench_parser, publish
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rtsep.frontend.cqt import CQT
from rtsep.frontend.presets import PRESETS, build_preset
from rtsep.frontend.stft import STFT

RATE = 44100
DEMO = Path(__file__).parents[1] / "demo" / "song.flac"
Signal = NDArray[np.float32]
RoundTrip = Callable[[], NDArray[np.float64]]


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    seconds, repeats = (2.0, 3) if options.quick else (10.0, 10)
    audio = soundfile.read(DEMO, round(seconds * RATE), RATE, dtype="float32", always_2d=True)[0]
    with threadpool_limits(1):
        machine = measure_machine()
        rows = round_trips(audio, repeats)
        rows += [row for name in PRESETS for row in stages(name, machine, 100 * repeats)]
    publish(__doc__, rows, options.json)


def round_trips(audio: Signal, repeats: int) -> list[Row]:
    """Speed and error of the whole way there and back."""
    cases = [(name, "rtsep", through(build_preset(name), audio)) for name in PRESETS]
    cases += [("cqt, four slices in a call", "rtsep", through(build_preset("cqt"), audio, 4))]
    cases += [("cqt in float64", "rtsep", through(build_preset("cqt", dtype=np.float64), audio))]
    cases += peers(audio)
    times = best_seconds([trip for _, _, trip in cases], repeats)
    rows: list[Row] = []
    for (case, who, trip), time in zip(cases, times, strict=True):
        back = trip()
        inside = slice(16384, len(audio) - 16384)  # peers pad the ends of the song in ways of their own
        error = np.linalg.norm(back[inside] - audio[inside]) / np.linalg.norm(audio[inside])
        row: Row = {"case": f"round trip, {case}", "who": who, "x_realtime": audio.size / RATE / time}
        row["relative_error"] = float(error)
        if case in PRESETS:
            row["latency_samples"] = build_preset(case).latency
        rows.append(row)
    return rows


def through(frontend: CQT | STFT, audio: Signal, together: int = 1) -> RoundTrip:
    """Every slice analysed, synthesised and overlap-added, `together` of them in a call."""
    ends = frontend.slice_length + together * frontend.hop
    padded = np.pad(audio, ((ends, ends), (0, 0))).astype(frontend.dtype)
    slices = sliding_window_view(padded, frontend.slice_length, axis=0)[:: frontend.hop].swapaxes(1, 2)
    coefficients = frontend.analyze(slices[:together])
    back = frontend.synthesize(coefficients)

    def trip() -> NDArray[np.float64]:
        out = np.zeros_like(padded)
        for first in range(0, len(slices) - together + 1, together):
            frontend.analyze(slices[first : first + together], coefficients)
            frontend.synthesize(coefficients, back)
            for s, part in enumerate(back, start=first):
                end = s * frontend.hop + frontend.slice_length
                out[end - frontend.output_length : end] += part
        return out[ends:][: len(audio)].astype(float)

    return trip


def peers(audio: Signal) -> list[tuple[str, str, RoundTrip]]:
    """The same bands, 24 an octave from 30 Hz on: to 20 kHz, but to 15 kHz in librosa, which is undone above that."""
    found = []
    for name in ("nsgt", "librosa"):
        if not importlib.util.find_spec(name):
            print(
                f"{name} is not installed: its row is left out; pip install --no-build-isolation {name}",
                file=sys.stderr,
            )
    if importlib.util.find_spec("nsgt"):
        # nsgt 0.19 clips integers at infinity, in place, when it plans its windows: NumPy 2 refuses that.
        with warnings.catch_warnings(action="ignore"), patch.object(np, "clip", clip_below):
            from nsgt import CQ_NSGT_sliced

            slicq = CQ_NSGT_sliced(30, 20000, 24, 8192, 2048, RATE, real=True, multichannel=True)

        def nsgt_trip() -> NDArray[np.float64]:
            pieces = slicq.backward(slicq.forward((audio.T,)))
            return np.concatenate(list(pieces), axis=1).T[: len(audio)]

        found.append(("sliCQ, slices of 8192", "nsgt", nsgt_trip))
    if importlib.util.find_spec("librosa"):
        import librosa

        sizes: dict[str, Any] = {"sr": RATE, "hop_length": 512, "fmin": 30.0, "bins_per_octave": 24}

        def librosa_trip() -> NDArray[np.float64]:
            with warnings.catch_warnings(action="ignore"):
                columns = librosa.cqt(audio.T, n_bins=216, **sizes)
                return np.asarray(librosa.icqt(columns, length=len(audio), **sizes), np.float64).T

        found.append(("cqt + icqt, hop 512", "librosa", librosa_trip))
    return found


def clip_below(values: NDArray[np.int64], low: int, _high: float, out: NDArray[np.int64]) -> None:
    np.maximum(values, low, out=out)


def stages(name: str, machine: Machine, repeats: int) -> list[Row]:
    """Each step of one stereo slice, three masks at once, beside its floor."""
    frontend = build_preset(name)
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((frontend.slice_length, 2)).astype(np.float32)
    gains = rng.random((3, 2, frontend.n_bands, frontend.n_columns), np.float32)
    coefficients = frontend.analyze(samples)
    power, masked = frontend.band_power(coefficients), frontend.apply_gains(coefficients, gains)
    stems = frontend.synthesize(masked)
    steps = {
        "analyze": (lambda: frontend.analyze(samples, coefficients), analyze_cost(frontend) * 2),
        "band power": (lambda: frontend.band_power(coefficients, power), power_cost(frontend) * 2),
        "gains of 3 masks": (lambda: frontend.apply_gains(coefficients, gains, masked), gains_cost(frontend) * 6),
        "synthesize 3 masks": (lambda: frontend.synthesize(masked, stems), synthesize_cost(frontend) * 6),
    }
    times = best_seconds([task for task, _ in steps.values()], repeats)
    return [
        {
            "case": f"{name}, stereo slice: {step}",
            "who": "rtsep",
            "ms_per_slice": 1e3 * time,
            "mflop": cost.flops / 1e6,
            "kilobytes": cost.bytes / 1e3,
            "floor_ms": 1e3 * machine.floor_seconds(cost),
            "times_floor": time / machine.floor_seconds(cost),
        }
        for (step, (_, cost)), time in zip(steps.items(), times, strict=True)
    ]


if __name__ == "__main__":
    main()
