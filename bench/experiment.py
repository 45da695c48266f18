"""Does constant-Q beat Fourier on songs and artists unseen in training, all else equal?

Cross-validation: each fold of songs is judged by models that were trained without it, then all songs are pooled.
Medians and means over songs of BSSEval v4, with 95 % bootstrap intervals over songs; then the first recipe against each
other one, song by song. Without --data the demo song's halves take turns, which shows no more than that it runs. With
--plot FILE.png also a drawing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _crossval import Job, judge, plan, train
from _material import RECIPES, add_material_options, material, prepared
from _plot import add_plot_option, pyplot
from _recipes import Table, override, read_table, unlike
from _table import Row, bench_parser, publish

from rtsep.errors import OptionError, RtsepError
from rtsep.evaluation.experiment import CLASSICS, IDEAL, MIXTURE, Method, SongScores, has_librosa
from rtsep.evaluation.summary import MEASURES, Figure, Summary, differences, score_matrix, summarize
from rtsep.new_file import check_new_file
from rtsep.types import STEMS

# What the tables show, of what measure, and which statistic over songs.
STATISTICS = [("SDR, median", "sdr", "median"), ("SDR, mean", "sdr", "mean")]
STATISTICS += [(f"{measure.upper()}, median", measure, "median") for measure in MEASURES[1:]]


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--recipe", type=Path, action="append", metavar="FILE", help="first of all: the one compared")
    add_material_options(parser)
    add_plot_option(parser, "SDR of every stem, and the first recipe's against the others', song by song")
    options = parser.parse_args()
    tables = read_tables(options.recipe) if options.recipe else two_front_ends()
    baselines = (MIXTURE, IDEAL, *(CLASSICS if has_librosa() else ()))
    check_outputs(options)
    results: list[SongScores] = []
    with material(options, tables) as found:
        for fold in found.folds:
            jobs = plan(prepared(tables, found), fold, found.models)
            train(jobs, found.data)
            results += judge(jobs, baselines, options.seconds)
    models = list(tables)
    rows = [{"case": found.words, "who": ""}, *recipe_rows(jobs), *score_rows(results, [*models, *baselines])]
    rows += [row for other in models[1:] for row in difference_rows(results, models[0], other)]
    publish(__doc__, rows, options.json, songs=[asdict(result) for result in results])
    if options.plot:
        draw(results, models, options.plot)


def read_tables(paths: Sequence[Path]) -> dict[str, Table]:
    """Recipes by the names of their files."""
    tables = {path.stem: read_table(path) for path in paths}
    if len(tables) < len(paths):
        raise OptionError(f"recipes {', '.join(p.name for p in paths)}: their names tell them apart; rename one")
    return tables


def two_front_ends() -> dict[str, Table]:
    """The recipe of the default model, and the same but for the front end, which is that of `stft-sparse`."""
    cqt, stft = (read_table(RECIPES / f"{name}.toml") for name in ("cqt-sparse", "stft-sparse"))
    return {"cqt-sparse": cqt, "stft-sparse": override(cqt, {"frontend": stft["frontend"]})}


def check_outputs(options: argparse.Namespace) -> None:
    """End before any work where what comes of it could not be kept."""
    if options.json:
        check_new_file(options.json)
    if options.plot:
        check_new_file(options.plot, "picture")
        pyplot()


def recipe_rows(jobs: Sequence[Job]) -> list[Row]:
    """What the recipes have in common, and what not: the experiment means something where that is the front end."""
    return [{"case": recipe_words(job, jobs[0]), "who": job.name} for job in jobs]


def recipe_words(job: Job, first: Job) -> str:
    recipe, frontend = job.recipe, job.recipe.spec.build()
    column_ms = 1e3 * frontend.hop / frontend.columns_per_hop / recipe.spec.layout.sample_rate
    return (
        f"{recipe.mixtures} mixtures, {recipe.atoms} atoms of {recipe.patch_columns} columns of {column_ms:.0f} ms, "
        f"λ {recipe.sparsity:g}, slices of {frontend.slice_length}, {frontend.n_bands} bands, "
        f"latency {1e3 * frontend.latency / recipe.spec.layout.sample_rate:.0f} ms"
        + (f"; unlike {first.name}: {', '.join(unlike(recipe, first.recipe)) or 'nothing'}" if job is not first else "")
    )


def score_rows(results: Sequence[SongScores], names: Sequence[str]) -> list[Row]:
    """Medians of all measures and means of the SDR: a row for each method."""
    return [
        {"case": case, "who": name, **texts(summarize(score_matrix(results, name, measure)), statistic)}
        for case, measure, statistic in STATISTICS
        for name in names
    ]


def difference_rows(results: Sequence[SongScores], first: str, other: str) -> list[Row]:
    """How much `first` is above `other`: medians of the songs' own differences, and of the SDR's also means."""
    pair = [Method(other, "model"), Method(first, "model")]
    return [
        {"case": f"{case} of differences", "who": f"{first} - {other}", **texts(above, statistic)}
        for case, measure, statistic in STATISTICS
        for above in differences(results, pair, measure).values()
    ]


def texts(by_stem: dict[str, Summary], statistic: str) -> Row:
    """Figures in dB by stem with the ends of their intervals."""
    return {stem: text(getattr(summary, statistic)) for stem, summary in by_stem.items()}


def text(figure: Figure) -> str:
    return f"{figure.value:.2f}" + (f" [{figure.low:.2f}, {figure.high:.2f}]" if np.isfinite(figure.low) else "")


def draw(results: Sequence[SongScores], models: Sequence[str], path: Path) -> None:
    """Boxes of the songs' SDR for each recipe; and the songs' differences, their medians and intervals."""
    figure, (scores, apart) = pyplot().subplots(1, 2, figsize=(13, 5), layout="constrained")
    matrices = {name: score_matrix(results, name, "sdr") for name in models}
    width = 0.8 / len(models)
    for m, (name, matrix) in enumerate(matrices.items()):
        places = np.arange(len(STEMS)) - 0.4 + (m + 0.5) * width
        columns = [column[np.isfinite(column)] for column in matrix.T]
        boxes = scores.boxplot(columns, positions=places, widths=0.8 * width, manage_ticks=False)
        for line in (line for lines in boxes.values() for line in lines):
            line.set_color(f"C{m}")
        scores.plot([], [], color=f"C{m}", label=name)
        if m:
            draw_differences(apart, matrices[models[0]] - matrix, places, f"C{m}", f"{models[0]} - {name}")
    apart.axhline(0, color="gray", linewidth=0.8)
    scores.set_title(f"SDR of {len(results)} songs, each by models of other folds, dB")
    apart.set_title("SDR, song by song: points; median and 95 % interval: bars")
    for axes in (scores, apart):
        axes.set_xticks(range(len(STEMS)), STEMS)
        axes.set_xlim(-0.6, len(STEMS) - 0.4)
        axes.grid(axis="y", alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def draw_differences(axes: object, matrix: np.ndarray, places: np.ndarray, colour: str, label: str) -> None:
    summaries = summarize(matrix)
    for stem, place, column in zip(STEMS, places, matrix.T, strict=True):
        if stem in summaries:
            median = summaries[stem].median
            axes.plot(np.full(len(column), place), column, "o", color=colour, markersize=3, alpha=0.5)
            axes.plot([place + 0.06] * 2, [median.low, median.high], color=colour)
            axes.plot(place + 0.06, median.value, "_", color=colour, markersize=12)
    axes.plot([], [], color=colour, label=label)


if __name__ == "__main__":
    try:
        main()
    except RtsepError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
