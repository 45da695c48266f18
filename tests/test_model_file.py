"""Models on disk: what is saved is what is loaded; what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest

from rtsep.errors import ModelError
from rtsep.frontend.bands import BandLayout
from rtsep.model_file import FrontEndSpec, SparseModel, load_model, model_path, save_model
from rtsep.types import STEMS


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    spec = FrontEndSpec("stft", BandLayout(44100), {"slice_length": 1024, "hop": 256})
    n_bands = spec.build().n_bands
    atoms = rng.random((6, 3, n_bands), np.float32)
    atoms /= np.linalg.norm(atoms.reshape(6, -1), axis=1)[:, None, None]
    decoder = rng.random((6, 4 * n_bands), np.float32)
    whitening = np.eye(3 * n_bands, dtype=np.float32)
    return SparseModel(STEMS, 44100, spec, 0.5, 0.05, 1.0, atoms, whitening, decoder, {"a": 1})


def test_saved_and_loaded_are_the_same_but_for_rounding(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(model, path)
    again = load_model(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    assert (again.stems, again.spec, again.notes) == (model.stems, model.spec, model.notes)
    assert (again.sparsity, again.compression, again.mask_exponent) == (0.05, 0.5, 1.0)
    assert np.allclose(again.atoms, model.atoms, rtol=1e-3, atol=1e-6)
    assert np.allclose(again.decoder, model.decoder, rtol=1e-3, atol=1e-6)
    assert np.allclose(np.linalg.norm(again.dictionary.matrix, axis=1), 1)


def test_every_size_of_a_front_end_is_saved(model, tmp_path):
    sizes = {"slice_length": 1024, "hop": 128, "output_length": 512}
    path = tmp_path / "m.safetensors"
    save_model(replace(model, spec=replace(model.spec, sizes=sizes)), path)
    frontend = load_model(str(path)).frontend()
    assert (frontend.slice_length, frontend.hop, frontend.latency) == (1024, 128, 512)


def test_which_columns_are_decoded_is_saved_and_a_file_that_does_not_say_decodes_the_newest(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(replace(model, decoded_columns="middle"), path)
    assert load_model(str(path)).decoded_columns == "middle"
    content = path.read_bytes()
    without = content.replace(b', \\"decoded_columns\\": \\"middle\\"', b"")
    length = int.from_bytes(content[:8], "little") - (len(content) - len(without))
    assert len(without) < len(content)
    path.write_bytes(length.to_bytes(8, "little") + without[8:])
    assert load_model(str(path)).decoded_columns == "newest"


def test_weights_that_do_not_fit_are_refused(model, tmp_path):
    path = tmp_path / "m.safetensors"
    not_numbers = np.full_like(model.decoder, np.nan)
    cqt = FrontEndSpec("cqt", BandLayout(44100), {"slice_length": 8192, "transition": 4096, "n_columns": 8})
    n_bands = cqt.build().n_bands
    atoms = np.full((6, 8, n_bands), (8 * n_bands) ** -0.5, np.float32)
    paths = ("../bass", "drums", "vocals", "other")
    for wrong in (
        replace(model, decoder=model.decoder[:, :-1]),
        replace(model, decoder=not_numbers),
        replace(model, stems=paths),
        replace(model, decoded_columns="oldest"),
        # In the middle of this front end's slices are two columns.
        replace(
            model, decoded_columns="middle", spec=cqt, atoms=atoms, whitening=np.eye(8 * n_bands, dtype=np.float32)
        ),
        replace(model, spec=replace(model.spec, sizes={"slice_length": 1000, "hop": 300})),
    ):
        save_model(wrong, path)
        with pytest.raises(ModelError, match="damaged"):
            load_model(str(path))


def test_unknown_names_list_the_known_ones(tmp_path):
    for name in ("nonsense", str(tmp_path / "missing.safetensors"), str(tmp_path)):
        with pytest.raises(ModelError, match="choose cqt-sparse"):
            model_path(name)
