"""The linear decoder: stem spectra from sparse codes, by ridge regression."""

from __future__ import annotations

import numpy as np

from rtsep.types import F32, F64


def solve_ridge(xx: F64, xy: F64, ridge: float) -> F32:
    """W `(n_inputs, n_outputs)` minimising ‖Y - X W‖² + ridge · mean(diag XᵀX) · ‖W‖².

    `xx` is XᵀX `(n_inputs, n_inputs)` and `xy` is XᵀY: sums over the data, which need not be in memory at once.
    """
    scale = ridge * max(float(np.mean(np.diag(xx))), np.finfo(np.float64).tiny)
    return np.asarray(np.linalg.solve(xx + scale * np.eye(len(xx)), xy), np.float32)
