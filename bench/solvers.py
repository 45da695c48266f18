"""How long does a sparse code take, and how near does it come to the best one?

Milliseconds a column from Gram and correlations to code, one thread, all stopped at a duality gap of 1e-3 of the
energy; `relative_error` is the worst column's energy above the best that any solver found, all set to 1e-6. Cases: the
default model on the demo song, as `rtsep run` codes it; and 84 bands x 4 columns in 1024 atoms, learned from the song's
first 15 s, on its last 5 s: on the patches as they are (scikit-learn has the Gram too), and whitened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from _table import Row, bench_parser, publish
from sklearn.linear_model import lasso_path
from threadpoolctl import threadpool_limits

from rtsep.frontend.bands import BandLayout
from rtsep.model_file import FrontEndSpec, load_model
from rtsep.sparse.dictionary import Dictionary, normalise, whitening_matrix
from rtsep.sparse.learning import learn_dictionary
from rtsep.sparse.solvers import Workspace, lca_rate, solve_cd, solve_lca
from rtsep.training.examples import mixture_examples
from rtsep.types import F32

SONG = Path(__file__).parents[1] / "demo" / "song.flac"
SPEC = FrontEndSpec("stft", BandLayout(44100, 11, 5.0, 60.0, 15000.0), {"slice_length": 4096, "hop": 256})
TOL = 1e-3
BEST = 1e-6


@dataclass(frozen=True)
class Problem:
    """A dictionary, unit-norm patches and λ."""

    case: str
    dictionary: Dictionary
    patches: F32
    lam: float

    def energies(self, codes: F32, patches: F32) -> np.ndarray:
        """E of each patch, in float64."""
        exact = codes.astype(np.float64)
        residual = patches - exact @ self.dictionary.matrix
        energies: np.ndarray = 0.5 * np.sum(residual**2, axis=1) + self.lam * exact.sum(axis=1)
        return energies


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    with threadpool_limits(1):
        mixture = soundfile.read(SONG, dtype="float32", always_2d=True)[0].mean(axis=1)
        problems = (shipped_model(mixture), *small_atoms(mixture))
        rows = [row for problem in problems for row in compare(problem, options.quick)]
    publish(__doc__, rows, options.json)


def shipped_model(mixture: F32) -> Problem:
    """The default model and the demo song's patches, as the separator sees them."""
    model = load_model("cqt-sparse")
    examples = mixture_examples(mixture[None], model.spec, model.patch_columns, model.compression)
    dictionary = model.dictionary.whitened(model.whitening)
    return Problem(
        "cqt-sparse, demo song", dictionary, spread(normalise(examples.patches @ model.whitening)), model.sparsity
    )


def small_atoms(mixture: F32) -> Iterator[Problem]:
    """336 features in 1024 atoms, learned from three quarters of the song's patches, on the others."""
    patches = mixture_examples(mixture[None], SPEC, 4, 0.5).patches
    known, unknown = np.split(patches, [len(patches) * 3 // 4])
    plain = Dictionary.from_matrix(learn_dictionary(known, 1024, 0.05), 4)
    yield Problem("336 x 1024", plain, spread(unknown), 0.05)
    whitening = whitening_matrix(plain.matrix)
    yield Problem("336 x 1024, whitened", plain.whitened(whitening), spread(normalise(unknown @ whitening)), 0.05)


def spread(patches: F32) -> F32:
    """The patches in an order in which the first few come from all over the song."""
    return patches[np.random.default_rng(0).permutation(len(patches))]


def compare(problem: Problem, quick: bool) -> Iterator[Row]:
    """One row a solver. The slow ones get fewer patches: the first of them."""
    rate = lca_rate(problem.dictionary.gram)
    slow_lca = rate < 0.02
    solvers = (
        ("rtsep", 200, coordinate_descent),
        ("lca", 3 if slow_lca else 100, competition),
        ("scikit-learn", 20, peer),
    )
    for who, n_patches, prepare in solvers:
        patches = problem.patches[: n_patches if quick else 2 * n_patches]
        codes, ms_per_column = timed(prepare(problem, patches), repeats=3 if quick else 9)
        best = np.minimum(*(problem.energies(p(problem, patches)(BEST), patches) for p in (coordinate_descent, peer)))
        yield {
            "case": problem.case,
            "who": who,
            "ms_per_column": ms_per_column,
            "relative_error": float(np.max(problem.energies(codes, patches) / best - 1.0)),
            "active_atoms": float(np.count_nonzero(codes) / len(codes)),
        }


def timed(solve: Callable[[float], F32], repeats: int) -> tuple[F32, float]:
    """The codes, and the median time of a column in ms; the first run is not counted."""
    codes = solve(TOL)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        solve(TOL)
        seconds.append(time.perf_counter() - start)
    return codes, 1e3 * float(np.median(seconds)) / len(codes)


def coordinate_descent(problem: Problem, patches: F32) -> Callable[[float], F32]:
    gram, corr, energy = seen(problem, patches)
    workspace = Workspace.plan(len(gram))
    return lambda tol: solve_cd(gram, corr, energy, problem.lam, tol, workspace).codes


def competition(problem: Problem, patches: F32) -> Callable[[float], F32]:
    gram, corr, energy = seen(problem, patches)
    workspace, rate = Workspace.plan(len(gram)), lca_rate(gram)
    return lambda tol: solve_lca(gram, corr, energy, problem.lam, tol, workspace, rate=rate).codes


def peer(problem: Problem, patches: F32) -> Callable[[float], F32]:
    """scikit-learn's coordinate descent on Gram and correlations; its tolerance is a part of ‖x‖², not of E."""
    gram, corr, _ = (array.astype(np.float64) for array in seen(problem, patches))
    design, exact = np.asfortranarray(problem.dictionary.matrix.T, np.float64), patches.astype(np.float64)
    reference = problem.energies(coordinate_descent(problem, patches)(TOL), patches)

    def solve(tol: float) -> F32:
        codes = [
            lasso_path(
                design, x, alphas=[problem.lam / len(x)], precompute=gram, Xy=c, positive=True, check_input=False,
                tol=tol * float(e), max_iter=100_000,
            )[1][:, 0]
            for x, c, e in zip(exact, corr, reference, strict=True)
        ]  # fmt: skip
        return np.asarray(codes, np.float32)

    return solve


def seen(problem: Problem, patches: F32) -> tuple[F32, F32, F32]:
    """What the solvers see: Gram, correlations, ‖x‖²."""
    return problem.dictionary.gram, problem.dictionary.correlate(patches), np.sum(patches * patches, axis=1)


if __name__ == "__main__":
    main()
