"""Files of arrays with a header: safetensors, the header as JSON in its metadata; never pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import ModelError, OptionError
from rtsep.new_file import new_file

_FIRST_FORMAT = 1  # of every kind, and of a file that does not say

Header = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class FileKind:
    """What a file is, and the format that this version writes and reads of that kind.

    A change of what a file holds, or of what that means, raises the format if files of before cannot be read any more.
    """

    name: str
    format: int = _FIRST_FORMAT


def write_tensors(path: Path, kind: FileKind, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file of `kind`, whole or not at all. Raises OutputError where there is no room or no permission."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    text = json.dumps({"format": kind.format, "kind": kind.name, **header})
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with new_file(path) as scratch:
        try:
            save_file(contiguous, scratch, {"rtsep": text})
        except SafetensorError as error:  # what else it has come to is said by no type
            raise OSError(str(error)) from error
        scratch.chmod(0o644)  # safetensors makes it readable for its owner alone


def read_tensors(path: Path, kind: FileKind) -> tuple[Header, Arrays]:
    """Header and arrays of a file of `kind`. Raises ModelError where it is damaged, or of another kind or format."""
    header = read_header(path)
    found, form = header.pop("kind", None), header.pop("format", _FIRST_FORMAT)
    if found != kind.name:
        raise ModelError(f"{path} is of kind {found!r}, where one of kind {kind.name!r} is wanted: give another file")
    if form != kind.format:
        cure = "update rtsep" if isinstance(form, int) and form > kind.format else "train it again"
        raise ModelError(
            f"{path} is of format {form!r} of its kind {kind.name!r}: this version reads format {kind.format}; {cure}"
        )
    with _opened(path) as file:
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)


def read_header(path: Path) -> Header:
    """The header alone: `kind` says what the file is. Raises ModelError where there is no file or none of rtsep's."""
    with _opened(path) as file:
        header = json.loads((file.metadata() or {}).get("rtsep", "{}"))
    if not isinstance(header, dict):
        raise ModelError(f"{path} cannot be read as a model (its header is no table): fetch or train it again")
    return header


@contextmanager
def refused_as_damaged(path: Path) -> Iterator[None]:
    """What a file of the right format holds is looked at in here: raises ModelError for whatever is wrong with it."""
    try:
        yield
    except (TypeError, ValueError, ModelError, OptionError) as error:
        raise ModelError(f"{path} is damaged, or of another version ({error}); fetch or train it again") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as a model ({error}): fetch or train it again") from error
