"""Models on disk: safetensors with a JSON header, never pickle; the shipped ones are found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from rtsep.errors import ModelError, OptionError
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.cqt import CQT
from rtsep.frontend.features import ColumnGrid, Decoded, FrontEnd
from rtsep.frontend.stft import STFT
from rtsep.sparse.dictionary import Dictionary
from rtsep.tables import check_numbers, made
from rtsep.tensor_file import FileKind, read_header, read_tensors, refused_as_damaged, write_tensors
from rtsep.types import F32, Bytes

KIND = FileKind("sparse")
_ARRAYS = ("atoms", "whitening", "decoder")
_RATES = (1000, 768000)  # Hz
_SHIPPED = Path(__file__).parent / "models"
_FRONT_ENDS: Mapping[str, Callable[..., FrontEnd]] = {"cqt": CQT, "stft": STFT}


@dataclass(frozen=True)
class FrontEndSpec:
    """Which front end a model was trained on: `kind` cqt or stft, its bands, and the sizes of its slices."""

    kind: str
    layout: BandLayout
    sizes: dict[str, int] = field(default_factory=dict)

    def build(self) -> FrontEnd:
        """Raises ModelError for a kind that is unknown, OptionError for sizes that are, or cannot be."""
        if self.kind not in _FRONT_ENDS:
            raise ModelError(f"front end {self.kind!r} is not known to this version: it must be cqt or stft")
        make = _FRONT_ENDS[self.kind]
        known = [name for name in signature(make).parameters if name not in ("layout", "dtype")]
        if unknown := [name for name in self.sizes if name not in known]:
            raise OptionError(f"size {unknown[0]!r} is none of the front end {self.kind}: it has {', '.join(known)}")
        return make(self.layout, **self.sizes)


@dataclass(frozen=True, eq=False)
class SparseModel:
    """All that a sparse separator is: plain numbers and two arrays.

    `atoms` `(n_atoms, patch_columns, n_bands)`, `whitening` `(n, n)` for patches of n = patch_columns * n_bands values,
    and `decoder` `(n_atoms, n_columns * n_stems * n_bands)` float32, n_columns being how many columns a patch decodes:
    `decoded_columns` says which. `compression` is the exponent of the amplitudes that are coded and decoded, `sparsity`
    λ for whitened patches of unit norm.
    """

    stems: tuple[str, ...]
    sample_rate: int
    spec: FrontEndSpec
    compression: float
    sparsity: float
    mask_exponent: float
    atoms: F32
    whitening: F32
    decoder: F32
    notes: dict[str, Any] = field(default_factory=dict)
    decoded_columns: Decoded = "newest"

    def frontend(self) -> FrontEnd:
        return self.spec.build()

    def grid(self, frontend: FrontEnd) -> ColumnGrid:
        """Of the columns of `frontend`, which is the model's own."""
        return ColumnGrid(frontend, self.patch_columns, self.decoded_columns)

    @property
    def patch_columns(self) -> int:
        return int(self.atoms.shape[1])

    @cached_property
    def dictionary(self) -> Dictionary:
        return Dictionary.from_matrix(self.atoms.reshape(len(self.atoms), -1), self.patch_columns)


def model_names() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(p.stem for p in _SHIPPED.glob("*.safetensors"))


def models_of(stems: tuple[str, ...]) -> list[str]:
    """Names of those shipped models that tell just these stems apart, in whatever order."""
    return [name for name in model_names() if sorted(stems_of(name)) == sorted(stems)]


def stems_of(name_or_path: str) -> tuple[str, ...]:
    """What a model tells apart, as its header has it, without loading the rest. Raises ModelError."""
    return tuple(read_header(model_path(name_or_path)).get("stems", ()))


def model_path(name_or_path: str) -> Path:
    """Where a model is: a shipped name, or the path of a .safetensors file. Raises ModelError."""
    shipped = _SHIPPED / f"{name_or_path}.safetensors"
    if shipped.is_file():
        return shipped
    path = Path(name_or_path)
    if path.suffix == ".safetensors" and path.is_file():
        return path
    raise ModelError(f"model {name_or_path!r} is not known: choose {', '.join(model_names())}, or a .safetensors file")


def save_model(model: SparseModel, path: Path) -> None:
    """Write `model` as safetensors: 16-bit floats for the arrays, all else as JSON in the header."""
    header = {name: value for name, value in asdict(model).items() if name not in _ARRAYS}
    write_tensors(path, KIND, header, {name: getattr(model, name).astype(np.float16) for name in _ARRAYS})


def map_model(name_or_path: str) -> Bytes:
    """The bytes of a model's file as it lies in memory: who has loaded it does not read it again. Raises ModelError."""
    mapped: Bytes = np.memmap(model_path(name_or_path), np.uint8, "r")
    return mapped


def load_model(name_or_path: str) -> SparseModel:
    """The model of a shipped name or a file. Raises ModelError where it is unknown, damaged or of another format."""
    path = model_path(name_or_path)
    header, arrays = read_tensors(path, KIND)
    with refused_as_damaged(path):
        # Files from before there was a choice of decoded columns do not say; it has a default.
        floats = {name: array.astype(np.float32) for name, array in arrays.items()}
        model = made("file", {**header, **floats}, SparseModel)
        _check_sizes(model)
    return model


def _check_sizes(model: SparseModel) -> None:
    frontend = model.frontend()
    n_bands, n_decoded = frontend.n_bands, model.grid(frontend).places.size
    check_stems(model.stems)
    check_rate(model.sample_rate, model.spec)
    check_numbers("file", {"sparsity": model.sparsity}, 1e-6)
    check_numbers("file", {"compression": model.compression, "mask_exponent": model.mask_exponent}, 0.01, 100)
    n_atoms, patch_columns = model.atoms.shape[:2]
    n_features = patch_columns * n_bands
    fitting = {
        "atoms": (n_atoms, patch_columns, n_bands),
        "whitening": (n_features, n_features),
        "decoder": (n_atoms, n_decoded * len(model.stems) * n_bands),
    }
    for name, shape in fitting.items():
        check_array(name, getattr(model, name), shape)


def check_stems(stems: tuple[str, ...]) -> None:
    """Raise ValueError where there are none, two of one name, or names that could not be names of files."""
    if not stems or not all(isinstance(stem, str) and stem.isidentifier() for stem in stems):
        raise ValueError(f"stems {stems}: they name files, and must be plain words")
    if len(set(stems)) < len(stems):
        raise ValueError(f"stems {stems}: no two of them may have one name")


def check_rate(sample_rate: int, spec: FrontEndSpec) -> None:
    """Raise ValueError where a model's rate in Hz is not that of its front end, or could not be one of sound."""
    check_numbers("file", {"sample_rate": sample_rate}, *_RATES)
    if sample_rate != spec.layout.sample_rate:
        raise ValueError(f"sample_rate {sample_rate}: it must be that of the bands, {spec.layout.sample_rate}")


def check_array(name: str, array: F32, shape: tuple[int, ...]) -> None:
    """Raise ValueError where an array of another shape or without numbers was stored."""
    if array.shape != shape:
        raise ValueError(f"{name} {array.shape} does not fit: it must be {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} with values that are not numbers")
