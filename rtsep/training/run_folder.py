"""The folder of a training run: what it was made of, how it went, and all that it takes to go on where it stopped."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rtsep.errors import ModelError, OptionError
from rtsep.new_file import new_file
from rtsep.sparse.ranks import Ranks
from rtsep.tensor_file import Arrays, FileKind, read_tensors, write_tensors
from rtsep.training.curves import curve_text
from rtsep.training.sources import Source

_KIND = FileKind("training state")
_PACKAGES = ("rtsep", "numpy", "scipy", "numba", "soundfile", "soxr", "torch")


class Recipe(Protocol):
    """What a run is compared by: the recipe's file as text, and its seed."""

    @property
    def text(self) -> str: ...

    @property
    def seed(self) -> int: ...


class Keeper(Protocol):
    """Keeps the states of a run's stages; every rank calls each method, and all have the same states."""

    def begin(self, recipe: Recipe, sources: Sequence[Source]) -> None:
        """Called before the others. Raises OptionError where what is kept comes of another recipe or recordings."""

    def state(self, stage: str) -> Arrays | None:
        """The arrays kept last of a stage that has begun, its `curve` among them."""

    def keep(self, stage: str, state: Arrays) -> None:
        """Replace what is kept of a stage."""


class NothingKept:
    """A run that leaves no trace but its result."""

    def begin(self, recipe: Recipe, sources: Sequence[Source]) -> None:
        """Nothing is compared."""

    def state(self, stage: str) -> Arrays | None:
        return None

    def keep(self, stage: str, state: Arrays) -> None:
        """Forgotten at once."""


NOTHING_KEPT = NothingKept()


@dataclass(frozen=True)
class RunFolder:
    """A folder that all ranks see: `run.json`, `recipe.toml`, and for each stage its state and its curve as CSV.

    Each file is whole or not there.
    """

    path: Path
    ranks: Ranks

    def begin(self, recipe: Recipe, sources: Sequence[Source]) -> None:
        """Raises OptionError, and OutputError where the folder cannot be written."""
        made_of = {"recipe": recipe.text, "seed": recipe.seed, "recordings": _digest(sources)}
        if (self.path / "run.json").is_file():
            self._compare(made_of)
        elif self.ranks.rank == 0:
            versions = {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}
            _write(self.path / "recipe.toml", recipe.text)
            _write(self.path / "run.json", json.dumps(made_of | {"versions": versions}, indent=1) + "\n")

    def state(self, stage: str) -> Arrays | None:
        """Raises ModelError where the state is damaged, OptionError where only some ranks see it."""
        state = self.ranks.together(lambda: _read_state(self._state_path(stage)))
        seen = np.array([float(state is not None)])
        self.ranks.sum(seen)
        if 0 < seen[0] < self.ranks.size:
            raise OptionError(
                f"run folder {self.path} is seen by {seen[0]:.0f} of {self.ranks.size} ranks: all have to see it; "
                "give a folder that all their machines share"
            )
        return state

    def keep(self, stage: str, state: Arrays) -> None:
        """Raises OutputError."""

        def write() -> None:
            # The state comes last: whatever goes on from it has at least its curve in the folder.
            _write(self.path / f"{stage}.csv", curve_text(stage, state["curve"]))
            write_tensors(self._state_path(stage), _KIND, {}, state)

        self.ranks.together(lambda: write() if self.ranks.rank == 0 else None)

    def _state_path(self, stage: str) -> Path:
        return self.path / f"{stage}.state.safetensors"

    def _compare(self, made_of: dict[str, Any]) -> None:
        path = self.path / "run.json"
        try:
            kept = json.loads(path.read_text())
            old = {name: kept[name] for name in made_of}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OptionError(
                f"{path} is damaged ({error!r}): nothing can go on from it; delete {self.path}"
            ) from error
        seeds = f"another seed, {old['seed']} and not {made_of['seed']}"
        for name, other in (("seed", seeds), ("recipe", "another recipe"), ("recordings", "other recordings")):
            if old[name] != made_of[name]:
                raise OptionError(
                    f"run folder {self.path} was begun with {other}: a run goes on with what it began with; give that "
                    "again, or another folder by --run"
                )


def _version(package: str) -> str | None:
    """None for a package that was not installed: rtsep itself may lie in a folder."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _digest(sources: Sequence[Source]) -> str:
    """A checksum of what the recordings are, not of where they are."""
    parts = [(s.song, s.stem, s.path.name, s.sample_rate, s.n_samples, s.channels, s.group, s.share) for s in sources]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _read_state(path: Path) -> Arrays | None:
    if not path.is_file():
        return None
    try:
        return read_tensors(path, _KIND)[1]
    except ModelError as error:
        raise ModelError(
            f"state {path} is damaged, or of another version: training cannot go on from it; delete it to begin anew"
        ) from error


def _write(path: Path, text: str) -> None:
    """Write a file, whole or not at all, and its folder where there is none. Raises OutputError."""
    with new_file(path) as scratch:
        path.parent.mkdir(exist_ok=True)
        scratch.write_text(text)
