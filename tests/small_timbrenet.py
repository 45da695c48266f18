"""A TimbreNet of random weights: it separates badly, but by the whole chain of a trained one; made in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtsep.frontend.bands import BandLayout
from rtsep.model_file import FrontEndSpec
from rtsep.timbrenet.layers import Sizes, weight_shapes
from rtsep.timbrenet.model import TimbreModel, save_timbrenet
from rtsep.types import STEMS

CQT_SPEC = FrontEndSpec("cqt", BandLayout(44100, gamma=43.0), {"slice_length": 4096, "transition": 2048})
STFT_SPEC = FrontEndSpec("stft", BandLayout(44100), {"slice_length": 4096, "hop": 512, "output_length": 1024})
SIZES = Sizes(
    channels=8, partial_channels=3, dilations=(1, 2), bottleneck=6, timbres=5, level_slices=4, compression=0.3
)


def small_timbrenet(spec: FrontEndSpec = CQT_SPEC, sizes: Sizes = SIZES, stems: tuple[str, ...] = STEMS) -> TimbreModel:
    frontend = spec.build()
    random = np.random.default_rng(7)
    weights = {
        name: (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
        for name, shape in weight_shapes(sizes, frontend.n_bands, frontend.n_columns, len(stems)).items()
    }
    return TimbreModel(stems, 44100, spec, sizes, weights)


def write_small_timbrenet(path: Path, spec: FrontEndSpec = CQT_SPEC) -> Path:
    """Save a model to `path`, which it returns."""
    save_timbrenet(small_timbrenet(spec), path)
    return path
