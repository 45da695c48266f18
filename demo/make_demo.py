"""Cut the demo excerpt out of its song: four stems as 16-bit FLAC, and their exact sum as the song.

The excerpt was chosen by the activity of the stems alone: of the everythingisfree songs with all four stems, the
stretch with the most seconds in which every stem's RMS is within 20 dB of the loudest one's. `--choose` prints that
table; no separator takes part in it. The bass, 15 dB above all else in the song, is turned down by 12 dB, so that each
stem can be heard.

    python demo/make_demo.py --songs FOLDER            writes demo/song.flac and demo/stems/*.flac
    python demo/make_demo.py --songs FOLDER --choose   prints each song's best stretch

FOLDER holds one folder a song (`4_Potassium`, ...) with `bass`, `drums`, `vocals` and `other` as .ogg, 44.1 kHz stereo.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

STEMS = ("bass", "drums", "vocals", "other")
SONG = "4_Potassium"
SAMPLE_RATE = 44100
START_SECONDS = 205
LENGTH_SECONDS = 20
BASS_GAIN = 10 ** (-12 / 20)
FADE_SAMPLES = 441  # 10 ms at each end, so that the cut does not click
ACTIVE_DB = 20.0  # a stem counts as active in a second when it is this close to the loudest one
FULL_SCALE = 2**15


def read_stems(folder: Path, start: int = 0, length: int = -1) -> NDArray[np.float32]:
    """The four stems `(4, n, 2)` of the song in `folder`, from sample `start` on."""
    stems = []
    for name in STEMS:
        samples, rate = sf.read(folder / f"{name}.ogg", length, start, dtype="float32", always_2d=True)
        if rate != SAMPLE_RATE:
            raise SystemExit(f"{folder / name}.ogg has {rate} Hz, but the demo is made at {SAMPLE_RATE} Hz")
        stems.append(samples)
    return np.stack(stems)


def quantise(stems: NDArray[np.float32]) -> NDArray[np.int16]:
    """Faded in and out, then rounded to 16 bits: integers, so that their sum is exact."""
    fade = np.ones(stems.shape[1], np.float32)
    ramp = np.sin(np.linspace(0, np.pi / 2, FADE_SAMPLES, dtype=np.float32)) ** 2
    fade[:FADE_SAMPLES] = ramp
    fade[-FADE_SAMPLES:] = ramp[::-1]
    return np.round(stems * fade[:, None] * FULL_SCALE).astype(np.int16)


def write_demo(songs: Path, target: Path) -> None:
    """Writes the excerpt's stems and their sum below `target`; refuses a sum that does not fit 16 bits."""
    stems = read_stems(songs / SONG, START_SECONDS * SAMPLE_RATE, LENGTH_SECONDS * SAMPLE_RATE)
    stems[STEMS.index("bass")] *= BASS_GAIN
    stems = quantise(stems)
    mixture = stems.astype(np.int32).sum(axis=0)
    if np.abs(mixture).max() >= FULL_SCALE:
        raise SystemExit(f"the sum of the stems peaks at {np.abs(mixture).max()}, beyond {FULL_SCALE - 1}")
    (target / "stems").mkdir(exist_ok=True)
    for name, stem in zip(STEMS, stems, strict=True):
        sf.write(target / "stems" / f"{name}.flac", stem, SAMPLE_RATE, subtype="PCM_16")
    sf.write(target / "song.flac", mixture.astype(np.int16), SAMPLE_RATE, subtype="PCM_16")


def levels_db(stems: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS `(4, seconds)` in dB of full scale, second by second."""
    seconds = stems.shape[1] // SAMPLE_RATE
    whole = stems[:, : seconds * SAMPLE_RATE].reshape(len(STEMS), seconds, -1)
    power: NDArray[np.float64] = np.mean(np.square(whole, dtype=np.float64), axis=2)
    return 10 * np.log10(power + 1e-12)


def print_choice(songs: Path) -> None:
    """For each song, the stretch in which the least active stem is active for the most seconds."""
    for folder in sorted(songs.iterdir()):
        if not all((folder / f"{name}.ogg").exists() for name in STEMS):
            continue
        levels = levels_db(read_stems(folder))
        active = levels > levels.max(axis=0) - ACTIVE_DB
        starts = range(active.shape[1] - LENGTH_SECONDS + 1)
        counts = [active[:, s : s + LENGTH_SECONDS] for s in starts]
        best = max(starts, key=lambda s: (counts[s].sum(axis=1).min(), counts[s].all(axis=0).sum()))
        seconds = dict(zip(STEMS, counts[best].sum(axis=1).tolist(), strict=True))
        print(f"{folder.name:16} from {best:4d} s: all four active {counts[best].all(axis=0).sum():2d} s, {seconds}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Cut the demo excerpt out of its song.")
    parser.add_argument("--songs", type=Path, required=True, help="folder with one folder a song")
    parser.add_argument("--choose", action="store_true", help="print each song's best stretch, write nothing")
    options = parser.parse_args()
    if options.choose:
        print_choice(options.songs)
    else:
        write_demo(options.songs, Path(__file__).resolve().parent)


if __name__ == "__main__":
    main()
