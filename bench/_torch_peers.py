"""A trained network in other hands: as a module of torch, eager or compiled, and as an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from rtsep.timbrenet.layers import TAPS
from rtsep.timbrenet.model import TimbreModel
from rtsep.timbrenet.network import Block, TimbreNet
from rtsep.timbrenet.partials import find_partials
from rtsep.types import F32

Filter = Callable[[F32], F32]  # features of slices to their filters


def network_of(model: TimbreModel) -> TimbreNet:
    """The torch network that exports to the model's arrays: its normalizations do nothing."""
    frontend, arrays = model.frontend(), {name: torch.tensor(a) for name, a in model.weights.items()}
    partials = find_partials(frontend.band_centres, model.sizes.ratios)
    network = TimbreNet(model.sizes, partials, frontend.n_columns, len(model.stems)).eval()
    with torch.no_grad():
        network.enter.weight.copy_(_convolution(arrays["enter"])[:, :, None])
        network.enter_bias.copy_(arrays["enter_bias"].T[:, None])
        _pass_through(network.enter_norm, torch.zeros(model.sizes.channels))
        for i, block in enumerate(network.blocks):
            assert isinstance(block, Block)
            for name in ("gather", "partials", "join"):
                getattr(block.harmonics, name).weight.copy_(arrays[f"{name}{i}"].T[:, :, None, None])
                _pass_through(getattr(block.harmonics, f"{name}_norm"), arrays[f"{name}{i}_bias"])
            taps = arrays[f"time{i}"].chunk(TAPS, dim=1)[::-1]
            block.time.weight.copy_(torch.stack([_convolution(tap) for tap in taps], dim=2))
            block.leave.weight.copy_(arrays[f"leave{i}"].T[:, :, None, None])
            _pass_through(block.time_norm, arrays[f"time{i}_bias"])
            _pass_through(block.leave_norm, arrays[f"leave{i}_bias"])
            for name, layer in (("narrow", block.narrow), ("widen", block.widen)):
                layer.weight.copy_(arrays[f"{name}{i}"])
                layer.bias.copy_(arrays[f"{name}{i}_bias"][:, 0])
        network.timbre.weight.copy_(arrays["timbre"].T[:, :, None, None])
        assert network.timbre.bias is not None
        network.timbre.bias.copy_(arrays["timbre_bias"])
        network.mix.weight.copy_(arrays["mix"].T)
        network.mix_bias.copy_(arrays["mix_bias"])
    return network.requires_grad_(False)


def eager(network: Callable[[torch.Tensor], torch.Tensor]) -> Filter:
    def run(features: F32) -> F32:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(features)).numpy())

    return run


def compiled(network: TimbreNet) -> Filter:
    return eager(torch.compile(network))


def onnx(network: TimbreNet, like: F32, folder: Path) -> Filter:
    """By ONNX Runtime on one thread, for features of the shape of `like`."""
    path = folder / "network.onnx"
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(network, (torch.from_numpy(like),), path, input_names=["features"], verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda features: np.asarray(session.run(None, {"features": features})[0])


def megabytes(package: str) -> float:
    """What an installed package takes on disk, without those that it needs."""
    files = distribution(package).files or []
    return sum(path.stat().st_size for f in files if (path := Path(str(f.locate()))).is_file()) / 1e6


def _convolution(rows: torch.Tensor) -> torch.Tensor:
    """A matrix `(taps * in, out)` as a convolution over bands `(out, in, taps)`."""
    return rows.reshape(TAPS, -1, rows.shape[1]).permute(2, 1, 0)


def _pass_through(norm: torch.nn.BatchNorm2d, shift: torch.Tensor) -> None:
    """Make a normalization add `shift` and no more."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)
    norm.bias.copy_(shift)
