"""How long does a convolutional code take, and how near does it come to the best one?

Milliseconds a column from a stretch of the demo song to its code, one thread, nonnegative, tables of inner products
planned before. rtsep and lca stop at a duality gap of 1e-3 of the energy, which holds the error below that without
knowing the best. Who knows it can stop earlier: `rtsep, loosest` and the peers stop at the first of a ladder of
tolerances or iterations that is within 1e-3 of the best. `relative_error` is measured against rtsep at a gap of 1e-5.

Cases: the atoms of the default model, 8 columns long, every eighth of them or all; bands as they are, or whitened,
without which lca takes minutes. The whole song is coded in one piece, and in chunks of 32 columns with margins of 28.
`mflop` and `kilobytes`, a column, are what no solver can do without: the stretch correlated with all atoms once, and
its residual once more; `times_floor` compares with that at the speed of this machine's matrix product.

The peers get the same silence around the stretch; with 1024 atoms only the faster of them is timed. alphacsc: locally
greedy coordinate descent. SPORCO: cbpdn by accelerated proximal gradients, bands as channels; its ADMM form, which
solves for all channels at once, takes seconds an iteration.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import soundfile
from _floor import Cost, Machine, measure_machine
from _sparse_peers import peer_or_none
from _table import Row, bench_parser, publish
from threadpoolctl import threadpool_limits

from rtsep.frontend.features import ColumnGrid, Columns, compress
from rtsep.model_file import SparseModel, load_model
from rtsep.sparse.convolution import Convolution
from rtsep.sparse.convolution_chunks import solve_between_margins
from rtsep.sparse.convolution_solvers import solve_convolutional_cd, solve_convolutional_lca
from rtsep.sparse.dictionary import Dictionary, whitening_matrix
from rtsep.types import F32

SONG = Path(__file__).parents[1] / "demo" / "song.flac"
TOL = 1e-3
BEST = 1e-5
LADDER = (0.3, 0.1, 0.03, 0.01, 0.003, 1e-3)
Solve = Callable[[], F32]


@dataclass(frozen=True, eq=False)
class Problem:
    """Atoms over a stretch of columns whose T-column patches have a median norm of one, and λ."""

    case: str
    convolution: Convolution
    columns: F32
    lam: float

    def energy(self, codes: F32) -> float:
        """E in float64, silence around the stretch included."""
        margin = self.convolution.reach - 1
        around = np.pad(self.columns.astype(np.float64), ((margin, margin), (0, 0)))
        made = np.zeros_like(around)
        for position, atom in zip(*np.nonzero(codes), strict=True):
            made[position : position + margin + 1] += codes[position, atom] * self.convolution.dictionary.atoms[atom]
        return float(0.5 * np.sum((around - made) ** 2) + self.lam * np.sum(np.abs(codes, dtype=np.float64)))

    @cached_property
    def best(self) -> float:
        return self.energy(solve_convolutional_cd(self.convolution, self.columns, self.lam, BEST).codes)

    @property
    def floor(self) -> Cost:
        """Two matrix products: what the atoms explain, and that they explain no more of the rest."""
        n, matrix = self.convolution.n_positions(len(self.columns)), self.convolution.matrix
        once = Cost(2 * n * matrix.size, matrix.nbytes + self.columns.nbytes + 4 * n * len(matrix))
        return once * 2


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    descent = peer_or_none("alphacsc.utils.coordinate_descent", "alphacsc")
    cbpdn = peer_or_none("sporco.pgm.cbpdn", "sporco")
    with threadpool_limits(1), warnings.catch_warnings(action="ignore"):
        machine = measure_machine()
        warm_up()
        rows = [
            row
            for problem in problems(options.quick)
            for row in compare(problem, solvers(problem, descent, cbpdn), machine, repeats=3 if options.quick else 7)
        ]
    publish(__doc__, rows, options.json)


def warm_up() -> None:
    """Compile or load the loops of both solvers."""
    atoms = Dictionary.from_matrix(np.random.default_rng(0).random((9, 12), np.float32), 3)
    for solve in (solve_convolutional_cd, solve_convolutional_lca):
        solve(Convolution(atoms), np.ones((20, 4), np.float32), 0.1, 0.1)


def problems(quick: bool) -> Iterator[Problem]:
    model = load_model("cqt-sparse")
    columns = song_columns(model)
    n_columns = 24 if quick else 48
    for step, name in ((8, "128 atoms"),) if quick else ((8, "128 atoms"), (1, "1024 atoms")):
        atoms = Dictionary(np.ascontiguousarray(model.dictionary.atoms[::step]))
        whitening = whitening_matrix(model.dictionary.atoms.reshape(-1, columns.shape[1]))
        white = Dictionary.from_matrix((atoms.atoms @ whitening).reshape(atoms.n_atoms, -1), atoms.n_columns)
        for how, dictionary, seen, lam in (
            ("", atoms, columns, 0.05),
            (", whitened", white, columns @ whitening, 0.08),
        ):
            convolution = Convolution(dictionary)
            stretch = level(seen, atoms.n_columns)
            yield Problem(name + how, convolution, stretch[300 : 300 + n_columns], lam)
            if step == 1:
                yield Problem(f"{name}{how}, whole song", convolution, stretch, lam)


def song_columns(model: SparseModel) -> F32:
    """The demo song as the default model's coder sees it: columns of compressed band amplitudes."""
    frontend = model.frontend()
    grid = ColumnGrid(frontend, 1)
    audio = soundfile.read(SONG, dtype="float32", always_2d=True)[0].mean(axis=1, keepdims=True)
    newest, complete = Columns(grid, 1, frontend.n_bands), []
    for start in range(0, len(audio) - frontend.slice_length + 1, frontend.hop):
        patches = newest.push(frontend.band_power(frontend.analyze(audio[start : start + frontend.slice_length])))
        complete.append(patches[0, : frontend.columns_per_hop, 0])
    return compress(np.concatenate(complete[grid.context_slices :]), model.compression)


