"""Checks of tables that come from files: their names are known, their numbers are numbers in range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from math import inf, isfinite
from typing import Any


def check_names(what: str, found: Iterable[str], needed: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Raise ValueError unless all that is needed is there, and besides it only what is optional."""
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
