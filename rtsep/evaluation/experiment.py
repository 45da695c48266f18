"""Models and baselines on songs with known stems: who reaches what, song by song, in processes of their own."""

from __future__ import annotations

import importlib.util
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtsep.engine.process import use_one_thread
from rtsep.errors import ModelError, RtsepError
from rtsep.evaluation.bsseval import SongScorer, StemScores
from rtsep.evaluation.excerpts import begin_excerpt
from rtsep.evaluation.songs import Recording, Song, read_song, sounding_windows
from rtsep.types import STEMS, Stems

MIXTURE, IDEAL, HPSS, REPET = "mixture", "ideal mask", "HPSS", "REPET-SIM"
CLASSICS = (HPSS, REPET)


@dataclass(frozen=True)
class Method:
    """Who takes songs apart: `kind` is model or baseline, `name` a model's name or file, or the baseline's.

    `stems` are those it tells apart: it is judged on no others.
    """

    name: str
    kind: str
    stems: tuple[str, ...] = STEMS


@dataclass(frozen=True)
class SongScores:
    """One song: by method, the scores of the stems that it tells apart and that sound."""

    song: str
    seconds: float
    absent: tuple[str, ...]
    scores: dict[str, tuple[StemScores, ...]]
    stems: tuple[str, ...] = STEMS


def methods(models: Sequence[str], baselines: Sequence[str]) -> tuple[Method, ...]:
    """Models, then those baselines that say anything of their stems.

    Raises ModelError for a model that cannot be loaded or has other stems than the first.
    """
    from rtsep.separator import load_separator

    told_apart = {name: load_separator(name).stems for name in models}
    first = next(iter(told_apart.values()))
    # The usual four have their order, others that of the model.
    judged = STEMS if sorted(first) == sorted(STEMS) else first
    for name, stems in told_apart.items():
        if sorted(stems) != sorted(judged):
            wanted = f"to be judged beside {models[0]} it needs {', '.join(judged)}"
            raise ModelError(f"model {name} separates {', '.join(stems)}: {wanted}")
    alone = {HPSS: ("drums",), REPET: ("vocals",)}
    return (
        *(Method(name, "model", judged) for name in told_apart),
        *(
            Method(name, "baseline", alone.get(name, judged))
            for name in baselines
            if name not in alone or judged == STEMS
        ),
    )


def has_librosa() -> bool:
    """Whether the baselines that need librosa can be run."""
    return importlib.util.find_spec("librosa") is not None


def folder_of(models: Sequence[str], name: str) -> str:
    """Where the sounds of a model go, below their song's folder: `1-cqt-sparse`, as two files may have one name."""
    return f"{models.index(name) + 1}-{Path(name).stem}"


def evaluate_songs(
    songs: Sequence[Song],
    chosen: Sequence[Method],
    processes: int,
    progress: Callable[[int, int], None],
    sounds: Path | None = None,
) -> list[SongScores]:
    """Scores in the order of `songs`; `progress` is told the seconds of music that are done, and all.

    A song takes some 8 MB for each second of stereo while it is judged, in each of `processes`. With `sounds`, a
    folder, excerpts of what was heard go there, below the song's name.
    """
    total = sum(song.seconds for song in songs)
    progress(0, round(total))
    done: dict[str, SongScores] = {}
    for scores in _judged(songs, chosen, processes, sounds):
        done[scores.song] = scores
        progress(round(sum(s.seconds for s in done.values())), round(total))
    return [done[song.name] for song in songs]


def evaluate_song(song: Song, chosen: Sequence[Method], sounds: Path | None = None) -> SongScores:
    """One song by every method, one after the other; its excerpts go below `sounds`.

    Raises AudioError where a file turns out damaged, OutputError where an excerpt cannot be written.
    """
    recording = read_song(song)
    judged = [stem for stem in song.stems if stem not in recording.absent]
    scorer = SongScorer(recording.truth, recording.sample_rate, song.stems, sounding_windows(recording))
    models = [method.name for method in chosen if method.kind == "model"]
    excerpt = begin_excerpt(recording, sounds / song.name) if sounds else None
    scores = {}
    for method in chosen:
        estimate = _estimate(method.name, recording, models[0])
        if excerpt and method.name in models:
            excerpt.add(folder_of(models, method.name), estimate)
        rows = scorer.scores(estimate)
        scores[method.name] = tuple(row for row in rows if row.stem in judged and row.stem in method.stems)
    return SongScores(song.name, song.seconds, recording.absent, scores, song.stems)


def _estimate(name: str, recording: Recording, first_model: str) -> Stems:
    """Stems `(n_stems, n_samples, n_channels)`; a method that tells one stem apart gives the others what is left."""
    mixture, rate = recording.mixture, recording.sample_rate
    if name == MIXTURE:
        return np.broadcast_to(mixture, recording.truth.shape)
    if name == IDEAL:
        from rtsep.evaluation.ideal_masks import ideal_stems
        from rtsep.separator import load_separator

        model = load_separator(first_model).model
        return ideal_stems(recording.truth, rate, model.frontend(), model.sample_rate)
    if name in CLASSICS:
        from rtsep.evaluation.classics import foreground, percussive

        stem, apart = ("drums", percussive) if name == HPSS else ("vocals", foreground)
        found = apart(mixture, rate)
        return np.stack([found if other == stem else mixture - found for other in recording.stems])
    from rtsep.separator import load_separator
    from rtsep.stem_stream import separate

    separator = load_separator(name)
    stems = separate(mixture, rate, separator)
    return stems[[separator.stems.index(stem) for stem in recording.stems]]


def _judged(
    songs: Sequence[Song], chosen: Sequence[Method], processes: int, sounds: Path | None
) -> Iterator[SongScores]:
    """As they are done: in this process where one is enough, else in others, the longest song first."""
    processes = min(processes, len(songs))
    if processes == 1:
        yield from (evaluate_song(song, chosen, sounds) for song in songs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker) as pool:
        try:
            longest_first = sorted(songs, key=lambda song: -song.seconds)
            for future in as_completed([pool.submit(evaluate_song, song, chosen, sounds) for song in longest_first]):
                yield future.result()
        except BrokenProcessPool as error:
            raise RtsepError(
                "a process that judged a song was ended, likely for want of memory: choose songs with --songs; "
                'in a script, call this below `if __name__ == "__main__":`'
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _start_worker() -> None:
    """Leave interruptions to the process that leads: it ends its workers, and says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
