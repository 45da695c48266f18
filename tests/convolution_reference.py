"""Convolutional codes the slow way: every atom at every position as a row of a matrix, in float64, and scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Lasso

from rtsep.sparse.convolution import Convolution
from rtsep.sparse.dictionary import Dictionary


@dataclass(frozen=True, eq=False)
class Problem:
    """Atoms `(n_atoms, T, n_bands)`, a stretch `(n_columns, n_bands)`, a stride and λ."""

    dictionary: Dictionary
    columns: np.ndarray
    stride: int = 1
    lam: float = 0.1
    signed: bool = False

    @property
    def convolution(self) -> Convolution:
        return Convolution(self.dictionary, self.stride)

    @property
    def starts(self) -> list[int]:
        """Every column at which an atom may start and touch the stretch."""
        n, length = len(self.columns), self.dictionary.n_columns
        return [p for p in range(-length + 1, n) if p % self.stride == 0] if n else []

    @property
    def sound(self) -> np.ndarray:
        """The stretch with the silence around it, flat."""
        margin = self.dictionary.n_columns - 1
        return np.pad(self.columns.astype(np.float64), ((margin, margin), (0, 0))).ravel()

    @property
    def design(self) -> np.ndarray:
        """`(n_positions * n_atoms, values of sound)`: a row for each atom at each position."""
        atoms = self.dictionary.atoms.astype(np.float64)
        length = atoms.shape[1]
        rows = np.zeros((len(self.starts), len(atoms), len(self.columns) + 2 * (length - 1), atoms.shape[2]))
        for i, start in enumerate(self.starts):
            rows[i, :, start + length - 1 : start + 2 * length - 1] = atoms
        return rows.reshape(len(self.starts) * len(atoms), self.sound.size)

    def inside(self, codes: np.ndarray) -> np.ndarray:
        """What codes make of the columns of the stretch."""
        margin = self.dictionary.n_columns - 1
        whole = (codes.astype(np.float64).ravel() @ self.design).reshape(-1, self.columns.shape[1])
        return whole[margin : margin + len(self.columns)]

    def energy(self, codes: np.ndarray) -> float:
        residual = self.sound - codes.astype(np.float64).ravel() @ self.design
        return float(0.5 * residual @ residual + self.lam * np.abs(codes, dtype=np.float64).sum())

    def gap(self, codes: np.ndarray) -> float:
        """The relative duality gap at the residual, shrunk until it is feasible."""
        residual = self.sound - codes.astype(np.float64).ravel() @ self.design
        corr = self.design @ residual
        highest = np.max(np.abs(corr) if self.signed else corr, initial=0.0)
        theta = residual * min(1.0, self.lam / max(highest, self.lam))
        energy = self.energy(codes)
        return float((energy - (self.sound @ theta - 0.5 * theta @ theta)) / energy) if energy > 0 else 0.0

    def lasso(self) -> np.ndarray:
        """The best codes, by scikit-learn."""
        design = self.design.T
        model = Lasso(
            self.lam / len(design), positive=not self.signed, fit_intercept=False, tol=1e-12, max_iter=200_000
        )
        return model.fit(design, self.sound).coef_.reshape(len(self.starts), -1)


def make_problem(
    n_columns: int = 17, n_atoms: int = 12, length: int = 4, n_bands: int = 9, stride: int = 1, lam: float = 0.15,
    signed: bool = False, seed: int = 0,
) -> Problem:  # fmt: skip
    """A stretch of a few atoms at positions, and noise; nonnegative like spectra unless `signed`."""
    rng = np.random.default_rng(seed)
    values = (
        rng.standard_normal((n_atoms, length * n_bands)) if signed else rng.random((n_atoms, length * n_bands)) ** 3
    )
    dictionary = Dictionary.from_matrix(values.astype(np.float32) + np.float32(1e-3), length)
    silent = Problem(dictionary, np.zeros((n_columns, n_bands), np.float32), stride, lam, signed)
    codes = rng.random((len(silent.starts), n_atoms)) * (rng.random((len(silent.starts), n_atoms)) < 0.08)
    columns = silent.inside(codes * rng.choice([-1, 1], codes.shape) if signed else codes)
    noise = rng.standard_normal(columns.shape) if signed else rng.random(columns.shape)
    return Problem(dictionary, (columns + 0.03 * noise).astype(np.float32), stride, lam, signed)
