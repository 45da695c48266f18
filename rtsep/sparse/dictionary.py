"""A dictionary of spectrogram patches: unit-norm atoms of a few columns, as a matrix, with its Gram."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rtsep.errors import ModelError
from rtsep.types import F32

UNIT_NORM_TOLERANCE = 1e-4
# BLAS rounds products of other shapes otherwise, and within one of many rows those at its edges (OpenBLAS' kernels for
# AVX2): sixteen rows are the most that every kernel of it treats alike.
_ROWS_TOGETHER = 16


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Atoms `(n_atoms, n_columns, n_bands)` float32 of unit norm, the oldest column first.

    Raises ModelError where the atoms have another shape or type, are not finite or not of unit norm.
    """

    atoms: F32

    def __post_init__(self) -> None:
        atoms = self.atoms
        if atoms.ndim != 3 or atoms.dtype != np.float32 or 0 in atoms.shape:
            raise ModelError(
                f"atoms are {atoms.dtype} {atoms.shape}: they must be float32 (n_atoms, n_columns, n_bands), "
                "none of them 0; reshape and convert them"
            )
        norms = np.linalg.norm(self.matrix, axis=1)
        # Written so that a norm that is not a number fails too.
        if not np.all(np.abs(norms - 1.0) <= UNIT_NORM_TOLERANCE):
            worst = int(np.argmax(np.nan_to_num(np.abs(norms - 1.0), nan=np.inf)))
            raise ModelError(
                f"atom {worst} has norm {norms[worst]}: atoms must have unit norm; use Dictionary.from_matrix"
            )

    @classmethod
    def from_matrix(cls, matrix: F32, n_columns: int) -> Dictionary:
        """Dictionary of flat atoms `(n_atoms, n_columns * n_bands)`, which are scaled to unit norm."""
        n_atoms, n_features = matrix.shape
        if n_columns < 1 or n_features % n_columns:
            raise ModelError(
                f"{n_features} features in {n_columns} columns: every column must hold as many bands; "
                "give the number of columns that the patches were cut with"
            )
        return cls(normalise(matrix).reshape(n_atoms, n_columns, n_features // n_columns))

    @property
    def n_atoms(self) -> int:
        return int(self.atoms.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.atoms.shape[1])

    @property
    def n_bands(self) -> int:
        return int(self.atoms.shape[2])

    @cached_property
    def matrix(self) -> F32:
        """The atoms flat, `(n_atoms, n_columns * n_bands)`, C-contiguous: a row is a patch."""
        return np.ascontiguousarray(self.atoms.reshape(self.n_atoms, -1))

    @cached_property
    def gram(self) -> F32:
        """Inner products of the atoms, `(n_atoms, n_atoms)`."""
        return gram_of(self.matrix)

    def correlate(self, patches: F32) -> F32:
        """Inner products of flat patches `(n, n_columns * n_bands)` with the atoms, `(n, n_atoms)`."""
        return inner_products(self.matrix, patches)

    def whitened(self, whitening: F32) -> Dictionary:
        """The dictionary of the whitened atoms, scaled to unit norm again; its patches are whitened alike."""
        return Dictionary.from_matrix(self.matrix @ whitening, self.n_columns)


def inner_products(matrix: F32, rows: F32) -> F32:
    """Those of `rows` `(n, k)` with the rows of `matrix` `(m, k)`: `(n, m)`; no bit depends on what rows come together.

    All products have one shape: where there are too few rows, silence keeps them company.
    """
    n = len(rows)
    if n % _ROWS_TOGETHER:
        rows = np.concatenate([rows, np.zeros((-n % _ROWS_TOGETHER, rows.shape[1]), np.float32)])
    products = np.empty((len(rows), len(matrix)), np.float32)
    for start in range(0, n, _ROWS_TOGETHER):
        block = slice(start, start + _ROWS_TOGETHER)
        # In this order BLAS reads the large matrix row by row: twice as fast for a few patches.
        products[block] = (matrix @ rows[block].T).T
    return products[:n]


def normalise(rows: F32) -> F32:
    """Rows scaled to unit Euclidean norm, float32; a row of zeros stays zero. Safe for huge and tiny rows."""
    peaks = np.max(np.abs(rows), axis=1, keepdims=True, initial=0.0)
    scaled: F32 = np.divide(rows, peaks, out=np.zeros(rows.shape, np.float32), where=peaks > 0)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    scaled /= np.where(norms > 0, norms, 1)
    return scaled


def gram_of(matrix: F32) -> F32:
    """Inner products of the rows of `(n_atoms, n_features)`, exactly symmetric."""
    gram: F32 = matrix @ matrix.T
    gram += gram.T.copy()
    gram *= 0.5
    return gram


def whitening_matrix(matrix: F32, floor: float = 0.1) -> F32:
    """W = (ΦΦᵀ + floor · mean · I)^-½, symmetric `(n_features, n_features)`, of atoms `(n_atoms, n_features)`.

    `mean` is the mean eigenvalue of ΦΦᵀ. Whitened patches are `patches @ W`; what all atoms share counts less
    in them, so that the Gram's largest eigenvalue, which sets the pace of LCA, falls to a few units.
    """
    if not floor > 0:
        raise ModelError(f"whitening floor {floor}: it must be above 0, as ΦΦᵀ may be singular; try 0.1")
    covariance = matrix.T.astype(np.float64) @ matrix.astype(np.float64)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    scale = 1.0 / np.sqrt(np.maximum(eigenvalues, 0.0) + floor * eigenvalues.mean())
    whitening: F32 = ((vectors * scale) @ vectors.T).astype(np.float32)
    return whitening
