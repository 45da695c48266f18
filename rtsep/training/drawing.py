"""Examples of mixtures, drawn in groups whose stems are analysed once: the same ones each time, on any process."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rtsep.frontend.features import FrontEnd
from rtsep.model_file import FrontEndSpec
from rtsep.training.augment import Mixer
from rtsep.types import C64, F32, Stems

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_TOGETHER = 8  # mixtures whose stems are permuted among them
_ONE_IN_MONO = 8  # mixtures; some songs are
_SLICES_AT_ONCE = 16

E = TypeVar("E")
D = TypeVar("D", bound="DataclassInstance")  # of arrays alone


@dataclass(frozen=True)
class Drawer(Generic[E]):
    """Draws examples in groups, group `number` the same each time; what can be pickled draws in other processes, too.

    `make` makes one of the stems of a mixture, as `analyze_stems` gives them, the channel to be heard, and the front
    end of `spec`. A group has eight mixtures as the mixer draws them, then as many again for each further one of
    `permutations`, with stems permuted among the mixtures: so minutes become years, and analysing a stem serves several
    examples.
    """

    mixer: Mixer
    spec: FrontEndSpec
    make: Callable[[C64, int, FrontEnd], E]
    permutations: int = 1

    @cached_property
    def frontend(self) -> FrontEnd:
        return self.spec.build()

    @property
    def group_size(self) -> int:
        return _TOGETHER * self.permutations

    def draw(self, number: int) -> list[E]:
        rng = np.random.default_rng((self.mixer.seed, number, 2))
        first = number * _TOGETHER
        parts = np.stack([self._parts(mixture) for mixture in range(first, first + _TOGETHER)])
        examples = []
        for permutation in range(self.permutations):
            if permutation:
                for stem in range(parts.shape[1]):
                    parts[:, stem] = parts[rng.permutation(_TOGETHER), stem]
            examples += [self.make(mixture, int(rng.integers(mixture.shape[2])), self.frontend) for mixture in parts]
        return [examples[i] for i in rng.permutation(len(examples))]

    def _parts(self, number: int) -> C64:
        """The stems of one mixture, in stereo."""
        if number % _ONE_IN_MONO:
            stems = self.mixer.draw_stereo(number)
        else:
            stems = np.repeat(self.mixer.draw(number)[:, :, None], 2, axis=2)
        return analyze_stems(stems, self.frontend)


def analyze_stems(stems: Stems, frontend: FrontEnd) -> C64:
    """`(n_stems, n_samples, n_channels)` to all whole slices `(n_stems, n_slices, n_channels, n_coefficients)`."""
    slices = sliding_window_view(stems, frontend.slice_length, axis=1)[:, :: frontend.hop].swapaxes(2, 3)
    starts = range(0, slices.shape[1], _SLICES_AT_ONCE)
    parts = [[frontend.analyze(stem[s : s + _SLICES_AT_ONCE]) for s in starts] for stem in slices]
    return np.stack([np.concatenate(part) for part in parts])


def stem_energies(parts: C64, frontend: FrontEnd) -> tuple[F32, F32, F32]:
    """|X|² of the sum X of `parts` `(n_stems, n_slices, n_coefficients)`, Re(X* S) and |S|² of each part S.

    They are `(n_slices, n_bands, n_columns)`, and twice `(n_stems, n_slices, n_bands, n_columns)`. Re(X* S) =
    (|X + S|² - |X|² - |S|²) / 2, so that band energies are all that a front end is asked for.
    """
    whole = parts.sum(axis=0)
    mixture = frontend.band_power(whole)
    power = np.stack([frontend.band_power(part) for part in parts])
    both = np.stack([frontend.band_power(whole + part) for part in parts])
    return mixture, np.float32(0.5) * (both - mixture - power), power


def stack(examples: Sequence[D]) -> D:
    """A batch of examples of one size: a further dimension in front of each of their arrays."""
    kind = type(examples[0])
    return kind(*(np.stack([getattr(example, field.name) for example in examples]) for field in fields(kind)))


Draw = Callable[[int, Sequence[int]], Iterator[E]]


@contextmanager
def drawing(drawers: Sequence[Drawer[E]], processes: int, ahead: int) -> Iterator[Draw[E]]:
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


def _ahead(pool: ProcessPoolExecutor, which: int, groups: Sequence[int], ahead: int) -> Iterator[list[Any]]:
    waiting: deque[Future[list[Any]]] = deque()
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


_drawers: list[Drawer[Any]] = []  # those of this process


def _begin(drawers: Sequence[Drawer[Any]]) -> None:
    _drawers[:] = drawers


def _draw(which: int, number: int) -> list[Any]:
    return _drawers[which].draw(number)
