"""Recipes of TimbreNets: one TOML file says all that makes a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtsep.errors import OptionError
from rtsep.model_file import FrontEndSpec, check_stems
from rtsep.tables import check_names, check_numbers, made
from rtsep.timbrenet.layers import Sizes
from rtsep.training.augment import Mixer, Remix
from rtsep.training.datasets import Dataset, SongFolder, dataset
from rtsep.training.recipe import SAMPLE_RATE, read_toml, remix_of, seed_of, spec_of
from rtsep.training.sources import Source
from rtsep.types import STEMS


@dataclass(frozen=True)
class Schedule:
    """How long and how fast is learned: `epochs` of `examples` mixtures in batches of `batch`.

    The learning rate rises to `learning_rate` and falls to 0 as half a cosine; `average` is the decay of the mean over
    all weights that there were, which is what becomes the model. `sharpness` is A of the order-free loss; with none the
    order of the outputs is that of the stems; `floor` is that of `losses.pair_losses`. The held-out loss is over
    `validation_examples`.

    Each mixture that is drawn serves for `permutations` examples, all but the first of them with stems of other ones.
    With `mixed_precision` the network computes in 16 bits where that is safe: several times faster on graphics
    processors, and on those others that multiply matrices of bfloat16. With `begin_with`, a shipped model's name or a
    file, training goes on from its weights instead of random ones.
    """

    epochs: int
    examples: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.01
    average: float = 0.999
    sharpness: float | None = None
    floor: float = 0.01
    validation_examples: int = 64
    permutations: int = 1
    mixed_precision: bool = False
    begin_with: str | None = None

    def __post_init__(self) -> None:
        counts = ("epochs", "examples", "batch", "validation_examples", "permutations")
        check_numbers("training", {name: getattr(self, name) for name in counts}, 1)
        check_numbers("training", {"batch": self.batch}, 1, self.examples)
        check_numbers("training", {"learning_rate": self.learning_rate}, 1e-9)
        check_numbers("training", {"floor": self.floor}, 1e-6)
        check_numbers("training", {"weight_decay": self.weight_decay, "average": self.average}, 0, 0.99999)
        if self.sharpness is not None:
            check_numbers("training", {"sharpness": self.sharpness}, 1e-3)

    @property
    def steps_an_epoch(self) -> int:
        return self.examples // self.batch


@dataclass(frozen=True)
class _Data:
    """A recipe's table `data`."""

    songs: str
    held_out: tuple[str, ...]
    validation: tuple[str, ...]
    stems: tuple[str, ...] = STEMS
    set: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class TimbreRecipe:
    """How a TimbreNet is made. Songs that are `held_out` are not used; those for `validation` watch the training.

    `stems` are the outputs, `text` is the file itself, kept in the model.
    """

    text: str
    seed: int
    stems: tuple[str, ...]
    songs: str
    held_out: tuple[str, ...]
    validation: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    remix: Remix
    spec: FrontEndSpec
    sizes: Sizes
    schedule: Schedule

    def sources(self, data: Path) -> list[Source]:
        """The recordings that the recipe names, below the folder `data`, those for validation among them."""
        datasets = (SongFolder(self.songs, self.held_out, stems=self.stems), *self.datasets)
        return [source for collection in datasets for source in collection.sources(data)]

    def mixers(self, sources: list[Source]) -> tuple[Mixer, Mixer]:
        """What draws the mixtures to learn from, and the ones to validate with: songs as they are.

        Raises OptionError where a song for validation is not among `sources`.
        """
        unheard = [source for source in sources if source.song in self.validation]
        if missing := set(self.validation) - {source.song for source in unheard}:
            raise OptionError(
                f"validation song {min(missing)!r} is not among the recordings: name one of {self.songs}/"
            )
        plain = Remix(seconds=self.remix.seconds, same_song_chance=1.0, same_song_spread_db=0.0, semitones=0.0)
        heard = [source for source in sources if source.song not in self.validation]
        return (
            Mixer(heard, self.remix, SAMPLE_RATE, self.seed, self.stems),
            Mixer(unheard, plain, SAMPLE_RATE, self.seed, self.stems),
        )


def read_timbre_recipe(path: Path) -> TimbreRecipe:
    """The recipe in a TOML file. Raises OptionError where the file or one of its entries cannot be used."""
    return read_toml(path, _recipe)


def _recipe(text: str, table: dict[str, Any]) -> TimbreRecipe:
    check_names("entries", table, ("seed", "data", "frontend", "network", "training"), ("remix",))
    data = made("data", table["data"], _Data)
    if not data.validation:
        raise ValueError("data: validation [] must name one song at least")
    check_stems(data.stems)
    return TimbreRecipe(
        text=text,
        seed=seed_of(table),
        stems=data.stems,
        songs=data.songs,
        held_out=data.held_out,
        validation=data.validation,
        datasets=tuple(map(dataset, data.set)),
        remix=remix_of(table, data.stems),
        spec=spec_of(table),
        sizes=made("network", table["network"], Sizes),
        schedule=made("training", table["training"], Schedule),
    )
