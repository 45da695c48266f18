"""Do the stems stay the same when ranks are killed at random moments?

`mpirun --with-ft ulfm -n 5 rtsep run` on a synthetic minute, over and over; each time 1 to 4 of the 4 workers get
SIGKILL, each at a moment of its own between the launch and the usual end. `named` is how many of the killed the report
names: all but those whose work was done already. `alone` counts runs in which one died before MPI was up, so that rank
0 went on by itself; `same` those whose four files are, byte for byte, what one process writes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from _table import Row, bench_parser, publish

from rtsep.commands.bench_scaling import write_synthetic_song

N_RANKS = 5
MPIRUN = (str(Path(sys.executable).with_name("mpirun")), "--with-ft", "ulfm", "-n", str(N_RANKS))
Kill = tuple[float, int]  # seconds after the launch, and whom
Figures = dict[str, float]  # of a run
Files = dict[str, bytes]


def main() -> None:
    parser = bench_parser(__doc__)
    parser.add_argument("--kills", type=int, help="end when so many have been killed; 50, or 5 with --quick")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = measure(options.kills or (5 if options.quick else 50), random.Random(options.seed))
    publish(__doc__, rows, options.json)


def measure(n_kills: int, chance: random.Random) -> list[Row]:
    """A row for each number of workers that are killed in a run."""
    rows: dict[int, list[Figures]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        song = write_synthetic_song(folder, 60.0)
        _, expected = separate(song, folder / "alone", (), ())
        usual = separate(song, folder / "usual", MPIRUN, ())[0]["seconds"]
        for number in count():
            if n_kills <= 0:
                break
            victims = chance.sample(range(1, N_RANKS), chance.randint(1, N_RANKS - 1))
            kills = sorted((chance.uniform(0, usual), rank) for rank in victims)
            run, files = separate(song, folder / f"{number}", MPIRUN, kills)
            n_kills -= int(run["killed"])
            run["same"] = int(files == expected)
            print([f"{seconds:.2f} s: rank {rank}" for seconds, rank in kills], run, file=sys.stderr, flush=True)
            rows.setdefault(len(victims), []).append(run)
    return [summary(n_victims, rows[n_victims]) for n_victims in sorted(rows)]


def summary(n_victims: int, runs: Sequence[Figures]) -> Row:
    sums = {name: int(sum(run[name] for run in runs)) for name in ("killed", "named", "alone", "same", "failed")}
    seconds = median(run["seconds"] for run in runs)
    case = f"{n_victims} of {N_RANKS - 1} killed"
    return {"case": case, "who": "rtsep", "runs": len(runs), **sums, "seconds": seconds}


def separate(song: Path, out: Path, launcher: Sequence[str], kills: Sequence[Kill]) -> tuple[Figures, Files]:
    """Run to the end, with those killed; the figures of the run, and what the files hold."""
    report = out.with_suffix(".json")
    command = ("-m", "rtsep.cli", "run", song, "--out", out, "--quiet", "--report", report)
    started = time.monotonic()
    with subprocess.Popen(
        [*launcher, sys.executable, *map(str, command)], stderr=subprocess.PIPE, text=True
    ) as process:
        killed = [kill(process.pid, rank) for seconds, rank in kills if wait(started + seconds)]
        try:
            stderr = process.communicate(timeout=120)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            stderr = "does not end"
    seconds = time.monotonic() - started
    if process.returncode:
        print(process.returncode, stderr, file=sys.stderr)
    files = {path.name: path.read_bytes() for path in sorted((out / f"{song.stem}.stems").iterdir())}
    shares = json.loads(report.read_text())["shares"] if report.exists() else []
    figures: Figures = {
        "killed": sum(killed),
        "named": sum(share["fate"] == "died" for share in shares),
        "alone": int("went on alone" in stderr),
        "failed": int(process.returncode != 0),
        "seconds": seconds,
    }
    return figures, files


def wait(until: float) -> bool:
    time.sleep(max(0.0, until - time.monotonic()))
    return True


def kill(launcher: int, rank: int) -> bool:
    """SIGKILL to a rank of the launcher's; False where there is none such."""
    try:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        for pid in children:
            if f"OMPI_COMM_WORLD_RANK={rank}" in Path(f"/proc/{pid}/environ").read_text().split("\0"):
                os.kill(int(pid), signal.SIGKILL)
                return True
    except OSError:
        pass
    return False


if __name__ == "__main__":
    main()
