"""Run every bench and write bench/RESULTS.md: the machine, the date, a table for each question, and bench/plots.

python bench/run_all.py [--quick]
"""

from __future__ import annotations

import argparse
import ast
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from _plot import can_draw
from _table import Row, markdown, question

FOLDER = Path(__file__).resolve().parent
PLOTS = FOLDER / "plots"
PACKAGES = ("numpy", "scipy", "numba", "mpi4py", "openmpi")


def scripts() -> list[Path]:
    """The bench scripts, by name."""
    return [path for path in sorted(FOLDER.glob("*.py")) if path.stem != "run_all" and not path.stem.startswith("_")]


def measure(script: Path, quick: bool, folder: Path) -> list[Row] | None:
    """The rows of one bench, run by itself in a fresh process; None if it failed (it has said why)."""
    result = folder / f"{script.stem}.json"
    command = [sys.executable, str(script), "--json", str(result), *(["--quick"] if quick else [])]
    if can_draw() and "--plot" in script.read_text(encoding="utf-8"):
        command += ["--plot", str(picture(script, folder))]
    done = subprocess.run(command, check=False)
    if done.returncode != 0 or not result.exists():
        return None
    rows: list[Row] = json.loads(result.read_text(encoding="utf-8"))["rows"]
    return rows


def picture(script: Path, folder: Path) -> Path:
    """Where the drawing of a bench is, if it makes one."""
    return folder / f"{script.stem}.png"


def machine() -> str:
    """One line about the processor, the memory and the versions that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    system = f"{platform.system()}, Python {platform.python_version()}, {versions}"
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {system}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def page(tables: dict[Path, list[Row]], quick: bool) -> str:
    """The whole of RESULTS.md."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    command = "python bench/run_all.py --quick" if quick else "make bench"
    parts = ["# What rtsep's benches measured", f"`{command}` wrote this page on {today}.\n\nMachine: {machine()}."]
    for script, rows in tables.items():
        doc = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
        parts.append(f"## {script.stem}\n\n{question(doc)}\n\n{markdown(rows)}")
        if picture(script, PLOTS).exists():
            parts.append(f"![{question(doc)}]({picture(script, PLOTS).relative_to(FOLDER)})")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=question(__doc__))
    parser.add_argument("--quick", action="store_true", help="every bench with --quick")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        results = {script: measure(script, options.quick, Path(folder)) for script in scripts()}
        failed = [script.name for script, rows in results.items() if rows is None]
        if failed:
            print(f"{', '.join(failed)} failed: bench/RESULTS.md is left as it was", file=sys.stderr)
            return 1
        shutil.rmtree(PLOTS, ignore_errors=True)
        PLOTS.mkdir()
        for drawing in Path(folder).glob("*.png"):
            shutil.copy(drawing, PLOTS)
    tables = {script: rows for script, rows in results.items() if rows is not None}
    (FOLDER / "RESULTS.md").write_text(page(tables, options.quick), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
