"""How long does a sparse code take, and how near does it come to the best one?

Milliseconds of processor time a column from Gram and correlations to code, one thread, the same patches. rtsep's
coordinate descent and dynamics (lca) stop at a duality gap of 1e-3 of the energy, which holds every column's error
below 1e-3 without knowing the best. Who knows it can stop earlier: `rtsep, loosest` and the peers get the loosest of
the tolerances 1e-1, 3e-2, 1e-2 ... with which their worst column is within 1e-3 of the best (SPAMS is exact: it has
none). `relative_error` is the worst column's energy above the best that rtsep or scikit-learn found, both set to 1e-6;
`floor_ms` is what one completion of the gradient and one solution of the active atoms' equations must cost in
arithmetic and bytes. Cases: the default model on the demo song, as `rtsep run` codes it; and 84 bands x 4 columns in
1024 atoms, learned from the song's first 15 s, on its last 5 s: on the patches as they are, and whitened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import soundfile
from _floor import Cost, Machine, measure_machine
from _sparse_peers import Solve, peer_or_none, prepare_sklearn, prepare_spams, prepare_sporco
from _table import Row, bench_parser, publish
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
    spams, bpdn = peer_or_none("spams", "spams-bin"), peer_or_none("sporco.admm.bpdn", "sporco")
    with threadpool_limits(1):
        machine = measure_machine()
        mixture = soundfile.read(SONG, dtype="float32", always_2d=True)[0].mean(axis=1)
        problems = (shipped_model(mixture), *small_atoms(mixture))
        rows = [
            row
            for problem in problems
            for row in compare(problem, contestants(problem, spams, bpdn), machine, options.quick)
        ]
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


@dataclass(frozen=True)
class Contestant:
    """A solver's name, patches in a quick run, how it is prepared, and how its tolerance is picked."""

    who: str
    n_patches: int
    prepare: Callable[[Problem, F32], Solve]
    rule: Literal["gap", "loosest", "exact"] = "loosest"


def contestants(problem: Problem, spams: ModuleType | None, bpdn: ModuleType | None) -> list[Contestant]:
    """All that are installed. The slow ones get fewer patches: the first of them."""
    slow_lca = lca_rate(problem.dictionary.gram) < 0.02
    found = [
        Contestant("rtsep", 200, coordinate_descent, "gap"),
        Contestant("rtsep, loosest", 200, coordinate_descent),
        Contestant("lca", 3 if slow_lca else 50, competition, "gap"),
        Contestant("scikit-learn", 20, lambda p, patches: prepare_sklearn(p.dictionary, patches, p.lam)),
    ]
    if spams is not None:
        found.append(
            Contestant("SPAMS", 200, lambda p, patches: prepare_spams(spams, p.dictionary, patches, p.lam), "exact")
        )
    if bpdn is not None:
        found.append(Contestant("SPORCO", 100, lambda p, patches: prepare_sporco(bpdn, p.dictionary, patches, p.lam)))
    return found


def compare(problem: Problem, solvers: list[Contestant], machine: Machine, quick: bool) -> Iterator[Row]:
    """One row a solver; all take turns, so that what else the machine does meets them alike."""
    best = best_energies(problem, problem.patches[: 200 if quick else 400])
    runs = []
    for solver in solvers:
        patches = problem.patches[: solver.n_patches if quick else 2 * solver.n_patches]
        solve = solver.prepare(problem, patches)
        tol = loosest(problem, patches, solve, best) if solver.rule == "loosest" else TOL
        runs.append((solver, patches, tol, partial(solve, tol)))
    seconds = median_seconds([run[-1] for run in runs], repeats=5 if quick else 9)
    for (solver, patches, tol, solve_once), taken in zip(runs, seconds, strict=True):
        codes = solve_once()
        active = float(np.count_nonzero(codes) / len(codes))
        row: Row = {
            "case": problem.case, "who": solver.who, "ms_per_column": 1e3 * taken / len(codes),
            "relative_error": worst_error(problem, patches, codes, best), "active_atoms": active,
        }  # fmt: skip
        if solver.rule != "exact":
            row["tolerance"] = tol
        if solver.who == "rtsep":
            row["floor_ms"] = 1e3 * machine.floor_seconds(column_cost(problem.dictionary.n_atoms, active))
        yield row


def column_cost(n_atoms: int, active: float) -> Cost:
    """c - G a from the rows of the active atoms, read once, and a Cholesky solution of their own equations."""
    return Cost(2 * n_atoms * active + active**3 / 3 + 2 * active**2, 4 * n_atoms * (active + 2))


def best_energies(problem: Problem, patches: F32) -> np.ndarray:
    """The lowest energy of each patch that is known."""
    ours = problem.energies(coordinate_descent(problem, patches)(BEST), patches)
    few = patches[:40]
    theirs = problem.energies(prepare_sklearn(problem.dictionary, few, problem.lam)(BEST), few)
    ours[: len(few)] = np.minimum(ours[: len(few)], theirs)
    return ours


def worst_error(problem: Problem, patches: F32, codes: F32, best: np.ndarray) -> float:
    return float(np.max(problem.energies(codes, patches) / best[: len(patches)] - 1.0))


def loosest(problem: Problem, patches: F32, solve: Solve, best: np.ndarray) -> float:
    """The first of 1e-1, 3e-2, 1e-2 ... 1e-6 with which every patch is within TOL of the best; else the last."""
    tolerances = [part * 10.0**-power for power in range(1, 6) for part in (1.0, 0.3)] + [BEST]
    good = (tol for tol in tolerances if worst_error(problem, patches, solve(tol), best) <= TOL)
    return next(good, BEST)


def median_seconds(tasks: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Each task's median processor time, all run in turn `repeats` times after one run to warm up."""
    seconds = np.zeros((repeats + 1, len(tasks)))
    for turn in seconds:
        for i, task in enumerate(tasks):
            start = time.process_time()
            task()
            turn[i] = time.process_time() - start
    return [float(median) for median in np.median(seconds[1:], axis=0)]


def coordinate_descent(problem: Problem, patches: F32) -> Solve:
    gram, corr, energy = seen(problem, patches)
    workspace = Workspace.plan(len(gram))
    return lambda tol: solve_cd(gram, corr, energy, problem.lam, tol, workspace).codes


def competition(problem: Problem, patches: F32) -> Solve:
    gram, corr, energy = seen(problem, patches)
    workspace, rate = Workspace.plan(len(gram)), lca_rate(gram)
    return lambda tol: solve_lca(gram, corr, energy, problem.lam, tol, workspace, rate=rate).codes


def seen(problem: Problem, patches: F32) -> tuple[F32, F32, F32]:
    """What the solvers see: Gram, correlations, ‖x‖²."""
    return problem.dictionary.gram, problem.dictionary.correlate(patches), np.sum(patches * patches, axis=1)


if __name__ == "__main__":
    main()
