"""Voices for rendered songs: recordings of one singer, brightened, doubled, compressed and set into a room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt

from rtsep.effects.processors import Band, equalize, log_uniform, reverberate, room_tail, sides
from rtsep.errors import OptionError
from rtsep.io.folders import sounds_below
from rtsep.rendering.production import chorus, echo, squeeze
from rtsep.rendering.soundfonts import SAMPLE_RATE
from rtsep.training.sources import Source, open_source, read_clip
from rtsep.types import F32, Audio

_LOW_RATE = 32000  # recordings of a lower rate end where sibilants begin


@dataclass(frozen=True)
class Singer:
    """The recordings of one song by one singer, in order; only the last channel is the voice, as in MIR-1K."""

    name: str
    clips: tuple[Source, ...]


def find_singers(folder: Path) -> list[tuple[Singer, ...]]:
    """The singers below `folder`, one list for each folder with sound files.

    Files SINGER_SONG_CLIP are grouped by song, others all belong together. Raises OptionError where there are none.
    """
    groups: dict[Path, dict[str, list[Source]]] = {}
    for path in sounds_below(folder):
        source = open_source(path, path.stem, "vocals", str(folder), 1.0)
        words = path.stem.split("_")
        name = "_".join(words[:2]) if len(words) == 3 and words[2].isdigit() else path.parent.name
        clip = Source(name, "vocals", path, source.sample_rate, source.n_samples, source.channels[-1:])
        groups.setdefault(path.parent, {}).setdefault(name, []).append(clip)
    if not groups:
        raise OptionError(f"no sound files below {folder}: give a folder with recordings of voices, as MIR-1K's")
    return [tuple(Singer(name, tuple(clips)) for name, clips in songs.items()) for songs in groups.values()]


def draw_singer(groups: Sequence[Sequence[Singer]], rng: np.random.Generator) -> Singer:
    """A singer of a group drawn by the square root of its size: one voice is heard more often than one of many."""
    chances = np.sqrt([len(group) for group in groups])
    group = groups[int(rng.choice(len(groups), p=chances / chances.sum()))]
    return group[int(rng.integers(len(group)))]


def sing(singer: Singer, seconds: float, beat: float, rng: np.random.Generator) -> Audio:
    """A finished voice `(n_samples, 2)`: one take in the middle, at times copies beside it, effects, and a room."""
    lead = _take(singer, seconds, 2 ** (rng.uniform(-3, 3) / 12), rng)
    lead = equalize(lead, [Band("low", rng.uniform(80, 160), -12.0, 0.7)], SAMPLE_RATE)
    lead = squeeze(lead, rng.uniform(2, 8), rng.uniform(0.002, 0.02), rng.uniform(0.05, 0.25), rng)
    out = np.repeat(lead, 2, axis=1)
    kind = rng.random()
    if kind < 0.35:
        out += _doubled(lead, (-1.0, 1.0), rng.uniform(0.3, 1.3), rng)
    elif kind < 0.5:
        out += _doubled(lead, (-1.0, -0.4, 0.4, 1.0), rng.uniform(0.5, 1.2), rng)
    if rng.random() < 0.3:
        out = chorus(out, rng.uniform(0.001, 0.004), rng.uniform(0.2, 1.5), rng.uniform(0.2, 0.7))
    if rng.random() < 0.35:
        out = echo(out, beat * float(rng.choice([0.25, 0.5, 0.75, 1.0])), rng.uniform(0, 0.5), rng.uniform(0.1, 0.4))
    if rng.random() < 0.85:
        length = log_uniform(0.3, 3.5, rng)
        tail = room_tail(length, rng.uniform(-22, -3), rng.uniform(0.3, 1), 2, SAMPLE_RATE, rng)
        tail[1 : round(rng.uniform(0, 0.06) * SAMPLE_RATE)] = 0
        out = reverberate(out, tail)
    return equalize(out, [Band("high", rng.uniform(4000, 8000), rng.uniform(-2, 6), 0.7)], SAMPLE_RATE)


def _take(singer: Singer, seconds: float, speed: float, rng: np.random.Generator) -> Audio:
    """Clips of the singer in order from a random one on, with rests between, all as loud: `(n_samples, 1)`."""
    n = round(seconds * SAMPLE_RATE)
    out = np.zeros((n, 1), np.float32)
    at, number = round(rng.uniform(0, 2) * SAMPLE_RATE), int(rng.integers(len(singer.clips)))
    boost = rng.uniform(-5, 3)
    while at < n:
        source = singer.clips[number % len(singer.clips)]
        clip = read_clip(source, 0, source.seconds, source.channels, round(SAMPLE_RATE / speed))
        if source.sample_rate < _LOW_RATE:
            clip = brighten(clip, 0.38 * source.sample_rate * speed, boost, rng)
        clip = clip / np.float32(max(float(np.sqrt(np.mean(clip**2))), 1e-4))
        part = clip[: n - at]
        out[at : at + len(part)] += part
        at += len(clip) + round(rng.exponential(0.6) * SAMPLE_RATE)
        number += 1
    return out


def brighten(clip: Audio, edge: float, boost_db: float, rng: np.random.Generator) -> Audio:
    """A voice that ends at `edge` Hz with noise above it, shaped as its breath and sibilants are below.

    The noise follows the octave under the edge within 2 ms: 4 dB below it where that octave holds most of the sound, as
    in an s, 16 dB where it holds little, as in a vowel; all `boost_db` more.
    """
    band = sosfilt(butter(4, [edge / 2, 0.95 * edge], "bandpass", fs=SAMPLE_RATE, output="sos"), clip[:, 0])
    upper, whole = (_followed(x, 0.002) for x in (band, clip[:, 0]))
    share = _followed(band, 0.02) / np.maximum(_followed(clip[:, 0], 0.02), 1e-6)
    level = 10 ** ((boost_db - 16 + 12 * np.clip(share, 0, 1)) / 20)
    noise = rng.standard_normal(len(clip))
    above = [butter(4, 0.9 * edge, "highpass", fs=SAMPLE_RATE, output="sos")]
    above += [butter(1, 1.8 * edge, fs=SAMPLE_RATE, output="sos")]
    shaped = sosfilt(np.concatenate(above), noise * np.minimum(upper, whole))
    return np.asarray(clip + (shaped * level)[:, None], np.float32)


def _followed(samples: F32, seconds: float) -> F32:
    """The RMS over about that time, without a step."""
    pole = np.exp(-1 / (seconds * SAMPLE_RATE))
    return np.asarray(np.sqrt(np.maximum(sosfilt([[1 - pole, 0, 0, 1, -pole, 0]], samples**2), 0)), np.float32)


def _doubled(lead: Audio, places: Sequence[float], level: float, rng: np.random.Generator) -> Audio:
    """Copies at `places` that come later by some milliseconds, more and less, and so are out of tune by some cents.

    That is how a second take differs from the first (and how automatic double tracking did it).
    """
    now = np.arange(len(lead))
    out = np.zeros((len(lead), 2), np.float32)
    for place in places:
        knots = np.arange(0, len(lead) + SAMPLE_RATE, round(0.25 * SAMPLE_RATE))
        late = np.interp(now, knots, rng.uniform(0.01, 0.035) + 0.0015 * rng.standard_normal(len(knots)))
        copy = np.interp(now - late * SAMPLE_RATE, now, lead[:, 0], left=0.0)
        out += level * copy[:, None] * sides(place)
    return np.asarray(out, np.float32)
