"""The demo song and its true stems, found from wherever the tests are started."""

from pathlib import Path

import numpy as np
import soundfile

from rtsep.types import STEMS

FOLDER = Path(__file__).resolve().parents[1]
RATE = 44100


def mixture(start_seconds: float = 0.0, seconds: float = 20.0) -> np.ndarray:
    """`(n_samples, 2)` float32 of the demo song."""
    return _read(FOLDER / "demo" / "song.flac", start_seconds, seconds)


def stems(start_seconds: float = 0.0, seconds: float = 20.0) -> np.ndarray:
    """`(4, n_samples, 2)` float32: what was mixed."""
    return np.stack([_read(FOLDER / "demo" / "stems" / f"{s}.flac", start_seconds, seconds) for s in STEMS])


def write_stems(folder: Path, start_seconds: float, seconds: float) -> None:
    """Write them to `folder`, which is new, as a song to train with."""
    folder.mkdir(parents=True)
    for stem, samples in zip(STEMS, stems(start_seconds, seconds), strict=True):
        soundfile.write(folder / f"{stem}.flac", samples, RATE)


def _read(path: Path, start_seconds: float, seconds: float) -> np.ndarray:
    return soundfile.read(path, round(seconds * RATE), round(start_seconds * RATE), dtype="float32", always_2d=True)[0]
