"""How fast does rtsep separate a song, over ranks?

Whole runs of `rtsep run` under mpirun, stereo at 44.1 kHz, on a synthetic song and on the demo song; medians of
repeats. `rtf` leaves start-up out; `time_over_one_rank` compares it with one process. `rtsep bench rtf` is the same
for a user's machine, without the demo song.
"""

from __future__ import annotations

from pathlib import Path

from _table import bench_parser, publish

from rtsep.commands.bench_rtf import measure

DEMO_SONG = Path(__file__).parents[1] / "demo" / "song.flac"


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    publish(__doc__, measure(options.quick, (DEMO_SONG,)), options.json)


if __name__ == "__main__":
    main()
