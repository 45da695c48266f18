"""The network: NumPy computes what torch does, causally, in (0, 1), from as much past as declared, to the last bit."""

import numpy as np
import pytest
import torch
from small_timbrenet import SIZES, small_timbrenet

from rtsep.timbrenet.features import VIEWS, Features
from rtsep.timbrenet.inference import TimbreStream
from rtsep.timbrenet.layers import Sizes, weight_shapes
from rtsep.timbrenet.network import TimbreNet, export
from rtsep.timbrenet.partials import find_partials

N_BANDS, N_COLUMNS, N_OUTPUTS, N_CHANNELS = 11, 2, 3, 2
CENTRES = np.geomspace(100, 900, N_BANDS)
DEEP = Sizes(
    channels=6,
    partial_channels=4,
    dilations=(1, 2, 4, 1),
    bottleneck=5,
    timbres=7,
    level_slices=3,
    compression=0.4,
    ratios=(0.3, 1.0, 1.5),
)


@pytest.fixture(params=[SIZES, DEEP], ids=["small", "deep"])
def network(request):
    """A network whose normalizations have seen something, and whose every weight counts."""
    torch.manual_seed(2)
    network = TimbreNet(request.param, find_partials(CENTRES, request.param.ratios), N_COLUMNS, N_OUTPUTS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for _ in range(20):
            network(torch.rand(4, 30, N_BANDS, VIEWS * N_COLUMNS))
    network.sizes = request.param
    return network.eval()


def energies(n_slices, seed=0):
    random = np.random.default_rng(seed)
    return random.random((n_slices, N_CHANNELS, N_BANDS, VIEWS * N_COLUMNS), np.float32) ** 4


def stream_of(network):
    return TimbreStream(network.sizes, export(network), find_partials(CENTRES, network.sizes.ratios), N_CHANNELS)


def test_numpy_computes_what_torch_does(network):
    views = energies(40)
    features = Features(network.sizes.level_slices, network.sizes.compression)
    heard = torch.from_numpy(np.stack([features.push(v) for v in views], axis=1))
    with torch.no_grad():
        expected, timbres = network(heard).numpy(), network.timbres(heard).numpy()
    stream, other = stream_of(network), stream_of(network)
    filters = np.stack([stream.push(v) for v in views], axis=2)  # outputs, channels, slices, bands, columns
    assert np.abs(filters - expected.swapaxes(0, 1)).max() < 2e-5
    assert np.abs(expected - expected.mean()).max() > 0.1  # these are no constants
    inner = np.stack([other.timbres(v) for v in views], axis=1)
    assert np.allclose(inner, timbres, atol=1e-4)
    assert inner.shape[-1] == network.sizes.timbres


def test_arrays_are_those_that_a_model_file_must_have(network):
    arrays = export(network)
    assert {n: a.shape for n, a in arrays.items()} == weight_shapes(network.sizes, N_BANDS, N_COLUMNS, N_OUTPUTS)
    assert all(a.dtype == np.float32 for a in arrays.values())


def test_filters_lie_between_0_and_1_and_add_up_to_one_however_far_the_logits_are():
    views = energies(3) * 1e6
    weights = dict(small_weights())
    for scale in (1.0, 1e3, -1e3):
        stream = TimbreStream(
            SIZES, weights | {"mix": weights["mix"] * scale}, find_partials(CENTRES, SIZES.ratios), N_CHANNELS
        )
        filters = np.stack([stream.push(v) for v in views])
        assert filters.min() > 0
        assert filters.max() < 1 or scale != 1.0
        assert np.allclose(filters.sum(axis=1), 1, atol=1e-6)


def small_weights():
    random = np.random.default_rng(3)
    shapes = weight_shapes(SIZES, N_BANDS, N_COLUMNS, N_OUTPUTS)
    return {name: random.standard_normal(shape).astype(np.float32) / 4 for name, shape in shapes.items()}


@pytest.mark.parametrize("skipped", [0, 5])
def test_context_is_all_that_is_remembered_to_the_last_bit(network, skipped):
    views = energies(60)
    whole = stream_of(network)
    expected = [whole.push(v) for v in views][-skipped - 1]
    context, late = network.sizes.context_slices, len(views) - skipped - 1
    stream = stream_of(network)
    for i in range(context):
        assert stream.push(views[late - context + i], ahead=context - i) is None
    assert np.array_equal(stream.push(views[late]), expected)


def test_context_is_not_too_long(network):
    """The oldest slice of the context has its say: no chunk brings more past than it takes."""
    context = network.sizes.context_slices
    views = energies(context + 1)
    changed = views.copy()
    changed[0] *= 5
    assert not np.array_equal(last(stream_of(network), views), last(stream_of(network), changed))


def last(stream, views):
    return [stream.push(v) for v in views][-1]


def test_no_slice_changes_those_before_it(network):
    views = torch.rand(1, 30, N_BANDS, VIEWS * N_COLUMNS)
    changed = views.clone()
    changed[:, 20:] = torch.rand(1, 10, N_BANDS, VIEWS * N_COLUMNS)
    with torch.no_grad():
        a, b = network(views), network(changed)
    assert torch.equal(a[:, :, :20], b[:, :, :20])
    assert not torch.equal(a[:, :, 20], b[:, :, 20])


def test_any_number_of_outputs_and_both_front_ends():
    for stems in (("a", "b"), tuple("abcdefg")):
        model = small_timbrenet(stems=stems)
        frontend = model.frontend()
        views = np.ones((1, frontend.n_bands, VIEWS * frontend.n_columns), np.float32)
        filters = TimbreStream(
            model.sizes, model.weights, find_partials(frontend.band_centres, model.sizes.ratios), 1
        ).push(views)
        assert filters.shape == (len(stems), 1, frontend.n_bands, frontend.n_columns)
