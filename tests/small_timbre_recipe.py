"""A recipe of a TimbreNet that is trained in seconds, and two short songs for it."""

from __future__ import annotations

from pathlib import Path

import demo_song

RECIPE = """
    seed = 5
    [data]
    songs = "songs"
    held_out = []
    validation = ["Second"]
    [remix]
    seconds = 1.0
    same_song_chance = 0.7
    semitones = 0.0
    [frontend]
    kind = "stft"
    slice_length = 2048
    hop = 1024
    [network]
    channels = 8
    dilations = [1, 2]
    bottleneck = 8
    partial_channels = 4
    timbres = 8
    level_slices = 8
    compression = 0.3
    [training]
    epochs = 3
    examples = 48
    batch = 4
    learning_rate = 0.02
    average = 0.9
    validation_examples = 4
"""


def write_songs(folder: Path) -> Path:
    """Two pieces of the demo song's real stems, and the recipe beside them; 10 s of the song are in neither.

    Returns `folder`, which holds them.
    """
    for name, start, seconds in (("First", 0, 8), ("Second", 8, 2)):
        demo_song.write_stems(folder / "songs" / name, start, seconds)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


def silent(*_: object) -> None:
    """Progress that nobody looks at."""
