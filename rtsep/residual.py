"""The stem that takes whatever the others lack of the mixture, so that the stems add up to it."""

from __future__ import annotations

from collections.abc import Sequence

from rtsep.types import Audio, Stems

RESIDUAL_STEM = "other"


def residual_index(stems: Sequence[str]) -> int | None:
    """Which of `stems` takes the residual; None if none does."""
    return stems.index(RESIDUAL_STEM) if RESIDUAL_STEM in stems else None


def add_residual(stems: Stems, mixture: Audio, index: int | None) -> None:
    """Have `(n_stems, n, n_channels)` add up to the mixture `(n, n_channels)`, in place; None: leave them."""
    if index is not None:
        stems[index] += mixture - stems.sum(axis=0)
