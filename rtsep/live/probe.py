"""Measures how late live sound is: impulses out of the device, over a cable back in, and through all that separates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtsep.errors import DeviceError
from rtsep.io.audio_device import Exchange
from rtsep.types import F32, Audio

_LEVEL = 0.5  # 6 dB below full scale
_CLEAR = 20.0  # times the noise: what counts as an impulse that came back
_FEWEST = 3


@dataclass(frozen=True)
class Echoes:
    """Samples that each impulse took: `outside` from output to input, `inside` from there until it was due again."""

    outside: tuple[int, ...]
    inside: tuple[int, ...]


class Probe:
    """Plays impulses in the place of the stems, and keeps what was heard and what would have been played.

    Not to play the stems themselves is what keeps the cable from closing a loop. `spacing` samples lie between
    impulses, and must be more than one takes; all is over after `n_samples`.
    """

    def __init__(self, n_samples: int, spacing: int) -> None:
        self._heard = np.zeros(n_samples, np.float32)
        self._due = np.zeros(n_samples, np.float32)
        self._spacing = spacing
        self._at = 0

    def around(self, exchange: Exchange) -> Exchange:
        """The callback with the probe around it, of which every channel is listened to."""

        def probe(heard: Audio, played: Audio) -> None:
            exchange(heard, played)
            self._note(self._heard, heard)
            self._note(self._due, played)
            played[:] = 0
            until_next = -self._at % self._spacing
            if until_next < len(played):
                played[until_next] = _LEVEL
            self._at += len(heard)

        return probe

    def echoes(self) -> Echoes:
        """What all impulses but the last few took. Raises DeviceError where too few of them came back."""
        found = []
        for sent in range(0, min(self._at, len(self._heard)) - 2 * self._spacing, self._spacing):
            came = _loudest(self._heard[sent : sent + self._spacing])
            if came is not None:
                due = _loudest(self._due[sent + came : sent + came + self._spacing])
                if due is not None:
                    found.append((came, due))
        if len(found) < _FEWEST:
            raise DeviceError(
                f"{len(found)} impulses came back, {_FEWEST} or more are needed: connect the output to the input with "
                "a cable, and turn both up"
            )
        outside, inside = zip(*found, strict=True)
        return Echoes(outside, inside)

    def _note(self, kept: F32, block: Audio) -> None:
        """Keep the highest magnitude over the channels, as far as there is room."""
        room = kept[self._at : self._at + len(block)]
        np.abs(block[: len(room)]).max(axis=1, out=room)


def _loudest(sound: F32) -> int | None:
    """Where the highest magnitude is; None where it does not stand out."""
    at = int(sound.argmax())
    return at if sound[at] > max(_CLEAR * float(np.median(sound)), 1e-3) else None
