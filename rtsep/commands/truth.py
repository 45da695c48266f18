"""Scores of separated stems against the true ones, where a folder of those is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtsep.errors import OptionError
from rtsep.file_job import FileJob, FileRun
from rtsep.io.audio_file import AudioReader, open_audio
from rtsep.run_report import Score
from rtsep.types import Audio


def check_truth(folder: Path, job: FileJob) -> None:
    """Raise AudioError or OptionError unless `folder` holds a file for each stem, of the song's own length and rate."""
    from rtsep.model_file import stems_of

    with _open(job.song, job) as song:
        wanted = (song.n_samples, song.info.sample_rate, song.info.n_channels)
    for stem in job.stems or stems_of(job.model):
        path = _find(folder, stem)
        with _open(path, job) as truth:
            found = (truth.n_samples, truth.info.sample_rate, truth.info.n_channels)
        if found != wanted:
            raise OptionError(
                f"truth {path}: {found[0]} samples at {found[1]} Hz, {found[2]} channels, the song {wanted[0]} at "
                f"{wanted[1]} Hz, {wanted[2]} channels; give stems of this song"
            )


def score_stems(folder: Path, job: FileJob, run: FileRun) -> dict[str, Score]:
    """BSS Eval v4 scores of the stems that `run` wrote, beside the SDR of the mixture in their place."""
    from rtsep.evaluation.bsseval import evaluate, mixture_sdr

    rate = run.info.sample_rate
    truth = np.stack([_read(_open(_find(folder, stem), job)) for stem in run.stems])
    found = np.stack([_read(open_audio(job.folder / f"{stem}.{job.audio_format}")) for stem in run.stems])
    mixture = mixture_sdr(truth, _read(_open(job.song, job)), rate)
    scores = evaluate(truth, found, rate, run.stems)
    return {
        score.stem: Score(score.sdr, score.sir, score.sar, mixture_sdr_db=sdr, gain_db=score.sdr - sdr)
        for score, sdr in zip(scores, map(float, mixture), strict=True)
    }


def _open(path: Path, job: FileJob) -> AudioReader:
    return open_audio(path, job.start_seconds, job.duration_seconds)


def _find(folder: Path, stem: str) -> Path:
    """The sound file of `stem`, whatever its format."""
    found = sorted(path for path in folder.glob(f"{stem}.*") if path.is_file())
    if not found:
        raise OptionError(f"truth {folder}: holds no {stem}; it needs a sound file {stem}.wav, .flac or the like")
    return found[0]


def _read(reader: AudioReader) -> Audio:
    with reader:
        return np.concatenate(list(reader.blocks()))
