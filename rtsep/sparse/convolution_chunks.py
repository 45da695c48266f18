"""Convolutional codes of a long song chunk by chunk: each with a margin on both sides, of which nothing is kept."""

from __future__ import annotations

from rtsep.errors import OptionError
from rtsep.sparse.convolution import Convolution
from rtsep.sparse.convolution_solvers import ConvolutionalCodes, solve_convolutional_cd
from rtsep.types import F32


def solve_between_margins(
    convolution: Convolution,
    columns: F32,
    margins: tuple[int, int],
    lam: float,
    tol: float = 1e-3,
    signed: bool = False,
) -> ConvolutionalCodes:
    """Codes of the columns inside the margins, the first and last `margins` columns being context only.

    They are the codes of all atoms that touch the inside, as many as for a stretch of its own, so that
    `Convolution.reconstruct` gives the inside columns and no neighbour is needed; `gap` is that of the whole stretch.
    The silence that `Convolution` puts beyond the ends is wrong in the middle of a song. But atoms feel only those they
    overlap with, and each overlap passes on a part: the error fades inwards like a geometric series. With the default
    model's atoms of T = 8 columns, each T - 1 columns of margin divide it by 2 (atoms as they are) to 7 (whitened);
    4 (T - 1) leave 0.3 % and 0.01 % of error in the reconstruction of the demo song, none leave 6 % and 14 %.
    Raises OptionError for margins that are negative or too long, and for a first one off the stride.
    """
    before, after = margins
    n_inside = len(columns) - before - after
    if before < 0 or after < 0 or n_inside < 0 or before % convolution.stride:
        raise OptionError(
            f"margins {before} and {after} of {len(columns)} columns: they must leave columns inside, and the first be "
            f"a multiple of the stride {convolution.stride}; cut the chunk further out"
        )
    whole = solve_convolutional_cd(convolution, columns, lam, tol, signed)
    start = before // convolution.stride
    inside = whole.codes[start : start + convolution.n_positions(n_inside)].copy()
    return ConvolutionalCodes(inside, whole.gap, whole.iterations)
