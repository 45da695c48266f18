"""Tests compute on one thread, as every command does: sums in another order would have other last bits.

Those of several hosts are collected where the system lets them be made.
"""

from __future__ import annotations

# Each has a BLAS of its own, which must be loaded to be limited.
import numpy as np  # noqa: F401
import scipy.linalg  # noqa: F401
from hosts import can_be_made
from threadpoolctl import threadpool_limits

threadpool_limits(1)

collect_ignore = [] if can_be_made() else ["test_mpi_hosts.py"]
