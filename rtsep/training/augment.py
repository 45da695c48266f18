"""Mixtures without end from a few recordings: stems remixed across songs, transposed, tilted, at other levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft, rfftfreq

from rtsep.effects.chain import Chain, through_chain, through_limiter
from rtsep.tables import check_numbers
from rtsep.training.sources import Source, read_clip
from rtsep.types import F32, STEMS, Audio, Stems


@dataclass(frozen=True)
class Remix:
    """How mixtures are drawn. Levels in dB, chances between 0 and 1, all else in its name.

    `fill_chance` is for stems that a song does not have, as the voice of a rendered one: then another song's is laid
    over it.
    """

    seconds: float = 6.0
    same_song_chance: float = 0.35
    fill_chance: float = 0.0
    level_db: dict[str, float] = field(
        default_factory=lambda: {"bass": -19.0, "drums": -18.0, "vocals": -18.0, "other": -18.0}
    )
    level_spread_db: float = 4.0
    same_song_spread_db: float = 2.0
    absent_chance: float = 0.08
    semitones: float = 3.0
    tilt_db: float = 3.0
    chain: Chain = field(default_factory=Chain)

    def __post_init__(self) -> None:
        chances = {name: value for name, value in vars(self).items() if name.endswith("_chance")}
        spreads = ("level_spread_db", "same_song_spread_db", "semitones", "tilt_db")
        check_numbers("remix", {"seconds": self.seconds}, 0.1)
        check_numbers("remix", chances, 0, 1)
        check_numbers("remix", {name: getattr(self, name) for name in spreads}, 0)
        check_numbers("remix.level_db", self.level_db, -120, 120)


class Mixer:
    """Draws stems from sources: the same ones for the same `seed` and number, whatever was drawn before."""

    def __init__(
        self,
        sources: Sequence[Source],
        remix: Remix,
        sample_rate: int,
        seed: int,
        stems: tuple[str, ...] = STEMS,
    ) -> None:
        self._stems = stems
        self._remix = remix
        self._sample_rate = sample_rate
        self.seed = seed
        self._n_samples = round(remix.seconds * sample_rate)
        self._by_stem = {stem: [s for s in sources if s.stem == stem] for stem in stems}
        songs = [list(song) for _, song in groupby(sorted(sources, key=_song), _song)]
        self._songs = [song for song in songs if len(song) > 1]

    def draw(self, number: int) -> F32:
        """Mixture `number` as one channel hears it: its stems `(n_stems, n_samples)`."""
        return self._mixture(number, 1)[:, :, 0]

    def draw_stereo(self, number: int) -> Stems:
        """Mixture `number` in stereo, left and right as they are or changed over: `(n_stems, n_samples, 2)`."""
        return self._mixture(number, 2)

    def _mixture(self, number: int, n_channels: int) -> Stems:
        rng = np.random.default_rng((self.seed, number))
        if self._songs and rng.random() < self._remix.same_song_chance:
            stems = self._same_song(rng, n_channels)
        else:
            stems = self._across_songs(rng, n_channels)
        # A generator of its own: which effects there are does not change what is drawn.
        effects = np.random.default_rng((self.seed, number, 1))
        chain, rate = self._remix.chain, self._sample_rate
        return through_limiter(
            np.stack([through_chain(stem, chain, rate, effects) for stem in stems]), chain, rate, effects
        )

    def _same_song(self, rng: np.random.Generator, n_channels: int) -> Stems:
        """All stems of one song at one place, nearly at its own balance; missing ones from elsewhere at times."""
        remix = self._remix
        song = self._songs[int(rng.choice(len(self._songs), p=draw_chances([g[0] for g in self._songs])))]
        semitones = rng.uniform(-remix.semitones, remix.semitones)
        start = rng.uniform(0, max(song[0].seconds - remix.seconds, 0))
        sides = _sides(rng, n_channels)
        stems = np.zeros((len(self._stems), self._n_samples, n_channels), np.float32)
        for source in song:
            gain = 10 ** (rng.normal(0, remix.same_song_spread_db) / 20)
            stems[self._stems.index(source.stem)] = self._read(source, start, sides, semitones) * gain
        usual = 20 * np.log10(max(_rms(stems.sum(axis=0)), 1e-5)) - 5  # a quarter or so of the whole
        for i, stem in enumerate(self._stems):
            if all(source.stem != stem for source in song) and rng.random() < remix.fill_chance:
                stems[i] = self._one(stem, usual, rng, n_channels)
        return stems

    def _across_songs(self, rng: np.random.Generator, n_channels: int) -> Stems:
        """Every stem from anywhere, at a level of its own."""
        remix = self._remix
        stems = np.zeros((len(self._stems), self._n_samples, n_channels), np.float32)
        for i, stem in enumerate(self._stems):
            if self._by_stem[stem] and rng.random() >= remix.absent_chance:
                stems[i] = self._one(stem, remix.level_db[stem], rng, n_channels)
        return stems

    def _one(self, stem: str, db: float, rng: np.random.Generator, n_channels: int) -> Audio:
        """A clip of any recording of one stem, at a level around `db`; silence if there is no recording of it."""
        remix, sources = self._remix, self._by_stem[stem]
        if not sources:
            return np.zeros((self._n_samples, n_channels), np.float32)
        source = sources[int(rng.choice(len(sources), p=draw_chances(sources)))]
        start = rng.uniform(0, max(source.seconds - remix.seconds, 0))
        semitones = rng.uniform(-remix.semitones, remix.semitones)
        clip = self._read(source, start, _sides(rng, n_channels), semitones)
        clip = _tilt(clip, rng.uniform(-remix.tilt_db, remix.tilt_db), self._sample_rate)
        return _at_level(clip, db + rng.normal(0, remix.level_spread_db))

    def _read(self, source: Source, start: float, sides: Sequence[int], semitones: float) -> Audio:
        """A clip played faster or slower, as a tape is: pitch and tempo move together."""
        speed = 2 ** (semitones / 12)
        chosen = [source.channels[side % len(source.channels)] for side in sides]
        clip = read_clip(source, start, self._remix.seconds * speed, chosen, round(self._sample_rate / speed))
        # Loops loop and single sounds come again: a recording shorter than the mixture fills it.
        length = min(len(clip), round(source.seconds / speed * self._sample_rate))
        return np.resize(clip[:length], (self._n_samples, len(sides)))


def _song(source: Source) -> tuple[str, str, Path]:
    """What tells a song from others: two collections, or two folders of one, may have songs of one name."""
    return source.song, source.group, source.path.parent


def _sides(rng: np.random.Generator, n_channels: int) -> list[int]:
    """Left or right for one channel; for two both, as they are or changed over."""
    first = int(rng.integers(2))
    return [first, 1 - first][:n_channels]


def draw_chances(sources: Sequence[Source]) -> NDArray[np.float64]:
    """Chances that grow with the square root of the length inside a group, and add up to the group's share."""
    roots = np.sqrt([source.seconds for source in sources])
    groups = [source.group for source in sources]
    totals = {group: sum(r for r, g in zip(roots, groups, strict=True) if g == group) for group in set(groups)}
    weights = [s.share * r / totals[s.group] for s, r in zip(sources, roots, strict=True)]
    return np.asarray(weights / np.sum(weights))


def _tilt(clip: Audio, db: float, sample_rate: int) -> Audio:
    """A straight line in dB over log-frequency: `db` up at 8 kHz, down at 125 Hz, turning at 1 kHz."""
    if db == 0:
        return clip
    octaves = np.log2(np.maximum(rfftfreq(len(clip), 1 / sample_rate), 40.0) / 1000.0)
    gain = np.asarray(10 ** (db * octaves / 3 / 20), np.float32)
    return np.asarray(irfft(rfft(clip, axis=0) * gain[:, None], n=len(clip), axis=0), np.float32)


def _at_level(clip: Audio, db: float) -> Audio:
    """The clip at an RMS of `db` dBFS over its loud parts (samples above a tenth of the RMS); silence stays silent."""
    rms = _rms(clip)
    if rms < 1e-5:
        return np.zeros_like(clip)
    loud = clip[np.abs(clip) > 0.1 * rms]
    return np.asarray(clip * (10 ** (db / 20) / np.sqrt(np.mean(loud**2))), np.float32)


def _rms(clip: Audio) -> float:
    return float(np.sqrt(np.mean(clip**2)))
