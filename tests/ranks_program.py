"""A job that all ranks do alike: `python ranks_program.py MODE`, for tests/test_training_mpi.py.

Rank 0 prints sums over the ranks. MODE says what goes wrong: nothing, or which rank raises what.
"""

from __future__ import annotations

import sys

import numpy as np

from rtsep.commands.console import guarded
from rtsep.engine.process import heed_signals
from rtsep.engine.together import run_together
from rtsep.errors import AudioError
from rtsep.sparse.ranks import Ranks

mode = sys.argv[1]


def task(ranks: Ranks) -> int:
    def part() -> float:
        if mode == f"rank {ranks.rank} refuses":
            raise AudioError("song: is damaged; fetch it again")
        if mode == f"rank {ranks.rank} raises":
            raise ArithmeticError(f"rank {ranks.rank} cannot")
        return ranks.rank + 1.0

    large = np.full((1024, 1024), ranks.together(part))
    ranks.sum(large)
    numbers = np.zeros((ranks.size, 4096))
    numbers[ranks.rank] = 1.0
    ranks.sum(numbers)
    assert (large == large[0, 0]).all()
    if ranks.rank == 0:
        print(large[0, 0], numbers[-1].sum())
    return 0


if __name__ == "__main__":
    heed_signals()
    run_together(lambda ranks: guarded(lambda: task(ranks)))
