"""What every rank but 0 does of `rtsep run` and `rtsep live`; nothing is imported before rank 0 says that it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from rtsep.engine.crew import follow_ranks

if TYPE_CHECKING:
    from rtsep.engine.worker import Order
    from rtsep.types import Separator


def follow(command: str) -> NoReturn:
    """Do what rank 0, which runs `command`, says; and end the process with it."""
    follow_ranks(_import_separator, _load_for_live if command == "live" else _load)


def _import_separator() -> None:
    """Import what separating takes; compiling anything, even nothing, makes numba import the rest of itself."""
    from numba import njit

    import rtsep.separator  # noqa: F401

    @njit()
    def nothing() -> None:
        pass

    nothing()


def _load(order: Order) -> Separator:
    from rtsep.separator import load_separator

    return load_separator(order.model, order.solver, order.slices)


def _load_for_live(order: Order) -> Separator:
    from rtsep.live.thread import ask_for_real_time

    separator = _load(order)
    ask_for_real_time()  # where it is refused, as on rank 0, this rank computes all the same
    return separator
