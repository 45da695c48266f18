"""`rtsep evaluate`: models and baselines on songs with known stems; tables, JSON and figures."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from rtsep.commands.console import print_tables, warn
from rtsep.engine.process import own_cores
from rtsep.errors import OptionError, OutputError
from rtsep.evaluation.experiment import (
    CLASSICS,
    IDEAL,
    MIXTURE,
    Method,
    SongScores,
    evaluate_songs,
    has_librosa,
    methods,
)
from rtsep.evaluation.listening import PAGE, listening_page
from rtsep.evaluation.songs import ABSENT_DB, find_songs
from rtsep.evaluation.summary import (
    DRAWS,
    LEVEL,
    MEAN,
    MEASURES,
    SEED,
    Figure,
    Summary,
    differences,
    score_matrix,
    summarize,
)
from rtsep.io.new_folder import new_folder
from rtsep.model_file import models_of
from rtsep.new_file import check_new_file, new_file
from rtsep.progress import show_progress
from rtsep.run_report import write_json
from rtsep.types import STEMS

Summaries = dict[str, dict[str, dict[str, Summary]]]  # by measure, method and stem


@dataclass(frozen=True)
class EvaluateOptions:
    """What `rtsep evaluate` was asked for; `baselines` is None where nothing was said of them."""

    data: Path
    models: tuple[str, ...]
    songs: tuple[str, ...]
    baselines: bool | None
    json: Path | None
    plots: Path | None
    audio: Path | None


def evaluate(options: EvaluateOptions) -> int:
    """Judge, print, and write what was asked for; returns the exit code. Raises RtsepError.

    What can be known to fail does before any work is done.
    """
    _check_outputs(options)
    chosen = methods(options.models or models_of(STEMS), _baselines(options.baselines))
    stems = chosen[0].stems
    songs = find_songs(options.data, options.songs, stems)
    with new_folder(options.audio) if options.audio else nullcontext() as sounds:
        with show_progress(False, "evaluating") as progress:
            results = evaluate_songs(songs, chosen, len(own_cores()), progress, sounds)
        if sounds:
            with new_file(sounds / PAGE) as page:
                page.write_text(listening_page(songs, results, chosen), encoding="utf-8")
    summaries = {
        measure: {m.name: summarize(score_matrix(results, m.name, measure), stems) for m in chosen}
        for measure in MEASURES
    }
    apart = {measure: differences(results, chosen, measure) for measure in MEASURES}
    try:
        if options.json:
            write_json(_document(results, chosen, summaries, apart), options.json)
        if options.plots:
            from rtsep.evaluation.figures import draw_figures

            draw_figures(results, chosen, options.plots)
    finally:  # what took so long is shown where it cannot be written, and written where nobody reads it to its end
        print_tables([*_tables(summaries, stems, len(songs)), *_difference_tables(apart, chosen[0])])
        _tell_absent(results)
    return 0


def _check_outputs(options: EvaluateOptions) -> None:
    if options.json:
        check_new_file(options.json)
    for option, folder in (("plots", options.plots), ("audio", options.audio)):
        if folder and importlib.util.find_spec("matplotlib") is None:
            raise OptionError(f"--{option} {folder} needs matplotlib: pip install matplotlib, or leave the option out")
    if options.plots is None:
        return
    try:
        options.plots.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"plots {options.plots}: cannot be made ({error.strerror}); choose another folder") from error
    if not os.access(options.plots, os.W_OK):
        raise OutputError(f"plots {options.plots}: the folder cannot be written to; choose another")


def _baselines(asked: bool | None) -> tuple[str, ...]:
    """The baselines to run. Without librosa two are left out, unless baselines were asked for: then OptionError."""
    if asked is False:
        return ()
    if has_librosa():
        return (MIXTURE, IDEAL, *CLASSICS)
    missing = f"{' and '.join(CLASSICS)} need librosa: pip install librosa"
    if asked:
        raise OptionError(f"--baselines: {missing}, or leave the option out")
    warn(f"left out: {missing}")
    return (MIXTURE, IDEAL)


def _document(results: Sequence[SongScores], chosen: Sequence[Method], summaries: Summaries, apart: Summaries) -> Any:
    return {
        "settings": {
            "measures": "BSSEval v4, windows of 1 s, median of windows",
            "absent_below_mixture_db": ABSENT_DB,
            "interval": {"kind": "bootstrap over songs", "level": LEVEL, "draws": DRAWS, "seed": SEED},
        },
        "methods": [asdict(method) for method in chosen],
        "songs": [
            {
                "song": result.song,
                "seconds": result.seconds,
                "absent": result.absent,
                "scores": {name: [asdict(row) for row in rows] for name, rows in result.scores.items()},
            }
            for result in results
        ],
        "summary": _as_plain(summaries),
        "difference_to_first_model": _as_plain(apart),
    }


def _as_plain(summaries: Summaries) -> Any:
    return {
        measure: {method: {stem: asdict(row) for stem, row in by_stem.items()} for method, by_stem in by_method.items()}
        for measure, by_method in summaries.items()
    }


def _tables(summaries: Summaries, stems: tuple[str, ...], n_songs: int) -> list[Table]:
    """Medians of all measures, those of the SDR with their intervals; and means of the SDR."""
    over = f"over {n_songs} song{'s' if n_songs > 1 else ''}, dB"
    medians = [
        _table(f"{measure.upper()}: medians {over}", stems, _texts(by_method, "median", intervals=measure == "sdr"))
        for measure, by_method in summaries.items()
    ]
    return [*medians, _table(f"SDR: means {over}", stems, _texts(summaries["sdr"], "mean", intervals=True))]


def _difference_tables(apart: Summaries, first: Method) -> list[Table]:
    """How much each further model is above the first: medians over songs of each song's difference."""
    tables = []
    for model in apart["sdr"]:
        by_measure = {measure.upper(): by_model[model] for measure, by_model in apart.items()}
        texts = _texts(by_measure, "median", intervals=True)
        title = f"{model} above {first.name}: medians of the songs' differences, dB"
        tables.append(_table(title, first.stems, texts))
    return tables


def _table(title: str, stems: tuple[str, ...], rows: dict[str, dict[str, str]]) -> Table:
    """A line for each row's texts by stem; where there is no room, intervals are folded, not names."""
    table = Table(title=title, title_justify="left")
    table.add_column(no_wrap=True)
    for stem in (*stems, MEAN):
        table.add_column(stem, justify="right")
    for name, by_stem in rows.items():
        table.add_row(name, *(by_stem.get(stem, "") for stem in (*stems, MEAN)))
    return table


def _texts(rows: dict[str, dict[str, Summary]], statistic: str, intervals: bool) -> dict[str, dict[str, str]]:
    """The median or the mean of each row and stem as text."""
    return {
        name: {stem: _text(getattr(summary, statistic), intervals) for stem, summary in by_stem.items()}
        for name, by_stem in rows.items()
    }


def _text(figure: Figure, interval: bool) -> str:
    """`1.2`, and its interval below it."""
    known = interval and math.isfinite(figure.low)
    return f"{figure.value:.1f}" + (f"\n[{figure.low:.1f}, {figure.high:.1f}]" if known else "")


def _tell_absent(results: Iterable[SongScores]) -> None:
    """Which stems were not judged."""
    for result in results:
        if result.absent:
            stems = ", ".join(result.absent)
            print(f"{result.song}: {stems} not judged, further than {-ABSENT_DB:.0f} dB below the song")
