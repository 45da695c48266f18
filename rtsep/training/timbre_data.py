"""Examples for a TimbreNet: what it hears of a mixture, and the energies from which any filter's error follows."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rtsep.frontend.features import FrontEnd
from rtsep.model_file import FrontEndSpec
from rtsep.timbrenet.features import Features, band_views
from rtsep.timbrenet.layers import Sizes
from rtsep.training.augment import Mixer
from rtsep.types import C64, F32, Stems

_TOGETHER = 8  # mixtures whose stems are permuted among them
_ONE_IN_MONO = 8  # mixtures; some songs are
_SLICES_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Example:
    """One channel of a mixture of 6 s or so, or with a further dimension in front a batch of them.

    `features` `(n_slices, n_bands, VIEWS * n_columns)`; energies relative to the mixture's mean: `mixture` |X|^2
    `(n_slices, n_bands, n_columns)`, `cross` Re(X* S) and `power` |S|^2 of its stems
    `(n_stems, n_slices, n_bands, n_columns)`.
    """

    features: F32
    mixture: F32
    cross: F32
    power: F32


@dataclass(frozen=True)
class Drawer:
    """Draws examples in groups, group `number` the same each time.

    A group has eight mixtures as the mixer draws them, then as many again for each further one of `permutations`, with
    stems permuted among the mixtures: so minutes become years, and analysing a stem serves several examples.
    """

    mixer: Mixer
    spec: FrontEndSpec
    sizes: Sizes
    permutations: int = 1

    @cached_property
    def frontend(self) -> FrontEnd:
        return self.spec.build()

    @property
    def group_size(self) -> int:
        return _TOGETHER * self.permutations

    def draw(self, number: int) -> list[Example]:
        rng = np.random.default_rng((self.mixer.seed, number, 2))
        first = number * _TOGETHER
        parts = np.stack([self._parts(mixture) for mixture in range(first, first + _TOGETHER)])
        examples = []
        for permutation in range(self.permutations):
            if permutation:
                for stem in range(parts.shape[1]):
                    parts[:, stem] = parts[rng.permutation(_TOGETHER), stem]
            examples += [self._example(mixture, int(rng.integers(mixture.shape[2]))) for mixture in parts]
        return [examples[i] for i in rng.permutation(len(examples))]

    def _parts(self, number: int) -> C64:
        """The stems of one mixture, in stereo."""
        if number % _ONE_IN_MONO:
            stems = self.mixer.draw_stereo(number)
        else:
            stems = np.repeat(self.mixer.draw(number)[:, :, None], 2, axis=2)
        return analyze_stems(stems, self.frontend)

    def _example(self, parts: C64, channel: int) -> Example:
        return make_example(parts, channel, self.frontend, self.sizes)


def analyze_stems(stems: Stems, frontend: FrontEnd) -> C64:
    """`(n_stems, n_samples, n_channels)` to all whole slices `(n_stems, n_slices, n_channels, n_coefficients)`."""
    slices = sliding_window_view(stems, frontend.slice_length, axis=1)[:, :: frontend.hop].swapaxes(2, 3)
    starts = range(0, slices.shape[1], _SLICES_AT_ONCE)
    parts = [[frontend.analyze(stem[s : s + _SLICES_AT_ONCE]) for s in starts] for stem in slices]
    return np.stack([np.concatenate(part) for part in parts])


def make_example(parts: C64, channel: int, frontend: FrontEnd, sizes: Sizes) -> Example:
    """The example of one channel of the sum of `parts`, as `analyze_stems` gives them.

    Re(X* S) = (|X + S|^2 - |X|^2 - |S|^2) / 2, so that band energies are all that a front end is asked for.
    """
    whole = parts.sum(axis=0)
    views = band_views(frontend, whole)
    listen = Features(sizes.level_slices, sizes.compression)
    features = np.stack([listen.push(slice_views)[channel] for slice_views in views])
    own = np.ascontiguousarray(parts[:, :, channel])
    mixed = np.ascontiguousarray(whole[:, channel])
    mixture = frontend.band_power(mixed)
    unit = mixture.mean() + np.float32(1e-20)
    power = np.stack([frontend.band_power(part) for part in own])
    both = np.stack([frontend.band_power(mixed + part) for part in own])
    return Example(features, mixture / unit, (both - mixture - power) / (2 * unit), power / unit)


def stack(examples: Sequence[Example]) -> Example:
    """A batch of examples of one size."""
    return Example(*(np.stack([getattr(e, field.name) for e in examples]) for field in fields(Example)))


Draw = Callable[[int, Sequence[int]], Iterator[Example]]


@contextmanager
def drawing(drawers: Sequence[Drawer], processes: int, ahead: int) -> Iterator[Draw]:
    """A function that gives, of one of the drawers, the examples of some groups, in order.

    `processes` beside this one draw `ahead` groups of what is used; with none, this one draws when it is asked.
    """
    if processes == 0:
        yield lambda which, groups: chain.from_iterable(map(drawers[which].draw, groups))
        return
    # Forked processes would share CUDA's state, and torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (drawers,)) as pool:
        yield lambda which, groups: chain.from_iterable(_ahead(pool, which, groups, ahead))


def _ahead(pool: ProcessPoolExecutor, which: int, groups: Sequence[int], ahead: int) -> Iterator[list[Example]]:
    waiting: deque[Future[list[Example]]] = deque()
    try:
        for number in groups:
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


def _draw(which: int, number: int) -> list[Example]:
    return _drawers[which].draw(number)
