"""Files of arrays by kind and format: what another version wrote is told in one line that says what to do."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from small_model import write_small_model
from small_timbrenet import write_small_timbrenet
from sound_files import assert_one_line

import rtsep
from rtsep.dictionary_file import LearnedDictionary, load_dictionary, save_dictionary
from rtsep.errors import ModelError
from rtsep.model_file import load_model, model_names
from rtsep.tensor_file import read_header
from rtsep.timbrenet.model import load_timbrenet

Header = dict[str, Any]


def write_small_dictionary(path: Path) -> Path:
    model = load_model(str(write_small_model(path, n_atoms=6)))
    usage = np.ones(6, np.float32)
    save_dictionary(LearnedDictionary(44100, model.spec, 0.5, model.dictionary.atoms, usage), path)
    return path


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Any], Any]]] = {
    "sparse": (write_small_model, load_model),
    "timbrenet": (write_small_timbrenet, load_timbrenet),
    "dictionary": (write_small_dictionary, load_dictionary),
}


def change_header(path: Path, change: Callable[[Header], None], without: str = "") -> None:
    """Write the file once more with another header, and without the arrays whose names begin so."""
    header = read_header(path)
    change(header)
    with safe_open(path, framework="numpy") as file:
        kept = {name: file.get_tensor(name) for name in file.keys() if not (without and name.startswith(without))}  # noqa: SIM118
    save_file(kept, path, {"rtsep": json.dumps(header)})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("form", "cure"), [(2, "update rtsep"), (0, "train it again"), ("1\n", "train it again"), (None, "train it again")]
)
def test_another_format_is_told_with_the_one_that_is_read_and_the_cure(
    tmp_path: Path, kind: str, form: object, cure: str
) -> None:
    write, load = KINDS[kind]
    path = write(tmp_path / "m.safetensors")
    change_header(path, lambda header: header.update(format=form))
    with pytest.raises(ModelError) as caught:
        load(path)
    words = f"of format {form!r} of its kind {kind!r}: this version reads format 1; {cure}"
    assert_one_line(caught.value, str(path), words)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_does_not_say_its_format_has_the_first(tmp_path: Path, kind: str) -> None:
    write, load = KINDS[kind]
    path = write(tmp_path / "m.safetensors")
    change_header(path, lambda header: header.pop("format"))
    assert load(path).spec == load(write(tmp_path / "n.safetensors")).spec


ZOOM = "size 'zoom' is none of the front end cqt: it has slice_length, transition, n_columns"
CHANGES: list[tuple[str, Callable[[Header], Any], str]] = [
    *((kind, lambda header: header.pop("sample_rate"), "file: sample_rate missing") for kind in KINDS),
    *((kind, lambda header: header.update(mood="sad"), "file: mood unknown") for kind in KINDS),
    *((kind, lambda header: header["spec"]["layout"].update(tilt=1), "layout: tilt unknown") for kind in KINDS),
    *((kind, lambda header: header["spec"]["sizes"].update(zoom=1), ZOOM) for kind in KINDS),
    ("timbrenet", lambda header: header["sizes"].update(heads=4), "sizes: heads unknown"),
    *(
        (kind, lambda header: header.update(sample_rate=0), "sample_rate 0 must be a number from 1000")
        for kind in KINDS
    ),
    *((kind, lambda header: header.update(sample_rate=48000), "must be that of the bands, 44100") for kind in KINDS),
    ("timbrenet", lambda header: header["sizes"].update(level_slices=10**9), "a whole number from 1 to 4096"),
    ("timbrenet", lambda header: header.update(stems=[1, 2]), "stems[0] 1 must be text, in quotes"),
    ("sparse", lambda header: header.update(stems=["a", "a"]), "no two of them may have one name"),
    ("sparse", lambda header: header.update(mask_exponent=math.nan), "mask_exponent nan must be a number from 0.01"),
    ("sparse", lambda header: header["spec"]["sizes"].update(slice_length=1 << 30), "65536 at most"),
]


@pytest.mark.parametrize(("kind", "change", "words"), CHANGES, ids=[f"{kind}-{words}" for kind, _, words in CHANGES])
def test_headers_that_cannot_be_are_told_with_what_is_wrong(
    tmp_path: Path, kind: str, change: Callable[[Header], Any], words: str
) -> None:
    write, load = KINDS[kind]
    path = write(tmp_path / "m.safetensors")
    change_header(path, change)
    with pytest.raises(ModelError) as caught:
        load(path)
    assert_one_line(caught.value, str(path), "is damaged, or of another version (", words, "train it again")


def test_a_network_from_before_there_were_partials_is_one_clear_line(tmp_path: Path) -> None:
    path = write_small_timbrenet(tmp_path / "m.safetensors")
    change_header(
        path, lambda header: [header["sizes"].pop(name) for name in ("partial_channels", "ratios")], "partial"
    )
    with pytest.raises(ModelError) as caught:
        rtsep.load_separator(str(path))
    assert_one_line(caught.value, str(path), "another version (file.sizes: partial_channels missing)", "train it again")


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    path = write_small_timbrenet(tmp_path / "m.safetensors")
    for kind in ("another", None):
        change_header(path, lambda header, kind=kind: header.update(kind=kind))
        with pytest.raises(ModelError, match=f"is of kind {kind!r}, where one of kind 'sparse' is wanted"):
            rtsep.load_separator(str(path))


def test_the_shipped_files_are_of_the_formats_that_are_read() -> None:
    for name in model_names():
        assert rtsep.load_separator(name).model.notes["recipe"]


def test_what_a_file_holds_changes_only_with_its_format(tmp_path: Path) -> None:
    """A name that old files can do without comes into this list; any other change raises the format."""
    common = {"kind", "format", "sample_rate", "spec", "notes"}
    sparse = {"stems", "compression", "sparsity", "mask_exponent", "decoded_columns"}
    held = {
        ("sparse", 1): common | sparse,
        ("timbrenet", 1): common | {"stems", "sizes"},
        ("dictionary", 1): common | {"compression"},
    }
    headers = [read_header(write(tmp_path / "m.safetensors")) for write, _ in KINDS.values()]
    assert {(header["kind"], header["format"]): set(header) for header in headers} == held
    sizes = {
        "channels",
        "partial_channels",
        "dilations",
        "bottleneck",
        "timbres",
        "level_slices",
        "compression",
        "ratios",
    }
    assert set(headers[1]["sizes"]) == sizes
    for header in headers:
        assert set(header["spec"]) == {"kind", "layout", "sizes"}
        assert set(header["spec"]["layout"]) == {"sample_rate", "bins_per_octave", "gamma", "f_min", "f_max"}
