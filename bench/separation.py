"""How well do the shipped models take the demo song apart, which none of them was trained on?

BSSEval v4: medians over windows of 1 s. `gain_db` is SDR above that of the mixture itself. `rtsep evaluate` does the
same for folders of songs, with baselines and intervals; `experiment.py` trains and judges by cross-validation.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from _songs import DEMO, write_stretch
from _table import Row, bench_parser, publish

from rtsep.evaluation.experiment import MIXTURE, SongScores, evaluate_song, methods
from rtsep.evaluation.songs import find_songs
from rtsep.model_file import models_of
from rtsep.types import STEMS


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    (song,) = find_songs(DEMO / "stems")
    with TemporaryDirectory() as folder:
        stretch = write_stretch(song, 0.0, 5.0 if options.quick else song.seconds, Path(folder) / "demo")
        result = evaluate_song(find_songs(stretch)[0], methods(models_of(STEMS), [MIXTURE]))
    publish(__doc__, table_rows(result), options.json)


def table_rows(result: SongScores) -> list[Row]:
    """One row for each stem that sounds and each model."""
    unchanged = {row.stem: row.sdr for row in result.scores[MIXTURE]}
    return [
        {
            "case": f"{result.song}, {row.stem}",
            "who": method,
            "sdr_db": row.sdr,
            "gain_db": row.sdr - unchanged[row.stem],
            "sir_db": row.sir,
            "sar_db": row.sar,
            "isr_db": row.isr,
        }
        for method, rows in result.scores.items()
        if method != MIXTURE
        for row in rows
    ]


if __name__ == "__main__":
    main()
