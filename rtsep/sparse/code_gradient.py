"""How codes follow their atoms: from the slope of a loss in the codes to its slope in the dictionary.

A code minimises ½‖x - Φa‖² + λ Σa over a >= 0. As long as no atom joins or leaves, its active part is
a = (ΦᵀΦ)⁻¹ (Φᵀx - λ) over the active atoms, and that can be differentiated: J. Mairal, F. Bach, J. Ponce, "Task-driven
dictionary learning", PAMI 2012, proposition 1. The rest of a code is zero, and stays so.
"""

from __future__ import annotations

import numpy as np

from rtsep.types import F32

# Of the atoms' unit norm: keeps near-copies of an atom, active together, from making the slope explode.
_DAMPING = 1e-3


def dictionary_slope(matrix: F32, gram: F32, rows: F32, codes: F32, slopes: F32) -> F32:
    """dL/dΦᵀ `(n_atoms, n_features)` of a loss whose slope in the codes is `slopes`, summed over all rows.

    `matrix` has the atoms of unit norm as rows, `gram` their inner products; `rows` `(n, n_features)` are the patches x
    and `codes` `(n, n_atoms)` their codes. dL/dΦᵀ = Σ β rᵀ - a (Φβ)ᵀ, with r = x - Φa and β = (ΦᵀΦ)⁻¹ dL/da over the
    active atoms.
    """
    dual = _solve_active(gram, codes, slopes)
    residual = rows - codes @ matrix
    return np.asarray(dual.T @ residual - (codes.T @ dual) @ matrix, np.float32)


def along_sphere(matrix: F32, slope: F32) -> F32:
    """`slope` without what would change the atoms' norms."""
    return np.asarray(slope - np.sum(slope * matrix, axis=1, keepdims=True) * matrix, np.float32)


def _solve_active(gram: F32, codes: F32, slopes: F32) -> F32:
    """β of each code, zero beside its active atoms."""
    dual = np.zeros_like(codes)
    for code, slope, out in zip(codes, slopes, dual, strict=True):
        active = np.flatnonzero(code)
        inner = gram[np.ix_(active, active)] + np.float32(_DAMPING) * np.eye(len(active), dtype=np.float32)
        out[active] = np.linalg.solve(inner, slope[active])
    return dual
