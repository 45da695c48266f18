"""What does the format of the stems cost, coded where they come from, and on a thread for each of them?

The four stems of the demo, over and over, in blocks as a chunk of the default model makes them, written while nothing
is computed. `rtf` is until the files are there; `caller_rtf` what of it the caller waits for in `write`: that is what
rank 0 has less of for its messages. `bytes_per_sample` is of one channel. A wav is copied, without a thread, in either
case: its two rows differ by chance. Both ways take turns; medians.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from _songs import DEMO, true_stems
from _table import Row, bench_parser, publish

from rtsep.io.coding_thread import create_file_coded_beside
from rtsep.io.stem_files import FORMATS, StemFile, create_stem_file
from rtsep.io.stem_writers import StemWriters
from rtsep.types import STEMS, Stems

BLOCK = 65536
WAYS: dict[str, Callable[[Path, int, int, str], StemFile]] = {
    "by the caller": create_stem_file,
    "a thread each": create_file_coded_beside,
}


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    ((stems, rate),) = true_stems(DEMO / "stems", None)
    seconds, n_turns = (5.0, 1) if options.quick else (60.0, 5)
    stems = np.resize(stems.swapaxes(0, 1), (round(seconds * rate), *stems.shape[::2])).swapaxes(0, 1)
    rows: list[Row] = []
    for kind in FORMATS:
        turns: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
        for _ in range(n_turns):
            for way, create in WAYS.items():
                turns[way].append(write(stems, rate, kind, create))
        for way, figures in turns.items():
            caller, whole, n_bytes = (median(column) for column in zip(*figures, strict=True))
            row: Row = {"case": kind, "who": way, "rtf": whole / seconds, "caller_rtf": caller / seconds}
            rows.append(row | {"bytes_per_sample": n_bytes / stems.size})
    publish(__doc__, rows, options.json)


def write(
    stems: Stems, rate: int, kind: str, create: Callable[[Path, int, int, str], StemFile]
) -> tuple[float, float, float]:
    """Seconds in `write`, seconds until the files are there, and their bytes."""
    waited = 0.0
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        with StemWriters(Path(folder) / "stems", STEMS, rate, stems.shape[2], kind, create=create) as writers:
            for start in range(0, stems.shape[1], BLOCK):
                block = np.ascontiguousarray(stems[:, start : start + BLOCK])
                called = time.perf_counter()
                writers.write(block)
                waited += time.perf_counter() - called
            writers.commit()
        whole = time.perf_counter() - started
        return waited, whole, sum(os.path.getsize(path) for path in (Path(folder) / "stems").iterdir())


if __name__ == "__main__":
    main()
