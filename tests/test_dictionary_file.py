"""Dictionaries on disk: what is saved is what is loaded, whole or not at all; what does not fit is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_model import write_small_model
from sound_files import assert_one_line
from unprivileged import common_folder, without_privileges

from rtsep.dictionary_file import KIND, LearnedDictionary, load_dictionary, save_dictionary
from rtsep.errors import ModelError, OutputError
from rtsep.frontend.bands import BandLayout
from rtsep.model_file import FrontEndSpec, load_model
from rtsep.sparse.dictionary import Dictionary
from rtsep.tensor_file import read_header, write_tensors


@pytest.fixture
def learned() -> LearnedDictionary:
    rng = np.random.default_rng(0)
    spec = FrontEndSpec("stft", BandLayout(44100), {"slice_length": 1024, "hop": 256})
    atoms = Dictionary.from_matrix(rng.random((6, 3 * spec.build().n_bands), np.float32), 3).atoms
    return LearnedDictionary(44100, spec, 0.5, atoms, rng.random(6, np.float32), {"energy": 0.25})


def test_saved_and_loaded_are_the_same_to_the_bit(learned: LearnedDictionary, tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    save_dictionary(learned, path)
    again = load_dictionary(path)
    assert os.listdir(tmp_path) == ["d.safetensors"]
    assert (again.sample_rate, again.spec, again.compression) == (
        learned.sample_rate,
        learned.spec,
        learned.compression,
    )
    assert again.notes == learned.notes
    np.testing.assert_array_equal(again.atoms, learned.atoms)
    np.testing.assert_array_equal(again.usage, learned.usage)
    assert path.stat().st_mode & 0o777 == 0o644
    assert read_header(path)["kind"] == "dictionary"


def test_what_does_not_fit_is_refused(learned: LearnedDictionary, tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    for wrong in (
        replace(learned, atoms=2 * learned.atoms),
        replace(learned, atoms=learned.atoms[:, :, 1:]),
        replace(learned, atoms=np.full_like(learned.atoms, np.nan)),
        replace(learned, atoms=learned.atoms[:0], usage=learned.usage[:0]),
        replace(learned, usage=learned.usage[1:]),
        replace(learned, usage=np.full_like(learned.usage, np.inf)),
        replace(learned, spec=replace(learned.spec, kind="wavelets")),
        replace(learned, spec=replace(learned.spec, sizes={"slice_length": 1000, "hop": 300})),
    ):
        save_dictionary(wrong, path)
        with pytest.raises(ModelError, match=r"d\.safetensors is damaged, ") as caught:
            load_dictionary(path)
        assert "\n" not in str(caught.value)


def test_other_files_are_refused(learned: LearnedDictionary, tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    save_dictionary(learned, path)
    whole = path.read_bytes()
    for content in (b"", b"RIFF", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="cannot be read"):
            load_dictionary(path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_dictionary(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match=r"cannot be read as a model \(it is a folder\)"):
        load_dictionary(tmp_path)
    for header, words in (("[1]", "its header is no table"), ("{", "cannot be read"), ('{"format": 1}', "kind None")):
        save_file({"atoms": learned.atoms}, path, {"rtsep": header})
        with pytest.raises(ModelError, match=words):
            load_dictionary(path)
    save_file({"atoms": learned.atoms}, path, {"rtsep": json.dumps({"format": 1, "kind": "dictionary"})})
    with pytest.raises(ModelError, match="damaged"):
        load_dictionary(path)


def test_models_and_dictionaries_are_told_apart(learned: LearnedDictionary, tmp_path: Path) -> None:
    model = write_small_model(tmp_path / "m.safetensors", n_atoms=2)
    with pytest.raises(ModelError, match="is of kind 'sparse', where one of kind 'dictionary' is wanted"):
        load_dictionary(model)
    save_dictionary(learned, tmp_path / "d.safetensors")
    with pytest.raises(ModelError, match="is of kind 'dictionary', where one of kind 'sparse' is wanted"):
        load_model(str(tmp_path / "d.safetensors"))


def test_a_file_is_written_whole_or_not_at_all(learned: LearnedDictionary) -> None:
    with common_folder() as folder:
        path = folder / "d.safetensors"
        save_dictionary(learned, path)
        before = path.read_bytes()
        with without_privileges(), pytest.raises(OutputError) as caught:
            save_dictionary(replace(learned, compression=0.3), path)
        assert_one_line(caught.value, str(path), "cannot be written")
        assert os.listdir(folder) == ["d.safetensors"]
        assert path.read_bytes() == before
        (folder / "taken").mkdir()
        with pytest.raises(OutputError, match="taken: cannot be written"):
            write_tensors(folder / "taken", KIND, {}, {"atoms": learned.atoms})
        assert sorted(os.listdir(folder)) == ["d.safetensors", "taken"]
