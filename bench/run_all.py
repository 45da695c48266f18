"""Run the benches and write bench/RESULTS.md: for each the machine, the date and a table, and bench/plots.

python bench/run_all.py [NAME ...] [--quick]

With names only those run; what the others measured before (bench/results/NAME.json) stays on the page.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _plot import can_draw
from _table import markdown, question

FOLDER = Path(__file__).resolve().parent
RESULTS, PLOTS = FOLDER / "results", FOLDER / "plots"
PACKAGES = ("numpy", "scipy", "numba", "mpi4py", "openmpi")


def scripts() -> dict[str, Path]:
    """The bench scripts by name."""
    found = (path for path in sorted(FOLDER.glob("*.py")) if path.stem != "run_all" and not path.stem.startswith("_"))
    return {path.stem: path for path in found}


def measure(script: Path, quick: bool) -> bool:
    """Run one bench by itself in a fresh process and keep what it found; False if it failed (it has said why)."""
    with TemporaryDirectory() as folder:
        result, drawing = Path(folder) / "rows.json", Path(folder) / "drawing.png"
        command = [sys.executable, str(script), "--json", str(result), *(["--quick"] if quick else [])]
        if can_draw() and "add_plot_option(parser" in script.read_text(encoding="utf-8"):
            command += ["--plot", str(drawing)]
        if subprocess.run(command, check=False).returncode != 0 or not result.exists():
            return False
        rows = json.loads(result.read_text(encoding="utf-8"))["rows"]
        if drawing.exists():
            PLOTS.mkdir(exist_ok=True)
            (PLOTS / f"{script.stem}.png").write_bytes(drawing.read_bytes())
    RESULTS.mkdir(exist_ok=True)
    kept = {"date": today(), "quick": quick, "machine": machine(), "rows": rows}
    (RESULTS / f"{script.stem}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return True


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


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


def page() -> str:
    """The whole of RESULTS.md, from what is kept."""
    parts = ["# What rtsep's benches measured\n\n`make bench` writes this page; `python bench/run_all.py NAME` a part."]
    for name, script in scripts().items():
        kept = RESULTS / f"{name}.json"
        if kept.exists():
            parts.append(section(name, script, json.loads(kept.read_text(encoding="utf-8"))))
    return "\n\n".join(parts) + "\n"


def section(name: str, script: Path, kept: dict[str, Any]) -> str:
    """One bench: its question, where and when it ran, its table and drawing."""
    asked = question(ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))))
    how = f"{kept['date']}{', --quick' if kept['quick'] else ''}; {kept['machine']}."
    drawing = PLOTS / f"{name}.png"
    drawn = [f"![{asked}]({drawing.relative_to(FOLDER)})"] if drawing.exists() else []
    return "\n\n".join([f"## {name}", asked, how, markdown(kept["rows"]), *drawn])


def main() -> int:
    parser = argparse.ArgumentParser(description=question(__doc__))
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a bench; all if none is given")
    parser.add_argument("--quick", action="store_true", help="every bench with --quick")
    options = parser.parse_args()
    known = scripts()
    if unknown := set(options.names) - set(known):
        print(f"{min(unknown)}: there is no such bench; choose among {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = options.names or list(known)
    failed = [name for name in chosen if not measure(known[name], options.quick)]
    (FOLDER / "RESULTS.md").write_text(page(), encoding="utf-8")
    if failed:
        print(f"{', '.join(failed)} failed: what they measured before stays on the page", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
