"""Inner loop of the decoder: fills an array that the caller planned, checks nothing."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True, fastmath={"contract"})
def decode_codes(codes: Any, decoder: Any, decoded: Any) -> None:
    """decoded = codes @ decoder, atom by atom: a sparse code reads a few rows of the decoder, not all of them."""
    for column in range(codes.shape[0]):
        decoded[column, :] = 0.0
        for atom in range(codes.shape[1]):
            value = codes[column, atom]
            if value != 0.0:
                for k in range(decoder.shape[1]):
                    decoded[column, k] += value * decoder[atom, k]
