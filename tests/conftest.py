"""Tests compute on one thread, as every command does: sums in another order would have other last bits."""

from __future__ import annotations

# Each has a BLAS of its own, which must be loaded to be limited.
import numpy as np  # noqa: F401
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_limits

threadpool_limits(1)
