"""The network as it is trained; `export` gives the arrays that `inference` runs, `restore` takes them back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rtsep.timbrenet.features import VIEWS
from rtsep.timbrenet.inference import LARGEST_LOGIT
from rtsep.timbrenet.layers import TAPS, Sizes, Weights
from rtsep.timbrenet.partials import Partials
from rtsep.types import F32


class PartialLayer(nn.Module):
    """What each band hears at the bands of its partials, and of which it may be one: a residual of a few channels.

    Wherever a note lies, the same weights know its instrument; what follows need not learn it for every pitch.
    """

    def __init__(self, sizes: Sizes, partials: Partials) -> None:
        super().__init__()
        few = sizes.partial_channels
        self.n_ratios = len(sizes.ratios)
        matrix = torch.from_numpy(partials.matrix()).flatten(0, 1).T.contiguous()
        self.places: Tensor
        self.register_buffer("places", matrix, persistent=False)
        self.gather = nn.Conv2d(sizes.channels, few, 1, bias=False)
        self.gather_norm = nn.BatchNorm2d(few)
        self.partials = nn.Conv2d(len(sizes.ratios) * few, sizes.channels, 1, bias=False)
        self.partials_norm = nn.BatchNorm2d(sizes.channels)
        self.join = nn.Conv2d(sizes.channels, sizes.channels, 1, bias=False)
        self.join_norm = nn.BatchNorm2d(sizes.channels)

    def forward(self, x: Tensor) -> Tensor:
        few = torch.relu(self.gather_norm(self.gather(x)))
        n, _, n_slices, n_bands = few.shape
        heard = torch.matmul(few, self.places.to(few.dtype)).reshape(n, -1, n_slices, self.n_ratios, n_bands)
        h = torch.relu(self.partials_norm(self.partials(heard.permute(0, 3, 1, 2, 4).flatten(1, 2))))
        residual: Tensor = x + self.join_norm(self.join(h))
        return residual


class Block(nn.Module):
    """Partials; then a causal dilated convolution over slices and bands, and a bottleneck over all bands.

    The convolution hears the neighbourhood, the bottleneck what lies anywhere (the frequency transformation of
    TFC-TDF, Choi et al. 2020).
    """

    def __init__(self, sizes: Sizes, dilation: int, partials: Partials) -> None:
        super().__init__()
        wide, n_bands = sizes.channels, len(partials.lower)
        self.harmonics = PartialLayer(sizes, partials)
        self.past = (TAPS - 1) * dilation
        self.time = nn.Conv2d(wide, wide, TAPS, dilation=(dilation, 1), padding=(0, 1), bias=False)
        self.time_norm = nn.BatchNorm2d(wide)
        self.narrow = nn.Linear(n_bands, sizes.bottleneck)
        self.widen = nn.Linear(sizes.bottleneck, n_bands)
        self.leave = nn.Conv2d(wide, wide, 1, bias=False)
        self.leave_norm = nn.BatchNorm2d(wide)

    def forward(self, x: Tensor) -> Tensor:
        x = self.harmonics(x)
        h = torch.relu(self.time_norm(self.time(functional.pad(x, (0, 0, self.past, 0)))))
        h = h + self.widen(torch.relu(self.narrow(h)))
        residual: Tensor = x + self.leave_norm(self.leave(h))
        return residual


class TimbreNet(nn.Module):
    """Features `(n, n_slices, n_bands, VIEWS * n_columns)` to filters `(n, n_outputs, n_slices, n_bands, n_columns)`.

    A trunk at one column a slice; then a rectified layer that is upsampled from it, to every column and along a timbre
    dimension; each instrument's filter is the sigmoid of a weighted sum of its timbres, and the filters of a cell are
    scaled to add up to one. Causal: a slice's filters depend on it and the `context_slices` before it.
    """

    def __init__(self, sizes: Sizes, partials: Partials, n_columns: int, n_outputs: int) -> None:
        super().__init__()
        wide, n_bands = sizes.channels, len(partials.lower)
        self.n_columns = n_columns
        self.enter = nn.Conv2d(VIEWS * n_columns, wide, (1, TAPS), padding=(0, 1), bias=False)
        self.enter_norm = nn.BatchNorm2d(wide)
        self.enter_bias = nn.Parameter(torch.zeros(wide, 1, n_bands))
        self.blocks = nn.Sequential(*(Block(sizes, dilation, partials) for dilation in sizes.dilations))
        self.timbre = nn.Conv2d(wide, n_columns * sizes.timbres, 1)
        self.mix = nn.Linear(sizes.timbres, n_outputs, bias=False)
        self.mix_bias = nn.Parameter(torch.zeros(n_bands, 1, n_outputs))

    def timbres(self, features: Tensor) -> Tensor:
        """What the timbre dimension holds: `(n, n_slices, n_bands, n_columns, n_timbres)`, none of it below 0."""
        return self._timbres(features).permute(0, 3, 4, 1, 2)

    def forward(self, features: Tensor) -> Tensor:
        held = self._timbres(features)
        # The sum over timbres comes before anything is moved about: there are fewer outputs than timbres.
        sums = torch.matmul(self.mix.weight.to(held.dtype), held.flatten(3))
        logits = (
            sums.reshape(*sums.shape[:3], *held.shape[3:]).float().permute(0, 2, 3, 4, 1)
            + self.mix_bias.permute(2, 0, 1)[:, None]
        )
        filters = torch.sigmoid(logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT))
        return filters / filters.sum(dim=1, keepdim=True)

    def _timbres(self, features: Tensor) -> Tensor:
        """`(n, n_columns, n_timbres, n_slices, n_bands)`."""
        # Bands lie side by side in memory: torch would go on with channels there, and be slower by two thirds.
        x = self.enter(features.permute(0, 3, 1, 2).contiguous())
        # A bias of 32 bits would make all that follows 32 bits wide: a quarter slower.
        x = torch.relu(self.enter_norm(x) + self.enter_bias.to(x.dtype))
        held = torch.relu(self.timbre(self.blocks(x)))
        return held.reshape(len(held), self.n_columns, -1, *held.shape[2:])


def normalized(network: TimbreNet) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """The convolutions that a normalization follows, which `export` folds into them, by the names of their arrays."""
    yield "enter", network.enter, network.enter_norm
    for i, block in enumerate(network.blocks):
        assert isinstance(block, Block)
        for part in ("gather", "partials", "join"):
            yield f"{part}{i}", getattr(block.harmonics, part), getattr(block.harmonics, f"{part}_norm")
        yield f"time{i}", block.time, block.time_norm
        yield f"leave{i}", block.leave, block.leave_norm


def export(network: TimbreNet) -> dict[str, F32]:
    """The arrays of `layers.weight_shapes`: normalizations are folded into the convolutions before them."""
    arrays: dict[str, Tensor] = {}
    for name, convolution, norm in normalized(network):
        scale, shift = _affine(norm)
        arrays |= {name: _matrix(convolution.weight * scale[:, None, None, None]), f"{name}_bias": shift}
    arrays["enter_bias"] = (network.enter_bias[:, 0] + arrays["enter_bias"][:, None]).T
    for name, layer in _over_bands(network):
        arrays |= {name: layer.weight, f"{name}_bias": layer.bias[:, None]}
    assert network.timbre.bias is not None
    arrays |= {"timbre": _matrix(network.timbre.weight), "timbre_bias": network.timbre.bias}
    arrays |= {"mix": network.mix.weight.T, "mix_bias": network.mix_bias}
    return {name: np.ascontiguousarray(a.detach().float().cpu().numpy()) for name, a in arrays.items()}


@torch.no_grad()
def restore(network: TimbreNet, weights: Weights) -> None:
    """Have `network` compute what it did when it was exported; its normalizations only add the biases."""
    arrays = {name: torch.from_numpy(array) for name, array in weights.items()}
    for name, convolution, norm in normalized(network):
        convolution.weight.copy_(_unfolded(arrays[name], convolution.weight.shape))
        _pass_through(norm, arrays[f"{name}_bias"] if name != "enter" else torch.zeros(norm.num_features))
    network.enter_bias.copy_(arrays["enter_bias"].T[:, None])
    for name, layer in _over_bands(network):
        layer.weight.copy_(arrays[name])
        layer.bias.copy_(arrays[f"{name}_bias"][:, 0])
    assert network.timbre.bias is not None
    network.timbre.weight.copy_(_unfolded(arrays["timbre"], network.timbre.weight.shape))
    network.timbre.bias.copy_(arrays["timbre_bias"])
    network.mix.weight.copy_(arrays["mix"].T)
    network.mix_bias.copy_(arrays["mix_bias"])


def _over_bands(network: TimbreNet) -> Iterator[tuple[str, nn.Linear]]:
    for i, block in enumerate(network.blocks):
        assert isinstance(block, Block)
        yield from ((f"narrow{i}", block.narrow), (f"widen{i}", block.widen))


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The factors and offsets that a trained normalization comes to."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _pass_through(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    """Have a normalization add `bias` and do nothing else."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)
    norm.bias.copy_(bias)


def _matrix(weight: Tensor) -> Tensor:
    """A convolution over slices and bands `(out, in, taps, bands)` as a matrix `(bands * in, taps * out)`.

    The newest slice's tap, the last one, comes first.
    """
    return weight.flip(2).permute(3, 1, 2, 0).flatten(2, 3).flatten(0, 1)


def _unfolded(matrix: Tensor, shape: torch.Size) -> Tensor:
    """The convolution of `shape` that `_matrix` made a matrix of."""
    n_out, n_in, n_taps, n_bands = shape
    return matrix.reshape(n_bands, n_in, n_taps, n_out).permute(3, 1, 2, 0).flip(2)
