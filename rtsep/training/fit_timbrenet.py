"""Train a TimbreNet from a recipe: mixtures without end, AdamW, a mean over its weights; goes on where it stopped.

Ranks share each batch, and the mean of their gradients is the step of all; each normalizes by its own share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from functools import partial
from math import ceil, cos, pi
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rtsep.errors import OptionError
from rtsep.sparse.ranks import ONE_RANK, Ranks
from rtsep.timbrenet.losses import best_pairing, fixed_order, order_free, pair_losses
from rtsep.timbrenet.model import TimbreModel
from rtsep.timbrenet.network import TimbreNet, export
from rtsep.training.drawing import Drawer, drawing, stack
from rtsep.training.fit_dictionary import Progress
from rtsep.training.learner import (
    Learner,
    average_gradients,
    begin,
    follow,
    go_on,
    new_network,
    share_weights,
    state_of,
)
from rtsep.training.recipe import SAMPLE_RATE
from rtsep.training.run_folder import NOTHING_KEPT, Keeper
from rtsep.training.take_up import lay_into, model_to_take_up, take_up
from rtsep.training.timbre_data import Example, make_example
from rtsep.training.timbre_recipe import Schedule, TimbreRecipe

STAGE = "timbrenet"
_RISE = 0.05  # of all steps, in which the learning rate grows
_STEEPEST = 5.0  # norm of a gradient that is not cut
_HEARD_FIRST = 64  # examples that normalize what training goes on from


def fit_timbrenet(
    recipe: TimbreRecipe,
    data: Path,
    device: str,
    processes: int,
    progress: Progress,
    keeper: Keeper = NOTHING_KEPT,
    ranks: Ranks = ONE_RANK,
) -> TimbreModel:
    """The model of a recipe, from the recordings below the folder `data`; every rank calls this, the first has it.

    `processes` draw the mixtures, or with none this one does. Goes on after the last epoch that `keeper` has,
    on the processor and as many ranks to the same bits. Raises OptionError where ranks cannot share a batch.
    """
    _check_shares(recipe.schedule, ranks)
    sources = recipe.sources(data)
    earlier = model_to_take_up(recipe)
    keeper.begin(recipe, sources)
    heard, unheard = recipe.mixers(sources)
    make = partial(make_example, sizes=recipe.sizes)
    permutations = recipe.schedule.permutations
    drawers = Drawer(heard, recipe.spec, make, permutations), Drawer(unheard, recipe.spec, make)
    learner = begin(recipe, torch.device(device))
    curve = go_on(learner, keeper.state(STAGE))
    schedule = recipe.schedule
    with drawing(drawers, processes, 2 * processes) as draw:
        n_groups = ceil(schedule.validation_examples / drawers[1].group_size)
        validation = list(draw(1, range(n_groups)))[: schedule.validation_examples]
        if earlier and not curve:
            _take_up(learner, earlier, recipe, draw(0, range(ceil(_HEARD_FIRST / drawers[0].group_size))))
        share_weights(learner, ranks)
        n_groups = ceil(schedule.steps_an_epoch * (schedule.batch // ranks.size) / drawers[0].group_size) * ranks.size
        for epoch in range(len(curve), schedule.epochs):
            examples = draw(0, range(epoch * n_groups + ranks.rank, (epoch + 1) * n_groups, ranks.size))
            loss = _epoch(learner, schedule, epoch, examples, progress, ranks)
            held_out = evaluate(learner.average, schedule, validation)
            curve.append((epoch + 1, loss, held_out))
            progress(STAGE, (epoch + 1) / schedule.epochs, f"epoch {epoch + 1}: {loss:.2f}, held out {held_out:.2f}")
            keeper.keep(STAGE, state_of(learner, curve))
    if schedule.sharpness is not None:
        put_in_order(learner.average, schedule, validation)
    notes = {"recipe": recipe.text, "loss": curve[-1][1], "held_out_loss": curve[-1][2], "epochs": len(curve)}
    if earlier:
        notes["begun_with"] = earlier.notes
    return TimbreModel(recipe.stems, SAMPLE_RATE, recipe.spec, recipe.sizes, export(learner.average), notes)


def check_device(name: str, threads: int) -> None:
    """Raise OptionError unless torch can compute there; on the processor let it use so many `threads`."""
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("device cuda: torch finds no graphics processor here; take --device cpu")
    torch.set_num_threads(threads)


def _take_up(learner: Learner, model: TimbreModel, recipe: TimbreRecipe, examples: Iterable[Example]) -> None:
    """Begin with the weights of `model`, normalized by some examples."""
    plain = replace(recipe.schedule, mixed_precision=False)
    as_it_was = new_network(replace(recipe, sizes=model.sizes)).eval()
    take_up(as_it_was, model, lambda network: evaluate(network, plain, examples))
    for network in (learner.network, learner.average):
        lay_into(network, as_it_was)


def learning_rate(schedule: Schedule, step: int) -> float:
    """Of step number `step`: a straight rise, then half a cosine down to 0."""
    done = (step + 1) / (schedule.epochs * schedule.steps_an_epoch)
    falling = 0.5 * (1 + cos(pi * max(0.0, done - _RISE) / (1 - _RISE)))
    return schedule.learning_rate * min(done / _RISE, falling)


def evaluate(network: TimbreNet, schedule: Schedule, examples: Iterable[Example]) -> float:
    """Mean loss over examples, one by one."""
    with torch.inference_mode():
        return float(np.mean([_loss(network, schedule, stack([example])).item() for example in examples]))


@torch.no_grad()
def put_in_order(network: TimbreNet, schedule: Schedule, examples: Iterable[Example]) -> None:
    """Make output i the one for stem i where training left the order free: as fits all examples together best."""
    losses = torch.stack([_pair_losses(network, schedule, stack([example])).mean(0) for example in examples])
    outputs = best_pairing(losses.mean(0, keepdim=True))[0].argsort()
    network.mix.weight.copy_(network.mix.weight[outputs])
    network.mix_bias.copy_(network.mix_bias[:, :, outputs])


def _check_shares(schedule: Schedule, ranks: Ranks) -> None:
    if schedule.batch % ranks.size:
        raise OptionError(
            f"{ranks.size} ranks: they cannot have equal shares of the recipe's batch of {schedule.batch}; start as "
            "many as divide it"
        )


def _epoch(
    learner: Learner, schedule: Schedule, epoch: int, examples: Iterator[Example], progress: Progress, ranks: Ranks
) -> float:
    """Mean loss of this rank's share of the steps of an epoch."""
    n_steps = schedule.steps_an_epoch
    first = epoch * n_steps
    losses = []
    learner.network.train()
    for step in range(first, first + n_steps):
        share_of_batch = stack([next(examples) for _ in range(schedule.batch // ranks.size)])
        losses.append(_step(learner, schedule, step, share_of_batch, ranks))
        share = (step + 1) / (schedule.epochs * n_steps)
        if step + 1 < first + n_steps:
            progress(STAGE, share, f"epoch {epoch + 1}: {np.mean(losses):.2f}")
    return float(np.mean(losses))


def _step(learner: Learner, schedule: Schedule, step: int, share: Example, ranks: Ranks) -> float:
    for group in learner.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, step)
    learner.optimizer.zero_grad()
    loss = _loss(learner.network, schedule, share)
    loss.backward()  # type: ignore[no-untyped-call]
    average_gradients(learner.network.parameters(), ranks)
    nn.utils.clip_grad_norm_(learner.network.parameters(), _STEEPEST)
    learner.optimizer.step()
    # The first steps are soon forgotten.
    follow(learner.average, learner.network, min(schedule.average, (1 + step) / (10 + step)))
    return loss.item()


def _loss(network: TimbreNet, schedule: Schedule, batch: Example) -> Tensor:
    losses = _pair_losses(network, schedule, batch)
    return fixed_order(losses) if schedule.sharpness is None else order_free(losses, schedule.sharpness)


def _pair_losses(network: TimbreNet, schedule: Schedule, batch: Example) -> Tensor:
    device = network.mix_bias.device
    features, mixture, cross, power = (torch.from_numpy(getattr(batch, f.name)).to(device) for f in fields(Example))
    with torch.autocast(device.type, torch.bfloat16, enabled=schedule.mixed_precision):
        filters = network(features)
    return pair_losses(filters, mixture, cross, power, schedule.floor)
