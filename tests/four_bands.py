"""A small but true separator for tests of everything around one: it splits each slice's spectrum into four bands."""

from __future__ import annotations

import numpy as np

from rtsep.types import STEMS, Audio, ChunkShape, Stems

SHAPE = ChunkShape(hop=512, slice_length=1024, slice_output=1024, latency=896, context_slices=1, slices=4)
EDGES = (0, 8, 40, 160, 513)


def tukey_window(hop: int, transition: int) -> np.ndarray:
    """A window of 2 * hop samples, flat but for two cosine slopes, whose translates by `hop` add up to one."""
    position = np.arange(2 * hop) - hop // 2 + transition // 2
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(position / transition, 0, 1))
    fall = 0.5 - 0.5 * np.cos(np.pi * np.clip((position - hop) / transition, 0, 1))
    return (rise - fall).astype(np.float32)


class FourBands:
    """Stems are bands of the spectrum of each windowed slice: masks of zeros and ones that add up to one."""

    stems = STEMS
    sample_rate = 44100
    shape = SHAPE

    def __init__(self) -> None:
        self._window = tukey_window(SHAPE.hop, transition=256)[:, None]
        bins = np.arange(SHAPE.hop + 1)[None, :, None]
        low, high = np.array(EDGES[:-1])[:, None, None], np.array(EDGES[1:])[:, None, None]
        self._masks = ((bins >= low) & (bins < high)).astype(np.float32)

    def separate(self, chunk: Audio) -> Stems:
        stems = np.zeros((len(STEMS), SHAPE.output_length, chunk.shape[1]), np.float32)
        for s in range(SHAPE.slices):
            start = s * SHAPE.hop
            piece = chunk[SHAPE.context + start :][: SHAPE.slice_length] * self._window
            bands = np.fft.irfft(self._masks * np.fft.rfft(piece, axis=0), SHAPE.slice_length, axis=1)
            stems[:, start : start + SHAPE.slice_length] += bands.astype(np.float32)
        return stems
