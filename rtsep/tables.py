"""Tables that come from files: all that is in them is checked, and dataclasses are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from math import inf, isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

_WORDS = {int: "a whole number", float: "a number", str: "text, in quotes", bool: "true or false"}


def made(what: str, table: Any, of: type[T]) -> T:
    """The dataclass `of` with what `table`, from TOML or JSON, has for its fields; those with a default may be missing.

    Lists become tuples, tables the dataclasses or dicts that a field is said to be; arrays stay what they are. Raises
    ValueError for what is no table, for names that there are not and values that do not fit; and what the dataclass
    raises for those that do.
    """
    check_fields(what, table, of)
    hints = get_type_hints(of)
    return of(**{name: _fitting(what, name, value, hints[name]) for name, value in table.items()})


def _fitting(what: str, name: str, value: Any, kind: Any) -> Any:
    """`value` as a field of type `kind` takes it. Raises ValueError where it cannot be one."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (kind,) = (part for part in parts if part is not NoneType)
        return None if value is None else _fitting(what, name, value, kind)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_fitting(what, f"{name}[{i}]", part, parts[0]) for i, part in enumerate(value))
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {key: _fitting(f"{what}.{name}", key, part, parts[1]) for key, part in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return value if isinstance(value, kind) else made(f"{what}.{name}", value, kind)
    if kind is Any or (origin is Literal and value in parts) or type(value) is (origin or kind):
        return value
    if kind is float and type(value) is int:
        return float(value)
    words = {tuple: "a list, in brackets", dict: "a table", Literal: " or ".join(map(repr, parts))}
    raise ValueError(f"{what}: {name} {value!r} must be {words.get(origin) or _WORDS.get(kind, 'an array')}")


def check_names(what: str, found: Iterable[str], needed: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Raise ValueError unless it is a table, all that is needed is there, and besides it only what is optional."""
    if not isinstance(found, Mapping | set):
        raise ValueError(f"{what} {found!r} must be a table")
    missing, unknown = set(needed) - set(found), set(found) - set(needed) - set(optional)
    faults = [f"{name} missing" for name in sorted(missing)] + [f"{name} unknown" for name in sorted(unknown)]
    if faults:
        raise ValueError(f"{what}: {', '.join(faults[:3])}")


def check_fields(what: str, found: Iterable[str], of: type[Any]) -> None:
    """Raise ValueError unless these are the names of a dataclass's fields; those with a default may be missing."""
    optional = {field.name for field in fields(of) if (field.default, field.default_factory) != (MISSING, MISSING)}
    check_names(what, found, {field.name for field in fields(of)} - optional, optional)


def check_numbers(what: str, values: Mapping[str, Any], least: float, most: float = inf) -> None:
    """Raise ValueError unless all of `values` are finite numbers from `least` to `most`."""
    for name, value in values.items():
        if not (isinstance(value, int | float) and isfinite(value) and least <= value <= most):
            limit = f"from {least:g} to {most:g}" if isfinite(most) else f"of {least:g} or more"
            raise ValueError(f"{what}: {name} {value!r} must be a number {limit}")
