"""The stream of one song, from blocks of the mixture to blocks of its stems, at the song's own rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from rtsep.engine.local import LocalEngine
from rtsep.errors import AudioError
from rtsep.separator import load_separator
from rtsep.streaming.overlap_add import OverlapAdd
from rtsep.streaming.resample import Resampler
from rtsep.streaming.slicer import Slicer
from rtsep.types import Audio, Chunk, Engine, Separator, Stems

RESIDUAL_STEM = "other"
_BLOCK = 65536


def separate(audio: Audio, sample_rate: int, separator: Separator | None = None) -> Stems:
    """Stems `(n_stems, n_samples, n_channels)` of a whole song `(n_samples, n_channels)` in memory, on this process.

    `separator` is the default model's if not given; its `stems` names them. They add up to the song. Raises AudioError
    for another shape, and for samples that are not finite.
    """
    if audio.ndim != 2 or 0 in audio.shape:
        raise AudioError(f"audio is {audio.shape}: it must be (n_samples, n_channels), neither of them 0; reshape it")
    if not np.isfinite(audio).all():
        raise AudioError("audio has samples that are NaN or infinite: take them out or set them to 0")
    chosen = separator if separator is not None else load_separator()
    stream = StemStream(chosen, LocalEngine(chosen), sample_rate, audio.shape[1])
    blocks = (audio[i : i + _BLOCK].astype(np.float32) for i in range(0, len(audio), _BLOCK))
    return np.concatenate(list(stream.run(blocks)), axis=1)


class StemStream:
    """Blocks of a mixture at `rate` Hz to its stems at the same rate, sample by sample where the mixture was."""

    def __init__(self, separator: Separator, engine: Engine, rate: int, n_channels: int) -> None:
        n_stems = len(separator.stems)
        self._shape = (-1, n_stems, n_channels)
        self._rate = rate
        self._model_rate = separator.sample_rate
        self._engine = engine
        self._to_model = Resampler(rate, separator.sample_rate, n_channels)
        self._to_song = Resampler(separator.sample_rate, rate, n_stems * n_channels)
        self._slicer = Slicer(separator.shape, n_channels)
        self._overlap_add = OverlapAdd(separator.shape, n_stems, n_channels)
        self._residual = separator.stems.index(RESIDUAL_STEM) if RESIDUAL_STEM in separator.stems else None
        self._mixture: deque[Audio] = deque()
        self._n_heard = 0
        self._n_model = 0
        self.n_done = 0
        self.computed: list[tuple[int, float]] = []

    def run(self, blocks: Iterable[Audio]) -> Iterator[Stems]:
        """The stems `(n_stems, n, n_channels)` of the blocks `(n, n_channels)`: block by block as they become final."""
        for result in self._engine.run(self._chunks(blocks)):
            self.computed.append((result.rank, result.compute_seconds))
            yield self._finish(self._to_song.push(self._at_model_rate(self._overlap_add.push(result.stems))))
        yield self._finish(self._to_song.finish(self._n_heard))

    @property
    def resampling_seconds(self) -> float:
        """How long the resamplers, there and back, can hold sound back; 0 at the model's own rate."""
        return self._to_model.latency / self._rate + self._to_song.latency / self._model_rate

    def _chunks(self, blocks: Iterable[Audio]) -> Iterator[Chunk]:
        for block in blocks:
            self._mixture.append(block)
            self._n_heard += len(block)
            yield from self._slicer.push(self._to_model.push(block))
        yield from self._slicer.push(self._to_model.finish())
        yield from self._slicer.finish()

    def _at_model_rate(self, stems: Stems) -> Audio:
        """Stems side by side as channels `(n, n_stems * n_channels)`, cut at the end of what has been heard."""
        n_left = self._to_model.output_length(self._n_heard) - self._n_model
        rows = np.ascontiguousarray(stems[:, :n_left].transpose(1, 0, 2)).reshape(-1, stems.shape[0] * stems.shape[2])
        self._n_model += len(rows)
        return rows

    def _finish(self, rows: Audio) -> Stems:
        """Stems again, and `other` gets whatever they lack of the mixture, resampling included."""
        stems = np.ascontiguousarray(rows.reshape(self._shape).transpose(1, 0, 2))
        if self._residual is not None:
            stems[self._residual] += self._take(len(rows)) - stems.sum(axis=0)
        self.n_done += len(rows)
        return stems

    def _take(self, n: int) -> Audio:
        """The next `n` samples of the mixture, which was kept for them."""
        parts = [np.zeros((0, self._shape[2]), np.float32)]
        while n:
            block = self._mixture.popleft()
            parts.append(block[:n])
            n -= len(parts[-1])
            if len(block) > len(parts[-1]):
                self._mixture.appendleft(block[len(parts[-1]) :])
        return np.concatenate(parts)
