"""Cuts an endless stream of audio into the overlapping chunks that separators work on.

The time line, in song time (sample 0 is the first sample of the song):

    chunk k begins at                  k * advance - lead - context
    the stems of its slice j begin at  k * advance - lead + j * hop,  j = 0 .. slices - 1

so the first sample of the song lies under as many slices as any other. What lies before the song is silence.
"""

from __future__ import annotations

import numpy as np

from rtsep.types import Audio, Chunk, ChunkShape


def chunk_count(shape: ChunkShape, n_samples: int) -> int:
    """Chunks that a song of `n_samples` takes: whole ones, until every slice that touches the song is in one."""
    if n_samples == 0:
        return 0
    last_slice = (n_samples - 1 + shape.lead) // shape.hop
    return last_slice // shape.slices + 1


class Slicer:
    """Gives out each chunk as soon as its samples are known, whatever the sizes of the blocks that bring them.

    A chunk is complete with the sample `shape.latency` after the start of its last slice's stems; the rest of that
    slice is zero, as the analysis window is there. Holds less than one chunk of audio, however long the song.
    """

    def __init__(self, shape: ChunkShape, n_channels: int) -> None:
        self._shape = shape
        self._n_channels = n_channels
        self._needed = shape.input_length - shape.slice_output + shape.latency
        self._head = shape.context + shape.lead
        self._held = np.zeros((max(self._needed, self._head), n_channels), np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the song so far: the next block pushed is the first of another song."""
        self._held[:] = 0
        self._n_held = self._head
        self._n_pushed = 0
        self._n_given = 0

    def push(self, block: Audio) -> list[Chunk]:
        """Take the song's next samples `(n, n_channels)`, n >= 0; return the chunks that they complete, in order."""
        if block.ndim != 2 or block.shape[1] != self._n_channels:
            raise ValueError(f"a block of shape {block.shape}: it must be (n, {self._n_channels})")
        self._n_pushed += len(block)
        chunks = []
        while len(block):
            room = max(0, self._needed - self._n_held)
            taken, block = block[:room], block[room:]
            self._held[self._n_held : self._n_held + len(taken)] = taken
            self._n_held += len(taken)
            if self._n_held >= self._needed:
                chunks.append(self._give_out())
        return chunks

    def finish(self) -> list[Chunk]:
        """End the song: the chunks still owed to its last samples, silence following; then as after `reset`."""
        chunks = []
        while self._n_given < chunk_count(self._shape, self._n_pushed):
            self._held[self._n_held : self._needed] = 0
            self._n_held = max(self._n_held, self._needed)
            chunks.append(self._give_out())
        self.reset()
        return chunks

    def _give_out(self) -> Chunk:
        """Copy the held samples into the next chunk, and move on by one advance."""
        samples = np.zeros((self._shape.input_length, self._n_channels), np.float32)
        samples[: self._needed] = self._held[: self._needed]
        n_kept = self._n_held - self._shape.advance
        self._held[:n_kept] = self._held[self._shape.advance : self._n_held]
        self._n_held = n_kept
        self._n_given += 1
        return Chunk(self._n_given - 1, samples)
