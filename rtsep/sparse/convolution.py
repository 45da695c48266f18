"""Atoms laid over a stretch of columns: where they may start, their inner products by lags, and the way there and back.

A stretch is surrounded by silence, as a song is: x = 0 before its first column and after its last. Atoms may hang
over either end, and what they put outside counts as error there. So an atom costs the same wherever it starts, no
sliver of an atom can be bent to the first column at a bargain, and the Gram depends on the lag alone. A stretch out
of the middle of a song is not silent beyond its ends: it brings margins, of which nothing is kept
(`convolution_chunks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.sparse.dictionary import Dictionary
from rtsep.types import F32


@dataclass(frozen=True, eq=False)
class Convolution:
    """A dictionary whose atoms start at the columns that are multiples of `stride`; planned once, used for any stretch.

    `stride` columns side by side make one *step* of `stride * n_bands` values: in steps every stride is one, and an
    atom of T columns is `reach` = ⌈T / stride⌉ steps long, filled up with zeros. Raises OptionError for the stride.
    """

    dictionary: Dictionary
    stride: int = 1

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise OptionError(f"stride {self.stride}: atoms start every 1, 2, ... columns; 1 allows all of them")

    @property
    def n_atoms(self) -> int:
        return self.dictionary.n_atoms

    @property
    def reach(self) -> int:
        """Steps that an atom covers; as many positions feel it on either side, less one."""
        return -(-self.dictionary.n_columns // self.stride)

    @property
    def width(self) -> int:
        """Values of a step."""
        return self.stride * self.dictionary.n_bands

    @cached_property
    def matrix(self) -> F32:
        """The atoms flat in steps, `(n_atoms, reach * stride * n_bands)`."""
        atoms = self.dictionary.atoms
        filled = np.zeros((self.n_atoms, self.reach * self.stride, atoms.shape[2]), np.float32)
        filled[:, : atoms.shape[1]] = atoms
        return filled.reshape(self.n_atoms, -1)

    @cached_property
    def lag_gram(self) -> F32:
        """G_l[j, k] = Σ_τ φ_j(τ + l) φ_k(τ) as `(n_atoms, reach, n_atoms)`, [j, l, k], for lags l of 0, 1, ... steps.

        It is the inner product of atom j with atom k that starts l steps later; for an earlier one G_-l = G_lᵀ.
        """
        width = self.width
        gram = np.empty((self.n_atoms, self.reach, self.n_atoms), np.float32)
        for lag in range(self.reach):
            gram[:, lag] = self.matrix[:, lag * width :] @ self.matrix[:, : (self.reach - lag) * width].T
        return gram

    def n_positions(self, n_columns: int) -> int:
        """At how many positions an atom touches a stretch of `n_columns`."""
        return -(-n_columns // self.stride) + self.reach - 1 if n_columns else 0

    def start_columns(self, n_columns: int) -> NDArray[np.int64]:
        """The column at which an atom starts for each position `(n_positions,)`, from -(reach - 1) * stride on."""
        return (np.arange(self.n_positions(n_columns)) - (self.reach - 1)) * self.stride

    def surrounded(self, columns: F32) -> F32:
        """The stretch `(n_columns, n_bands)` in steps, with the silence that atoms reach: `(n_steps, width)`.

        Raises ModelError for another number of bands or type, AudioError for values that are not finite.
        """
        n_bands = self.dictionary.n_bands
        if columns.ndim != 2 or columns.shape[1] != n_bands or columns.dtype != np.float32:
            raise ModelError(
                f"columns {columns.dtype} {columns.shape}: they must be float32 (n_columns, {n_bands}); convert them"
            )
        if not np.isfinite(columns).all():
            raise AudioError("a column is not finite: all its bands must be numbers; check the input's samples")
        n_steps = self.n_positions(len(columns)) + self.reach - 1 if len(columns) else 0
        steps = np.zeros((n_steps * self.stride, n_bands), np.float32)
        start = (self.reach - 1) * self.stride
        steps[start : start + len(columns)] = columns
        return steps.reshape(n_steps, self.width)

    def correlate(self, steps: F32) -> F32:
        """Inner products `(n_positions, n_atoms)` of what `surrounded` gives with an atom at each position."""
        n_positions = max(len(steps) - self.reach + 1, 0)
        windows = as_strided(steps, (n_positions, self.matrix.shape[1]), steps.strides, writeable=False)
        # Copied, as BLAS takes no rows that overlap. In this order it reads the atoms once, row by row.
        return np.ascontiguousarray((self.matrix @ np.ascontiguousarray(windows).T).T)

    def reconstruct(self, codes: F32, n_columns: int) -> F32:
        """Columns `(n_columns, n_bands)` that codes `(n_positions, n_atoms)` make inside the stretch."""
        if codes.shape != (self.n_positions(n_columns), self.n_atoms):
            raise ModelError(
                f"codes {codes.shape} for {n_columns} columns: they must be "
                f"({self.n_positions(n_columns)}, {self.n_atoms}); use the Convolution that made them"
            )
        width = self.width
        parts = (codes @ self.matrix).reshape(len(codes), self.reach, width)
        steps = np.zeros((len(codes) + self.reach - 1 if len(codes) else 0, width), np.float32)
        for lag in range(self.reach if len(codes) else 0):
            steps[lag : lag + len(codes)] += parts[:, lag]
        start = (self.reach - 1) * self.stride
        return steps.reshape(-1, self.dictionary.n_bands)[start : start + n_columns].copy()

    @cached_property
    def largest_eigenvalue(self) -> float:
        """An upper bound, at most 1.09 times too large, of the Gram's eigenvalues for stretches of any length.

        The Gram is block Toeplitz: its eigenvalues lie below the largest of Σ_l G_l e^{iωl}, which is that of
        D̂(ω)ᴴD̂(ω), D̂ the Fourier transform of the atoms over their steps. Between grid points, eight to a step,
        a trigonometric polynomial of degree reach - 1 rises at most by 1 / cos(π / 8).
        """
        atoms = self.matrix.reshape(self.n_atoms, self.reach, -1)
        spectra = np.fft.rfft(atoms, 8 * self.reach, axis=1).transpose(1, 0, 2)
        largest = max(float(np.linalg.eigvalsh(spectrum.conj().T @ spectrum)[-1]) for spectrum in spectra)
        return largest / np.cos(np.pi / 8) if self.reach > 1 else largest
