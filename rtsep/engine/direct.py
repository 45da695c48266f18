"""Stems straight into the files of a song, by whoever computes them; to rank 0 are left the overlaps of chunks.

Rank 0's writing was what limited one job: see bench/SCALING.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from rtsep.residual import add_residual, residual_index
from rtsep.types import Chunk, Separator, Stems


class DirectWriter:
    """Writes to the targets of chunks what no other chunk adds to; keeps the last song's files open until `close`.

    The same chunk always writes the same bytes to the same place: it may be computed again, by anyone, at any time.
    """

    def __init__(self, separator: Separator) -> None:
        self._stems = separator.stems
        self._shape = separator.shape
        self._residual = residual_index(separator.stems)
        self._folder = ""
        self._files: dict[int, int] = {}

    def write(self, chunk: Chunk, stems: Stems) -> Stems | None:
        """Write what lies between the overlaps of a chunk's stems; returns the overlaps.

        None, and the stems are still to be written as a whole, where the chunk has no target, or that is not to be
        seen or has no room.
        """
        if chunk.target is None:
            return None
        overlap, advance = self._shape.overlap, self._shape.advance
        own = stems[:, overlap:advance] + np.float32(0)  # a copy, in which -0 is 0, as in the overlap-add
        heard = chunk.samples[self._shape.context :]
        add_residual(own, heard[overlap:advance], self._residual)
        place = chunk.target.start + overlap * 4 * stems.shape[2]
        try:
            self._open(chunk.target.folder)
            for index, file in self._files.items():
                data = own[index].astype("<f4", copy=False).ravel().view(np.uint8).data
                _write_all(file, data[: max(0, chunk.target.end - place)], place)
        except OSError:
            return None
        return np.concatenate([stems[:, :overlap], stems[:, advance:]], axis=1)

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            os.close(file)
        self._files, self._folder = {}, ""

    def _open(self, folder: str) -> None:
        """Have the files of the stems that are wanted open. Raises OSError where there are none."""
        if folder == self._folder:
            return
        self.close()
        for index, stem in enumerate(self._stems):
            path = Path(folder, f"{stem}.wav")
            if path.exists():
                self._files[index] = os.open(path, os.O_WRONLY)
        if not self._files:
            raise FileNotFoundError(folder)
        self._folder = folder


def _write_all(file: int, data: memoryview, place: int) -> None:
    """Raises OSError where there is no room for all of it."""
    while data:
        n_written = os.pwrite(file, data, place)
        data, place = data[n_written:], place + n_written
