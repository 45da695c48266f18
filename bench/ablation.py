"""What does each choice in the default recipe bring on unseen songs, and what does it cost?

Every variant is the base recipe with some entries replaced, trained and judged by the cross-validation of
`experiment.py`. `sdr_db` is the mean over the four stems of the medians over songs, `above_db` the same of the songs'
own differences to the base, both with 95 % bootstrap intervals over songs; `rtf` is the median chunk of stereo on one
thread, over its audio; `active_atoms` those of a code, on average over training examples. Scores are kept beside the
models in --models, so that an interrupted run goes on fold by fold. Without --data the demo song's halves take turns,
which shows no more than that it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
from _crossval import Job, judge, plan, train
from _material import RECIPES, add_material_options, material
from _recipes import Table, override, parse_entries, read_table, unlike
from _songs import DEMO
from _table import Row, bench_parser, publish
from threadpoolctl import threadpool_limits

from rtsep.errors import OptionError, RtsepError
from rtsep.evaluation.bsseval import StemScores
from rtsep.evaluation.experiment import SongScores
from rtsep.evaluation.summary import MEAN, score_matrix, summarize
from rtsep.model_file import load_model
from rtsep.new_file import check_new_file
from rtsep.run_report import write_json
from rtsep.separator import load_separator

BASE = "base"
FEW = ("dictionary.whitening_floor=10.0", "decoder.mask_exponent=2.0", "stft, slices of 4096")
Results = dict[str, list[SongScores]]  # by variant, the songs of all folds in one order


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--recipe", type=Path, metavar="FILE", default=RECIPES / "cqt-sparse.toml", help="the base")
    parser.add_argument(
        "--variant",
        action="append",
        metavar="ENTRIES",
        help='as "dictionary.atoms=512; decoder.ridge=0.01"; repeatable',
    )
    add_material_options(parser)
    options = parser.parse_args()
    if options.json:
        check_new_file(options.json)
    table = read_table(options.recipe)
    with material(options, {BASE: table}) as found:
        base = override(table, found.entries)
        tables = {BASE: base, **chosen_variants(base, options)}
        planned = [plan(tables, fold, found.models) for fold in found.folds]
        check_changes(planned[0])
        results: Results = {name: [] for name in tables}
        for jobs in planned:
            train(jobs, found.data)
            for name, songs in kept_scores(jobs, options.seconds).items():
                results[name] += songs
        rows = [{"case": found.words, "who": ""}, *table_rows(planned, results)]
    publish(__doc__, rows, options.json)


def chosen_variants(base: Table, options: argparse.Namespace) -> dict[str, Table]:
    """Those asked for; else all that are worth a line, or a few where there are no songs that could tell."""
    if options.variant:
        return {text: override(base, parse_entries(text)) for text in options.variant}
    entries = all_variants(base)
    if not options.data:
        entries = {name: entries[name] for name in FEW}
    tables = {name: override(base, replaced) for name, replaced in entries.items()}
    return {name: variant for name, variant in tables.items() if variant != base}


def all_variants(base: Table) -> dict[str, dict[str, Any]]:
    """Entries to be replaced, by the name of the variant."""
    single = {
        "dictionary.atoms": (256, 512, 1024, 2048, 4096),
        "dictionary.patch_columns": (4, 8, 16),
        "dictionary.sparsity": (0.015, 0.03, 0.06, 0.12),
        "dictionary.compression": (0.35, 0.5, 0.67, 1.0),
        "dictionary.whitening_floor": (2.0, 10.0, 100.0),
        "decoder.mask_exponent": (1.0, 1.2, 1.5, 2.0),
        "decoder.columns": ("newest", "middle"),
        "decoder.epochs": (50,),
    }
    variants = {f"{name}={value}": {name: value} for name, values in single.items() for value in values}
    bands = base["frontend"].get("bands", {})
    cqt = {"kind": "cqt", "slice_length": 8192, "n_columns": 8, "bands": bands}
    stft = {"kind": "stft", "hop": 1024, "bands": bands}
    return variants | {
        "much whitening": {"dictionary.whitening_floor": 0.1, "dictionary.sparsity": 0.08},
        "cqt, Tukey slices": {"frontend": {**cqt, "transition": 2048}},
        "cqt, Hann slices": {"frontend": {**cqt, "transition": 4096}},
        "stft, slices of 4096": {"frontend": {**stft, "slice_length": 4096}},
        "stft, slices of 8192": {"frontend": {**stft, "slice_length": 8192}},
    }


def check_changes(jobs: Sequence[Job]) -> None:
    """Raise OptionError for a variant that is the base after all: its entries are in no place that a recipe reads."""
    for job in jobs[1:]:
        if not unlike(job.recipe, jobs[0].recipe):
            raise OptionError(f"variant {job.name!r} changes nothing: write entries as they are in recipes/")


def kept_scores(jobs: Sequence[Job], seconds: float | None) -> Results:
    """The songs of one fold by each job, measured where they are not kept beside the models from an earlier run."""
    files = {job.name: job.model.with_suffix(f".{f'{seconds:g}s' if seconds else 'all'}.json") for job in jobs}
    if waiting := [job for job in jobs if not files[job.name].exists()]:
        results = judge(waiting, (), seconds)
        for job in waiting:
            alone = [replace(result, scores={job.name: result.scores[job.name]}) for result in results]
            write_json([asdict(result) for result in alone], files[job.name])
    return {name: [read_scores(song) for song in json.loads(file.read_text())] for name, file in files.items()}


def read_scores(song: dict[str, Any]) -> SongScores:
    scores = {name: tuple(map(read_stem, rows)) for name, rows in song["scores"].items()}
    return SongScores(song["song"], song["seconds"], tuple(song["absent"]), scores)


def read_stem(row: dict[str, Any]) -> StemScores:
    """JSON has null for what could not be measured, and lists; the windows were not kept."""
    figures = {name: float("nan") if value is None else value for name, value in row.items()}
    return StemScores(**{**figures, "sdr_by_window": ()})


def measure_rtf(jobs: Sequence[Job], repeats: int = 15) -> list[float]:
    """Median time of `separate` over the audio that a chunk advances; the models take turns at the demo song."""
    song = soundfile.read(DEMO / "song.flac", dtype="float32", always_2d=True)[0]
    separators = [load_separator(str(job.model)) for job in jobs]
    ratios = np.zeros((repeats + 1, len(jobs)))
    with threadpool_limits(1):
        for r in range(repeats + 1):
            for s, separator in enumerate(separators):
                start = r * (len(song) - separator.shape.input_length) // repeats
                chunk = song[start : start + separator.shape.input_length]
                begun = time.perf_counter()
                separator.separate(chunk)
                ratios[r, s] = (time.perf_counter() - begun) * separator.sample_rate / separator.shape.advance
    return [float(ratio) for ratio in np.median(ratios[1:], axis=0)]  # the first warmed up


def table_rows(planned: Sequence[Sequence[Job]], results: Results) -> list[Row]:
    """A row for each variant, all folds' songs pooled."""
    speeds = measure_rtf(planned[0])
    rows = []
    for jobs, rtf in zip(zip(*planned, strict=True), speeds, strict=True):
        name, recipe = jobs[0].name, jobs[0].recipe
        matrices = {measure: score_matrix(results[name], name, measure) for measure in ("sdr", "sir", "sar")}
        row = {
            "case": name,
            "who": "rtsep",
            **interval("sdr", matrices["sdr"]),
            **interval("above", matrices["sdr"] - score_matrix(results[BASE], BASE, "sdr")),
            **value("sir", matrices["sir"]),
            **value("sar", matrices["sar"]),
            "rtf": rtf,
            "latency_ms": 1e3 * recipe.spec.build().latency / recipe.spec.layout.sample_rate,
            "atoms": recipe.atoms,
            "active_atoms": float(np.mean([load_model(str(job.model)).notes["active_atoms"] for job in jobs])),
        }
        rows.append(row)
    return rows


def value(name: str, matrix: np.ndarray) -> Row:
    """The mean over stems of medians over songs; nothing where a stem sounds in no song."""
    summary = summarize(matrix)
    return {f"{name}_db": summary[MEAN].median.value} if MEAN in summary else {}


def interval(name: str, matrix: np.ndarray) -> Row:
    """The same, and the ends of its interval."""
    summary = summarize(matrix)
    if MEAN not in summary:
        return {}
    median = summary[MEAN].median
    return {f"{name}_db": median.value, f"{name}_low_db": median.low, f"{name}_high_db": median.high}


if __name__ == "__main__":
    try:
        main()
    except RtsepError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
