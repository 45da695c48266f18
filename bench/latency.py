"""Is live sound as late as is declared?

`rtsep bench latency` on a JACK server with a wire from output to input, over modes and blocks: what is declared, and
the median, least and most that impulses took.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import _sound_server as sound_server
from _table import Row, bench_parser, publish

MODES = ("low", "balanced", "quality")
BLOCKS = (128, 256, 1024)


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    if not sound_server.can_serve():
        raise SystemExit("bench latency: it needs a JACK server; install jackd2 and JACK-Client")
    cases = [("balanced", 256)] if options.quick else [(mode, block) for mode in MODES for block in BLOCKS]
    publish(__doc__, [row for mode, block in cases for row in measure(mode, block)], options.json)


def measure(mode: str, block: int) -> list[Row]:
    """The rows of one mode."""
    with TemporaryDirectory() as folder, sound_server.server(block):
        path = Path(folder) / "rows.json"
        options = ["--input", "system", "--output", "system", "--latency", mode, "--block", str(block)]
        command = [sys.executable, "-m", "rtsep.cli", "bench", "latency", *options, "--json", str(path)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as bench:
            sound_server.wait_for_portaudio()
            with sound_server.wire():
                bench.wait()
        if bench.returncode:
            raise SystemExit(f"rtsep bench latency ended with code {bench.returncode}")
        rows: list[Row] = json.loads(path.read_text())["rows"]
    return [{**row, "case": f"{mode}, {block} samples: {row['case']}", "who": "rtsep"} for row in rows]


if __name__ == "__main__":
    main()
