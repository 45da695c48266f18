"""Sparse codes of many columns: argmin over a of E(a) = ½‖x - Φa‖² + λ‖a‖₁, with a >= 0 or of both signs.

The solvers see E through the Gram G = ΦᵀΦ, the correlations c = Φᵀx and ‖x‖² only. Every column is solved from
zero, on its own: its code has the same bits whatever is solved beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.sparse.cd_kernel import cd_columns
from rtsep.sparse.lca_kernel import lca_columns, lca_trajectory
from rtsep.sparse.workspace import Workspace
from rtsep.types import F32

__all__ = ["SparseCodes", "Threshold", "Workspace", "lca_energies", "lca_rate", "solve_cd", "solve_lca"]

Threshold = Literal["soft", "hard"]

# Far beyond what any column needs; a gap above the tolerance would tell that they were reached.
MAX_ROUNDS = 1_000
MAX_STEPS = 1_000_000
POWER_ITERATIONS = 1_000


@dataclass(frozen=True, eq=False)
class SparseCodes:
    """Codes `(n_columns, n_atoms)`, and each column's relative duality gap and iterations.

    After dynamics with the hard threshold, which has no dual, `gap` is the fixed-point residual max |τ du/dt| / λ.
    """

    codes: F32
    gap: F32
    iterations: NDArray[np.int32]


def solve_cd(
    gram: F32,
    corr: F32,
    energy: F32,
    lam: float,
    tol: float = 1e-3,
    workspace: Workspace | None = None,
    out: F32 | None = None,
    *,
    nonnegative: bool = True,
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
    cd_columns(
        gram, corr, energy, np.float32(lam), _lower(lam, nonnegative), tol, MAX_ROUNDS, space,
        result.codes, result.gap, result.iterations,
    )  # fmt: skip
    return result


def solve_lca(
    gram: F32,
    corr: F32,
    energy: F32,
    lam: float,
    tol: float = 1e-3,
    workspace: Workspace | None = None,
    out: F32 | None = None,
    *,
    rate: float | None = None,
    nonnegative: bool = True,
    threshold: Threshold = "soft",
    max_steps: int = MAX_STEPS,
) -> SparseCodes:
    """Codes by the locally competitive algorithm, τ du/dt = c - u - (G - I) a from u = 0, atoms of unit norm.

    Rozell, Johnson, Baraniuk, Olshausen, "Sparse coding via thresholding and local competition in neural circuits",
    2008. `rate` is dt/τ: by default `lca_rate`, which costs a power iteration, so compute it once a dictionary.
    The soft threshold, a = u ∓ λ beyond ±λ, ends at the optimum of E, to the same duality gap as `solve_cd`. The hard
    one, a = u beyond ±λ, ends where u no longer moves, max |τ du/dt| <= tol · λ: a point where no small step lowers
    ½‖x - Φa‖² + ½λ²‖a‖₀, one of many; it may go on for long where atoms resemble each other, hence `max_steps`.
    Arguments and errors else are those of `solve_cd`.
    """
    _check_options(lam, tol)
    _check_arrays(gram, corr, energy)
    space = _space(workspace, gram)
    result = _empty_result(corr, out)
    lca_columns(
        gram, corr, energy, np.float32(lam), _lower(lam, nonnegative), tol, _checked_rate(gram, rate), max_steps,
        _is_hard(threshold), space, result.codes, result.gap, result.iterations,
    )  # fmt: skip
    return result


def lca_energies(
    gram: F32,
    corr: F32,
    energy: F32,
    lam: float,
    steps: int,
    *,
    rate: float | None = None,
    nonnegative: bool = True,
    threshold: Threshold = "soft",
) -> NDArray[np.float64]:
    """E after 0..`steps` steps of the dynamics, `(n_columns, steps + 1)`: ½‖x - Φa‖² and λ‖a‖₁, or hard ½λ²‖a‖₀.

    Arguments and errors are those of `solve_lca`.
    """
    _check_options(lam, tol=1e-3)
    _check_arrays(gram, corr, energy)
    trajectory = np.empty((len(corr), steps + 1))
    lca_trajectory(
        gram, corr, energy, np.float32(lam), _lower(lam, nonnegative), _checked_rate(gram, rate),
        _is_hard(threshold), Workspace.plan(len(gram)), trajectory,
    )  # fmt: skip
    return trajectory


def lca_rate(gram: F32) -> float:
    """The dt/τ at which the dynamics settle fast and surely: 1.8 over the Gram's largest eigenvalue, at most 1.

    They are stable below 2 over it. Power iteration, always from the same start.
    """
    vector = np.random.default_rng(0).standard_normal(len(gram), np.float32)
    eigenvalue = 0.0
    for _ in range(POWER_ITERATIONS):
        image = gram @ (vector / np.linalg.norm(vector))
        before, eigenvalue = eigenvalue, float(np.linalg.norm(image))
        if abs(eigenvalue - before) <= 1e-5 * eigenvalue:
            break
        vector = image
    return min(1.0, 1.8 / eigenvalue)


def _lower(lam: float, nonnegative: bool) -> np.float32:
    """The gradient at which an atom at zero would become negative."""
    return np.float32(-np.inf if nonnegative else -lam)


def _is_hard(threshold: Threshold) -> bool:
    if threshold not in get_args(Threshold):
        raise OptionError(f"threshold {threshold!r} is not known: choose {' or '.join(get_args(Threshold))}")
    return threshold == "hard"


def _checked_rate(gram: F32, rate: float | None) -> np.float32:
    rate = lca_rate(gram) if rate is None else rate
    if not 0.0 < rate <= 1.0:
        raise OptionError(f"rate {rate}: dt/τ must be above 0 and at most 1; leave it out to have it computed")
    return np.float32(rate)


def _check_options(lam: float, tol: float) -> None:
    if not 0.0 < lam < np.inf:
        raise OptionError(f"lambda {lam}: it must be above 0 and finite; 0.05 to 0.2 suits patches of unit norm")
    if not 1e-6 <= tol < 1.0:
        raise OptionError(f"tolerance {tol}: float32 codes reach relative gaps from 1e-6 to 1; try 1e-3")


def _check_arrays(gram: F32, corr: F32, energy: F32) -> None:
    n_atoms = gram.shape[0]
    if n_atoms == 0 or gram.shape != (n_atoms, n_atoms) or corr.shape != (len(energy), n_atoms) or energy.ndim != 1:
        raise ModelError(
            f"Gram {gram.shape}, correlations {corr.shape}, energies {energy.shape}: they must be "
            "(n_atoms, n_atoms), (n_columns, n_atoms), (n_columns,), with an atom at least; use one dictionary for all"
        )
    for name, array in (("Gram", gram), ("correlations", corr), ("energies", energy)):
        if array.dtype != np.float32 or not array.flags.c_contiguous:
            raise ModelError(f"{name} {array.dtype}: it must be float32 and C-contiguous; np.ascontiguousarray helps")
    if not np.all(np.diagonal(gram) > 0.0):
        raise ModelError("an atom of norm 0: the diagonal of the Gram must be above 0; take the atom out")
    if not (np.isfinite(corr).all() and np.isfinite(energy).all()):
        raise AudioError("a column is not finite: correlations and energies must be numbers; check the input's samples")


def _space(workspace: Workspace | None, gram: F32) -> Workspace:
    space = Workspace.plan(len(gram)) if workspace is None else workspace
    if space.n_atoms != len(gram):
        raise ModelError(f"workspace for {space.n_atoms} atoms, Gram of {len(gram)}: plan one for this dictionary")
    return space


def _empty_result(corr: F32, out: F32 | None) -> SparseCodes:
    if out is not None and (out.shape != corr.shape or out.dtype != np.float32 or not out.flags.c_contiguous):
        raise ModelError(f"out {out.dtype} {out.shape}: it must be C-contiguous float32 {corr.shape}")
    n_columns = len(corr)
    codes = np.empty_like(corr) if out is None else out
    return SparseCodes(codes, np.zeros(n_columns, np.float32), np.zeros(n_columns, np.int32))
