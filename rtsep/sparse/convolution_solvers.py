"""Convolutional sparse codes: argmin of E(A) = ½ Σ_t ‖x(t) - Σ_k Σ_p φ_k(t - p) a_k(p)‖² + λ Σ|a|, A >= 0 or signed.

One problem for the whole stretch: what an atom at position p explains, its neighbours in time need not. Which positions
there are, and what happens at the ends, is told in `convolution`. Both solvers stop at the same relative duality gap
(E(A) - D(θ)) / E(A), θ the residual r = x - Φa shrunk by s until no correlation with an atom exceeds λ, and
D(sr) = s x·r - s² r·r / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtsep.errors import OptionError
from rtsep.sparse.convolution import Convolution
from rtsep.sparse.convolution_kernels import exact_dot, pick, relax, small_times, solve_inside, subtract_atoms
from rtsep.sparse.convolution_working_set import I64, WorkingSet
from rtsep.types import F32

# Far beyond what music needs; a gap above the tolerance tells that they were reached.
MAX_ROUNDS = 200
MAX_STEPS = 100_000
ADDED = 16  # atoms that may join at every position in one round: one round costs a matrix product, a slot little
LOOSE = 0.1  # solve inside to this part of the largest violation outside, as more atoms will come
INNER = 5  # sweeps and subspace steps before the atoms outside are looked at again


@dataclass(frozen=True, eq=False)
class ConvolutionalCodes:
    """Codes `(n_positions, n_atoms)` of a stretch, their relative duality gap, and the iterations that they took."""

    codes: F32
    gap: float
    iterations: int


@dataclass(frozen=True, eq=False)
class _Stretch:
    """A stretch in steps, scaled by a power of two to a peak from ½ to 1, λ scaled alike: squares stay in range."""

    convolution: Convolution
    steps: F32
    lam: np.float32
    exponent: int
    signed: bool

    def residual(self, positions: I64, atoms: I64, values: F32) -> F32:
        """x less the atoms at positions, in steps."""
        residual = self.steps.copy()
        subtract_atoms(residual, self.convolution.matrix, positions, atoms, values)
        return residual

    def highest(self, corr: F32) -> float:
        """The largest of the correlations that λ is to bound; 0 if there is none."""
        highest = np.max(corr, initial=0.0)
        return float(max(highest, -np.min(corr, initial=0.0)) if self.signed else highest)

    def relative_gap(self, residual: F32, values: F32, corr: F32) -> float:
        """The gap of the code `values`, from the residual that it leaves and what correlates with that."""
        squared: float = exact_dot(residual.ravel(), residual.ravel())
        alignment: float = exact_dot(self.steps.ravel(), residual.ravel())
        lam = float(self.lam)
        energy = 0.5 * squared + lam * float(np.sum(np.abs(values), dtype=np.float64))
        if energy <= 0.0:
            return 0.0
        shrink = lam / max(lam, self.highest(corr))
        shrink = min(shrink, max(alignment, 0.0) / squared) if squared > 0.0 else shrink
        return (energy - shrink * alignment + 0.5 * shrink * shrink * squared) / energy


def solve_convolutional_cd(
    convolution: Convolution, columns: F32, lam: float, tol: float = 1e-3, signed: bool = False
) -> ConvolutionalCodes:
    """Codes of the stretch `columns` `(n_columns, n_bands)` float32 by coordinate descent, to a gap of `tol` of E.

    `lam` is λ in the units of the columns, as atoms have unit norm. The working set grows at all positions at once, in
    the spirit of the local greed of Moreau, Oudre, Vayatis, "DICOD", ICML 2018; what the atoms outside it would gain
    comes from one matrix product a round. Codes are nonnegative unless `signed`. Raises OptionError for λ and tol,
    ModelError and AudioError for the columns.
    """
    stretch = _stretch(convolution, columns, lam, tol, signed)
    atoms, corr = WorkingSet.empty(), convolution.correlate(stretch.steps)
    keys = np.empty(len(corr) * ADDED, np.int64)
    gap, rounds, finest = stretch.relative_gap(stretch.steps, atoms.values, corr), 0, tol * stretch.lam
    while gap > tol and rounds < MAX_ROUNDS:
        rounds += 1
        accuracy = max(finest, np.float32(LOOSE * (stretch.highest(corr) - stretch.lam)))
        found = pick(corr, stretch.lam, signed, ADDED, keys)
        atoms = atoms.renewed(convolution, keys[:found])
        _descend(stretch, atoms, corr, accuracy)
        residual = stretch.residual(atoms.positions, atoms.atoms, atoms.values)
        corr = convolution.correlate(residual)
        gap = stretch.relative_gap(residual, atoms.values, corr)
        finest = finest / np.float32(2) if accuracy == finest else finest
    codes = np.zeros(corr.shape, np.float32)
    codes[atoms.positions, atoms.atoms] = np.ldexp(atoms.values, stretch.exponent)
    return ConvolutionalCodes(codes, gap, rounds)


def solve_convolutional_lca(
    convolution: Convolution, columns: F32, lam: float, tol: float = 1e-3, signed: bool = False
) -> ConvolutionalCodes:
    """The same codes by the locally competitive algorithm over the whole plane of positions and atoms.

    u <- u + rate · (c - u - (G - I) a), a the soft threshold of u at λ, from u = 0; rate = dt/τ = 1.8 over the largest
    eigenvalue, at most 1: stable below 2 over it (Rozell, Johnson, Baraniuk, Olshausen 2008; convolutional with a
    stride: Schultz, Paiton, Lu, Kenyon, "Replicating kernels with a short stride allows sparse reconstructions with
    fewer independent kernels", 2014). c - G a comes from the residual. Arguments and errors are those of
    `solve_convolutional_cd`.
    """
    stretch = _stretch(convolution, columns, lam, tol, signed)
    rate = np.float32(min(1.0, 1.8 / convolution.largest_eigenvalue))
    corr = convolution.correlate(stretch.steps)
    potential, codes = np.zeros_like(corr), np.zeros_like(corr)
    gap, steps = stretch.relative_gap(stretch.steps, codes, corr), 0
    while gap > tol and steps < MAX_STEPS:
        steps += 1
        relax(potential, corr, stretch.lam, rate, signed, codes)
        positions, atoms = np.nonzero(codes)
        values = codes[positions, atoms]
        residual = stretch.residual(positions, atoms, values)
        corr = convolution.correlate(residual)
        gap = stretch.relative_gap(residual, values, corr)
    return ConvolutionalCodes(np.ldexp(codes, stretch.exponent), gap, steps)


def _stretch(convolution: Convolution, columns: F32, lam: float, tol: float, signed: bool) -> _Stretch:
    if not 0.0 < lam < np.inf:
        raise OptionError(f"lambda {lam}: it must be above 0 and finite; 0.05 to 0.2 of the norm of T columns suits")
    if not 1e-5 <= tol < 1.0:
        raise OptionError(f"tolerance {tol}: float32 codes of a stretch reach relative gaps from 1e-5 to 1; try 1e-3")
    steps = convolution.surrounded(columns)
    exponent = int(np.frexp(np.max(np.abs(steps), initial=0.0))[1])
    # Above these bounds all codes are zero anyway, below them float32 cannot tell λ from none; it stays a number.
    scaled_lam = np.float32(min(max(float(lam) * 2.0**-exponent, 1e-30), 1e30))
    return _Stretch(convolution, np.ldexp(steps, -exponent), scaled_lam, exponent, signed)


def _descend(stretch: _Stretch, atoms: WorkingSet, corr: F32, accuracy: np.float32) -> None:
    """Bring the values of the working set towards their optimum, in place."""
    slopes = corr[atoms.positions, atoms.atoms]
    band = (atoms.small, atoms.begin, atoms.first, atoms.last)
    target = np.empty_like(slopes)
    small_times(*band, atoms.values, target)
    target += slopes
    scratch = np.empty((4, slopes.size), np.float32)
    solve_inside(*band, target, slopes, atoms.values, stretch.lam, stretch.signed, accuracy, INNER, scratch)
