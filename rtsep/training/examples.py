"""Training examples: patches of a mixture beside the newest column of each of its stems, all as band energies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from rtsep.frontend.features import ColumnGrid, Columns, compress
from rtsep.model_file import FrontEndSpec
from rtsep.sparse.coder import unit_norm
from rtsep.training.augment import Mixer
from rtsep.types import F32

# Patches whose compressed amplitudes are this short hold nothing but rounding.
_SILENCE = 1e-4


@dataclass(frozen=True, eq=False)
class Examples:
    """Unit-norm patches `(n, patch_columns * n_bands)` and the stems' newest columns `(n, n_stems * n_bands)`.

    Both are compressed amplitudes divided by the length of the mixture's patch, so that level is out of the question.
    """

    patches: F32
    stems: F32

    def __len__(self) -> int:
        return len(self.patches)


def mixture_examples(stems: F32, spec: FrontEndSpec, patch_columns: int, compression: float) -> Examples:
    """Examples from one mixture, given as its stems `(n_stems, n_samples)`: just what a separator would see of it."""
    frontend = spec.build()
    grid = ColumnGrid(frontend, patch_columns)
    audio = np.ascontiguousarray(np.vstack([stems.sum(axis=0), stems]).T)
    columns = Columns(grid, audio.shape[1], frontend.n_bands)
    seen = []
    for s in range((len(audio) - frontend.slice_length) // frontend.hop + 1):
        samples = audio[s * frontend.hop : s * frontend.hop + frontend.slice_length]
        patches = columns.push(frontend.band_power(frontend.analyze(samples)))
        if s >= grid.context_slices:
            seen.append(patches)
    amplitudes = compress(np.concatenate(seen, axis=1), compression)
    mixture = amplitudes[0].reshape(amplitudes.shape[1], -1)
    newest = amplitudes[1:, :, -1].transpose(1, 0, 2).reshape(len(mixture), -1)
    unit, length = unit_norm(mixture)
    sounding = length[:, 0] > _SILENCE
    return Examples(unit[sounding], newest[sounding] / length[sounding])


def draw_examples(
    mixer: Mixer,
    numbers: Sequence[int],
    spec: FrontEndSpec,
    patch_columns: int,
    compression: float,
    processes: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Examples:
    """Examples of the mixtures `numbers` that `mixer` draws, in order: the same ones for any number of processes."""
    draw = partial(_drawn, mixer, spec, patch_columns, compression)
    parts = []
    with ProcessPoolExecutor(processes) as pool:
        for i, part in enumerate(pool.map(draw, numbers, chunksize=4), start=1):
            parts.append(part)
            if progress is not None:
                progress(i)
    return Examples(np.concatenate([p.patches for p in parts]), np.concatenate([p.stems for p in parts]))


def _drawn(mixer: Mixer, spec: FrontEndSpec, patch_columns: int, compression: float, number: int) -> Examples:
    return mixture_examples(mixer.draw(number), spec, patch_columns, compression)
