"""Does live sound play for ten minutes without a miss or an xrun?

`rtsep live` at blocks of 256 samples, music in and stems out, both through PortAudio on a JACK server; where there is
none, paced by the clock alone. The machine must have nothing else to do. What it does to sound by itself is measured
in the same minutes (`_bare_stream.py`): xruns that also a callback which does nothing has are not for rtsep to mend.
`load` is computing time over playing time, as `rtsep.live.modes` has it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import _sound_server as sound_server
import numpy as np
import soundfile
from _plot import add_plot_option, pyplot
from _table import Row, bench_parser, publish

BLOCK = 256
SECONDS = {"low": 600.0, "balanced": 40.0, "quality": 60.0}
QUICK_SECONDS = 20.0


def main() -> None:
    parser = bench_parser(__doc__)
    add_plot_option(parser, "the histogram of the first mode's computing times")
    parser.add_argument(
        "--latency", nargs="+", default=tuple(SECONDS), choices=SECONDS, help="the modes, all by default"
    )
    parser.add_argument("--seconds", type=float, help="of the first mode, in place of its own")
    options = parser.parse_args()
    modes = {mode: SECONDS[mode] for mode in options.latency}
    if options.seconds:
        modes[options.latency[0]] = options.seconds
    if options.quick:
        modes = {options.latency[0]: QUICK_SECONDS}
    rows: list[Row] = []
    for mode, seconds in modes.items():
        with bare_stream(seconds) as bare:
            report = soak(mode, seconds)
        if options.plot and not rows:
            draw(report, options.plot)
        rows += [row(mode, report), *bare]
    publish(__doc__, rows, options.json)


def soak(latency: str, seconds: float) -> dict[str, Any]:
    """The report of a session of that length."""
    with TemporaryDirectory() as folder, _ends(Path(folder), seconds) as ends:
        path = Path(folder) / "report.json"
        options = ["--latency", latency, "--duration", str(seconds), "--block", str(BLOCK), "--report", str(path)]
        command = [sys.executable, "-m", "rtsep.cli", "live", "--quiet", *ends, *options]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as live:
            if "--input" in ends:
                sound_server.wait_for_portaudio()
                with sound_server.music():
                    live.wait()
        if live.returncode:
            raise SystemExit(f"rtsep live ended with code {live.returncode}")
        found: dict[str, Any] = json.loads(path.read_text())
        return found


@contextmanager
def bare_stream(seconds: float) -> Iterator[list[Row]]:
    """Gives the row of a bare stream beside what is done within, at its end; none where there is no server."""
    found: list[Row] = []
    if not sound_server.can_serve():
        yield found
        return
    command = [sys.executable, str(Path(__file__).with_name("_bare_stream.py")), str(BLOCK), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as bare:
        yield found
        told = bare.communicate()[0]
    found.append({"case": f"bare stream, {seconds:.0f} s", "who": "PortAudio", **json.loads(told)})


@contextmanager
def _ends(folder: Path, seconds: float) -> Iterator[list[str]]:
    """The options for input and output: devices as long as a server runs, else the demo song, over and over."""
    if sound_server.can_serve():
        with sound_server.server(BLOCK):
            yield ["--input", "system", "--output", "system"]
    else:
        song, rate = soundfile.read(sound_server.SONG, dtype="float32")
        soundfile.write(folder / "song.wav", np.tile(song, (ceil(seconds * rate / len(song)), 1)), rate)
        yield ["--input-file", str(folder / "song.wav"), "--output", "none"]


def row(latency: str, report: dict[str, Any]) -> Row:
    ms = report["compute_ms"]
    return {
        "case": f"{latency}, {report['seconds']:.0f} s",
        "who": "rtsep",
        "latency_ms": report["latency_ms"]["end_to_end"],
        "reserve_blocks": report["reserve_blocks"],
        "chunks": report["chunks"],
        "p50_ms": ms["p50"],
        "p999_ms": ms["p99.9"],
        "max_ms": ms["max"],
        "deadline_ms": report["deadline_ms"],
        "load": ms["p50"] / 1e3 * report["chunks"] / report["seconds"],
        "cpu": report["cpu"],
        "callback_p50_ms": report["callback_ms"]["p50"],
        "callback_p999_ms": report["callback_ms"]["p99.9"],
        "misses": report["misses"],
        "underruns": report["underruns"],
        "overruns": report["overruns"],
    }


def draw(report: dict[str, Any], path: Path) -> None:
    ends, counts = zip(*report["compute_histogram_ms"], strict=True)
    figure, axes = pyplot().subplots(figsize=(9, 4), layout="constrained")
    axes.bar([end / 1.02 for end in ends], counts, [0.02 * end / 1.02 for end in ends], align="edge")
    axes.axvline(report["deadline_ms"], color="tab:red", label=f"deadline, {report['deadline_ms']:.1f} ms")
    axes.set(yscale="log", xlim=(0, None), xlabel="computing time of a chunk, ms", ylabel="chunks")
    axes.set_title(f"{report['chunks']} chunks of {report['model']} in {report['seconds']:.0f} s")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
