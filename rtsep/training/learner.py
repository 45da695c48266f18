"""What changes while a TimbreNet is trained: its weights, their mean, the optimizer; kept and set again as arrays."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rtsep.errors import ModelError
from rtsep.sparse.ranks import Ranks
from rtsep.tensor_file import Arrays
from rtsep.timbrenet.network import TimbreNet
from rtsep.timbrenet.partials import find_partials
from rtsep.training.timbre_recipe import TimbreRecipe


@dataclass(frozen=True)
class Learner:
    """All that changes in training. `average` is the mean over the weights of `network`, and becomes the model."""

    network: TimbreNet
    average: TimbreNet
    optimizer: torch.optim.AdamW


def begin(recipe: TimbreRecipe, device: torch.device) -> Learner:
    """A learner at its beginning."""
    network = new_network(recipe).to(device)
    average = copy.deepcopy(network).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.schedule.weight_decay)
    return Learner(network, average, optimizer)


def new_network(recipe: TimbreRecipe) -> TimbreNet:
    """One of random weights, the same for the same seed."""
    torch.manual_seed(recipe.seed)
    frontend = recipe.spec.build()
    partials = find_partials(frontend.band_centres, recipe.sizes.ratios)
    return TimbreNet(recipe.sizes, partials, frontend.n_columns, len(recipe.stems))


def share_weights(learner: Learner, ranks: Ranks) -> None:
    """Have all ranks begin with what the first has, to the last bit, which processors of other kinds might not make."""
    for module in (learner.network, learner.average):
        _add_up(list(module.state_dict().values()), float(ranks.rank == 0), ranks)


def average_gradients(parameters: Iterable[nn.Parameter], ranks: Ranks) -> None:
    """Replace each gradient by its mean over the ranks."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    _add_up(gradients, 1 / ranks.size, ranks)


@torch.no_grad()
def _add_up(tensors: Sequence[Tensor], factor: float, ranks: Ranks) -> None:
    """Replace tensors by the sum over the ranks of `factor`, each rank's own, times what each has."""
    if ranks.size == 1:
        return
    sums = torch.cat([factor * tensor.flatten().double() for tensor in tensors]).cpu().numpy()
    ranks.sum(sums)
    parts = torch.split(torch.from_numpy(sums), [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Draw the mean nearer to what is newest; what is no number to be averaged is copied."""
    for mean, newest in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(newest, 1 - decay)
        else:
            mean.copy_(newest)


def state_of(learner: Learner, curve: Sequence[tuple[float, ...]]) -> Arrays:
    """All that it takes to go on, as arrays by name."""
    tensors = {f"network.{name}": tensor for name, tensor in learner.network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in learner.average.state_dict().items()}
    for i, parameter in enumerate(learner.network.parameters()):
        for name, tensor in learner.optimizer.state[parameter].items():
            tensors[f"optimizer.{i}.{name}"] = tensor
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()} | {"curve": np.array(curve)}


def go_on(learner: Learner, state: Arrays | None) -> list[tuple[float, ...]]:
    """Set the learner to a state that was kept; the curve so far. Raises ModelError where it is of another network."""
    if state is None:
        return []
    try:
        _restore(learner, state)
        return [tuple(row) for row in state["curve"].tolist()]
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"state of a network that this version does not build ({error}): train on with the version that began, or "
            "begin anew with another --run"
        ) from error


def _restore(learner: Learner, state: Arrays) -> None:
    for part, module in (("network", learner.network), ("average", learner.average)):
        for name, tensor in module.state_dict().items():
            tensor.copy_(torch.from_numpy(state[f"{part}.{name}"]).reshape(tensor.shape))
    for i, parameter in enumerate(learner.network.parameters()):
        moments = {name: torch.from_numpy(state[f"optimizer.{i}.{name}"]) for name in ("exp_avg", "exp_avg_sq")}
        learner.optimizer.state[parameter] = {
            "step": torch.tensor(float(state[f"optimizer.{i}.step"].item())),
            **{name: moment.to(parameter.device) for name, moment in moments.items()},
        }
