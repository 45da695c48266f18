"""rtsep: real-time streaming music separation; sound in, four stems out.

>>> import rtsep
>>> stems = rtsep.separate(audio, sample_rate)  # audio (n_samples, n_channels) -> stems (4, n_samples, n_channels)
>>> separator = rtsep.load_separator("cqt-sparse")
>>> stems = separator.separate(chunk)  # (n_stems, separator.shape.output_length, n_channels), to be overlap-added
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rtsep.errors import AudioError, ModelError, OptionError, OutputError, RtsepError

__version__ = "0.1.0"
__all__ = [
    "AudioError",
    "ModelError",
    "OptionError",
    "OutputError",
    "RtsepError",
    "load_separator",
    "model_names",
    "separate",
]

# These need numba and take half a second to import: they come when they are asked for.
_LAZY = {"load_separator": "rtsep.separator", "model_names": "rtsep.model_file", "separate": "rtsep.stem_stream"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'rtsep' has no attribute {name!r}")
