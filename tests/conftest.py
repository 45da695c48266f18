"""Tests compute on one thread, as every command does: sums in another order would have other last bits.

Those of several hosts are collected where the system lets them be made. Interruptions and lost terminals are heeded by
what the tests start, also where they themselves run in the background, whose shell has them ignored.
"""

from __future__ import annotations

import signal

# Each has a BLAS of its own, which must be loaded to be limited.
import numpy as np  # noqa: F401
import scipy.linalg  # noqa: F401
import torch
from hosts import can_be_made
from threadpoolctl import threadpool_limits

threadpool_limits(1)
torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

collect_ignore = [] if can_be_made() else ["test_mpi_hosts.py"]
