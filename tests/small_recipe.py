"""The recipe of a sparse model that trains in seconds, on one song of a few."""

from __future__ import annotations

RECIPE = """\
seed = 3
[data]
songs = "songs"
held_out = []
mixtures = 5
[remix]
seconds = 1.0
[frontend]
kind = "stft"
slice_length = 2048
hop = 512
[dictionary]
atoms = 24
patch_columns = 2
compression = 0.5
learning_sparsity = 0.05
whitening_floor = 0.1
sparsity = 0.05
patches = 300
epochs = 2
[decoder]
ridge = 0.001
mask_exponent = 1.0
"""


def recipe(**entries: object) -> str:
    """The recipe's text with other values for these entries; each name stands in it once."""
    lines = RECIPE.splitlines()
    for name, value in entries.items():
        [place] = [i for i, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[place] = f"{name} = {value}"
    return "\n".join(lines) + "\n"
