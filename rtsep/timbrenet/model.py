"""A TimbreNet on disk: safetensors with a JSON header, as all models of rtsep."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rtsep.frontend.features import FrontEnd
from rtsep.model_file import FrontEndSpec, check_array, check_rate, check_stems, model_path
from rtsep.tables import check_names, made
from rtsep.tensor_file import FileKind, read_tensors, refused_as_damaged, write_tensors
from rtsep.timbrenet.layers import Sizes, Weights, weight_shapes

KIND = FileKind("timbrenet")


@dataclass(frozen=True, eq=False)
class TimbreModel:
    """All that a TimbreNet separator is. `weights` have the names and shapes of `layers.weight_shapes`, float32."""

    stems: tuple[str, ...]
    sample_rate: int
    spec: FrontEndSpec
    sizes: Sizes
    weights: Weights
    notes: dict[str, Any] = field(default_factory=dict)

    def frontend(self) -> FrontEnd:
        return self.spec.build()


def save_timbrenet(model: TimbreModel, path: Path) -> None:
    """Write `model`: 16-bit floats for the weights, all else as JSON in the header. Raises OutputError."""
    header = {
        "stems": model.stems,
        "sample_rate": model.sample_rate,
        "spec": asdict(model.spec),
        "sizes": asdict(model.sizes),
        "notes": model.notes,
    }
    write_tensors(path, KIND, header, {name: array.astype(np.float16) for name, array in model.weights.items()})


def load_timbrenet(name_or_path: str) -> TimbreModel:
    """The model of a shipped name or a file. Raises ModelError where it is unknown, damaged or of another format."""
    path = model_path(name_or_path)
    header, arrays = read_tensors(path, KIND)
    with refused_as_damaged(path):
        weights = {name: array.astype(np.float32) for name, array in arrays.items()}
        model = made("file", {**header, "weights": weights}, TimbreModel)
        _check(model)
    return model


def _check(model: TimbreModel) -> None:
    check_stems(model.stems)
    check_rate(model.sample_rate, model.spec)
    frontend = model.frontend()
    fitting = weight_shapes(model.sizes, frontend.n_bands, frontend.n_columns, len(model.stems))
    check_names("weights", model.weights, fitting)
    for name, shape in fitting.items():
        check_array(name, model.weights[name], shape)
