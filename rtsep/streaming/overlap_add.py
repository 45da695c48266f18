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
        self._chunk = (n_stems, shape.output_length, n_channels)
        self.reset()

    def reset(self) -> None:
        """Forget the song so far: the next stems pushed are those of chunk 0 of another song."""
        n_stems, output_length, n_channels = self._chunk
        self._tail = np.zeros((n_stems, output_length - self._shape.advance, n_channels), np.float32)
        self._n_lead_left = self._shape.lead

    def push(self, stems: Stems) -> Stems:
        """Add the next chunk's stems `(n_stems, output_length, n_channels)`.

        Returns the song's next final samples, `(n_stems, n, n_channels)`: `advance` of them, fewer or none as long
        as the silent lead before the song is dropped. After the song's last chunk they run on past its end; the
        caller, who knows the length, trims them.
        """
        if stems.shape != self._chunk:
            raise ValueError(f"stems of shape {stems.shape}: they must be {self._chunk}")
        return self._add(stems, self._shape.advance)

    def push_overlaps(self, stems: Stems) -> Stems:
        """Add the next chunk's overlaps alone, `(n_stems, 2 * overlap, n_channels)`, where it has samples between them.

        Returns the song's next final samples, as `push` does, up to where those begin that the chunk has for itself.
        """
        n_stems, _, n_channels = self._chunk
        overlap = self._shape.overlap
        if stems.shape != (n_stems, 2 * overlap, n_channels) or overlap >= self._shape.advance:
            raise ValueError(f"stems of shape {stems.shape}: they must be the overlaps of {self._shape}")
        return self._add(stems, overlap)

    def _add(self, stems: Stems, n_final: int) -> Stems:
        """The first `n_final` samples are final with this; what follows them waits for the next chunk."""
        summed = stems + np.float32(0)  # a copy, in which -0 is 0
        summed[:, : self._tail.shape[1]] += self._tail
        self._tail = summed[:, n_final:]
        n_dropped = min(self._n_lead_left, n_final)
        self._n_lead_left -= n_dropped
        return summed[:, n_dropped:n_final]