def level(columns: F32, length: int) -> F32:
    """The columns scaled so that patches of `length` of them have a median norm of one."""
    energy = np.convolve(np.sum(columns * columns, axis=1), np.ones(length), "valid")
    return np.asarray(columns / np.sqrt(np.median(energy)), np.float32)


def compare(
    problem: Problem, contestants: Iterator[tuple[str, list[Solve]]], machine: Machine, repeats: int
) -> Iterator[Row]:
    """One row a solver."""
    plan(problem.convolution)
    for who, ladder in contestants:
        codes, seconds = climb(problem, ladder, repeats)
        yield {
            "case": problem.case,
            "who": who,
            "ms_per_column": 1e3 * seconds / len(problem.columns),
            "relative_error": problem.energy(codes) / problem.best - 1.0,
            "atoms_per_column": np.count_nonzero(codes) / len(problem.columns),
            "mflop": problem.floor.flops / 1e6 / len(problem.columns),
            "kilobytes": problem.floor.bytes / 1e3 / len(problem.columns),
            "times_floor": seconds / machine.floor_seconds(problem.floor),
        }


def solvers(
    problem: Problem, descent: ModuleType | None, cbpdn: ModuleType | None
) -> Iterator[tuple[str, list[Solve]]]:
    """Who is compared, each with what it does to come nearer and nearer; the slow ones see only what they can."""
    small = problem.convolution.n_atoms < 200
    yield "rtsep", [partial(coordinate_descent, problem, TOL)]
    if len(problem.columns) > 100:
        yield "rtsep, in chunks", [partial(in_chunks, problem)]
        return
    yield "rtsep, loosest", [partial(coordinate_descent, problem, tol) for tol in LADDER]
    if small and "whitened" in problem.case:
        yield "lca", [partial(competition, problem)]
    if descent is not None:
        yield "alphacsc", prepare_alphacsc(problem, descent)
    if small and cbpdn is not None:
        yield "SPORCO", [partial(solve_sporco, problem, cbpdn, n) for n in (30, 60, 120, 250, 500, 1000, 2000)]


