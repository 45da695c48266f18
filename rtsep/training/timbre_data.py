"""Examples for a TimbreNet: what it hears of a mixture, and the energies from which any filter's error follows."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rtsep.frontend.features import FrontEnd
from rtsep.model_file import FrontEndSpec
from rtsep.timbrenet.features import Features, band_views
from rtsep.timbrenet.layers import Sizes
from rtsep.training.augment import Mixer
from rtsep.types import C64, F32, Audio, Stems

F16 = NDArray[np.float16]

_ONE_IN_MONO = 8  # mixtures; some songs are
_LARGEST = 60000.0  # of what 16 bits hold
_SLICES_TOGETHER = 16


@dataclass(frozen=True, eq=False)
class Example:
    """One mixture of 6 s or so, or with a further dimension in front a batch of them, in 16 bits.

    `features` `(n_channels, n_slices, n_bands, VIEWS * n_columns)`; energies relative to the mixture's mean:
    `mixture` |X|^2 `(n_channels, n_slices, n_bands, n_columns)`, `cross` Re(X* S) and `power` |S|^2 of its stems
    `(n_stems, n_channels, n_slices, n_bands, n_columns)`.
    """

    features: F16
    mixture: F16
    cross: F16
    power: F16


@dataclass(frozen=True)
class Drawer:
    """Example `number` of a mixer's mixtures, the same one each time."""

    mixer: Mixer
    spec: FrontEndSpec
    sizes: Sizes

    @cached_property
    def frontend(self) -> FrontEnd:
        return self.spec.build()

    def draw(self, number: int) -> Example:
        if number % _ONE_IN_MONO:
            stems = self.mixer.draw_stereo(number)
        else:
            stems = np.repeat(self.mixer.draw(number)[:, :, None], 2, axis=2)
        return make_example(stems, self.frontend, self.sizes)


def make_example(stems: Stems, frontend: FrontEnd, sizes: Sizes) -> Example:
    """The example of the sum of `stems` `(n_stems, n_samples, n_channels)`.

    Re(X* S) = (|X + S|^2 - |X|^2 - |S|^2) / 2, so that band energies are all that a front end is asked for.
    """
    whole = _coefficients(frontend, stems.sum(axis=0))
    views = band_views(frontend, whole)
    listen = Features(sizes.level_slices, sizes.compression)
    features = np.stack([listen.push(slice_views) for slice_views in views], axis=1)
    mixture = frontend.band_power(whole)
    cross, power = [], []
    for stem in stems:
        part = _coefficients(frontend, stem)
        power.append(frontend.band_power(part))
        cross.append((frontend.band_power(whole + part) - mixture - power[-1]) / 2)
    unit = mixture.mean() + np.float32(1e-20)
    return Example(
        features.astype(np.float16),
        _short(mixture.swapaxes(0, 1) / unit),
        _short(np.stack(cross).swapaxes(1, 2) / unit),
        _short(np.stack(power).swapaxes(1, 2) / unit),
    )


def stack(examples: Sequence[Example]) -> Example:
    """A batch of examples of one size."""
    return Example(*(np.stack([getattr(e, field.name) for e in examples]) for field in fields(Example)))


Draw = Callable[[int, Sequence[int]], Iterator[Example]]


@contextmanager
def drawing(drawers: Sequence[Drawer], processes: int, ahead: int) -> Iterator[Draw]:
    """A function that gives, of one of the drawers, the examples of some numbers, in order.

    More than one of `processes` draw `ahead` of what is used; with one, this process draws when it is asked.
    """
    if processes == 1:
        yield lambda which, numbers: map(drawers[which].draw, numbers)
        return
    # Forked processes would share CUDA's state, and torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (drawers,)) as pool:
        yield lambda which, numbers: _ahead(pool, which, numbers, ahead)


def _ahead(pool: ProcessPoolExecutor, which: int, numbers: Sequence[int], ahead: int) -> Iterator[Example]:
    waiting: deque[Future[Example]] = deque()
    try:
        for number in numbers:
            waiting.append(pool.submit(_draw, which, number))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also where one fails, or the user interrupts
        for future in waiting:
            future.cancel()


_drawers: list[Drawer] = []  # those of this process


def _begin(drawers: Sequence[Drawer]) -> None:
    _drawers[:] = drawers


def _draw(which: int, number: int) -> Example:
    return _drawers[which].draw(number)


def _coefficients(frontend: FrontEnd, audio: Audio) -> C64:
    """Those of all whole slices, `(n_slices, n_channels, n_coefficients)`."""
    slices = sliding_window_view(audio, frontend.slice_length, axis=0)[:: frontend.hop].swapaxes(1, 2)
    starts = range(0, len(slices), _SLICES_TOGETHER)
    return np.concatenate([frontend.analyze(slices[s : s + _SLICES_TOGETHER]) for s in starts])


def _short(energies: F32) -> F16:
    return np.clip(energies, -_LARGEST, _LARGEST).astype(np.float16)
