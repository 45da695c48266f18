"""Compiled kernels come from numba's cache without numba's compiler, which takes half a second to make ready."""

from __future__ import annotations

from typing import Any

from numba.core.caching import Cache
from numba.core.runtime.nrt import rtsys

_PARTS = ("load_overload", "_load_overload", "_guard_against_spurious_io_errors")


def load_without_compiler() -> None:
    """From now on a cached kernel is loaded as soon as numba's runtime is up; others are compiled as ever.

    Before it looks into the cache numba (0.60 to 0.68) imports and registers all that its compiler knows. Machine code
    needs none of it; the compiler does the same by itself before it compiles. A numba that is built otherwise is left
    as it is.
    """
    if all(hasattr(Cache, part) for part in _PARTS):
        Cache.load_overload = _load_overload  # type: ignore[method-assign]


def _load_overload(cache: Any, signature: Any, target: Any) -> Any:
    """As numba's own, but for `target.refresh()`, of which this is the part that running code needs."""
    rtsys.initialize(target)
    with cache._guard_against_spurious_io_errors():
        return cache._load_overload(signature, target)
