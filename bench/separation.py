"""How much nearer than the mixture do the stems come, on songs that were kept out of all training?

The demo song, or with --songs DIR every SONG/{bass,drums,vocals,other}.* below it that a model's own recipe held out
(--all: every song there, for models that were trained elsewhere). SDR as museval has it: median over windows of 1 s.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import soundfile
from _table import Row, bench_parser, publish

from rtsep.evaluation.bsseval import median_sdr, mixture_sdr
from rtsep.model_file import load_model
from rtsep.separator import SparseSeparator
from rtsep.stem_stream import separate
from rtsep.types import STEMS, Stems

DEMO = Path(__file__).parents[1] / "demo"


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--songs", type=Path, metavar="DIR", help="folder of songs with their true stems")
    parser.add_argument("--all", action="store_true", help="every song of DIR, not the held-out ones alone")
    parser.add_argument("--model", action="append", help="a model's name or file; may come several times")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.model or ["cqt-sparse", "stft-sparse"]:
        model = load_model(name)
        separator = SparseSeparator(model)
        gains = []
        for song in song_folders(options.songs, None if options.all else held_out(model.notes)):
            truth, rate = read_stems(song, 10.0 if options.quick else None)
            sdr, own = score(separator, truth, rate)
            gains.append(sdr - own)
            rows += table_rows(song.name if options.songs else "demo", Path(name).stem, sdr, own)
        medians = np.nanmedian(gains, axis=0) if len(gains) > 1 else []
        for stem, gain in zip(STEMS, medians, strict=False):
            rows.append(
                {"case": f"median of {len(gains)} songs, {stem}", "who": Path(name).stem, "gain_db": float(gain)}
            )
    publish(__doc__, rows, options.json)


def held_out(notes: dict[str, str]) -> list[str]:
    """The songs that a model's recipe kept out of training."""
    return list(tomllib.loads(notes["recipe"])["data"]["held_out"])


def song_folders(songs: Path | None, names: list[str] | None) -> list[Path]:
    if songs is None:
        return [DEMO / "stems"]
    folders = sorted({path.parent for path in songs.rglob("*") if path.stem in STEMS})
    return [f for f in folders if names is None or f.name in names]


def read_stems(folder: Path, seconds: float | None) -> tuple[Stems, int]:
    """The true stems `(4, n_samples, n_channels)`; one that the song lacks is silent."""
    found = {path.stem: path for path in folder.iterdir() if path.stem in STEMS}
    info = soundfile.info(next(iter(found.values())))
    n = info.frames if seconds is None else round(seconds * info.samplerate)
    truth = np.zeros((len(STEMS), min(n, info.frames), info.channels), np.float32)
    for i, stem in enumerate(STEMS):
        if stem in found:
            truth[i] = soundfile.read(found[stem], len(truth[i]), dtype="float32", always_2d=True)[0]
    return truth, info.samplerate


def score(separator: SparseSeparator, truth: Stems, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """SDR of the separated stems and of the mixture itself, `(4,)` each; NaN for a silent stem."""
    mixture = truth.sum(axis=0)
    return median_sdr(truth, separate(mixture, rate, separator), rate), mixture_sdr(truth, mixture, rate)


def table_rows(song: str, who: str, sdr: np.ndarray, own: np.ndarray) -> list[Row]:
    return [
        {"case": f"{song}, {stem}", "who": who, "sdr_db": float(a), "mixture_sdr_db": float(b), "gain_db": float(a - b)}
        for stem, a, b in zip(STEMS, sdr, own, strict=True)
        if np.isfinite(a)
    ]


if __name__ == "__main__":
    main()