def plan(convolution: Convolution) -> None:
    """Compute now what is computed once a dictionary, when first it is needed."""
    assert convolution.lag_gram.size
    assert convolution.largest_eigenvalue > 0


def climb(problem: Problem, ladder: list[Solve], repeats: int) -> tuple[F32, float]:
    """Codes and seconds of the first of `ladder` whose energy is near enough to the best, or else of the last."""
    enough = (1 + TOL) * problem.best
    for solve in ladder:
        codes, seconds = timed(solve, repeats)
        if problem.energy(codes) <= enough:
            break
    return codes, seconds


def timed(solve: Solve, repeats: int) -> tuple[F32, float]:
    """The codes, and the median time in seconds; what takes a second or more is run only once."""
    seconds: list[float] = []
    while len(seconds) < repeats and sum(seconds) < 1.0:
        start = time.perf_counter()
        codes = solve()
        seconds.append(time.perf_counter() - start)
    return codes, float(np.median(seconds))


def coordinate_descent(problem: Problem, tol: float) -> F32:
    return solve_convolutional_cd(problem.convolution, problem.columns, problem.lam, tol).codes


def competition(problem: Problem) -> F32:
    return solve_convolutional_lca(problem.convolution, problem.columns, problem.lam, TOL).codes


def in_chunks(problem: Problem, inside: int = 32, margin: int = 28) -> F32:
    """Codes of atoms that start in each chunk (the first one's also before it), coded with margins on both sides."""
    convolution, n_columns = problem.convolution, len(problem.columns)
    codes = np.zeros((convolution.n_positions(n_columns), convolution.n_atoms), np.float32)
    for start in range(0, n_columns, inside):
        stop = min(start + inside, n_columns)
        before, after = min(margin, start), min(margin, n_columns - stop)
        seen = problem.columns[start - before : stop + after]
        part = solve_between_margins(convolution, seen, (before, after), problem.lam, TOL).codes
        new = 0 if start == 0 else convolution.reach - 1
        codes[start + new : start + len(part)] = part[new:]
    return codes


def prepare_alphacsc(problem: Problem, descent: ModuleType) -> list[Solve]:
    """Its tolerance is the largest change of a code, in standard deviations of the sound."""
    convolution = problem.convolution
    gram = convolution.lag_gram.astype(np.float64)
    earlier = gram[:, :0:-1].transpose(2, 1, 0)
    constants = {"DtD": np.ascontiguousarray(np.concatenate([earlier, gram], axis=1).transpose(2, 0, 1))}
    atoms = np.ascontiguousarray(convolution.dictionary.atoms.transpose(0, 2, 1), np.float64)
    sound = np.ascontiguousarray(convolution.surrounded(problem.columns).T, np.float64)

    def solve(tol: float) -> F32:
        codes = descent._coordinate_descent_idx(sound, atoms, constants, problem.lam, max_iter=1e15, tol=tol)
        return np.asarray(codes.T, np.float32)

    return [partial(solve, tol) for tol in LADDER]


def solve_sporco(problem: Problem, cbpdn: ModuleType, iterations: int) -> F32:
    """Its stretch is a ring: silence of twice T - 1 columns keeps its ends apart."""
    convolution = problem.convolution
    options = cbpdn.ConvBPDN.Options(
        {"MaxMainIter": iterations, "RelStopTol": 0.0, "NonNegCoef": True, "L": convolution.largest_eigenvalue}
    )
    atoms = np.ascontiguousarray(convolution.dictionary.atoms.transpose(1, 2, 0))
    ring = np.pad(problem.columns, ((0, 2 * (convolution.reach - 1)), (0, 0)))
    solver = cbpdn.ConvBPDN(atoms, ring, problem.lam, options, dimK=0, dimN=1)
    solver.solve()
    codes = np.asarray(solver.getcoef()).reshape(len(ring), -1)
    return np.roll(codes, convolution.reach - 1, axis=0)[: convolution.n_positions(len(problem.columns))]


if __name__ == "__main__":
    main()
