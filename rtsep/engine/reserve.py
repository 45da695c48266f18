"""Which ranks of a host are at work: more than it has cores would only take turns, and crowd its caches.

The others are in reserve: they have loaded nothing, and sleep until they are called up.
"""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar

from rtsep.engine.process import local_rank, own_cores

RESERVE_NAP = 0.5  # seconds, where rank 0's bell is not heard


class Rank(Protocol):
    """Of another rank: where it runs, whether it is there for work, and whether it is to work."""

    in_reserve: bool

    @property
    def host(self) -> str: ...

    @property
    def cores(self) -> Sequence[int]: ...

    @property
    def is_fit(self) -> bool: ...


R = TypeVar("R", bound=Rank)


def will_be_called() -> bool:
    """Whether this rank will probably be one of the first. If it is bound to some of the cores, so are others."""
    return local_rank() < (os.cpu_count() or 1)


def call_up(ranks: Sequence[R]) -> list[R]:
    """Those who are to work: the first of each host's fit ranks, as many as its cores take. The others are in reserve.

    This process, which computes too, counts as one of its own host's. Who is at work stays so as long as it is fit.
    """
    cores: dict[str, set[int]] = defaultdict(set)
    cores[socket.gethostname()].update(own_cores())
    for rank in ranks:
        cores[rank.host].update(rank.cores)
    places = {host: max(1, len(own)) for host, own in cores.items()}
    places[socket.gethostname()] -= 1
    fit = [rank for rank in ranks if rank.is_fit]
    for rank in sorted(fit, key=lambda rank: rank.in_reserve):
        rank.in_reserve = places[rank.host] <= 0
        places[rank.host] -= 1
    return [rank for rank in fit if not rank.in_reserve]
