"""Mixtures without end from a few recordings: stems remixed across songs, transposed, tilted, at other levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtsep.training.datasets import Source, read_clip
from rtsep.types import F32, STEMS


@dataclass(frozen=True)
class Remix:
    """How mixtures are drawn. Levels in dB, chances between 0 and 1, all else in its name."""

    seconds: float = 6.0
    same_song_chance: float = 0.35
    level_db: dict[str, float] = field(
        default_factory=lambda: {"bass": -19.0, "drums": -18.0, "vocals": -18.0, "other": -18.0}
    )
    level_spread_db: float = 4.0
    same_song_spread_db: float = 2.0
    absent_chance: float = 0.08
    semitones: float = 3.0
    tilt_db: float = 3.0


class Mixer:
    """Draws stems `(4, n_samples)` float32 from sources, the same ones for the same seed and call number."""

    def __init__(self, sources: Sequence[Source], remix: Remix, sample_rate: int, seed: int) -> None:
        self._remix = remix
        self._sample_rate = sample_rate
        self._seed = seed
        self._by_stem = {stem: [s for s in sources if s.stem == stem] for stem in STEMS}
        songs = {name: [s for s in sources if s.song == name] for name in {s.song for s in sources}}
        self._songs = [songs[name] for name in sorted(songs) if len(songs[name]) > 1]

    def draw(self, number: int) -> F32:
        """Mixture `number`: its four stems."""
        rng = np.random.default_rng((self._seed, number))
        if self._songs and rng.random() < self._remix.same_song_chance:
            return self._same_song(rng)
        return self._across_songs(rng)

    def _same_song(self, rng: np.random.Generator) -> F32:
        """All stems of one song at one place, nearly at the song's own balance."""
        remix = self._remix
        song = self._songs[int(rng.choice(len(self._songs), p=draw_chances([g[0] for g in self._songs])))]
        semitones = rng.uniform(-remix.semitones, remix.semitones)
        start = rng.uniform(0, max(song[0].seconds - remix.seconds, 0))
        channel = int(rng.integers(2))
        stems = np.zeros((len(STEMS), round(remix.seconds * self._sample_rate)), np.float32)
        for source in song:
            gain = 10 ** (rng.normal(0, remix.same_song_spread_db) / 20)
            stems[STEMS.index(source.stem)] = self._read(source, start, channel, semitones) * gain
        return stems

    def _across_songs(self, rng: np.random.Generator) -> F32:
        """Every stem from anywhere, at a level of its own."""
        remix = self._remix
        stems = np.zeros((len(STEMS), round(remix.seconds * self._sample_rate)), np.float32)
        for i, stem in enumerate(STEMS):
            sources = self._by_stem[stem]
            if not sources or rng.random() < remix.absent_chance:
                continue
            source = sources[int(rng.choice(len(sources), p=draw_chances(sources)))]
            start = rng.uniform(0, max(source.seconds - remix.seconds, 0))
            semitones = rng.uniform(-remix.semitones, remix.semitones)
            clip = self._read(source, start, int(rng.integers(2)), semitones)
            clip = _tilt(clip, rng.uniform(-remix.tilt_db, remix.tilt_db), self._sample_rate)
            level = remix.level_db[stem] + rng.normal(0, remix.level_spread_db)
            stems[i] = _at_level(clip, level)
        return stems

    def _read(self, source: Source, start: float, channel: int, semitones: float) -> F32:
        """A clip played faster or slower, as a tape is: pitch and tempo move together."""
        speed = 2 ** (semitones / 12)
        chosen = source.channels[channel % len(source.channels)]
        clip = read_clip(source, start, self._remix.seconds * speed, chosen, round(self._sample_rate / speed))
        # Loops loop and single sounds come again: a recording shorter than the mixture fills it.
        length = min(clip.size, round(source.seconds / speed * self._sample_rate))
        return np.resize(clip[:length], round(self._remix.seconds * self._sample_rate))


def draw_chances(sources: Sequence[Source]) -> NDArray[np.float64]:
    """Chances that grow with the square root of the length inside a group, and add up to the group's share."""
    roots = np.sqrt([source.seconds for source in sources])
    groups = [source.group for source in sources]
    totals = {group: sum(r for r, g in zip(roots, groups, strict=True) if g == group) for group in set(groups)}
    weights = [s.share * r / totals[s.group] for s, r in zip(sources, roots, strict=True)]
    return np.asarray(weights / np.sum(weights))


def _tilt(clip: F32, db: float, sample_rate: int) -> F32:
    """A straight line in dB over log-frequency: `db` up at 8 kHz, down at 125 Hz, turning at 1 kHz."""
    spectrum = np.fft.rfft(clip)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(clip.size, 1 / sample_rate), 40.0) / 1000.0)
    return np.fft.irfft(spectrum * 10 ** (db * octaves / 3 / 20), n=clip.size).astype(np.float32)


def _at_level(clip: F32, db: float) -> F32:
    """The clip at an RMS of `db` dBFS over its loud parts (samples above a tenth of the RMS); silence stays silent."""
    rms = float(np.sqrt(np.mean(clip**2)))
    if rms < 1e-5:
        return np.zeros_like(clip)
    loud = clip[np.abs(clip) > 0.1 * rms]
    return np.asarray(clip * (10 ** (db / 20) / np.sqrt(np.mean(loud**2))), np.float32)
