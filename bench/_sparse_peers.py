"""Other packages' sparse solvers behind one face: tolerance in, nonnegative codes `(n_patches, n_atoms)` out.

All minimise ½‖x - Φa‖² + λ Σa over a >= 0. Each is given whatever it can use prepared: Gram and correlations where it
takes them, so that only the search for the code is timed. SPAMS (GPL) and SPORCO are part of the `bench` extra only.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np
from sklearn.linear_model import lasso_path

from rtsep.sparse.dictionary import Dictionary
from rtsep.types import F32

Solve = Callable[[float], F32]


def peer_or_none(module: str, package: str) -> ModuleType | None:
    """The module, or None and one line on stderr where it cannot be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SPORCO tells that it has no FFTW, which these problems do not use
            return importlib.import_module(module)
    except ImportError as error:
        print(f"{package}: its rows are left out, as {error}; pip install {package}", file=sys.stderr)
        return None


def prepare_sklearn(dictionary: Dictionary, patches: F32, lam: float) -> Solve:
    """Coordinate descent on Gram and correlations; `tol` becomes scikit-learn's, which is a part of ‖x‖²."""
    design, exact = np.asfortranarray(dictionary.matrix.T, np.float64), patches.astype(np.float64)
    gram, corr = dictionary.gram.astype(np.float64), dictionary.correlate(patches).astype(np.float64)

    def solve(tol: float) -> F32:
        codes = [
            lasso_path(
                design, x, alphas=[lam / len(x)], precompute=gram, Xy=c, positive=True, check_input=False,
                tol=tol * float(x @ x), max_iter=100_000,
            )[1][:, 0]
            for x, c in zip(exact, corr, strict=True)
        ]  # fmt: skip
        return np.asarray(codes, np.float32)

    return solve


def prepare_spams(spams: ModuleType, dictionary: Dictionary, patches: F32, lam: float) -> Solve:
    """LARS with Gram and correlations: exact up to rounding, so that it has no tolerance."""
    columns, gram = np.asfortranarray(patches.T), np.asfortranarray(dictionary.gram)
    corr = np.asfortranarray(dictionary.correlate(patches).T)

    def solve(_: float) -> F32:
        codes = spams.lasso(columns, Q=gram, q=corr, lambda1=lam, mode=2, pos=True, numThreads=1)
        return np.asarray(codes.toarray().T, np.float32)

    return solve


def prepare_sporco(bpdn: ModuleType, dictionary: Dictionary, patches: F32, lam: float) -> Solve:
    """ADMM on all patches together, with its own choice of the penalty ρ; `tol` is its RelStopTol."""
    design, columns = dictionary.matrix.T.copy(), patches.T.copy()
    fixed = {"Verbose": False, "NonNegCoef": True, "MaxMainIter": 20_000, "AutoRho": {"Enabled": True}}

    def solve(tol: float) -> F32:
        options = bpdn.BPDN.Options({**fixed, "RelStopTol": tol})
        return np.asarray(bpdn.BPDN(design, columns, lam, options).solve().T, np.float32)

    return solve
