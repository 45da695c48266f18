"""Data dealt out to processes that compute alike: who holds which row, and the sums that all of them learn.

MPI calls such processes ranks. What runs on them sees only `Ranks`; the launcher's side of it is in `rtsep.engine`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtsep.types import F32, F64

Numbers = NDArray[np.int64]
T = TypeVar("T")

STEPS = 2.0**20


class Ranks(Protocol):
    """Processes that do the same on different data; both methods have to be called by every rank."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def sum(self, array: F64) -> None:
        """Replace a C-contiguous `array` on every rank by its sum over all of them; the shape is that of all."""
        ...

    def together(self, part: Callable[[], T]) -> T:
        """The result of this rank's `part`. An RtsepError that any rank's part raises is raised on all of them."""
        ...


class OneRank:
    """A process by itself."""

    rank = 0
    size = 1

    def sum(self, array: F64) -> None:
        """The sum over one rank is what is there."""

    def together(self, part: Callable[[], T]) -> T:
        return part()


ONE_RANK = OneRank()


@dataclass(frozen=True, eq=False)
class Shard:
    """Which of `total` rows this rank holds: those of `numbers`, ascending. The ranks together hold each row once."""

    numbers: Numbers
    total: int
    ranks: Ranks

    @classmethod
    def whole(cls, total: int) -> Shard:
        """All rows, on one rank."""
        return cls(np.arange(total), total, ONE_RANK)

    @classmethod
    def of_parts(cls, sizes: Numbers, held: Numbers, ranks: Ranks) -> Shard:
        """Rows that come in parts of `sizes`, of which this rank holds those numbered `held`, ascending."""
        ends = np.cumsum(sizes)
        runs = [np.arange(ends[part] - sizes[part], ends[part]) for part in held]
        return cls(np.concatenate([np.zeros(0, np.int64), *runs]), int(sizes.sum()), ranks)

    def held(self, wanted: Numbers) -> tuple[Numbers, Numbers]:
        """Of the rows numbered `wanted`, those that are here: their places on this rank, and in `wanted`."""
        if not len(self.numbers):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        places = np.minimum(np.searchsorted(self.numbers, wanted), len(self.numbers) - 1)
        here = np.flatnonzero(self.numbers[places] == wanted)
        return places[here], here

    def gather(self, rows: F32, wanted: Numbers) -> F32:
        """The rows numbered `wanted`, `(len(wanted), ...)`, on every rank; `rows` are those of this rank."""
        places, here = self.held(wanted)
        found = np.zeros((len(wanted), *rows.shape[1:]))
        found[here] = rows[places]
        self.ranks.sum(found)
        return found.astype(np.float32)

    def choose(self, wanted: Numbers) -> tuple[Shard, Numbers]:
        """The rows numbered `wanted`, ascending, as a shard of their own, and their places on this rank."""
        places, here = self.held(wanted)
        return Shard(here, len(wanted), self.ranks), places


def in_steps(values: F32) -> F32:
    """Values rounded to whole steps of 2^-20.

    Products of such numbers are whole steps of 2^-40, and float64 adds up those without any rounding as long as
    the sum stays below 2^13: it has the same bits in whatever order ranks and libraries add.
    """
    return np.asarray(np.rint(values * np.float32(STEPS)) / np.float32(STEPS), np.float32)
