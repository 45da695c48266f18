"""A model of random weights: it separates badly, but by the whole chain of a trained one, and is made in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtsep.frontend.bands import BandLayout
from rtsep.frontend.features import ColumnGrid, Decoded
from rtsep.model_file import FrontEndSpec, SparseModel, save_model
from rtsep.types import STEMS

LOW_DELAY = FrontEndSpec("stft", BandLayout(44100), {"slice_length": 4096, "hop": 256, "output_length": 512})


def write_small_model(
    path: Path,
    kind: str = "cqt",
    n_atoms: int = 48,
    patch_columns: int = 4,
    spec: FrontEndSpec | None = None,
    decoded: Decoded = "newest",
) -> Path:
    """Save a model to `path`, which it returns; its front end is that of `spec`, or of `kind` in its default sizes."""
    spec = spec or FrontEndSpec(kind, BandLayout(44100))
    frontend = spec.build()
    n_bands, n_columns = frontend.n_bands, ColumnGrid(frontend, patch_columns, decoded).places.size
    random = np.random.default_rng(5)
    atoms = random.random((n_atoms, patch_columns, n_bands)).astype(np.float32) ** 4
    atoms /= np.sqrt(np.sum(atoms**2, axis=(1, 2), keepdims=True))
    decoder = random.random((n_atoms, n_columns * len(STEMS) * n_bands)).astype(np.float32) ** 2
    whitening = np.eye(patch_columns * n_bands, dtype=np.float32)
    model = SparseModel(STEMS, 44100, spec, 0.5, 0.04, 1.0, atoms, whitening, decoder, {}, decoded)
    save_model(model, path)
    return path
