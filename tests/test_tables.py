"""Tables of files: dataclasses are made of what fits, and one clear line says what does not; recipes, and headers."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from typing import Any, Literal

import pytest
import small_recipe
import small_timbre_recipe
from safetensors import safe_open
from small_model import LOW_DELAY, write_small_model
from small_timbrenet import write_small_timbrenet

from rtsep.errors import RtsepError
from rtsep.separator import load_separator
from rtsep.tables import made
from rtsep.tensor_file import FileKind, read_header, write_tensors
from rtsep.training.recipe import read_recipe
from rtsep.training.timbre_recipe import read_timbre_recipe


@dataclass(frozen=True)
class Inner:
    depth: float = 1.0


@dataclass(frozen=True)
class Outer:
    count: int
    words: tuple[str, ...] = ()
    side: Literal["left", "right"] = "left"
    limit: float | None = None
    levels: dict[str, float] = field(default_factory=dict)
    inner: Inner = Inner()
    rest: dict[str, Any] = field(default_factory=dict)


def test_a_dataclass_is_made_of_a_table():
    table = {"count": 3, "words": ["a", "b"], "limit": 2, "levels": {"bass": -3}, "inner": {"depth": 4}}
    assert made("outer", table, Outer) == Outer(3, ("a", "b"), "left", 2.0, {"bass": -3.0}, Inner(4.0))
    assert made("outer", {"count": 1, "limit": None, "inner": Inner(2.0), "rest": {"x": [1]}}, Outer) == Outer(
        1, inner=Inner(2.0), rest={"x": [1]}
    )
    made_again = made("outer", {"count": 1, "limit": 2}, Outer)
    assert type(made_again.limit) is float


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (5, "outer 5 must be a table"),
        (["count"], r"outer \['count'\] must be a table"),
        ({}, "outer: count missing"),
        ({"count": 1, "counts": 1}, "outer: counts unknown"),
        ({"count": 1.0}, "outer: count 1.0 must be a whole number"),
        ({"count": True}, "outer: count True must be a whole number"),
        ({"count": 1, "words": "a"}, "outer: words 'a' must be a list"),
        ({"count": 1, "words": ["a", 2]}, r"outer: words\[1\] 2 must be text"),
        ({"count": 1, "side": "up"}, "outer: side 'up' must be 'left' or 'right'"),
        ({"count": 1, "side": []}, r"outer: side \[\] must be 'left' or 'right'"),
        ({"count": 1, "limit": "2"}, "outer: limit '2' must be a number"),
        ({"count": 1, "levels": [1]}, r"outer: levels \[1\] must be a table"),
        ({"count": 1, "levels": {"bass": "low"}}, "outer.levels: bass 'low' must be a number"),
        ({"count": 1, "inner": 3}, "outer.inner 3 must be a table"),
        ({"count": 1, "inner": {"depth": None}}, "outer.inner: depth None must be a number"),
    ],
)
def test_what_does_not_fit_is_named(table, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        made("outer", table, Outer)


SPARSE = (
    small_recipe.RECIPE
    + """
    columns = "middle"
    [tuning]
    steps = 4
    [[data.set]]
    kind = "songs"
    folder = "songs"
    held_out = ["First"]
    share = 0.5
    [[data.solo]]
    folder = "songs/First"
    stem = "vocals"
    pattern = "v*.flac"
    channels = [1]
    [remix.chain]
    room = 0.25
    [remix.level_db]
    bass = -19.0
    drums = -18.0
    vocals = -18.0
    other = -18.0
    [frontend.bands]
    bins_per_octave = 12
    f_max = 16000.0
    """
)
WRONG = ["'x'", "3", "-1", "2.5", "nan", "inf", "true", "''", "[]", "[1]", "['x']", "[[1]]", "{}", "{ x = 1 }"]
OF_PYTHON = re.compile(r"object|instance|argument|operand|unhashable|iterable|subscriptable|cannot convert")


@pytest.mark.parametrize(
    ("read", "text"), [(read_recipe, SPARSE), (read_timbre_recipe, small_timbre_recipe.RECIPE)], ids=["sparse", "net"]
)
def test_each_entry_of_a_recipe_is_refused_in_one_line_or_serves(tmp_path, read, text):
    """Whatever stands there; also what is said of the recordings has no words of Python's own, let alone a trace."""
    folder = small_timbre_recipe.write_songs(tmp_path)
    lines = [line.strip() for line in text.strip().splitlines()]
    path = folder / "recipe.toml"
    path.write_text("\n".join(lines))
    read(path).sources(folder)
    said = {}
    for place, line in enumerate(lines):
        name, equals, _ = line.partition(" = ")
        for wrong in WRONG if equals else ():
            path.write_text("\n".join([*lines[:place], name + equals + wrong, *lines[place + 1 :]]))
            said[place, name, wrong] = refusal(lambda: read(path).sources(folder))
    assert not [words for words in said.items() if "\n" in words[1] or OF_PYTHON.search(words[1])]
    assert sum(map(bool, said.values())) > 0.6 * len(said)


@pytest.mark.parametrize("write", [write_small_model, write_small_timbrenet])
def test_each_entry_of_a_models_header_is_refused_in_one_line_or_serves(tmp_path, write):
    path = write(tmp_path / "model.safetensors", spec=LOW_DELAY)
    header = read_header(path)
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    said = {}
    for place in places(header):
        for i, wrong in enumerate([*tomllib.loads(f"x = [{','.join(WRONG)}]")["x"], None, 10**30]):
            changed = copy.deepcopy(header)
            inner = reduce(getitem, place[:-1], changed)
            inner[place[-1]] = wrong
            write_tensors(path, FileKind(changed["kind"]), {"format": 1, **changed}, arrays)
            said[*place, i] = refusal(lambda: load_separator(str(path)))
    assert not [words for words in said.items() if "\n" in words[1] or OF_PYTHON.search(words[1])]
    assert sum(map(bool, said.values())) > 0.9 * len(said)


def places(table: Any) -> Iterator[tuple[str | int, ...]]:
    """The keys that lead to each entry of a table and of what is in it."""
    for key, inner in table.items() if isinstance(table, dict) else enumerate(table):
        yield (key,)
        if isinstance(inner, dict | list):
            yield from ((key, *rest) for rest in places(inner))


def refusal(do: Callable[[], object]) -> str:
    """What a user would read, '' if nothing is wrong; anything but an RtsepError gets through."""
    try:
        do()
    except RtsepError as error:
        return str(error)
    return ""
