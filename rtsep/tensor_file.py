"""Files of arrays with a header: safetensors, the header as JSON in its metadata; never pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import ModelError, OutputError

FORMAT = 1

Header = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


def write_tensors(path: Path, kind: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file of `kind`, whole or not at all. Raises OutputError where there is no room or no permission."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    text = json.dumps({"format": FORMAT, "kind": kind, **header})
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    scratch = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(contiguous, scratch, {"rtsep": text})
        scratch.chmod(0o644)  # safetensors makes it readable for its owner alone
        scratch.replace(path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written ({error}); make room, or choose another place") from error
    finally:  # also after an interruption
        with suppress(OSError):
            scratch.unlink()


def read_tensors(path: Path, kind: str) -> tuple[Header, Arrays]:
    """Header and arrays of a file of `kind`. Raises ModelError where it is damaged, or of another kind or format."""
    header = read_header(path)
    if header.get("format") != FORMAT or header.get("kind") != kind:
        raise ModelError(
            f"{path} is of kind {header.get('kind')!r}, format {header.get('format')!r}: this version reads {kind!r}, "
            f"format {FORMAT}, here; give another file, train it again or update rtsep"
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
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as a model ({error}): fetch or train it again") from error
