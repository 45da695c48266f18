"""`rtsep models`: what there is, and what it looks like."""

from __future__ import annotations

from pathlib import Path

from rtsep import dictionary_file, model_file
from rtsep.atom_sheet import AtomSheet, draw_sheet, sheet_of_dictionary, sheet_of_model
from rtsep.dictionary_file import load_dictionary
from rtsep.errors import OptionError
from rtsep.model_file import load_model, model_names, model_path
from rtsep.new_file import check_new_file
from rtsep.tensor_file import read_header


def list_models() -> int:
    """Print the names of the models that come with the package."""
    print("\n".join(model_names()))
    return 0


def show_model(name: str, out: Path | None) -> int:
    """Draw the atoms of a model or dictionary to `out`, or NAME.png in the current folder. Raises RtsepError."""
    path = out or Path(f"{Path(name).stem}.png")
    if path.suffix != ".png":
        raise OptionError(f"picture {path} must end in .png, which is all that is drawn")
    check_new_file(path, "picture")
    draw_sheet(_sheet(name), path)
    print(path)
    return 0


def _sheet(name: str) -> AtomSheet:
    path = model_path(name)
    kind = read_header(path).get("kind")
    if kind == dictionary_file.KIND.name:
        return sheet_of_dictionary(path.stem, load_dictionary(path))
    if kind != model_file.KIND.name:
        raise OptionError(f"{name} is of kind {kind!r}, which has no atoms: name a sparse model or a dictionary")
    return sheet_of_model(path.stem, load_model(name))
