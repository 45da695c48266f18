"""What every rank but 0 does of `rtsep run` and `rtsep live`; until rank 0 asks for it nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from rtsep.engine.crew import follow_ranks

if TYPE_CHECKING:
    from rtsep.engine.worker import Order
    from rtsep.types import Separator


def follow(command: str) -> NoReturn:
    """Do what rank 0, which runs `command`, says; and end the process with it."""
    follow_ranks(_import_separator, _load_for_live if command == "live" else _load)


def _import_separator() -> None:
    """Import what separating takes."""
    import rtsep.separator  # noqa: F401
    from rtsep.kernel_loading import load_without_compiler

    load_without_compiler()


def _load(order: Order, model: bytes) -> Separator:
    """What rank 0 has loaded, of the bytes of its file: they need not be on this host."""
    from rtsep.separator import load_separator

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(model)
        return load_separator(str(path), order.solver, order.slices)


def _load_for_live(order: Order, model: bytes) -> Separator:
    from rtsep.live.thread import ask_for_real_time

    separator = _load(order, model)
    ask_for_real_time()  # where it is refused, as on rank 0, this rank computes all the same
    return separator
