"""What does a TimbreNet's timbre dimension hold? Its activations by instrument, and how far apart they lie.

The network hears the mixture. A slice's activations are averaged over bands and columns, once for each stem, weighted
by the energy that this stem has there: what the dimension holds where the stem sounds. `own_percent` is how often such
a slice lies nearest (by cosine) to the mean of its own stem, where means are of the songs' first halves and slices of
their second ones; `inside` and `between` are mean cosines to the own stem's mean and to the nearest other; `timbres` of
all is how many dimensions a stem uses: exp of the entropy of its mean activations. The demo song by the model of four
stems, or with --model and --songs any other. With --plot also a projection on the two principal components.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _plot import add_plot_option, pyplot
from _songs import DEMO
from _table import Row, bench_parser, publish

from rtsep.errors import RtsepError
from rtsep.evaluation.songs import find_songs, read_song
from rtsep.timbrenet.features import band_views
from rtsep.timbrenet.inference import TimbreStream
from rtsep.timbrenet.model import TimbreModel, load_timbrenet
from rtsep.timbrenet.partials import find_partials
from rtsep.training.drawing import analyze_stems
from rtsep.types import F32, Stems

DEFAULT = "timbrenet-4stems"
SILENT = 1e-3  # of a stem's mean energy: slices below it do not count
MOST_POINTS = 400  # of a stem in the drawing


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--model", default=DEFAULT, help=f"a TimbreNet's name or file; {DEFAULT} if not given")
    parser.add_argument("--songs", type=Path, metavar="DIR", help="folder of songs with the model's stems")
    add_plot_option(parser, "slices of each stem on two principal components, and mean activations")
    options = parser.parse_args()
    try:
        model = load_timbrenet(options.model)
        songs = find_songs(options.songs or DEMO / "stems", (), model.stems)
    except RtsepError as error:
        raise SystemExit(str(error)) from error
    recordings = [read_song(song) for song in (songs[:2] if options.quick else songs)]
    halves = [half for r in recordings for half in np.array_split(r.truth, 2, axis=1)]
    first, second = (join([activations(model, half) for half in halves[i::2]]) for i in (0, 1))
    rows = table_rows(model.stems, first, second)
    publish(__doc__, rows, options.json)
    if options.plot:
        draw(model.stems, first, second, options.plot)


def activations(model: TimbreModel, truth: Stems) -> list[F32]:
    """For each stem, what the timbre dimension holds where it sounds, `(n_slices, n_timbres)`, silence left out."""
    frontend = model.frontend()
    parts = analyze_stems(truth, frontend)
    views = band_views(frontend, parts.sum(axis=0))
    partials = find_partials(frontend.band_centres, model.sizes.ratios)
    stream = TimbreStream(model.sizes, model.weights, partials, truth.shape[2])
    held = np.stack([found for v in views if (found := stream.timbres(v)) is not None])
    return [weighted(held, frontend.band_power(part)) for part in parts]


def weighted(held: F32, power: F32) -> F32:
    """Means of `held` `(n_slices, ..., n_timbres)` over all between, weighted by `power` `(n_slices, ...)`."""
    weights = power.reshape(len(power), -1)
    total = weights.sum(axis=1)
    sounding = total > SILENT * total.mean()
    cells = held.reshape(len(held), weights.shape[1], -1)[sounding]
    return np.asarray(np.einsum("sc,sct->st", weights[sounding], cells) / total[sounding, None])


def join(songs: list[list[F32]]) -> list[F32]:
    """The slices of all songs, for each stem."""
    return [np.concatenate(stem) for stem in zip(*songs, strict=True)]


def unit(vectors: F32) -> F32:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def table_rows(stems: tuple[str, ...], first: list[F32], second: list[F32]) -> list[Row]:
    """One row a stem."""
    means = np.stack([unit(slices).mean(axis=0) for slices in first])
    rows: list[Row] = []
    for i, (stem, slices) in enumerate(zip(stems, second, strict=True)):
        cosines = unit(slices) @ unit(means).T
        others = np.delete(cosines, i, axis=1)
        share = means[i] / means[i].sum()
        rows.append(
            {
                "case": stem,
                "slices": len(slices),
                "own_percent": float(100 * np.mean(cosines.argmax(axis=1) == i)),
                "inside": float(cosines[:, i].mean()),
                "between": float(others.max(axis=1).mean()),
                "timbres": float(np.exp(-np.sum(share * np.log(np.maximum(share, 1e-12))))),
                "of_all": means.shape[1],
            }
        )
    return rows


def principal(vectors: F32) -> tuple[F32, F32]:
    """Coordinates `(n, 2)` on the two principal components, and the shares of the variance that all of them have."""
    left, values, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return left[:, :2] * values[:2], values**2 / np.sum(values**2)


def draw(stems: tuple[str, ...], first: list[F32], second: list[F32], path: Path) -> None:
    """Left the slices of all stems on two principal components, right each stem's mean activation by timbre."""
    slices = [unit(np.concatenate(pair)) for pair in zip(first, second, strict=True)]
    chosen = [stem[np.linspace(0, len(stem) - 1, min(len(stem), MOST_POINTS)).astype(int)] for stem in slices]
    places, shares = principal(np.concatenate(chosen))
    figure, (left, right) = pyplot().subplots(1, 2, figsize=(12, 5), layout="constrained", width_ratios=(3, 4))
    ends = np.cumsum([len(stem) for stem in chosen])
    for name, part in zip(stems, np.split(places, ends[:-1]), strict=True):
        left.plot(*part.T, ".", markersize=3, alpha=0.6, label=name)
    left.set(xlabel=f"first component, {shares[0]:.0%} of the variance", ylabel=f"second, {shares[1]:.0%}")
    left.legend()
    means = np.stack([stem.mean(axis=0) for stem in slices])
    order = np.lexsort((-means.max(axis=0), means.argmax(axis=0)))  # timbres by the stem that uses them most
    image = right.imshow(means[:, order], aspect="auto", cmap="magma")
    right.set_yticks(range(len(stems)), stems)
    right.set_xticks(range(len(order)), order, fontsize=7)
    right.set(xlabel="timbre", title="mean activation of slices of unit length")
    figure.colorbar(image)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
