"""Sound files for the tests: songs that are known, and the damage that files meet."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soundfile

from rtsep.io.audio_file import open_audio
from rtsep.types import Audio


def make_song(n_samples: int, n_channels: int = 2, seed: int = 0) -> Audio:
    """Coloured noise, below full scale, whose loudness changes: a variable bit rate varies with it."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(-0.5, 0.5, (n_samples, n_channels))
    swell = np.linspace(-1, 1, n_samples)[:, np.newaxis] ** 4
    return (noise * swell).astype(np.float32)


def write_song(path: Path, song: Audio, rate: int = 44100, subtype: str | None = None, **options: object) -> Path:
    soundfile.write(path, song, rate, subtype=subtype, **options)
    return path


def read_song(path: Path, block: int = 65536, **stretch: float) -> Audio:
    """All blocks of a file, after a look at their promised shapes."""
    with open_audio(path, **stretch) as reader:
        blocks = list(reader.blocks(block))
    assert all(part.dtype == np.float32 and part.shape[1] == reader.info.n_channels for part in blocks)
    assert all(len(part) == block for part in blocks[:-1])
    assert sum(map(len, blocks)) == reader.n_samples
    return np.concatenate(blocks)


def wav_bytes(data: bytes, data_size: int | None = None, riff_size: int | None = None, tail: bytes = b"") -> bytes:
    """A mono 16-bit wav whose header may lie about its sizes."""
    data_size = len(data) if data_size is None else data_size
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 44100, 88200, 2, 16)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", data_size) + data + tail
    return struct.pack("<4sI", b"RIFF", len(body) if riff_size is None else riff_size) + body


def assert_one_line(error: BaseException, *parts: str) -> None:
    """The message is one line, tells the cure behind a semicolon, and holds these parts."""
    message = str(error)
    assert "\n" not in message
    assert "; " in message
    for part in parts:
        assert part in message
