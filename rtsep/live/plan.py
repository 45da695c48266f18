"""How a live stream is laid out in time: blocks, reserve, fade, and the latency that they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from rtsep.errors import OptionError
from rtsep.streaming.resample import Resampler
from rtsep.types import ChunkShape

FADE_SECONDS = 0.005
BLOCKS = (16, 8192)
# Where chunks come quickly the reserve is there for the machine's hesitations; less can be asked for by --reserve.
LEAST_DEADLINE_SECONDS = 0.035
_LONGEST_DELAY_SECONDS = 30


@dataclass(frozen=True)
class LivePlan:
    """All in samples at `rate`: what is played was heard `delay` samples before, to the sample.

    `algorithmic` is the future that the transform must hear, `chunking` what chunks of more than one slice add,
    `resampling` what the resamplers hold back, `pipeline` the time in which several ranks compute a chunk each, and
    `reserve` the blocks that are kept ready against jitter; computing takes place while they play. `advance` is the
    time from one chunk to the next.
    """

    rate: int
    n_channels: int
    block: int
    reserve: int
    algorithmic: int
    chunking: int
    resampling: int
    pipeline: int
    advance: int

    @property
    def fade(self) -> int:
        """Samples that it takes from the stems to the dry signal and back."""
        return round(FADE_SECONDS * self.rate)

    @property
    def delay(self) -> int:
        """From a sample at the callback's input to its stems at the callback's output."""
        return self.algorithmic + self.chunking + self.resampling + self.pipeline + self.reserve * self.block

    @property
    def deadline(self) -> int:
        """Samples that may pass from a chunk's last block until its stems must be there.

        A block short of the reserve, as the block that is asked for must be whole, and the fade short of it: a miss has
        to be known while there are stems left to fade out with.
        """
        return (self.reserve - 1) * self.block - self.fade + self.pipeline

    @property
    def capacity(self) -> int:
        """Samples that computing a chunk may take in the long run: chunks would pile up beyond it."""
        return self.advance + self.pipeline


def make_plan(
    shape: ChunkShape,
    model_rate: int,
    rate: int,
    n_channels: int,
    block: int,
    reserve: int | None = None,
    n_computing: int = 1,
) -> LivePlan:
    """Lay out a stream at `rate` Hz in blocks of `block` samples for a separator's chunks.

    `reserve` in blocks, if not given, sets the deadline to the time from one chunk to the next, or to
    LEAST_DEADLINE_SECONDS where that is more, or a little beyond. Where `n_computing` ranks take turns, each may
    compute for as many chunks' time, and the stream waits so long. Raises OptionError for a block, a reserve or chunks
    that cannot be.
    """
    if not BLOCKS[0] <= block <= BLOCKS[1]:
        raise OptionError(f"block {block}: it must be {BLOCKS[0]} to {BLOCKS[1]} samples; 256 suits most devices")
    scale = rate / model_rate
    there, back = Resampler(rate, model_rate, n_channels).latency, Resampler(model_rate, rate, n_channels).latency
    plan = LivePlan(
        rate=rate,
        n_channels=n_channels,
        block=block,
        reserve=_choose_reserve(reserve, shape.advance * scale, rate, block),
        algorithmic=ceil(shape.latency * scale),
        chunking=ceil((shape.slices - 1) * shape.hop * scale),
        resampling=ceil(there + back * scale),
        pipeline=ceil((n_computing - 1) * shape.advance * scale),
        advance=round(shape.advance * scale),
    )
    if plan.delay > _LONGEST_DELAY_SECONDS * rate:
        raise OptionError(
            f"latency {plan.delay / rate:.0f} s: live sound may be {_LONGEST_DELAY_SECONDS} s late at most; give fewer "
            "--slices, or less --reserve"
        )
    return plan


def _choose_reserve(wanted: int | None, advance: float, rate: int, block: int) -> int:
    """The blocks that are wanted, or as many as chunks each `advance` samples take. Raises OptionError for too few."""
    fade = round(FADE_SECONDS * rate)
    if wanted is None:
        return 1 + ceil((max(advance, LEAST_DEADLINE_SECONDS * rate) + fade) / block)
    least = 1 + ceil((fade + 1) / block)
    if wanted < least:
        raise OptionError(f"reserve {wanted}: blocks of {block} samples take {least} or more; give a larger --reserve")
    return wanted
