"""The floor: two separators without any learning, built from librosa's parts as its own examples do.

HPSS takes for drums what is steep in time rather than level in pitch (Fitzgerald, "Harmonic/percussive separation using
median filtering", DAFx 2010). REPET-SIM takes for the voice what does not repeat (Rafii and Pardo, "Music/voice
separation using the similarity matrix", ISMIR 2012).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtsep.types import F32, Audio

_FFT_SECONDS = 0.093  # the examples' 2048 samples at 22.05 kHz
# Memory and time of the similarity matrix grow with the square of what is compared.
_STRETCH_SECONDS = 30.0
_NEAREST_SECONDS = 2.0  # REPET-SIM: columns nearer than this are the same note, not its repetition
_VOICE_MARGIN = 10.0  # and the residual must be this many times the repeating part to count as voice
_POWER = 2.0

Mask = Callable[[F32, int], F32]


def percussive(mixture: Audio, rate: int) -> Audio:
    """What HPSS takes for drums in `mixture` `(n_samples, n_channels)`. Needs librosa."""
    return _masked(mixture, rate, _percussive_mask)


def foreground(mixture: Audio, rate: int) -> Audio:
    """What REPET-SIM takes for the voice in `mixture` `(n_samples, n_channels)`. Needs librosa."""
    return _masked(mixture, rate, _foreground_mask)


def _masked(mixture: Audio, rate: int, mask: Mask) -> Audio:
    """The mixture through masks from the channels' mean amplitudes, stretch by stretch."""
    import librosa

    n_fft = _fft_length(rate)
    out = np.zeros_like(mixture)
    step = round(_STRETCH_SECONDS * rate)
    n_stretches = max(1, round(len(mixture) / step))  # the last one may be longer: a scrap repeats nothing
    for s in range(n_stretches):
        stretch = slice(s * step, (s + 1) * step if s < n_stretches - 1 else len(mixture))
        channels = librosa.util.fix_length(np.ascontiguousarray(mixture[stretch].T), size=max(n_fft, len(out[stretch])))
        spectra = librosa.stft(channels, n_fft=n_fft)
        masked = spectra * mask(np.abs(spectra).mean(axis=0), rate)
        out[stretch] = librosa.istft(masked, n_fft=n_fft, length=channels.shape[1]).T[: len(out[stretch])]
    return out


def _fft_length(rate: int) -> int:
    """A power of two; librosa's hop is a quarter of it."""
    return int(2 ** max(6, round(np.log2(_FFT_SECONDS * rate))))


def _percussive_mask(amplitudes: F32, rate: int) -> F32:
    import librosa

    return np.asarray(librosa.decompose.hpss(amplitudes, mask=True)[1])


def _foreground_mask(amplitudes: F32, rate: int) -> F32:
    import librosa

    longest = (amplitudes.shape[1] - 1) // 2 - 1
    width = min(round(_NEAREST_SECONDS * rate / (_fft_length(rate) // 4)), longest)
    if width < 1:
        return np.full_like(amplitudes, 0.5)  # too short for anything to repeat
    repeating = librosa.decompose.nn_filter(amplitudes, aggregate=np.median, metric="cosine", width=width)
    repeating = np.minimum(amplitudes, repeating)
    return np.asarray(librosa.util.softmask(amplitudes - repeating, _VOICE_MARGIN * repeating, power=_POWER))
