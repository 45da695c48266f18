"""Training recipes: one TOML file says all that makes a model, so that the same file and data make it again."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rtsep.errors import OptionError
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.features import Decoded
from rtsep.model_file import FrontEndSpec
from rtsep.tables import check_names, check_numbers, made
from rtsep.training.augment import Remix
from rtsep.training.datasets import Dataset, SongFolder, dataset
from rtsep.training.sources import Source
from rtsep.types import STEMS

SAMPLE_RATE = 44100
T = TypeVar("T")


@dataclass(frozen=True)
class Tuning:
    """How atoms and decoder are tuned together: each of `steps` on eight mixtures, or `permutations` times as many of
    their stems; `rate` is the largest change of a weight in a step, as a part of what weights usually are.
    """

    steps: int
    permutations: int = 3
    rate: float = 0.01

    def __post_init__(self) -> None:
        check_numbers("tuning", {"steps": self.steps, "permutations": self.permutations}, 1)
        check_numbers("tuning", {"rate": self.rate}, 1e-6, 1)


@dataclass(frozen=True)
class _Data:
    """A recipe's table `data`; `solo` is short for sets of that kind."""

    songs: str
    held_out: tuple[str, ...]
    mixtures: int
    solo: tuple[dict[str, Any], ...] = ()
    set: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class _Code:
    """A recipe's table `dictionary`."""

    atoms: int
    patch_columns: int
    compression: float
    learning_sparsity: float
    whitening_floor: float
    sparsity: float
    patches: int
    epochs: int


@dataclass(frozen=True)
class _Decoding:
    """A recipe's table `decoder`."""

    ridge: float
    mask_exponent: float
    epochs: int = 0
    columns: Decoded = "newest"


@dataclass(frozen=True)
class SparseRecipe:
    """How a sparse model is made: from `songs` and other `datasets`. `text` is the file itself, kept in the model.

    `decoder_epochs` are those of gradient descent; with none the decoder is the closed form. `decoded_columns` are
    those that a patch decodes, the newest one if the recipe does not say. Without `tuning` atoms and decoder stay as
    they were fitted.
    """

    text: str
    seed: int
    songs: str
    held_out: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    remix: Remix
    mixtures: int
    spec: FrontEndSpec
    atoms: int
    patch_columns: int
    compression: float
    learning_sparsity: float
    whitening_floor: float
    sparsity: float
    dictionary_patches: int
    dictionary_epochs: int
    ridge: float
    decoder_epochs: int
    mask_exponent: float
    decoded_columns: Decoded = "newest"
    tuning: Tuning | None = None

    def __post_init__(self) -> None:
        counts = ("mixtures", "atoms", "patch_columns", "dictionary_patches", "dictionary_epochs")
        exponents = ("compression", "mask_exponent")
        positive = ("learning_sparsity", "whitening_floor", "sparsity")
        others = ("ridge", "decoder_epochs")
        for names, least in ((counts, 1), (exponents, 0.01), (positive, 1e-6), (others, 0)):
            check_numbers("entries", {name: getattr(self, name) for name in names}, least)

    def sources(self, data: Path) -> list[Source]:
        """The recordings that the recipe names, below the folder `data`."""
        datasets = (SongFolder(self.songs, self.held_out), *self.datasets)
        return [source for collection in datasets for source in collection.sources(data)]


def read_recipe(path: Path) -> SparseRecipe:
    """The recipe in a TOML file. Raises OptionError where the file or one of its entries cannot be used."""
    return read_toml(path, _recipe)


def read_toml(path: Path, make: Callable[[str, dict[str, Any]], T]) -> T:
    """What `make` makes of the text and the table of a recipe. Raises OptionError for all that prevents it."""
    try:
        text = path.read_text(encoding="utf-8")
        return make(text, tomllib.loads(text))
    except OSError as error:
        raise OptionError(f"recipe {path} cannot be read ({error.strerror}): give a TOML file, see recipes/") from error
    except (tomllib.TOMLDecodeError, OverflowError, ValueError) as error:
        raise OptionError(f"recipe {path}: {error}; compare with those in recipes/") from error


def _recipe(text: str, table: dict[str, Any]) -> SparseRecipe:
    check_names("entries", table, ("seed", "data", "frontend", "dictionary", "decoder"), ("remix", "tuning"))
    data = made("data", table["data"], _Data)
    code = made("dictionary", table["dictionary"], _Code)
    decoding = made("decoder", table["decoder"], _Decoding)
    return SparseRecipe(
        text=text,
        seed=seed_of(table),
        songs=data.songs,
        held_out=data.held_out,
        datasets=tuple(map(dataset, [*({"kind": "solo"} | solo for solo in data.solo), *data.set])),
        remix=remix_of(table),
        mixtures=data.mixtures,
        spec=spec_of(table),
        atoms=code.atoms,
        patch_columns=code.patch_columns,
        compression=code.compression,
        learning_sparsity=code.learning_sparsity,
        whitening_floor=code.whitening_floor,
        sparsity=code.sparsity,
        dictionary_patches=code.patches,
        dictionary_epochs=code.epochs,
        ridge=decoding.ridge,
        decoder_epochs=decoding.epochs,
        mask_exponent=decoding.mask_exponent,
        decoded_columns=decoding.columns,
        tuning=made("tuning", table["tuning"], Tuning) if "tuning" in table else None,
    )


def seed_of(table: dict[str, Any]) -> int:
    """A recipe's `seed`, which generators of random numbers take from 0 on."""
    if not (type(table["seed"]) is int and table["seed"] >= 0):
        raise ValueError(f"entries: seed {table['seed']!r} must be a whole number of 0 or more")
    return table["seed"]


def remix_of(table: dict[str, Any], stems: tuple[str, ...] = STEMS) -> Remix:
    """How a recipe's mixtures of these stems are drawn: its table `remix`, and in that `chain`."""
    remix = made("remix", table.get("remix", {}), Remix)
    if missing := set(stems) - set(remix.level_db):
        raise ValueError(f"remix.level_db: {min(missing)} is not there; all of {', '.join(stems)} need a level")
    return remix


def spec_of(table: dict[str, Any]) -> FrontEndSpec:
    """A recipe's front end: its table `frontend`, and in that `bands`. Raises RtsepError for one that cannot be."""
    check_names("frontend", table["frontend"], (), table["frontend"])
    sizes = {"kind": "", "bands": {}} | table["frontend"]
    kind, bands = sizes.pop("kind"), sizes.pop("bands")
    check_names("frontend.bands", bands, (), bands)
    layout = made("frontend.bands", {"sample_rate": SAMPLE_RATE} | bands, BandLayout)
    spec = made("frontend", {"kind": kind, "layout": layout, "sizes": sizes}, FrontEndSpec)
    spec.build()
    return spec
