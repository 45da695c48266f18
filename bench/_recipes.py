"""Recipes with some of their entries replaced, and which parts of training two of them have in common."""

from __future__ import annotations

import copy
import hashlib
import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rtsep.errors import OptionError
from rtsep.training.recipe import SparseRecipe, read_recipe

Table = dict[str, Any]
# What the examples do not depend on; what the dictionary does not, either. Any other field makes other examples.
_DICTIONARY = {"atoms", "learning_sparsity", "dictionary_patches", "dictionary_epochs"}
_DECODER = {"whitening_floor", "sparsity", "ridge", "decoder_epochs", "mask_exponent", "tuning"}


def read_table(path: Path) -> Table:
    """The entries of a recipe that `read_recipe` accepts."""
    return tomllib.loads(read_recipe(path).text)


def override(table: Table, entries: Mapping[str, Any]) -> Table:
    """A copy in which `entries`, keyed `section.name`, are replaced or added; a section is replaced as a whole."""
    result = copy.deepcopy(table)
    for dotted, value in entries.items():
        *sections, name = dotted.split(".")
        inner = result
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = copy.deepcopy(value)
    return result


def parse_entries(text: str) -> Table:
    """Entries from `section.name=VALUE; section.name=VALUE` with values as in TOML. Raises OptionError."""
    entries = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        try:
            entries[name.strip()] = tomllib.loads(f"value = {value.strip()}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise OptionError(f"entry {part!r}: {error}; write it as dictionary.atoms=512") from error
        if not (name.strip() and equals):
            raise OptionError(f"entry {part!r} has no name: write it as dictionary.atoms=512")
    return entries


def write_recipe(table: Table, path: Path) -> SparseRecipe:
    """Write the recipe of a table and read it back: what a model then carries is the file that made it."""
    path.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in table.items()), encoding="utf-8")
    return read_recipe(path)


def _toml(value: Any) -> str:
    """Numbers, strings, arrays and inline tables: for all but the tables JSON is TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def examples_key(recipe: SparseRecipe) -> str:
    """Equal for recipes that draw the same examples."""
    return _digest(recipe, leave_out=_DICTIONARY | _DECODER)


def dictionary_key(recipe: SparseRecipe) -> str:
    """Equal for recipes that learn the same dictionary from the same examples."""
    return _digest(recipe, leave_out=_DECODER)


def model_key(recipe: SparseRecipe) -> str:
    """Equal for recipes that make the same model."""
    return _digest(recipe, leave_out=())


def _digest(recipe: SparseRecipe, leave_out: Collection[str]) -> str:
    chosen = [(f.name, getattr(recipe, f.name)) for f in fields(recipe) if f.name not in {"text", *leave_out}]
    return hashlib.sha256(repr(chosen).encode()).hexdigest()[:12]


def unlike(recipe: SparseRecipe, other: SparseRecipe) -> list[str]:
    """The fields in which `recipe` differs from `other`: those of the front end by name, the text left out."""
    pairs = {f.name: (getattr(recipe, f.name), getattr(other, f.name)) for f in fields(recipe)}
    ours, theirs = pairs.pop("spec")
    pairs |= {
        "front end": ((ours.kind, ours.sizes), (theirs.kind, theirs.sizes)),
        "bands": (ours.layout, theirs.layout),
    }
    return [name for name, (one, another) in pairs.items() if name != "text" and one != another]
