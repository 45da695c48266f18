"""Front ends that have proved themselves, by name: what each costs in latency, and what it hears apart.

The bench `oracle.py` measures what each lets ideal masks reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from rtsep.errors import OptionError
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.cqt import CQT
from rtsep.frontend.stft import STFT


@dataclass(frozen=True)
class CQTPreset:
    """Sizes in samples, `gamma` in Hz: near the least with which the bands fit slices at 44.1 kHz."""

    slice_length: int
    transition: int
    gamma: float


@dataclass(frozen=True)
class STFTPreset:
    """Sizes in samples; the bands are those of the default constant-Q preset."""

    slice_length: int
    hop: int
    output_length: int


PRESETS: dict[str, CQTPreset | STFTPreset] = {
    "cqt-lowest-latency": CQTPreset(2048, 512, 86.0),
    "cqt-low-latency": CQTPreset(4096, 1024, 43.0),
    "cqt": CQTPreset(8192, 2048, 20.0),
    "cqt-quality": CQTPreset(16384, 4096, 9.0),
    # Hann slices, not Tukey: an eighth more latency, and ideal masks reach up to 1 dB more (steep slopes leak).
    "cqt-hann-low-latency": CQTPreset(4096, 2048, 43.0),
    "cqt-hann": CQTPreset(8192, 4096, 20.0),
    "stft-low-delay": STFTPreset(4096, 256, 512),
    "stft": STFTPreset(4096, 1024, 4096),
}


def build_preset(name: str, sample_rate: int = 44100, dtype: DTypeLike = np.float32) -> CQT | STFT:
    """The front end of a preset. Raises OptionError for an unknown name, or a rate that its sizes do not suit."""
    if name not in PRESETS:
        raise OptionError(f"preset {name!r} is not known: choose {', '.join(PRESETS)}")
    preset = PRESETS[name]
    if isinstance(preset, CQTPreset):
        layout = BandLayout(sample_rate, gamma=preset.gamma)
        return CQT(layout, preset.slice_length, preset.transition, dtype=dtype)
    return STFT(BandLayout(sample_rate), preset.slice_length, preset.hop, preset.output_length, dtype)
