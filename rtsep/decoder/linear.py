"""The linear decoder: stem spectra from sparse codes, by ridge regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtsep.types import F32

F64 = NDArray[np.float64]


class RidgeSums:
    """The sums of a least-squares problem, gathered batch by batch: memory does not grow with the data."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        self._xx: F64 = np.zeros((n_inputs, n_inputs))
        self._xy: F64 = np.zeros((n_inputs, n_outputs))

    def add(self, inputs: F32, outputs: F32) -> None:
        """Rows of `inputs` `(n, n_inputs)` and the `outputs` `(n, n_outputs)` that they should give."""
        self._xx += inputs.T @ inputs
        self._xy += inputs.T @ outputs

    def solve(self, ridge: float) -> F32:
        """W `(n_inputs, n_outputs)` minimising ||Y - X W||^2 + ridge * mean(diag XX) * ||W||^2."""
        scale = ridge * max(float(np.mean(np.diag(self._xx))), np.finfo(np.float64).tiny)
        regular = self._xx + scale * np.eye(self._xx.shape[0])
        return np.asarray(np.linalg.solve(regular, self._xy), np.float32)
