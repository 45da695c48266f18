"""Learned dictionaries on disk, before a decoder makes a model of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rtsep.model_file import FrontEndSpec, check_rate
from rtsep.sparse.dictionary import Dictionary
from rtsep.tables import check_numbers, made
from rtsep.tensor_file import FileKind, read_tensors, refused_as_damaged, write_tensors
from rtsep.types import F32

KIND = FileKind("dictionary")
_ARRAYS = ("atoms", "usage")


@dataclass(frozen=True, eq=False)
class LearnedDictionary:
    """Atoms `(n_atoms, patch_columns, n_bands)`, and the share of patches that use each, `(n_atoms,)`.

    `compression` is the exponent of the amplitudes in the patches, `notes` what is worth knowing of how it was learned.
    """

    sample_rate: int
    spec: FrontEndSpec
    compression: float
    atoms: F32
    usage: F32
    notes: dict[str, Any] = field(default_factory=dict)


def save_dictionary(learned: LearnedDictionary, path: Path) -> None:
    """Write it as safetensors, to the last bit. Raises OutputError."""
    header = {name: value for name, value in asdict(learned).items() if name not in _ARRAYS}
    write_tensors(path, KIND, header, {name: getattr(learned, name) for name in _ARRAYS})


def load_dictionary(path: Path) -> LearnedDictionary:
    """The dictionary of a file. Raises ModelError where it is missing, damaged, or of another kind or format."""
    header, arrays = read_tensors(path, KIND)
    with refused_as_damaged(path):
        floats = {name: array.astype(np.float32) for name, array in arrays.items()}
        learned = made("file", {**header, **floats}, LearnedDictionary)
        _check_sizes(learned)
    return learned


def _check_sizes(learned: LearnedDictionary) -> None:
    check_rate(learned.sample_rate, learned.spec)
    check_numbers("file", {"compression": learned.compression}, 0.01, 100)
    atoms = Dictionary(learned.atoms)
    n_bands = learned.spec.build().n_bands
    if atoms.n_bands != n_bands:
        raise ValueError(f"atoms of {atoms.n_bands} bands do not fit: the front end has {n_bands}")
    if learned.usage.shape != (atoms.n_atoms,) or not np.isfinite(learned.usage).all():
        raise ValueError(f"usage {learned.usage.shape} does not fit: it must be ({atoms.n_atoms},) numbers")
