"""Imports run downward only, what is heavy has one door, and `import rtsep` opens none of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "rtsep").rglob("*.py"))
}

# From the bottom up. A part is a module or a package below rtsep; it imports from lower layers and from itself.
LAYERS = (
    {"types", "errors", "kernel_loading", "last_will"},
    {"new_file", "tables", "residual"},
    {"frontend", "sparse", "decoder", "effects", "tensor_file"},
    {"model_file"},
    {"timbrenet", "dictionary_file"},
    {"separator"},
    {"streaming", "engine", "io"},
    {"training", "quartet"},
    {"stem_stream", "rendering"},
    {"file_job", "progress", "evaluation", "atom_sheet"},
    {"run_report", "live"},
    {"album"},
    {"commands"},
    {"cli"},
)
DOORS = {
    "mpi4py": ("rtsep.engine",),
    "museval": (),  # the tests' oracle alone: it demands ffmpeg, and 50 MB for every second of a song
    "rtmidi": ("rtsep.live.midi",),
    "sounddevice": ("rtsep.io.audio_device",),
    "torch": ("rtsep.timbrenet", "rtsep.training"),
}


def layer(part: str) -> int:
    """The number of a part's layer; fails for one that LAYERS does not know."""
    found = [number for number, parts in enumerate(LAYERS) if part in parts]
    assert found, f"rtsep.{part} is in no layer: put it into LAYERS"
    return found[0]


def imports(source: str, *, while_running: bool = False) -> Iterator[str]:
    """The dotted names imported anywhere in `source`; `while_running` leaves out what only type checkers see."""
    tree = ast.parse(source)
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if while_running and id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def upward_imports(module: str, source: str) -> list[str]:
    """The imports of rtsep's own modules that the layers forbid."""
    part = module.split(".")[1]
    names = [name for name in imports(source) if name.split(".")[0] in ("rtsep", "")]
    return [name for name in names if not allowed(part, name.split("."))]


def allowed(part: str, name: list[str]) -> bool:
    """Whether `part` may import `rtsep.<part>...`; relative names and rtsep itself are never allowed."""
    known = name[0] == "rtsep" and len(name) > 1 and f"rtsep.{name[1]}" in SOURCES
    return known and (name[1] == part or layer(name[1]) < layer(part))


def at_wrong_doors(module: str, source: str) -> list[str]:
    """The heavy packages that `module` imports though it is not their door."""
    packages = {name.split(".")[0] for name in imports(source, while_running=True)}
    return sorted(package for package in packages & set(DOORS) if not is_within(module, DOORS[package]))


def is_within(module: str, doors: tuple[str, ...]) -> bool:
    return any(module == door or module.startswith(f"{door}.") for door in doors)


@pytest.mark.parametrize("module", [name for name in SOURCES if name != "rtsep"])
def test_imports_run_downward(module: str) -> None:
    assert upward_imports(module, SOURCES[module]) == []


@pytest.mark.parametrize("module", list(SOURCES))
def test_heavy_imports_have_one_door(module: str) -> None:
    assert at_wrong_doors(module, SOURCES[module]) == []


@pytest.mark.parametrize(
    ("module", "source", "forbidden"),
    [
        ("rtsep.types", "from rtsep.errors import RtsepError", ["rtsep.errors.RtsepError"]),
        ("rtsep.sparse.solvers", "def f():\n    import rtsep.separator", ["rtsep.separator"]),
        ("rtsep.sparse.solvers", "from rtsep.frontend.cqt import CQT", ["rtsep.frontend.cqt.CQT"]),
        ("rtsep.sparse.solvers", "from rtsep.sparse.kernels import f\nfrom rtsep.types import F32", []),
        ("rtsep.separator", "if TYPE_CHECKING:\n    from rtsep.cli import app", ["rtsep.cli.app"]),
        ("rtsep.separator", "from . import types", ["..types"]),
        ("rtsep.separator", "from rtsep import load_separator", ["rtsep.load_separator"]),
        ("rtsep.cli", "from rtsep import types", []),
    ],
)
def test_the_rule_tells_up_from_down(module: str, source: str, forbidden: list[str]) -> None:
    assert upward_imports(module, source) == forbidden


@pytest.mark.parametrize(
    ("module", "source", "forbidden"),
    [
        ("rtsep.separator", "def f():\n    from mpi4py import MPI", ["mpi4py"]),
        ("rtsep.engineering", "import mpi4py.util", ["mpi4py"]),
        ("rtsep.engine.mpi", "from mpi4py import MPI", []),
        ("rtsep.separator", "if TYPE_CHECKING:\n    from mpi4py import MPI", []),
        ("rtsep.io.audio_file", "import sounddevice, torch", ["sounddevice", "torch"]),
    ],
)
def test_the_rule_tells_doors_from_walls(module: str, source: str, forbidden: list[str]) -> None:
    assert at_wrong_doors(module, source) == forbidden


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("rtsep", {"mpi4py", "museval", "numba", "scipy", "soundfile", "torch"}),
        ("rtsep.cli", {"mpi4py", "museval", "numba", "numpy", "scipy", "soundfile", "torch"}),
    ],
)
def test_importing_is_quick_and_opens_no_door(module: str, left_out: set[str]) -> None:
    program = (
        "import sys, time\n"
        "before = time.process_time()\n"
        f"import {module}\n"
        f"print(sorted({left_out!r} & set(sys.modules)), time.process_time() - before < 1.0)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[] True", "")
