"""Nonnegative sparse codes of many columns: argmin over a >= 0 of E(a) = ½‖x - Φa‖² + λ Σa.

The solvers see E through the Gram G = ΦᵀΦ, the correlations c = Φᵀx and ‖x‖² only. Every column is solved from
zero, on its own: its code has the same bits whatever is solved beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.sparse import kernels
from rtsep.types import F32

ADDED = 10  # atoms that may join the working set in one round
MAX_ROUNDS = 10_000  # far beyond what any column needs; a gap above the tolerance tells if it was reached


@dataclass(frozen=True, eq=False)
class SparseCodes:
    """Codes `(n_columns, n_atoms)`, and each column's relative duality gap and iterations."""

    codes: F32
    gap: F32
    iterations: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Workspace:
    """Scratch arrays of the solvers for `n_atoms` atoms, kept from call to call; not for two calls at once."""

    small_gram: F32
    floats: F32
    atoms: NDArray[np.int32]
    found: NDArray[np.int32]
    is_member: NDArray[np.bool_]

    @classmethod
    def plan(cls, n_atoms: int) -> Workspace:
        # An odd number of cache lines a row: rows a power of two apart would share a few sets of the cache.
        stride = (n_atoms + 31) // 32 * 32 + 16
        return cls(
            small_gram=np.zeros((n_atoms, stride), np.float32),
            floats=np.zeros((4, stride), np.float32),
            atoms=np.zeros(n_atoms, np.int32),
            found=np.zeros(ADDED, np.int32),
            is_member=np.zeros(n_atoms, np.bool_),
        )

    @property
    def n_atoms(self) -> int:
        return self.atoms.size


def solve_cd(
    gram: F32,
    corr: F32,
    energy: F32,
    lam: float,
    tol: float = 1e-3,
    workspace: Workspace | None = None,
    out: F32 | None = None,
) -> SparseCodes:
    """Codes by coordinate descent on a growing working set, until the duality gap is at most `tol` of E.

    `gram` `(n_atoms, n_atoms)`, symmetric; `corr` `(n_columns, n_atoms)`; `energy` `(n_columns,)`, the ‖x‖² of
    each column; all float32 and C-contiguous. `lam` is λ, in the units of `corr`. `out` takes the codes if given.
    Raises AudioError for values that are not finite, ModelError for shapes that do not fit, OptionError for λ
    and tol.
    """
    _check_options(lam, tol)
    _check_arrays(gram, corr, energy)
    space = _space(workspace, gram)
    result = _empty_result(corr, out)
    kernels.cd_columns(
        gram, corr, energy, np.float32(lam), tol, ADDED, MAX_ROUNDS,
        space.small_gram, space.floats[0, : corr.shape[1]], space.floats[1], space.floats[2], space.floats[3],
        space.atoms, space.is_member, space.found, result.codes, result.gap, result.iterations,
    )  # fmt: skip
    return result


def _check_options(lam: float, tol: float) -> None:
    if not 0.0 < lam < np.inf:
        raise OptionError(
            f"lambda {lam}: it must be above 0 and finite; 0.05 to 0.2 suits patches of unit norm"
        )
    if not 1e-6 <= tol < 1.0:
        raise OptionError(f"tolerance {tol}: float32 codes reach relative gaps from 1e-6 to 1; try 1e-3")


def _check_arrays(gram: F32, corr: F32, energy: F32) -> None:
    n_atoms = gram.shape[0]
    if gram.shape != (n_atoms, n_atoms) or corr.shape != (len(energy), n_atoms) or energy.ndim != 1:
        raise ModelError(
            f"Gram {gram.shape}, correlations {corr.shape}, energies {energy.shape}: they must be "
            "(n_atoms, n_atoms), (n_columns, n_atoms), (n_columns,); use one dictionary for all"
        )
    for name, array in (("Gram", gram), ("correlations", corr), ("energies", energy)):
        if array.dtype != np.float32 or not array.flags.c_contiguous:
            raise ModelError(
                f"{name} {array.dtype}: it must be float32 and C-contiguous; np.ascontiguousarray helps"
            )
    if not np.all(np.diagonal(gram) > 0.0):
        raise ModelError("an atom of norm 0: the diagonal of the Gram must be above 0; take the atom out")
    if not (np.isfinite(corr).all() and np.isfinite(energy).all()):
        raise AudioError(
            "a column is not finite: correlations and energies must be numbers; check the input's samples"
        )


def _space(workspace: Workspace | None, gram: F32) -> Workspace:
    space = workspace or Workspace.plan(len(gram))
    if space.n_atoms != len(gram):
        raise ModelError(
            f"workspace for {space.n_atoms} atoms, Gram of {len(gram)}: plan one for this dictionary"
        )
    return space


def _empty_result(corr: F32, out: F32 | None) -> SparseCodes:
    if out is not None and (out.shape != corr.shape or out.dtype != np.float32 or not out.flags.c_contiguous):
        raise ModelError(f"out {out.dtype} {out.shape}: it must be C-contiguous float32 {corr.shape}")
    n_columns = len(corr)
    codes = np.empty_like(corr) if out is None else out
    return SparseCodes(codes, np.zeros(n_columns, np.float32), np.zeros(n_columns, np.int32))
