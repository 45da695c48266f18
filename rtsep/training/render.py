"""Songs rendered from MIDI: drums, bass and other instruments as stem files, as many and as varied as one wants."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from rtsep.errors import OptionError
from rtsep.training.arrange import Library, Voice, arrange
from rtsep.training.soundfonts import SAMPLE_RATE, render_part
from rtsep.types import Audio

_LEVEL_DB = {"bass": -20.0, "drums": -19.0, "other": -19.0}
_LEVEL_SPREAD_DB = 2.5
_PEAK = 0.9


def render_songs(
    library: Library, out: Path, songs: int, seconds: float, seed: int, processes: int, progress: Callable[[int], None]
) -> None:
    """Songs `rendered-0000` and on below `out`, each a folder of flac stems and song.json; what is there is kept.

    Raises OptionError if songs of another seed or length are there.
    """
    out.mkdir(parents=True, exist_ok=True)
    for page in sorted(out.glob("rendered-*/song.json")):
        made = json.loads(page.read_text())
        if (made["seed"], made["seconds"]) != (seed, seconds):
            words = f"{page.parent} is of seed {made['seed']} and {made['seconds']:g} s"
            raise OptionError(f"{words}: ask for the same, or choose another folder")
    # Beside `out`, so that nothing unfinished is ever found in it.
    with (
        TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as unfinished,
        ProcessPoolExecutor(processes) as pool,
    ):
        work = partial(_render_song, library, out, Path(unfinished), seconds, seed)
        for done, _ in enumerate(pool.map(work, range(songs)), start=1):
            progress(done)


def _render_song(library: Library, out: Path, unfinished: Path, seconds: float, seed: int, number: int) -> None:
    """Song `number` below `out`, the same one for the same seed; nothing is done if it is there."""
    name = f"rendered-{number:04d}"
    if (out / name).exists():
        return
    rng = np.random.default_rng((seed, number))
    words, voices = arrange(library, seconds, rng)
    stems = mix_voices(voices, [_sound(voice, seconds) for voice in voices], rng)
    folder = unfinished / name
    folder.mkdir()
    for stem, samples in stems.items():
        soundfile.write(folder / f"{stem}.flac", samples, SAMPLE_RATE)
    about = {"song": words, "seed": seed, "number": number, "seconds": seconds, "voices": [_about(v) for v in voices]}
    (folder / "song.json").write_text(json.dumps(about, indent=1) + "\n")
    os.replace(folder, out / name)


def _sound(voice: Voice, seconds: float) -> Audio:
    return render_part(voice.part, voice.font, voice.bank, voice.pan, voice.room, seconds)


def _about(voice: Voice) -> dict[str, str | int]:
    return {
        "stem": voice.stem,
        "part": voice.part.name,
        "soundfont": voice.font.path.name,
        "bank": voice.bank,
        "program": voice.part.program,
    }


def mix_voices(voices: list[Voice], sounds: list[Audio], rng: np.random.Generator) -> dict[str, Audio]:
    """The stems: voices at their levels, stems near the usual balance, and all as loud as the mixture's peak allows."""
    stems: dict[str, Audio] = {}
    for voice, sound in zip(voices, sounds, strict=True):
        stems[voice.stem] = stems.get(voice.stem, 0) + _at_rms(sound, voice.level_db)
    for stem in stems:
        stems[stem] = _at_rms(stems[stem], _LEVEL_DB[stem] + rng.normal(0, _LEVEL_SPREAD_DB))
    peak = max(float(np.abs(x).max()) for x in (sum(stems.values()), *stems.values()))
    gain = min(1.0, _PEAK / peak) if peak else 1.0
    return {stem: np.asarray(samples * gain, np.float32) for stem, samples in stems.items()}


def _at_rms(samples: Audio, db: float) -> Audio:
    rms = float(np.sqrt(np.mean(samples**2)))
    return np.asarray(samples * (10 ** (db / 20) / max(rms, 1e-6)), np.float32)
