"""Adds the overlapping stems of successive chunks up to continuous stems: the inverse of the slicer."""

from __future__ import annotations

import numpy as np

from rtsep.types import ChunkShape, Stems


class OverlapAdd:
    """Sums windowed chunks of stems, in their order, and gives out what no later chunk can change.

    y(t) = sum over k of stems_k(t - k * advance + lead), t in song time. The sums are taken in the order of the
    chunks, so the same chunks give the same stems to the last bit.
    """

    def __init__(self, shape: ChunkShape, n_stems: int, n_channels: int) -> None:
        self._shape = shape
        self._sum = np.zeros((n_stems, shape.output_length, n_channels), np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the song so far: the next stems pushed are those of chunk 0 of another song."""
        self._sum[:] = 0
        self._n_lead_left = self._shape.lead

    def push(self, stems: Stems) -> Stems:
        """Add the next chunk's stems `(n_stems, output_length, n_channels)`.

        Returns the song's next final samples, `(n_stems, n, n_channels)`: `advance` of them, fewer or none as long
        as the silent lead before the song is dropped. After the song's last chunk they run on past its end; the
        caller, who knows the length, trims them.
        """
        if stems.shape != self._sum.shape:
            raise ValueError(f"stems of shape {stems.shape}: they must be {self._sum.shape}")
        advance = self._shape.advance
        overlap = self._shape.output_length - advance
        self._sum += stems
        final = self._sum[:, :advance].copy()
        self._sum[:, :overlap] = self._sum[:, advance:]
        self._sum[:, overlap:] = 0
        n_dropped = min(self._n_lead_left, advance)
        self._n_lead_left -= n_dropped
        return final[:, n_dropped:]
