"""A page to listen to: for every song a table of players, truth beside the models, with pictures and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from rtsep.evaluation.bsseval import StemScores
from rtsep.evaluation.excerpts import LONGEST_SECONDS, LOWEST_HZ, MIXTURE, RANGE_DB, TRUTH, highest_hz
from rtsep.evaluation.experiment import Method, SongScores, folder_of
from rtsep.evaluation.songs import Song

PAGE = "index.html"
_HEAD = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Stems to listen to</title>
<style>
body { font: 15px/1.4 sans-serif; margin: 2em; }
td, th { padding: 0.3em 0.6em; text-align: left; vertical-align: top; font-weight: normal; }
img { display: block; width: 360px; height: 120px; image-rendering: pixelated; }
audio { width: 360px; height: 32px; }
</style>
"""
# Whoever compares wants the same place: a player goes on where another one of its song is.
_SCRIPT = """<script>
document.addEventListener("play", event => {
  const player = event.target, song = player.closest("section");
  for (const other of document.querySelectorAll("audio")) {
    if (other === player || other.paused) continue;
    if (song.contains(other)) player.currentTime = other.currentTime;
    other.pause();
  }
}, true);
</script>
"""


def listening_page(songs: Sequence[Song], results: Sequence[SongScores], methods: Sequence[Method]) -> str:
    """HTML for the folder in which the excerpts of `songs` lie, `results` being theirs."""
    models = [method.name for method in methods if method.kind == "model"]
    about = (
        f"<p>The middle of each song, {LONGEST_SECONDS:.0f} s at most. Pictures: equal steps of pitch, "
        f"{RANGE_DB:.0f} dB down from the mixture's loudest. Scores are of the whole song, in dB. A player goes on "
        "where another one of the same song is.</p>\n"
    )
    parts = [_song(song, result, models) for song, result in zip(songs, results, strict=True)]
    return _HEAD + "<h1>Stems to listen to</h1>\n" + about + "".join(parts) + _SCRIPT


def _song(song: Song, result: SongScores, models: Sequence[str]) -> str:
    columns = {TRUTH: TRUTH} | {folder_of(models, name): Path(name).stem for name in models}
    heads = "".join(f"<th>{escape(title)}</th>" for title in columns.values())
    rows = []
    for stem in result.stems:
        cells = [_player(Path(result.song, TRUTH, stem), "not judged" if stem in result.absent else "")]
        for name in models:
            told = next((_scores(row) for row in result.scores[name] if row.stem == stem), "")
            cells.append(_player(Path(result.song, folder_of(models, name), stem), told))
        rows.append(f"<tr><th>{escape(stem)}</th>{''.join(cells)}</tr>\n")
    mixture = f"<tr><th>{MIXTURE}</th>{_player(Path(result.song, MIXTURE), '')}</tr>\n"
    table = f"<table>\n{mixture}<tr><th></th>{heads}</tr>\n{''.join(rows)}</table>\n"
    shown = f"<p>Pictures: {LOWEST_HZ:.0f} Hz to {highest_hz(song.sample_rate) / 1000:g} kHz.</p>\n"
    return f"<section>\n<h2>{escape(result.song)}</h2>\n{shown}{table}</section>\n"


def _player(name: Path, text: str) -> str:
    """A cell of the table for the file `name`, without its suffix."""
    place = escape(quote(name.as_posix()))
    sound = f'<audio controls preload="none" src="{place}.flac"></audio>'
    return f'<td><img loading="lazy" src="{place}.png" alt="">{sound}<br>{escape(text)}</td>'


def _scores(row: StemScores) -> str:
    figures = {"SDR": row.sdr, "SIR": row.sir, "SAR": row.sar}
    return ", ".join(f"{name} {value:.1f}" for name, value in figures.items() if math.isfinite(value))
