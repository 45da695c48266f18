"""Bach's chorales played by violin, clarinet, saxophone and bassoon, rendered from single notes to stem files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from rtsep.effects.chain import Chain, through_chain
from rtsep.errors import OptionError
from rtsep.quartet.chorales import VOICES, Chorale, Tone, chorale_names, draw_timing, read_chorale
from rtsep.quartet.phrases import Instrument, Player, draw_player, play
from rtsep.quartet.single_notes import SAMPLE_RATE, SingleNote, find_notes, split_notes
from rtsep.types import F32

INSTRUMENTS = (
    Instrument("violin", 55, 88, 0.85, (5.0, 35.0), (1500.0, 9000.0), (-1.5, 1.5)),
    Instrument("clarinet", 50, 84, 0.2, (3.0, 12.0), (800.0, 7000.0), (-1.5, 1.5)),
    Instrument("saxophone", 44, 76, 0.6, (4.0, 25.0), (500.0, 6000.0), (-6.0, 1.5)),  # a tenor from an alto's notes
    Instrument("bassoon", 34, 67, 0.6, (4.0, 20.0), (300.0, 4000.0), (-1.5, 1.5)),
)
LEARN, TEST = "learn", "test"  # folders
_TEST_SHARE = 0.12  # of the chorales
_OWN_VOICES = 0.65  # of renderings: violin soprano, clarinet alto, saxophone tenor, bassoon bass; else anyone's
_LEVEL_SPREAD_DB = 2.5
_PEAK = 0.7
_PLACE = Chain(equalizer=0.7, equalizer_db=5.0, compressor=0.1, room=0.8)

Notes = Mapping[str, Sequence[Sequence[SingleNote]]]  # by instrument, one sequence a collection


@dataclass(frozen=True)
class Split:
    """Chorales by name and notes by instrument and collection, of one of the two folders."""

    folder: str
    chorales: tuple[str, ...]
    notes: Notes


def split_all(collections: Sequence[Path], seed: int) -> tuple[Split, Split]:
    """What is learned from and what is tested on: they share no chorale, no note and no instrument's dynamic.

    A collection is a folder with the notes of each instrument in a folder below it.
    """
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.permutation(chorale_names())]
    n_test = round(_TEST_SHARE * len(names))
    pairs = [{i.name: split_notes(find_notes(folder / i.name), rng) for i in INSTRUMENTS} for folder in collections]
    learn, test = ({i.name: [pair[i.name][half] for pair in pairs] for i in INSTRUMENTS} for half in range(2))
    return Split(LEARN, tuple(names[n_test:]), learn), Split(TEST, tuple(names[:n_test]), test)


def render_split(
    split: Split, out: Path, chorales: int, seed: int, processes: int, progress: Callable[[int, int], None]
) -> None:
    """The first `chorales` of a split, each a folder `out/FOLDER/NAME` of flac stems and about.json.

    What is there is kept; the few that have other than four voices are left out. Raises OptionError if what is there is
    of another seed.
    """
    names = split.chorales[:chorales]
    place = out / split.folder
    place.mkdir(parents=True, exist_ok=True)
    for page in sorted(place.glob("*/about.json")):
        if (made := json.loads(page.read_text())["seed"]) != seed:
            raise OptionError(
                f"{page.parent} is of seed {made}, not {seed}: ask for the same, or choose another folder"
            )
    with TemporaryDirectory(dir=out, prefix=".unfinished-") as scratch, ProcessPoolExecutor(processes) as pool:
        work = partial(_render, split.notes, place, Path(scratch), seed)
        for done, _ in enumerate(pool.map(work, names), start=1):
            progress(done, len(names))


def _render(notes: Notes, place: Path, scratch: Path, seed: int, name: str) -> None:
    """One chorale's folder; nothing is done if it is there."""
    target = f"bwv{name}"
    if (place / target).exists() or (chorale := read_chorale(name)) is None:
        return
    # The name, not the place in a list, makes a chorale what it is.
    rng = np.random.default_rng((seed, *name.encode()))
    stems, players = perform(chorale, notes, rng)
    folder = scratch / target
    folder.mkdir()
    for stem, samples in stems.items():
        soundfile.write(folder / f"{stem}.flac", samples, SAMPLE_RATE)
    about = {"chorale": name, "seed": seed, "players": {stem: asdict(player) for stem, player in players.items()}}
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    os.replace(folder, place / target)


def perform(chorale: Chorale, notes: Notes, rng: np.random.Generator) -> tuple[dict[str, F32], dict[str, Player]]:
    """What each instrument plays, mono and of one length, and who plays it: together, in tune as far as they can.

    Each player's notes are from any one collection.
    """
    timing = draw_timing(chorale, rng)
    own = rng.random() < _OWN_VOICES
    voices = np.arange(VOICES) if own else rng.permutation(VOICES)
    key = int(rng.integers(-3, 4))
    stems: dict[str, F32] = {}
    players: dict[str, Player] = {}
    for instrument, voice in zip(INSTRUMENTS, voices, strict=True):
        tones = fitted(chorale.voices[voice], key, instrument)
        own_notes = notes[instrument.name][int(rng.integers(len(notes[instrument.name])))]
        player = draw_player(instrument, sorted({n.dynamic for n in own_notes}), rng)
        played = play(tones, timing, instrument, player, own_notes, rng)
        placed = through_chain(played[:, None], _PLACE, SAMPLE_RATE, rng)[:, 0]
        level = rng.normal(0, _LEVEL_SPREAD_DB) / 20
        stems[instrument.name] = np.asarray(placed * (10**level / max(np.sqrt(np.mean(placed**2)), 1e-6)), np.float32)
        players[instrument.name] = player
    n = max(map(len, stems.values()))
    whole = {name: np.pad(samples, (0, n - len(samples))) for name, samples in stems.items()}
    peak = max(float(np.abs(x).max()) for x in (sum(whole.values()), *whole.values()))
    return {name: np.asarray(x * (_PEAK / peak), np.float32) for name, x in whole.items()}, players


def fitted(voice: Sequence[Tone], key: int, instrument: Instrument) -> list[Tone]:
    """The voice moved by `key` semitones, and by the octaves that put its middle nearest to the instrument's."""
    middle = np.mean([tone.pitch for tone in voice]) + key
    octaves = round(((instrument.lowest + instrument.highest) / 2 - middle) / 12)
    # Where the voice lies in the compass as it is, it stays.
    lowest, highest = (f(tone.pitch for tone in voice) + key for f in (min, max))
    shift = key if instrument.lowest <= lowest and highest <= instrument.highest else key + 12 * octaves
    return [replace(tone, pitch=tone.pitch + shift) for tone in voice]
