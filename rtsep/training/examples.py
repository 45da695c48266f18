"""Training examples: patches of a mixture beside those columns of its stems that are decoded, all as band energies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rtsep.errors import OptionError
from rtsep.frontend.features import ColumnGrid, Decoded, FrontEnd, compress, cut_patches
from rtsep.model_file import FrontEndSpec
from rtsep.sparse.coder import unit_norm
from rtsep.sparse.ranks import ONE_RANK, Numbers, Ranks, Shard
from rtsep.training.augment import Mixer
from rtsep.types import F32

# Patches whose compressed amplitudes are this short hold nothing but rounding.
_SILENCE = 1e-4


@dataclass(frozen=True, eq=False)
class Examples:
    """Unit-norm patches `(n, patch_columns * n_bands)`, and of the stems what a decoder is to make of each patch.

    `stems` `(n, n_columns * n_stems * n_bands)` are the columns that a patch decodes, mostly its newest one alone;
    `mixtures` `(n,)` numbers the mixture that each comes from; one by itself has the number 0.

    Both are compressed amplitudes divided by the length of the mixture's patch, so that level is out of the question.
    """

    patches: F32
    stems: F32
    mixtures: Numbers

    def __len__(self) -> int:
        return len(self.patches)


def mixture_examples(
    stems: F32, spec: FrontEndSpec, patch_columns: int, compression: float, decoded: Decoded = "newest"
) -> Examples:
    """Examples from one mixture, given as its stems `(n_stems, n_samples)`: just what a separator would see of it."""
    return _examples(np.vstack([stems.sum(axis=0), stems]), spec, patch_columns, compression, decoded)


def mixture_patches(
    stems: F32, spec: FrontEndSpec, patch_columns: int, compression: float, decoded: Decoded = "newest"
) -> Examples:
    """The same patches, with no stems beside them, `(n, 0)`: all that a dictionary learns from, in half the time."""
    return _examples(stems.sum(axis=0, keepdims=True), spec, patch_columns, compression, decoded)


def draw_examples(
    cut: Callable[[F32], Examples],
    mixer: Mixer,
    n_mixtures: int,
    processes: int = 1,
    ranks: Ranks = ONE_RANK,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Examples, Shard]:
    """This rank's share of the examples that `cut` makes of the stems of `n_mixtures` from `mixer`, and which ones.

    The ranks together have the same ones in any number, and with any number of `processes` that each of them starts.
    Raises OptionError where there are fewer mixtures than ranks, and on every rank what drawing raises on one.
    """
    if n_mixtures < ranks.size:
        raise OptionError(f"{n_mixtures} mixtures for {ranks.size} ranks: each draws one at least; start fewer ranks")
    numbers = np.arange(ranks.rank, n_mixtures, ranks.size)
    parts = ranks.together(lambda: _draw(partial(_drawn, cut, mixer), numbers.tolist(), processes, progress))
    sizes = np.zeros(n_mixtures)
    sizes[numbers] = [len(part) for part in parts]
    ranks.sum(sizes)
    examples = Examples(
        np.concatenate([p.patches for p in parts]),
        np.concatenate([p.stems for p in parts]),
        np.repeat(numbers, [len(p) for p in parts]),
    )
    return examples, Shard.of_parts(sizes.astype(np.int64), numbers, ranks)


def _draw(
    draw: Callable[[int], Examples], numbers: Sequence[int], processes: int, progress: Callable[[int], None]
) -> list[Examples]:
    """Mixtures `numbers`, in order; `progress` hears how many are done."""
    with ExitStack() as stack:
        drawn: Iterator[Examples] = map(draw, numbers)
        if processes > 1:
            drawn = stack.enter_context(ProcessPoolExecutor(processes)).map(draw, numbers, chunksize=4)
        parts = []
        for part in drawn:
            parts.append(part)
            progress(len(parts))
    return parts


def _drawn(cut: Callable[[F32], Examples], mixer: Mixer, number: int) -> Examples:
    return cut(mixer.draw(number))


def _examples(channels: F32, spec: FrontEndSpec, patch_columns: int, compression: float, decoded: Decoded) -> Examples:
    """Examples from `channels` `(1 + n_stems, n_samples)`, the mixture before its stems."""
    frontend = spec.build()
    grid = ColumnGrid(frontend, patch_columns, decoded)
    audio = np.ascontiguousarray(channels.T)
    amplitudes = compress(_patches(audio, frontend, grid), compression)
    mixture = amplitudes[0].reshape(amplitudes.shape[1], -1)
    targets = amplitudes[1:][:, :, grid.places].transpose(1, 2, 0, 3).reshape(len(mixture), -1)
    unit, length = unit_norm(mixture)
    sounding = length[:, 0] > _SILENCE
    n_sounding = int(sounding.sum())
    return Examples(unit[sounding], targets[sounding] / length[sounding], np.zeros(n_sounding, np.int64))


def _patches(audio: F32, frontend: FrontEnd, grid: ColumnGrid) -> F32:
    """Patches of energy `(n_channels, n, patch_columns, n_bands)` of all whole slices that have their context."""
    slices = sliding_window_view(audio, frontend.slice_length, axis=0)[:: frontend.hop].swapaxes(1, 2)
    power = [frontend.band_power(frontend.analyze(samples)) for samples in slices]
    return np.concatenate(cut_patches(grid, power), axis=1)
