"""Separates a song: `python run_rt.py --file song.wav`, or the same after `mpirun -n 16`. Short for `rtsep run`."""

import os
import sys
from importlib.util import find_spec

NEEDED = ("numpy", "scipy", "numba", "soundfile", "soxr", "rich", "typer", "safetensors", "threadpoolctl")

missing = [name for name in NEEDED if find_spec(name) is None]
if missing or sys.version_info < (3, 11):
    if os.environ.get("OMPI_COMM_WORLD_RANK", "0") == "0":
        reason = f"has no {', '.join(missing)}" if missing else "is older than 3.11"
        print(f"rtsep: this Python {reason}; run `make setup`, then use .venv/bin/python", file=sys.stderr)
    sys.exit(2)

from rtsep.cli import main  # noqa: E402

main(["run", *sys.argv[1:]])
