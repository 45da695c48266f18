"""Going on from a network that is trained already, with other recordings or for longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import torch
from torch import Tensor, nn

from rtsep.errors import OptionError
from rtsep.timbrenet.model import TimbreModel, load_timbrenet
from rtsep.timbrenet.network import TimbreNet, normalized, restore
from rtsep.training.timbre_recipe import TimbreRecipe

_SMALLEST = 1e-12
_MAY_GROW = ("channels", "bottleneck")  # sizes in which a network can go on larger than it was


def model_to_take_up(recipe: TimbreRecipe) -> TimbreModel | None:
    """What the recipe begins with, if anything. Raises ModelError, and OptionError where it is of another build."""
    name = recipe.schedule.begin_with
    if name is None:
        return None
    model = load_timbrenet(name)
    own = {"stems": model.stems, **asdict(model.spec), **asdict(model.sizes)}
    asked = {"stems": recipe.stems, **asdict(recipe.spec), **asdict(recipe.sizes)}
    for what in own:
        if own[what] != asked[what] and not (what in _MAY_GROW and own[what] < asked[what]):
            raise OptionError(
                f"begin_with {name}: its {what} is {own[what]}, the recipe's {asked[what]}; only {_MAY_GROW[0]} and "
                f"{_MAY_GROW[1]} can grow: write the network's own into the recipe"
            )
    return model


def take_up(network: TimbreNet, model: TimbreModel, compute: Callable[[TimbreNet], object]) -> None:
    """Set `network` to `model`, and its normalizations to what they would see of some examples.

    A model has its normalizations folded into its weights. `compute` runs the network over the examples: their moments
    become the normalizations' own, and the weights get the size that those of a new network have, on which a step of
    the optimizer depends. What the network computes stays the same.
    """
    restore(network, model.weights)
    moments = _moments(network, compute)
    with torch.no_grad():
        for name, convolution, norm in normalized(network):
            _normalize(convolution, norm, *moments[name])


@torch.no_grad()
def lay_into(network: TimbreNet, smaller: TimbreNet) -> None:
    """Have `network` compute what `smaller` does, which has no more channels, nor a wider bottleneck.

    What it has more of keeps its own weights, and nothing listens to it yet: the other half of Net2WiderNet (Chen,
    Goodfellow and Shlens 2016), which copies units. Trained on, what listens grows from 0.
    """
    for large, small in zip(network.state_dict().values(), smaller.state_dict().values(), strict=True):
        if small.ndim:
            large[: len(small)] = 0
        large[tuple(slice(n) for n in small.shape)] = small


def _moments(network: TimbreNet, compute: Callable[[TimbreNet], object]) -> dict[str, Tensor]:
    """Mean and mean square `(2, n_channels)` of what comes into each normalization, over all that is computed."""
    seen: dict[str, list[Tensor]] = {name: [] for name, _, _ in normalized(network)}

    def see(name: str, _: nn.Module, inputs: tuple[Tensor]) -> None:
        x = inputs[0].detach().float()
        seen[name].append(torch.stack([x.mean((0, 2, 3)), (x * x).mean((0, 2, 3))]))

    hooks = [norm.register_forward_pre_hook(partial(see, name)) for name, _, norm in normalized(network)]
    try:
        compute(network)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.stack(parts).mean(0) for name, parts in seen.items()}


def _normalize(convolution: nn.Conv2d, norm: nn.BatchNorm2d, mean: Tensor, square: Tensor) -> None:
    """Have `norm`, which only adds a bias so far, normalize what has these moments, and then undo just that."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    size = convolution.weight.pow(2).mean().sqrt().clamp(min=_SMALLEST)
    scale = (3 * convolution.weight[0].numel()) ** -0.5 / size  # as torch draws them
    variance = (square - mean * mean).clamp(min=0) * scale * scale
    convolution.weight.mul_(scale)
    norm.running_mean.copy_(mean * scale)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt() / scale)
    norm.bias.add_(mean)
