"""What a musician has set: a strip for each stem, master, bypass, recording; and what keys and knobs change of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rtsep.errors import OptionError
from rtsep.types import F32

LOUDEST_DB = 12.0
SILENT_DB = -60.0


@dataclass(frozen=True)
class Strip:
    """One stem on the desk; at SILENT_DB it is not heard."""

    stem: str
    gain_db: float = 0.0
    muted: bool = False
    solo: bool = False


@dataclass(frozen=True)
class Desk:
    """All that can be set. `bypass` plays the input in the place of the stems, `selected` is the strip of the keys."""

    strips: tuple[Strip, ...]
    selected: int = 0
    master_db: float = 0.0
    bypass: bool = False
    recording: bool = False
    ended: bool = False


Change = Callable[[Desk], Desk]

# The strip that is not as the others, which are at full level.
PRESETS = {
    "karaoke": Strip("vocals", gain_db=-18.0),  # a guide for who sings
    "instrumental": Strip("vocals", muted=True),
    "drumless": Strip("drums", muted=True),
    "bassless": Strip("bass", muted=True),
}


def make_desk(stems: tuple[str, ...], hear: tuple[str, ...] = (), preset: str = "") -> Desk:
    """A desk with all stems at full level, or only those of `hear`, or as `preset` has it. Raises OptionError."""
    if hear and preset:
        raise OptionError(f"preset {preset}: it says which stems are heard, as --hear does; leave one of them out")
    for stem in hear:
        if stem not in stems:
            raise OptionError(f"stem {stem}: not one of this model's; choose among {', '.join(stems)}")
    if preset and (preset not in PRESETS or PRESETS[preset].stem not in stems):
        fitting = [name for name, strip in PRESETS.items() if strip.stem in stems]
        raise OptionError(f"preset {preset}: not one of this model's; choose among {', '.join(fitting) or 'none'}")
    desk = Desk(tuple(Strip(stem, muted=bool(hear) and stem not in hear) for stem in stems))
    return use_preset(desk, preset) if preset else desk


def use_preset(desk: Desk, preset: str) -> Desk:
    """The strips as `preset` has them; as before if it is about a stem that is not there."""
    special = PRESETS[preset]
    stems = [strip.stem for strip in desk.strips]
    if special.stem not in stems:
        return desk
    return replace(desk, strips=tuple(special if stem == special.stem else Strip(stem) for stem in stems))


def open_all(desk: Desk) -> Desk:
    """All stems at full level."""
    return replace(desk, strips=tuple(Strip(strip.stem) for strip in desk.strips))


def change_strip(desk: Desk, index: int, change: Callable[[Strip], Strip]) -> Desk:
    """The desk with one of its strips changed."""
    strips = desk.strips
    return replace(desk, strips=(*strips[:index], change(strips[index]), *strips[index + 1 :]))


def set_gain(desk: Desk, index: int, gain_db: float) -> Desk:
    """The desk with this gain of a strip, or the nearest that may be."""
    return change_strip(desk, index, lambda strip: replace(strip, gain_db=_bounded(gain_db)))


def set_master(desk: Desk, gain_db: float) -> Desk:
    return replace(desk, master_db=_bounded(gain_db))


def weights(desk: Desk) -> F32:
    """Gains of the stems, bypass, master: (n_stems + 2,), as a mixer takes them. A solo silences all that have none."""
    any_solo = any(strip.solo for strip in desk.strips)
    heard = [not strip.muted and (strip.solo or not any_solo) for strip in desk.strips]
    gains = [_amplitude(strip.gain_db) * is_heard for strip, is_heard in zip(desk.strips, heard, strict=True)]
    return np.array([*gains, desk.bypass, _amplitude(desk.master_db)], np.float32)


def _bounded(gain_db: float) -> float:
    return min(max(gain_db, SILENT_DB), LOUDEST_DB)


def _amplitude(gain_db: float) -> float:
    return float(10 ** (gain_db / 20)) if gain_db > SILENT_DB else 0.0
