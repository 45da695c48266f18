"""Which ranks of a host are at work: more than twice as many as it has cores would only crowd its caches."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from rtsep.engine.process import own_cores

RANKS_A_CORE = 2  # so that another has work while rank 0 has not yet looked at one


class Rank(Protocol):
    """Of another rank: where it runs, whether it can compute, and whether it is to."""

    in_reserve: bool

    @property
    def host(self) -> str: ...

    @property
    def cores(self) -> Sequence[int]: ...

    @property
    def is_fit(self) -> bool: ...


def call_up(ranks: Sequence[Rank]) -> None:
    """Put the first of each host's fit ranks to work, as many as its cores take, and the others in reserve.

    This process, which computes too, counts as one of its own host's. Who is at work stays so as long as it is fit.
    """
    cores: dict[str, set[int]] = defaultdict(set)
    cores[socket.gethostname()].update(own_cores())
    for rank in ranks:
        cores[rank.host].update(rank.cores)
    places = {host: RANKS_A_CORE * max(1, len(own)) for host, own in cores.items()}
    places[socket.gethostname()] -= 1
    fit = [rank for rank in ranks if rank.is_fit]
    for rank in sorted(fit, key=lambda rank: rank.in_reserve):
        rank.in_reserve = places[rank.host] <= 0
        places[rank.host] -= 1
