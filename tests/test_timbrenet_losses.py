"""Losses: the formula by hand, all pairings one by one, gradients, and errors computed from the signals themselves."""

from itertools import permutations

import numpy as np
import pytest
import torch

from rtsep.timbrenet.losses import best_pairing, fixed_order, order_free, pair_errors, pair_losses


def random_losses(n_outputs, n=3, seed=0):
    return torch.randn(n, n_outputs, n_outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_two_pairings_are_the_formula_by_hand():
    losses = torch.tensor([[[1.0, 4.0], [2.0, 0.5]]], dtype=torch.float64)
    straight, crossed = (1.0 + 0.5) / 2, (4.0 + 2.0) / 2
    by_hand = -np.log(np.exp(-2.5 * straight) + np.exp(-2.5 * crossed))
    assert order_free(losses, 2.5).item() == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("n_outputs", [1, 2, 3, 4, 6])
def test_every_pairing_counts_once(n_outputs):
    losses = random_losses(n_outputs)
    expected = []
    for matrix in losses.numpy():
        means = [np.mean([matrix[i, p[i]] for i in range(n_outputs)]) for p in permutations(range(n_outputs))]
        expected.append(-np.log(np.sum(np.exp(-1.7 * np.array(means)))))
    assert order_free(losses, 1.7).item() == pytest.approx(np.mean(expected), rel=1e-10)


@pytest.mark.parametrize("n_outputs", [3, 4, 7])
def test_order_of_the_outputs_does_not_matter(n_outputs):
    losses = random_losses(n_outputs)
    shuffled = losses[:, torch.randperm(n_outputs, generator=torch.Generator().manual_seed(1))]
    assert order_free(losses, 3.0).item() == pytest.approx(order_free(shuffled, 3.0).item(), rel=1e-12)
    assert fixed_order(losses).item() != pytest.approx(fixed_order(shuffled).item(), rel=1e-3)


def test_beyond_six_outputs_the_best_pairing_is_what_large_sharpness_comes_to():
    losses = random_losses(7)
    best = [min(m[range(7), p].mean() for p in permutations(range(7))) for m in losses.numpy()]
    assert order_free(losses, 5.0).item() == pytest.approx(5.0 * np.mean(best), rel=1e-12)
    six = random_losses(6)
    chosen = six[torch.arange(3)[:, None], torch.arange(6), best_pairing(six)].mean(1)
    assert order_free(six, 2000.0).item() / 2000.0 == pytest.approx(chosen.mean().item(), abs=1e-3)


def test_fixed_order_is_the_diagonal():
    losses = torch.arange(18.0).reshape(2, 3, 3)
    assert fixed_order(losses).item() == np.mean([0, 4, 8, 9, 13, 17])


@pytest.mark.parametrize("n_outputs", [2, 4, 7])
def test_gradients(n_outputs):
    losses = random_losses(n_outputs).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: order_free(x, 1.3), losses)
    assert torch.autograd.gradcheck(fixed_order, losses)


def complex_cells(n_stems, seed=4):
    random = np.random.default_rng(seed)
    return random.standard_normal((2, n_stems, 5, 6)) + 1j * random.standard_normal((2, n_stems, 5, 6))


def cells_of(stems):
    mixture = stems.sum(axis=1)
    cross = np.real(np.conj(mixture)[:, None] * stems)
    return [torch.from_numpy(a) for a in (np.abs(mixture) ** 2, cross, np.abs(stems) ** 2)]


def test_errors_are_those_of_the_signals_themselves():
    stems = complex_cells(3)
    filters = np.random.default_rng(5).random((2, 3, 5, 6))
    expected = np.zeros((2, 3, 3))
    for i in range(3):
        for j in range(3):
            apart = filters[:, i] * stems.sum(axis=1) - stems[:, j]
            expected[:, i, j] = np.sum(np.abs(apart) ** 2, axis=(1, 2))
    found = pair_errors(torch.from_numpy(filters), *cells_of(stems))
    assert np.allclose(found.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("share", [0.01, 1.0])
def test_losses_are_negative_sdr_with_a_floor_and_their_gradient_is_right(share):
    stems = complex_cells(2)
    filters = torch.rand(2, 2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mixture, cross, power = cells_of(stems)
    found = pair_losses(filters, mixture, cross, power, share)
    sdr = 10 * torch.log10(power.sum((2, 3))[:, None] / pair_errors(filters, mixture, cross, power))
    floor = share * mixture.sum((1, 2))[:, None, None]
    floored = 10 * torch.log10(
        (power.sum((2, 3))[:, None] + floor) / (10 ** (-sdr / 10) * power.sum((2, 3))[:, None] + floor)
    )
    assert torch.allclose(found, -floored)
    assert torch.allclose(found, -sdr, atol=0.5) == (share < 0.1)
    assert torch.autograd.gradcheck(lambda f: pair_losses(f, mixture, cross, power, share), filters.requires_grad_())


def test_silence_has_a_finite_loss_and_gradient():
    filters = torch.full((1, 2, 3), 0.5, requires_grad=True)
    loss = fixed_order(pair_losses(filters, torch.zeros(1, 3), torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), 0.01))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(filters.grad).all()
