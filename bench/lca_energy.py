"""How fast does the energy of the locally competitive algorithm fall, and where does it end?

E after a number of iterations, mean over patches, relative to its start ½‖x‖², for the soft and the hard threshold, on
patches as they are and whitened; with coordinate descent's optimum of the soft energy, which is the soft one's end. The
hard one's energy counts ½λ² for an active atom instead of λ|a|, so that only its own fall can be read from it. `--plot`
draws all iterations, as PetaVision shows them. The dictionary is that of bench/solvers.py: 336 features, 1024 atoms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from _table import Row, bench_parser, publish
from solvers import SONG, Problem, seen, small_atoms
from threadpoolctl import threadpool_limits

from rtsep.sparse.solvers import Threshold, lca_energies, lca_rate, solve_cd

MARKS = (0, 10, 30, 100, 300, 1000, 3000)
THRESHOLDS: tuple[Threshold, ...] = ("soft", "hard")


@dataclass(frozen=True)
class Fall:
    """Mean energies after each iteration, beside the optimum of the soft energy; all relative to the start."""

    case: str
    threshold: Threshold
    rate: float
    energies: np.ndarray
    optimum: float


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="also draw the energies to FILE.png")
    options = parser.parse_args()
    n_patches, steps = (5, 1000) if options.quick else (20, 3000)
    with threadpool_limits(1):
        mixture = soundfile.read(SONG, dtype="float32", always_2d=True)[0].mean(axis=1)
        falls = [fall for problem in small_atoms(mixture) for fall in follow(problem, n_patches, steps)]
    publish(__doc__, [row_of(fall) for fall in falls], options.json)
    if options.plot:
        draw(falls, options.plot)


def follow(problem: Problem, n_patches: int, steps: int) -> Iterator[Fall]:
    """The dynamics with either threshold on the first patches of a problem."""
    patches = problem.patches[:n_patches]
    gram, corr, energy = seen(problem, patches)
    start, rate = 0.5 * float(energy.mean()), lca_rate(gram)
    codes = solve_cd(gram, corr, energy, problem.lam, tol=1e-6).codes
    optimum = float(problem.energies(codes, patches).mean()) / start
    for threshold in THRESHOLDS:
        energies = lca_energies(gram, corr, energy, problem.lam, steps, rate=rate, threshold=threshold)
        yield Fall(problem.case, threshold, rate, energies.mean(axis=0) / start, optimum)


def row_of(fall: Fall) -> Row:
    row: Row = {"case": fall.case, "who": f"lca, {fall.threshold}", "rate": fall.rate}
    row |= {f"after_{n}": float(fall.energies[n]) for n in MARKS if n < len(fall.energies)}
    if fall.threshold == "soft":
        row["optimum"] = fall.optimum
    return row


def draw(falls: list[Fall], path: Path) -> None:
    """One panel a case: energies against iterations, both logarithmic, and the optimum as a line."""
    from matplotlib.figure import Figure

    cases = list(dict.fromkeys(fall.case for fall in falls))
    figure = Figure(figsize=(5 * len(cases), 4), layout="constrained")
    for axes, case in zip(np.ravel(figure.subplots(1, len(cases), sharey=True)), cases, strict=True):
        for fall in (fall for fall in falls if fall.case == case):
            axes.loglog(np.arange(1, len(fall.energies) + 1), fall.energies, label=f"{fall.threshold} threshold")
        axes.axhline(fall.optimum, color="black", linestyle="--", label="optimum, soft (coordinate descent)")
        axes.set(title=f"{case}, dt/τ = {fall.rate:.2g}", xlabel="iteration, the start being 1")
        axes.grid(alpha=0.3)
    axes.legend()
    figure.supylabel("E / ½‖x‖², mean over patches")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
