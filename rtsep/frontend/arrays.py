"""What goes into a front end and what comes out: checked, and made where the caller brings none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rtsep.errors import OptionError

Array = NDArray[Any]


def float_type(dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64. Raises OptionError for any other type."""
    found = np.dtype(dtype)
    if found not in (np.float32, np.float64):
        raise OptionError(f"dtype {found}: front ends compute in float32 or float64; choose one")
    return found


def sliced_samples(samples: Array, slice_length: int) -> Array:
    """`samples` `(slice_length, n_channels)`, in C order. Raises OptionError for another shape."""
    if samples.ndim != 2 or len(samples) != slice_length:
        raise OptionError(f"samples {samples.shape}: a slice must be ({slice_length}, n_channels); cut or pad it")
    return np.ascontiguousarray(samples)


def ready(out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], is_complex: bool = False) -> Array:
    """`out` if it can take a result of this shape and type, a new array if it is None. Raises OptionError."""
    wanted = np.result_type(dtype, np.complex64) if is_complex else dtype
    if out is None:
        return np.empty(shape, wanted)
    if out.shape != shape or out.dtype != wanted or not out.flags.c_contiguous:
        raise OptionError(f"out {out.dtype} {out.shape}: it must be C-contiguous {wanted} {shape}")
    return out
