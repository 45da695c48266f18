"""Songs rendered from MIDI and recorded voices, as stem files: as many and as varied as one wants."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from scipy.ndimage import uniform_filter1d

from rtsep.effects.processors import limit
from rtsep.errors import OptionError
from rtsep.rendering.arrange import Library, Song, arrange
from rtsep.rendering.form import Spans
from rtsep.rendering.players import Preset, Voice
from rtsep.rendering.production import duck, produce_bass, produce_drums, produce_instrument
from rtsep.rendering.singers import sing
from rtsep.rendering.soundfonts import SAMPLE_RATE, render_part
from rtsep.rendering.synthesizer import play, play_drums
from rtsep.rendering.synthesizer_kernels import Patch
from rtsep.types import Audio

# Of what is loud in a stem, which of drums is their hits: a second of them is then 4 dB below the mixture, of voices 5,
# of basses and others 6, as in recorded songs.
_LEVEL_DB = {"bass": -19.0, "drums": -18.0, "vocals": -18.0, "other": -19.0}
_LEVEL_SPREAD_DB = 3.0
_PEAK = 0.9
_FADE = 0.05  # seconds in which a voice comes and goes
_PUMPING_CHANCE, _LIMITER_CHANCE = 0.6, 0.5


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
    song = arrange(library, seconds, rng)
    sounds = [(v.stem, v.level_db, _produced(v, song.beat, _sound(v, seconds, rng), rng)) for v in song.voices]
    if song.singer is not None:
        voice = sing(song.singer, seconds, song.beat, rng)
        sounds.append(("vocals", 0.0, voice * _gate(song.sung, len(voice))))
    stems = master(mix_sounds(sounds, rng), song, rng)
    folder = unfinished / name
    folder.mkdir()
    for stem, samples in stems.items():
        soundfile.write(folder / f"{stem}.flac", samples, SAMPLE_RATE)
    about = {"song": song.words, "seed": seed, "number": number, "seconds": seconds}
    about |= {"singer": song.singer and song.singer.name, "voices": [_about(v) for v in song.voices]}
    (folder / "song.json").write_text(json.dumps(about, indent=1) + "\n")
    os.replace(folder, out / name)


def _sound(voice: Voice, seconds: float, rng: np.random.Generator) -> Audio:
    """A part on its instrument, `(n_samples, 2)`."""
    instrument = voice.instrument
    if isinstance(instrument, Preset):
        return render_part(voice.part, instrument.font, instrument.bank, instrument.pan, instrument.room, seconds)
    if isinstance(instrument, Patch):
        return play(voice.part, instrument, seconds, rng)
    return play_drums(voice.part, seconds, np.random.default_rng(instrument.seed))


def _produced(voice: Voice, beat: float, sound: Audio, rng: np.random.Generator) -> Audio:
    if voice.stem == "drums":
        return produce_drums(sound, rng)
    if voice.stem == "bass":
        return produce_bass(sound, rng)
    return produce_instrument(sound, voice.electric, beat, rng)


def _about(voice: Voice) -> dict[str, str | int]:
    instrument = voice.instrument
    words: dict[str, str | int] = {"stem": voice.stem, "part": voice.part.name}
    if isinstance(instrument, Preset):
        return words | {"soundfont": instrument.font.path.name, "bank": instrument.bank, "program": voice.part.program}
    return words | {"instrument": "synthesizer" if isinstance(instrument, Patch) else "drum machine"}


def _gate(spans: Spans, n_samples: int) -> Audio:
    """1 in the spans and 0 elsewhere, with short fades, `(n_samples, 1)`."""
    gate = np.zeros((n_samples, 1), np.float32)
    for start, end in spans:
        gate[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = 1
    fade = round(_FADE * SAMPLE_RATE)
    return np.asarray(uniform_filter1d(gate, fade, axis=0), np.float32)


def mix_sounds(sounds: Sequence[tuple[str, float, Audio]], rng: np.random.Generator) -> dict[str, Audio]:
    """Stems near the usual balance from sounds with their stem and their level in dB beside the stem's others."""
    stems: dict[str, Audio] = {}
    for stem, level_db, sound in sounds:
        stems[stem] = stems.get(stem, 0) + _at_rms(sound, level_db)
    return {
        stem: _at_rms(samples, _LEVEL_DB[stem] + rng.normal(0, _LEVEL_SPREAD_DB)) for stem, samples in stems.items()
    }


def master(stems: dict[str, Audio], song: Song, rng: np.random.Generator) -> dict[str, Audio]:
    """The stems pumping with the bass drum in electronic songs, limited together, and below full scale together."""
    if song.electronic and rng.random() < _PUMPING_CHANCE:
        depth, seconds = rng.uniform(0.2, 0.9), rng.uniform(0.05, 0.25)
        stems |= {s: duck(stems[s], song.kicks, depth, seconds) for s in ("bass", "other") if s in stems}
    together = np.stack(list(stems.values()))
    if rng.random() < _LIMITER_CHANCE:
        peak = float(np.abs(together.sum(axis=0)).max(initial=0.0))
        together = limit(together, peak * 10 ** (-rng.uniform(0, 9) / 20), rng.uniform(0.005, 0.1), SAMPLE_RATE)
    peak = max(float(np.abs(x).max(initial=0.0)) for x in (together.sum(axis=0), together))
    gain = np.float32(min(1.0, _PEAK / peak)) if peak else np.float32(1.0)
    return dict(zip(stems, together * gain, strict=True))


def _at_rms(samples: Audio, db: float) -> Audio:
    """At an RMS of `db` dBFS over its loud parts: samples above a tenth of the RMS."""
    some = samples[::7]  # enough to know a level by
    rms = float(np.sqrt(np.mean(some**2)))
    loud = some[np.abs(some) > 0.1 * rms]
    level = float(np.sqrt(np.mean(loud**2))) if len(loud) else rms
    return np.asarray(samples * (10 ** (db / 20) / max(level, 1e-6)), np.float32)
