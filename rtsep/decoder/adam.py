"""Gradient descent by Adam: Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

import numpy as np

from rtsep.types import F32

_MEAN_KEPT, _SQUARE_KEPT = 0.9, 0.999
_SMALLEST = np.float32(1e-8)


@dataclass(frozen=True, eq=False)
class Descent:
    """Weights, and the running means of their gradient and of its square, all of one shape."""

    weights: F32
    mean: F32
    square: F32

    @classmethod
    def from_zero(cls, n_inputs: int, n_outputs: int) -> Descent:
        return cls(*(np.zeros((n_inputs, n_outputs), np.float32) for _ in range(3)))


def adam_step(descent: Descent, gradient: F32, number: int, rate: float) -> None:
    """Step `number`, from 1 on, in place: w -= rate · m̂ / (√v̂ + ε), m̂ and v̂ the means freed from their start at 0."""
    mean, square = descent.mean, descent.square
    mean += np.float32(1 - _MEAN_KEPT) * (gradient - mean)
    square += np.float32(1 - _SQUARE_KEPT) * (gradient * gradient - square)
    spread = np.sqrt(square * np.float32(1 / (1 - _SQUARE_KEPT**number)))
    descent.weights[...] -= np.float32(rate / (1 - _MEAN_KEPT**number)) * mean / (spread + _SMALLEST)


def cosine_rate(first: float, number: int, last: int) -> float:
    """The rate of step `number` of `last`: from `first` down to 0 along half a cosine (Loshchilov, Hutter 2017)."""
    return first * (0.5 + 0.5 * cos(pi * number / last))
