"""How well can ideal masks separate through each front end? SDR per stem against latency: the ceiling of the models.

The masks are what a model that never errs would give: ratios of the true stems' band energies, column by column, on the
grid and by the gains that the separator uses. The demo song, or with --songs DIR every SONG/{bass,drums,vocals,other}.*
below it. SDR as museval has it: median over windows of 1 s. With --plot FILE.png also a drawing.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _plot import add_plot_option, pyplot
from _songs import DEMO, true_stems
from _table import Row, bench_parser, publish

from rtsep.evaluation.bsseval import median_sdr, mixture_sdr
from rtsep.evaluation.ideal_masks import separate_ideally
from rtsep.frontend.presets import PRESETS, build_preset
from rtsep.types import STEMS


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--songs", type=Path, metavar="DIR", help="folder of songs with their true stems")
    add_plot_option(parser, "SDR against latency, a panel for each stem")
    options = parser.parse_args()
    songs = true_stems(options.songs or DEMO / "stems", 20.0 if options.quick else None)
    rows = table_rows("mixture itself", "no separation", [mixture_sdr(t, t.sum(axis=0), rate) for t, rate in songs], {})
    for name in PRESETS:
        frontends = {rate: build_preset(name, rate) for _, rate in songs}
        scores = [median_sdr(truth, separate_ideally(truth, frontends[rate]), rate) for truth, rate in songs]
        latency = next(iter(frontends.values())).latency
        sizes: Row = {"latency_samples": latency, "latency_ms": 1e3 * latency / next(iter(frontends))}
        rows += table_rows(name, "rtsep, ideal masks", scores, sizes)
    publish(__doc__, rows, options.json)
    if options.plot:
        draw(rows, options.plot)


def table_rows(case: str, who: str, scores: list[np.ndarray], more: Row) -> list[Row]:
    """One row a stem: the median over the songs in which it sounds; and their mean."""
    median = np.nanmedian(scores, axis=0)
    rows: list[Row] = [
        {"case": f"{case}, {stem}", "who": who, "sdr_db": float(sdr), **more}
        for stem, sdr in zip(STEMS, median, strict=True)
        if np.isfinite(sdr)
    ]
    return [*rows, {"case": f"{case}, mean", "who": who, "sdr_db": float(np.nanmean(median)), **more}]


def draw(rows: list[Row], path: Path) -> None:
    """SDR against latency, a panel for each stem; presets of one family are joined."""
    families = {"cqt": "o-", "cqt-hann": "s-", "stft": "^-"}
    sdr = {str(row["case"]): float(row["sdr_db"]) for row in rows}
    latency = {str(row["case"]).partition(", ")[0]: float(row["latency_ms"]) for row in rows if "latency_ms" in row}
    figure, panels = pyplot().subplots(2, 2, figsize=(11, 7), sharex=True, sharey=True, layout="constrained")
    for axes, stem in zip(panels.flat, STEMS, strict=True):
        for family, style in families.items():
            names = sorted(filter(lambda name: family_of(name) == family, latency), key=latency.__getitem__)
            scores = [sdr.get(f"{name}, {stem}", np.nan) for name in names]  # nan where no song has the stem
            axes.plot([latency[name] for name in names], scores, style, label=family)
        mixture = sdr.get(f"mixture itself, {stem}", np.nan)
        axes.set(xscale="log", title=f"{stem} (mixture itself: {mixture:.1f} dB)")
        ticks = (10, 20, 50, 100, 200, 400)
        axes.set_xticks(ticks, [str(ms) for ms in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0, 0].legend()
    figure.supxlabel("algorithmic latency, ms")
    figure.supylabel("SDR of ideal masks, dB")
    figure.savefig(path, dpi=100)


def family_of(preset: str) -> str:
    return "cqt-hann" if preset.startswith("cqt-hann") else preset.partition("-")[0]


if __name__ == "__main__":
    main()
