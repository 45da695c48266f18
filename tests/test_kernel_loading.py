"""Cached kernels are loaded without numba's compiler, and what is not cached is compiled all the same."""

from __future__ import annotations

from pathlib import Path

from launch import run

_PROGRAM = """
import sys
import numpy as np
from kernels import total
from rtsep.kernel_loading import load_without_compiler

load_without_compiler()
print(total(np.arange(4.0)), "numba.np.random.legacy" in sys.modules)
print(total(np.arange(4)), "numba.np.random.legacy" in sys.modules)
"""
_KERNELS = """
import numpy as np
from numba import njit

@njit(cache=True)
def total(values):
    roots = np.sqrt(values * values)
    return roots.sum() + len([value for value in values])
"""


def test_a_cached_kernel_needs_no_compiler_and_another_gets_it(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(_KERNELS)
    (tmp_path / "program.py").write_text(_PROGRAM)
    (tmp_path / "first.py").write_text("import numpy as np\nfrom kernels import total\ntotal(np.arange(4.0))\n")
    assert run("first.py", cwd=tmp_path).code == 0
    finished = run("program.py", cwd=tmp_path)
    assert finished.stdout.splitlines() == ["10.0 False", "10.0 True"], finished.stderr
