"""A picture of a dictionary: all its atoms on one sheet, and of a model's also the stems that they speak for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rtsep.dictionary_file import LearnedDictionary
from rtsep.errors import OptionError
from rtsep.model_file import FrontEndSpec, SparseModel
from rtsep.new_file import new_file
from rtsep.types import F32

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ((0.84, 0.15, 0.16), (1.0, 0.65, 0.0), (0.17, 0.63, 0.17), (0.12, 0.47, 0.71))
_PAPER, _GAP_COLOUR = 1.0, 0.85
_GAP = 4  # pixels between atoms
_STRIP = 6  # pixels of the strip of stems
_SMALLEST = 24, 96  # pixels across and up that an atom gets at least
_TICKS = {"100 Hz": 100.0, "1 kHz": 1000.0, "10 kHz": 10000.0}
_LEFT, _RIGHT, _ABOVE, _BELOW = 80, 20, 60, 70  # pixels around the atoms
_NARROWEST = 640  # pixels that the title needs
_DPI = 100
_SHAPE = 1.3  # width over height


@dataclass(frozen=True, eq=False)
class AtomSheet:
    """What is drawn: `atoms` `(n_atoms, n_columns, n_bands)` in their order from the upper left on, bands at `hz`.

    `shares` `(n_atoms, n_stems)` is how much of an atom's decoder weights goes to each of `stems`; both may be empty.
    """

    title: str
    atoms: F32
    hz: NDArray[np.float64]
    shares: F32
    stems: tuple[str, ...] = ()


def sheet_of_dictionary(name: str, learned: LearnedDictionary) -> AtomSheet:
    """Its atoms, the most used first."""
    order = np.argsort(-learned.usage, kind="stable")
    title = f"{_sizes(name, learned.atoms, learned.spec)}; the most used first"
    return AtomSheet(
        title, learned.atoms[order], learned.spec.build().band_centres, np.zeros((len(order), 0), np.float32)
    )


def sheet_of_model(name: str, model: SparseModel) -> AtomSheet:
    """Its atoms from low to high, by the centre of mass of their energy over the bands."""
    order = np.argsort(centres_of_mass(model.atoms), kind="stable")
    title = f"{_sizes(name, model.atoms, model.spec)}; from low to high"
    shares = stem_shares(model.decoder, len(model.stems), model.atoms.shape[2])
    return AtomSheet(title, model.atoms[order], model.spec.build().band_centres, shares[order], model.stems)


def centres_of_mass(atoms: F32) -> F32:
    """The mean band of each atom, weighted by its energy, `(n_atoms,)`."""
    energy = np.sum(atoms * atoms, axis=1)
    return np.asarray(energy @ np.arange(energy.shape[1], dtype=np.float32) / energy.sum(axis=1))


def stem_shares(decoder: F32, n_stems: int, n_bands: int) -> F32:
    """Of each atom's positive decoder weights the part of each stem, `(n_atoms, n_stems)`; zeros where it has none.

    `decoder` is `(n_atoms, n_columns * n_stems * n_bands)`, for as many columns as a patch decodes.
    """
    weights = np.maximum(decoder, 0).reshape(len(decoder), -1, n_stems, n_bands).sum(axis=(1, 3))
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights / np.where(total > 0, total, 1), np.float32)


def draw_mosaic(sheet: AtomSheet) -> tuple[F32, int]:
    """The sheet as pixels `(height, width, 3)`, and the height of a row of atoms.

    An atom is black where it has its largest value; time runs to the right and the high bands are above.
    """
    n_atoms, n_columns, n_bands = sheet.atoms.shape
    wide, high = -(-_SMALLEST[0] // n_columns), -(-_SMALLEST[1] // n_bands)
    strip = _STRIP if sheet.stems else 0
    width, height = n_columns * wide + _GAP, n_bands * high + strip + _GAP
    across = min(n_atoms, round(np.sqrt(_SHAPE * n_atoms * height / width)) or 1)
    pixels = np.full((-(-n_atoms // across) * height, across * width, 3), _GAP_COLOUR, np.float32)
    for i, atom in enumerate(sheet.atoms):
        top, left = i // across * height, i % across * width
        ink = np.maximum(atom.T[::-1], 0) / max(float(atom.max()), np.finfo(np.float32).tiny)
        tile = pixels[top : top + height - _GAP, left : left + width - _GAP]
        tile[: n_bands * high] = np.kron(_PAPER - ink, np.ones((high, wide)))[:, :, None]
        edges = np.round(np.cumsum(sheet.shares[i]) * tile.shape[1]).astype(int)
        for start, stop, colour in zip((0, *edges), edges, cycle(_COLOURS), strict=False):
            tile[n_bands * high :, start:stop] = colour
    return pixels, height


def draw_sheet(sheet: AtomSheet, path: Path) -> None:
    """Draw the sheet to a PNG file. Raises OptionError where matplotlib is missing, OutputError where it cannot be."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError("matplotlib is not installed: pictures need it; pip install 'rtsep[plots]'") from error
    pixels, row_height = draw_mosaic(sheet)
    height, width = pixels.shape[:2]
    full_width, full_height = max(width, _NARROWEST) + _LEFT + _RIGHT, height + _ABOVE + _BELOW
    figure = Figure(figsize=(full_width / _DPI, full_height / _DPI), dpi=_DPI)
    # A pixel of the mosaic is a pixel of the picture.
    axes = figure.add_axes((_LEFT / full_width, _BELOW / full_height, width / full_width, height / full_height))
    axes.imshow(pixels, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    _label(axes, sheet, range(0, height, row_height))
    with new_file(path) as scratch:
        figure.savefig(scratch, format="png")


def _label(axes: Axes, sheet: AtomSheet, tops: range) -> None:
    """Title, frequencies beside every row of atoms, which begin at the pixels `tops`, and what the colours mean."""
    from matplotlib.patches import Patch

    n_bands = len(sheet.hz)
    bands, high = np.arange(n_bands) + 0.5, -(-_SMALLEST[1] // n_bands)
    ticks = {text: hz for text, hz in _TICKS.items() if sheet.hz[0] <= hz <= sheet.hz[-1]}
    places = [(n_bands - np.interp(hz, sheet.hz, bands)) * high for hz in ticks.values()]
    axes.set_yticks([top + place for top in tops for place in places], [*ticks] * len(tops), fontsize="x-small")
    axes.set_xticks([])
    axes.set_title(sheet.title, loc="left")
    axes.set_xlabel("each atom: time to the right, black where it is largest", loc="left")
    if sheet.stems:
        patches = [Patch(color=colour, label=stem) for stem, colour in zip(sheet.stems, cycle(_COLOURS), strict=False)]
        axes.figure.legend(
            handles=patches,
            title="strip below an atom: the stems that its decoder weights go to",
            loc="lower right",
            ncols=len(patches),
            fontsize="small",
        )


def _sizes(name: str, atoms: F32, spec: FrontEndSpec) -> str:
    frontend, rate = spec.build(), spec.layout.sample_rate
    n_atoms, n_columns, n_bands = atoms.shape
    milliseconds = 1000 * n_columns * frontend.hop / frontend.columns_per_hop / rate
    return f"{name}: {n_atoms} atoms of {n_bands} bands × {n_columns} columns ({milliseconds:.0f} ms)"
