"""The layers of a TimbreNet as plain arrays: their sizes, and how much of the past they hear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rtsep.errors import OptionError
from rtsep.timbrenet.features import VIEWS
from rtsep.types import F32

TAPS = 3  # of a convolution, over slices and over bands
_MOST = 4096  # of anything: more would be a slip of the pen, and fill the memory
Weights = Mapping[str, F32]

# Of a band's frequency. A note's colour is told by what lies at the multiples, its fundamental by the fractions
# (the harmonic stack of Bittner et al. 2017, "Deep salience representations for F0 estimation in polyphonic music").
RATIOS = (1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


@dataclass(frozen=True)
class Sizes:
    """What a recipe chooses of a network. A block for each of `dilations`, counted in slices.

    `channels` are those of the trunk, `partial_channels` those in which a block hears partials, which lie at `ratios`
    of a band's frequency; `bottleneck` is what all bands together are narrowed to, `timbres` the length of the timbre
    dimension.
    """

    channels: int
    partial_channels: int
    dilations: tuple[int, ...]
    bottleneck: int
    timbres: int
    level_slices: int
    compression: float
    ratios: tuple[float, ...] = RATIOS

    def __post_init__(self) -> None:
        counts = {"channels": self.channels, "partial_channels": self.partial_channels}
        counts |= {"bottleneck": self.bottleneck, "timbres": self.timbres}
        counts |= {"level_slices": self.level_slices, "dilations": min(self.dilations, default=0)}
        counts |= {"longest of dilations": max(self.dilations, default=1)}
        for name, value in counts.items():
            if not (isinstance(value, int) and 1 <= value <= _MOST):
                raise OptionError(f"{name} {value}: a network needs a whole number from 1 to {_MOST}; write one")
        if not 0 < self.compression <= 2:
            raise OptionError(f"compression {self.compression}: it must be above 0 and at most 2; 0.3 is usual")
        if not self.ratios or not all(0 < ratio <= _MOST for ratio in self.ratios):
            raise OptionError(
                f"ratios {self.ratios}: one at least, and all above 0, {_MOST} at most; leave it out for the usual ones"
            )

    @property
    def reach(self) -> tuple[int, ...]:
        """For each block, how many slices back its input still matters to the output."""
        back = [(TAPS - 1) * dilation for dilation in self.dilations]
        return tuple(sum(back[i:]) for i in range(len(back)))

    @property
    def context_slices(self) -> int:
        """Slices before the newest that its filters depend on, those that set the level among them."""
        return sum((TAPS - 1) * dilation for dilation in self.dilations) + self.level_slices - 1


def weight_shapes(sizes: Sizes, n_bands: int, n_columns: int, n_outputs: int) -> dict[str, tuple[int, ...]]:
    """The shape of each array by its name; matrices are `(in, out)`, but for those over bands, which are `(out, in)`.

    Rows of `enter` and `time` are three neighbouring bands, from the lowest, those of `partials` what lies at `ratios`.
    Columns of `time` are what goes to the slice itself, to the one a dilation later, and to that two dilations later.
    """
    wide, few = sizes.channels, sizes.partial_channels
    shapes: dict[str, tuple[int, ...]] = {
        "enter": (TAPS * VIEWS * n_columns, wide),
        "enter_bias": (n_bands, wide),
    }
    for i in range(len(sizes.dilations)):
        shapes |= {
            f"gather{i}": (wide, few),
            f"gather{i}_bias": (few,),
            f"partials{i}": (len(sizes.ratios) * few, wide),
            f"partials{i}_bias": (wide,),
            f"join{i}": (wide, wide),
            f"join{i}_bias": (wide,),
            f"time{i}": (TAPS * wide, TAPS * wide),
            f"time{i}_bias": (wide,),
            f"narrow{i}": (sizes.bottleneck, n_bands),
            f"narrow{i}_bias": (sizes.bottleneck, 1),
            f"widen{i}": (n_bands, sizes.bottleneck),
            f"widen{i}_bias": (n_bands, 1),
            f"leave{i}": (wide, wide),
            f"leave{i}_bias": (wide,),
        }
    return shapes | {
        "timbre": (wide, n_columns * sizes.timbres),
        "timbre_bias": (n_columns * sizes.timbres,),
        "mix": (sizes.timbres, n_outputs),
        "mix_bias": (n_bands, 1, n_outputs),
    }
