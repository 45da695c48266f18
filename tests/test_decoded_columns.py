"""Separation by one patch a slice, which decodes the slice's middle: held to a slow version, and its examples."""

import numpy as np
import pytest
from small_model import write_small_model

from rtsep.decoder.masks import ratio_masks
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.features import ColumnGrid
from rtsep.model_file import FrontEndSpec, load_model
from rtsep.separator import SparseSeparator
from rtsep.sparse.coder import SparseCoder
from rtsep.training.examples import mixture_examples

HANN = FrontEndSpec("cqt", BandLayout(44100), {"slice_length": 8192, "transition": 4096, "n_columns": 8})
END, MIDDLE, N_COLUMNS = 6, (3, 4), 8  # of such slices: the last column that they have something of, the heaviest two


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    return load_model(str(write_small_model(path, patch_columns=8, spec=HANN, decoded="middle")))


def slow_stems(model, samples):
    """Stems `(4, n_samples, n_channels)`, slice after slice from silence on, by dense products on whole timelines."""
    frontend, hop = model.frontend(), N_COLUMNS // 2
    coder = SparseCoder(model.dictionary, model.whitening, model.sparsity)
    n_slices = (len(samples) - frontend.slice_length) // frontend.hop + 1
    energy = np.zeros((samples.shape[1], model.patch_columns + n_slices * hop + N_COLUMNS, frontend.n_bands))
    weight = np.zeros(energy.shape[1])
    stems = np.zeros((4, *samples.shape))
    for s in range(n_slices):
        part = slice(s * frontend.hop, s * frontend.hop + frontend.slice_length)
        coefficients = frontend.analyze(samples[part])
        first = model.patch_columns + s * hop
        energy[:, first : first + N_COLUMNS] += frontend.band_power(coefficients).transpose(0, 2, 1)
        weight[first : first + N_COLUMNS] += frontend.column_weight
        past = slice(first + END - model.patch_columns + 1, first + END + 1)
        patches = (energy[:, past] / np.maximum(weight[past, None], 1e-3)) ** (model.compression / 2)
        codes, _ = coder.encode(patches.reshape(len(patches), -1).astype(np.float32))
        amplitudes = (codes @ model.decoder).reshape(len(codes), len(MIDDLE), 4, -1)
        masks = ratio_masks(amplitudes.transpose(2, 0, 3, 1), model.mask_exponent)
        gains = masks[..., [min(max(column, MIDDLE[0]), MIDDLE[1]) - MIDDLE[0] for column in range(N_COLUMNS)]]
        stems[:, part] += frontend.synthesize(frontend.apply_gains(coefficients, np.ascontiguousarray(gains)))
    return stems


def test_stems_are_those_of_the_slow_version(model):
    separator = SparseSeparator(model, slices=3)
    shape = separator.shape
    chunk = np.random.default_rng(3).standard_normal((shape.input_length, 2)).astype(np.float32)
    # From well into the slow version's stretch on, what was before it has no say.
    earlier = np.random.default_rng(4).standard_normal((4 * shape.hop, 2)).astype(np.float32)
    whole = slow_stems(model, np.vstack([earlier, chunk]))
    begin = len(earlier) + shape.context_slices * shape.hop
    # Slices before the chunk's first and after its last sound into its ends.
    inside = slice(shape.hop, shape.output_length - shape.hop)
    assert np.allclose(separator.separate(chunk)[:, inside], whole[:, begin:][:, inside], atol=2e-4)


def test_examples_put_a_lone_stem_s_own_columns_beside_its_patches(model):
    rng = np.random.default_rng(5)
    stems = np.zeros((4, 60000), np.float32)
    stems[2] = rng.standard_normal(60000)
    examples = mixture_examples(stems, HANN, 8, 0.5, "middle")
    patches = examples.patches.reshape(len(examples), 8, -1)
    targets = examples.stems.reshape(len(examples), 2, 4, -1)
    assert np.allclose(targets[:, :, 2], patches[:, [7 - (END - column) for column in MIDDLE]], rtol=1e-4)
    assert not targets[:, :, [0, 1, 3]].any()
    n_slices = (60000 - 8192) // 4096 + 1 - ColumnGrid(HANN.build(), 8, "middle").context_slices
    assert len(examples) == n_slices
