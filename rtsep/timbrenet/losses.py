"""How far filters are from what they should let through, with the order of the outputs fixed or free."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

_SILENCE = 1e-9  # keeps the gradient finite where the whole mixture is silent
_MOST_PAIRINGS_LISTED = 6  # outputs; 6! = 720


def pair_errors(filters: Tensor, mixture: Tensor, cross: Tensor, power: Tensor) -> Tensor:
    """Energy of the difference between what each filter lets through and each stem, `(n, n_outputs, n_stems)`.

    |f X - S|^2 = f^2 |X|^2 - 2 f Re(X* S) + |S|^2, summed over cells; exact where a filter is one number in a cell.
    `filters` `(n, n_outputs, ...)`, `mixture` |X|^2 `(n, ...)`, `cross` Re(X* S) and `power` |S|^2 `(n, n_stems, ...)`.
    """
    f, x = filters.flatten(2), mixture.flatten(1)
    let_through = torch.einsum("nok,nk->no", f * f, x)
    shared = torch.einsum("nok,nsk->nos", f, cross.flatten(2))
    stems = power.flatten(2).sum(2)
    return (let_through[:, :, None] - 2 * shared + stems[:, None, :]).clamp(min=0)


def pair_losses(filters: Tensor, mixture: Tensor, cross: Tensor, power: Tensor, floor: float) -> Tensor:
    """-SDR of each output against each stem in dB, `(n, n_outputs, n_stems)`.

    Under both energies is a `floor`, of the mixture's: the lower, the more weak stems count beside loud ones; below
    0.01 silence pays so well that networks learn to leave weak stems out.
    """
    least = floor * mixture.flatten(1).sum(1)[:, None, None] + _SILENCE
    stems = power.flatten(2).sum(2)[:, None, :]
    return 10 * torch.log10((pair_errors(filters, mixture, cross, power) + least) / (stems + least))


def fixed_order(losses: Tensor) -> Tensor:
    """Mean over examples and outputs, where output i is stem i; `losses` as `pair_losses` gives them."""
    return losses.diagonal(dim1=1, dim2=2).mean()


def order_free(losses: Tensor, sharpness: float) -> Tensor:
    """J = -log sum_pi exp(-A p_pi), averaged over examples: A the sharpness, p_pi the mean loss of the pairing pi.

    Over all N! pairings for N <= 6. Beyond, the limit for large A: A times the loss of the best pairing, which the
    assignment problem finds.
    """
    n_outputs = losses.shape[1]
    outputs = torch.arange(n_outputs, device=losses.device)
    if n_outputs > _MOST_PAIRINGS_LISTED:
        best = losses[torch.arange(len(losses), device=losses.device)[:, None], outputs, best_pairing(losses)].mean(1)
        return sharpness * best.mean()
    pairings = _pairings(n_outputs).to(losses.device)
    pairing_losses = losses[:, outputs, pairings].mean(2)
    return -torch.logsumexp(-sharpness * pairing_losses, dim=1).mean()


def best_pairing(losses: Tensor) -> Tensor:
    """Which stem each output is, `(n, n_outputs)`, so that the losses add up to the least."""
    matrices = losses.detach().double().cpu().numpy()
    return torch.stack([torch.as_tensor(linear_sum_assignment(m)[1]) for m in matrices]).to(losses.device)


@cache
def _pairings(n: int) -> Tensor:
    """All pairings of `n` outputs, `(n!, n)`."""
    return torch.tensor(list(permutations(range(n))))
