"""The stream of one song, from blocks of the mixture to blocks of its stems, at the song's own rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from rtsep.engine.local import LocalEngine
from rtsep.errors import AudioError
from rtsep.io.audio_file import SAMPLE_RATES
from rtsep.residual import add_residual, residual_index
from rtsep.streaming.overlap_add import OverlapAdd
from rtsep.streaming.resample import Resampler
from rtsep.streaming.slicer import Slicer
from rtsep.types import Audio, Chunk, ChunkResult, Engine, Separator, Stems

_BLOCK = 65536


def separate(audio: Audio, sample_rate: int, separator: Separator | None = None) -> Stems:
    """Stems `(n_stems, n_samples, n_channels)` of a whole song `(n_samples, n_channels)` in memory, on this process.

    `separator` is the default model's if not given; its `stems` names them. They add up to the song. Raises AudioError
    for another shape, samples that are no floating-point numbers or not finite, and rates outside 8 to 192 kHz.
    """
    _check(audio, sample_rate)
    if separator is None:
        from rtsep.separator import load_separator  # takes a second, which a refusal need not wait for

        separator = load_separator()
    stream = StemStream(separator, sample_rate, audio.shape[1])
    blocks = (audio[i : i + _BLOCK].astype(np.float32) for i in range(0, len(audio), _BLOCK))
    return np.concatenate(list(stream.run(LocalEngine(separator), blocks)), axis=1)


def _check(audio: Audio, sample_rate: int) -> None:
    if audio.ndim != 2 or 0 in audio.shape:
        raise AudioError(f"audio is {audio.shape}: it must be (n_samples, n_channels), neither of them 0; reshape it")
    if not np.issubdtype(audio.dtype, np.floating):
        raise AudioError(f"audio is of {audio.dtype}: it must be floating-point, full scale at 1; convert it")
    if not max(audio.max(), -audio.min()) <= np.finfo(np.float32).max:
        raise AudioError("audio has samples that are NaN or infinite: take them out or set them to 0")
    lowest, highest = SAMPLE_RATES
    if not (lowest <= sample_rate <= highest and sample_rate == int(sample_rate)):
        raise AudioError(f"sample rate {sample_rate}: it must be a whole number, {lowest} to {highest} Hz; resample it")


class StemStream:
    """Blocks of a mixture at `rate` Hz to its stems at the same rate, sample by sample where the mixture was.

    `run` takes them through an engine of their own. Who feeds one engine with many streams asks for `chunks` himself,
    and gives their results to `push`, in the order of the chunks, then calls `finish`.
    """

    def __init__(self, separator: Separator, rate: int, n_channels: int) -> None:
        self._n_channels = n_channels
        self._rate = rate
        self._model_rate = separator.sample_rate
        self._to_model = Resampler(rate, separator.sample_rate, n_channels)
        self._to_song = [Resampler(separator.sample_rate, rate, n_channels) for _ in separator.stems]
        self._slicer = Slicer(separator.shape, n_channels)
        self._overlap_add = OverlapAdd(separator.shape, len(separator.stems), n_channels)
        self._own_length = separator.shape.advance - separator.shape.overlap
        self._residual = residual_index(separator.stems)
        self._mixture: deque[Audio] = deque()
        self.n_heard = 0
        self._n_model = 0
        self._n_passed = 0
        self.n_done = 0
        self.computed: list[tuple[int, float]] = []

    def run(self, engine: Engine, blocks: Iterable[Audio]) -> Iterator[Stems]:
        """The stems `(n_stems, n, n_channels)` of the blocks `(n, n_channels)`: block by block as they become final."""
        for result in engine.run(self.chunks(blocks)):
            yield self.push(result)
        yield self.finish()

    def chunks(self, blocks: Iterable[Audio]) -> Iterator[Chunk]:
        """The chunks of the blocks, numbered from 0, each as soon as it is complete."""
        for block in blocks:
            yield from self.take(block)
        yield from self.end()

    def take(self, block: Audio) -> list[Chunk]:
        """The chunks that the next block completes, maybe none."""
        self._mixture.append(block)
        self.n_heard += len(block)
        return self._slicer.push(self._to_model.push(block))

    def end(self) -> list[Chunk]:
        """The chunks still owed to the last blocks."""
        return self._slicer.push(self._to_model.finish()) + self._slicer.finish()

    def push(self, result: ChunkResult) -> Stems:
        """The stems that the next chunk's result makes final; if it `is_written`, up to where that begins."""
        self.computed.append((result.rank, result.compute_seconds))
        push = self._overlap_add.push_overlaps if result.is_written else self._overlap_add.push
        stems = self._heard(push(result.stems))
        return self._finish([to_song.push(stem) for to_song, stem in zip(self._to_song, stems, strict=True)])

    def pass_over(self) -> int:
        """Go on behind what is written of the result that was pushed last; returns its samples.

        Stems that are resampled are never written so.
        """
        n = min(self._own_length, self.n_heard - self._n_model)
        list(self._parts(n))
        self._n_model += n
        self._n_passed += n
        self.n_done += n
        return n

    def finish(self) -> Stems:
        """The stems still held back, once all results have been pushed."""
        return self._finish([to_song.finish(self.n_heard - self._n_passed) for to_song in self._to_song])

    @property
    def resampling_seconds(self) -> float:
        """How long the resamplers, there and back, can hold sound back; 0 at the model's own rate."""
        return self._to_model.latency / self._rate + self._to_song[0].latency / self._model_rate

    def _heard(self, stems: Stems) -> Stems:
        """Stems at the model's rate, cut at the end of what has been heard."""
        n_left = self._to_model.output_length(self.n_heard) - self._n_model
        self._n_model += stems[:, :n_left].shape[1]
        return stems[:, :n_left]

    def _finish(self, resampled: list[Audio]) -> Stems:
        """Stems of one array, and `other` gets whatever they lack of the mixture, resampling included."""
        stems = np.stack(resampled)
        n = stems.shape[1]
        add_residual(stems, self._take(n), self._residual)
        self.n_done += n
        return stems

    def _take(self, n: int) -> Audio:
        """The next `n` samples of the mixture, which was kept for them."""
        return np.concatenate([np.zeros((0, self._n_channels), np.float32), *self._parts(n)])

    def _parts(self, n: int) -> Iterator[Audio]:
        """They, in the pieces that they were kept in."""
        while n:
            block = self._mixture.popleft()
            if len(block) > n:
                self._mixture.appendleft(block[n:])
            yield block[:n]
            n -= len(block[:n])
