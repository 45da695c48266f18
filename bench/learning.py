"""How long does a dictionary take to learn, over ranks, and how well does it fit?

Whole runs of `rtsep train dictionary` under mpirun, from recordings to the file: 1024 atoms of 142 constant-Q bands x 8
columns on 30 minutes of mixtures of the demo song's stems, transposed, tilted and at other levels; with --data FOLDER
of the songs below FOLDER/songs. `energy` and `active_atoms` are means over patches; all ranks write the same file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from _table import Row, bench_parser, publish

from rtsep.dictionary_file import load_dictionary

STEMS = Path(__file__).parents[1] / "demo" / "stems"
SECONDS = 6  # of a mixture
RECIPE = """
seed = 1
[data]
songs = "songs"
held_out = []
mixtures = {mixtures}
[remix]
seconds = {seconds}
[frontend]
kind = "cqt"
[dictionary]
atoms = {atoms}
patch_columns = 8
compression = 0.5
learning_sparsity = 0.04
whitening_floor = 0.1
sparsity = 0.08
patches = 1000000
epochs = 1
[decoder]
ridge = 0.001
mask_exponent = 1.2
"""


class Size(NamedTuple):
    """How much is learned, from how much."""

    atoms: int
    minutes: int


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="learn from the songs below FOLDER/songs")
    options = parser.parse_args()
    size = Size(64, 1) if options.quick else Size(1024, 30)
    with TemporaryDirectory() as name:
        folder = Path(name)
        if options.data is None:
            shutil.copytree(STEMS, folder / "songs" / "demo")
        rows = [measure(size, n_ranks, options.data or folder, folder) for n_ranks in (1, 2)]
    publish(__doc__, rows, options.json)


def measure(size: Size, n_ranks: int, data: Path, folder: Path) -> Row:
    """One run, from the command to the file."""
    recipe, out = folder / "recipe.toml", folder / f"{n_ranks}.safetensors"
    recipe.write_text(RECIPE.format(atoms=size.atoms, mixtures=60 * size.minutes // SECONDS, seconds=SECONDS))
    command = ["-m", "rtsep.cli", "train", "dictionary", str(recipe), "--data", str(data), "--out", str(out)]
    start = time.perf_counter()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # Open MPI is beside Python
    launcher = ["mpirun", "-n", str(n_ranks), sys.executable]
    subprocess.run([*launcher, *command], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path})
    seconds = time.perf_counter() - start
    learned = load_dictionary(out)
    return {
        "case": f"{size.atoms} atoms, {size.minutes} min of audio",
        "who": "rtsep",
        "ranks": n_ranks,
        "minutes": seconds / 60,
        "patches": learned.notes["patches"],
        "energy": learned.notes["energy"],
        "active_atoms": learned.notes["active_atoms"],
        "atoms_in_use": int((learned.usage > 0).sum()),
    }


if __name__ == "__main__":
    main()
