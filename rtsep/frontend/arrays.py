"""What goes into a front end and what comes out: checked, and made where the caller brings none."""

from __future__ import annotations

import math
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


def complex_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The complex type whose parts are of `dtype`."""
    return np.result_type(dtype, np.complex64)


def sliced_samples(samples: Array, slice_length: int) -> Array:
    """`samples` `(..., slice_length, n_channels)`, in C order. Raises OptionError for another shape."""
    if samples.ndim < 2 or samples.shape[-2] != slice_length:
        raise OptionError(f"samples {samples.shape}: a slice must be (..., {slice_length}, n_channels); cut or pad it")
    return np.ascontiguousarray(samples)


def fitting(name: str, array: Array, last: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """`array` `(..., *last)`, in C order and of type `dtype`. Raises OptionError for another shape."""
    if array.shape[-len(last) :] != last:
        wanted = ", ".join(map(str, last))
        raise OptionError(f"{name} {array.shape}: they must be (..., {wanted}); make them with this front end")
    return np.ascontiguousarray(array, dtype)


def ready(out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """`out` if it can take a result of this shape and type, a new array if it is None. Raises OptionError."""
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise OptionError(f"out {out.dtype} {out.shape}: it must be C-contiguous {dtype} {shape}")
    return out


def flat(array: Array, n_last: int) -> Array:
    """The same memory with all but the last `n_last` dimensions made one. `reshape(-1, ...)` cannot: sizes may be 0."""
    split = array.ndim - n_last
    return array.reshape(math.prod(array.shape[:split]), *array.shape[split:])
