"""The compiled loop of the synthesizer: one note, added to what sounds already."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from rtsep.types import F32

_UPDATE = 16  # samples between new values of the filter and the low-frequency oscillators


class Patch(NamedTuple):
    """The settings of a sound. Levels are gains, times seconds, places in pitch octaves above the note's own.

    `voices` oscillators, each a saw and a pulse, are spread over `detune` octaves and from left to right by `width`.
    A sine an octave below (`sub`), white noise, and a sine of `fm_ratio` times the pitch that bends another one by up
    to `fm_index` radians are added. The low-pass opens by `filter_octaves` and closes in `filter_decay`; its corner
    stands `corner` octaves above the note. The low-frequency oscillator moves the corner and the pitch, in octaves.
    """

    saw: float
    pulse: float
    pulse_width: float
    sub: float
    noise: float
    fm: float
    fm_ratio: float
    fm_index: float
    voices: int
    detune: float
    width: float
    corner: float
    damping: float
    filter_octaves: float
    filter_decay: float
    lfo_rate: float
    lfo_filter: float
    lfo_pitch: float
    attack: float
    decay: float
    sustain: float
    release: float


@njit(cache=True, nogil=True)
def blep(phase: float, step: float) -> float:
    """What a polynomial takes from a saw's jump so that it does not alias (Välimäki, Huovilainen 2007)."""
    if phase < step:
        t = phase / step
        return 2 * t - t * t - 1
    if phase > 1 - step:
        t = (phase - 1) / step
        return t * t + 2 * t + 1
    return 0.0


@njit(cache=True, nogil=True)
def saw_at(phase: float, step: float) -> float:
    """A saw from -1 to 1 at `phase` from 0 to 1, which grows by `step` a sample."""
    return 2 * phase - 1 - blep(phase, step)


@njit(cache=True, nogil=True)
def add_note(
    out: F32, held: int, frequency: float, gain: float, patch: Patch, rng: np.random.Generator, sample_rate: float
) -> None:
    """Adds to `out` `(n_samples, 2)` a note in Hz whose key is let go after `held` samples.

    The filter is the trapezoidal state-variable one (Zavalishin 2012, "The art of VA filter design").
    """
    phases = rng.random(patch.voices)
    modulator, carrier, low, lfo = 0.0, 0.0, 0.0, rng.random()
    state = np.zeros((2, 2))
    mixed = np.zeros(2)
    level, after, decay = 0.0, np.exp(-1 / (patch.release * sample_rate)), np.exp(-1 / (patch.decay * sample_rate))
    rising, g, step = True, 0.0, 0.0
    for i in range(len(out)):
        if i % _UPDATE == 0:
            seconds = i / sample_rate
            lfo = (lfo + patch.lfo_rate * _UPDATE / sample_rate) % 1.0
            wave = np.sin(2 * np.pi * lfo)
            opened = patch.filter_octaves * np.exp(-seconds / patch.filter_decay) + patch.lfo_filter * wave
            corner = min(max(frequency * 2.0 ** (patch.corner + opened), 30.0), 0.4 * sample_rate)
            g = np.tan(np.pi * corner / sample_rate)
            step = frequency * 2.0 ** (patch.lfo_pitch * wave) / sample_rate
        if i >= held:
            level *= after
        elif rising:
            level += 1 / (patch.attack * sample_rate)
            rising = level < 1
        else:
            level = patch.sustain + (level - patch.sustain) * decay
        mixed[:] = 0.0
        for v in range(patch.voices):
            place = 2 * v / (patch.voices - 1) - 1 if patch.voices > 1 else 0.0
            own = step * 2.0 ** (0.5 * patch.detune * place)
            phases[v] = (phases[v] + own) % 1.0
            value = patch.saw * saw_at(phases[v], own)
            if patch.pulse > 0:
                other = (phases[v] + patch.pulse_width) % 1.0
                value += patch.pulse * 0.5 * (saw_at(phases[v], own) - saw_at(other, own))
            mixed[0] += value * (1 - patch.width * place)
            mixed[1] += value * (1 + patch.width * place)
        low = (low + 0.5 * step) % 1.0
        modulator = (modulator + patch.fm_ratio * step) % 1.0
        carrier = (carrier + step) % 1.0
        bent = 2 * np.pi * carrier + patch.fm_index * level * np.sin(2 * np.pi * modulator)
        middle = patch.sub * np.sin(2 * np.pi * low) + patch.fm * np.sin(bent)
        middle += patch.noise * (2 * rng.random() - 1)
        for c in range(2):
            into = mixed[c] / np.sqrt(patch.voices) + middle
            a = 1 / (1 + g * (g + patch.damping))
            band = a * (state[c, 0] + g * (into - state[c, 1]))
            lows = state[c, 1] + g * band
            state[c, 0] = 2 * band - state[c, 0]
            state[c, 1] = 2 * lows - state[c, 1]
            out[i, c] += np.float32(gain * level * lows)
