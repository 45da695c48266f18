"""This process: how it was launched, how long it has run, what memory it took. Imports nothing heavy, and no MPI."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

# Open MPI's names, then those of MPICH's and Slurm's launchers.
_OPEN_MPI_SIZE = "OMPI_COMM_WORLD_SIZE"
_SIZE = (_OPEN_MPI_SIZE, "PMI_SIZE")
_PMIX_SIZE = (*_SIZE, "SLURM_STEP_NUM_TASKS")  # PMIx, srun --mpi=pmix, tells the rank alone
_RANK = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_LOCAL_RANK = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
INTERRUPTED = 130  # exit code after Ctrl-C: 128 + SIGINT, as shells have it
DEAD_RANKS = "RTSEP_DEAD_RANKS"  # set for a rank 0 that started again, alone
_GRACE_SECONDS = 0.2
_IMPORTED = time.monotonic()


@dataclass(frozen=True)
class RankRecord:
    """What a rank did besides computing: its peak memory, what of its memory is shared with no other process in the end
    (USS), the seconds that it spent on messages; `fate` is "died" or "stalled" where all is not known of it.
    """

    peak_bytes: int = 0
    unshared_bytes: int = 0
    message_seconds: float = 0.0
    fate: str = ""


class Terminated(KeyboardInterrupt):
    """Interrupted for good: whoever launched this process is ending it, and all ranks with it."""


def launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a launcher started this process, be it alone."""
    return any(name in environment for name in _size_names(environment))


def world_size(environment: Mapping[str, str] = os.environ) -> int:
    """Processes that the launcher started together; 1 without a launcher."""
    return _first_number(environment, _size_names(environment), default=1)


def world_rank(environment: Mapping[str, str] = os.environ) -> int:
    """Which of them this one is; 0 without a launcher."""
    return _first_number(environment, _RANK, default=0)


def local_rank(environment: Mapping[str, str] = os.environ) -> int:
    """Which of its host's processes this one is; 0 where the launcher does not tell."""
    return _first_number(environment, _LOCAL_RANK, default=0)


def on_one_host(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Open MPI's launcher says that all ranks are on this machine."""
    size = environment.get(_OPEN_MPI_SIZE)
    return size is not None and size == environment.get("OMPI_COMM_WORLD_LOCAL_SIZE")


def own_cores() -> list[int]:
    """The cores of its host that this process may run on; all where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def survives_deaths(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Open MPI's launcher goes on when a rank dies: `mpirun --with-ft ulfm`."""
    return environment.get("OMPI_MCA_mpi_ft_enable", "0").lower() in ("1", "true", "yes")


def dead_siblings() -> list[int]:
    """Ranks that have died, those not started yet included; only known where all are on this machine."""
    if not on_one_host():
        return []
    launcher = os.getppid()
    try:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except OSError:
        return []
    alive = {_rank_of(pid) for pid in children}
    return sorted(set(range(world_size())) - alive)


def _rank_of(pid: str) -> int:
    """The rank of a process, by its environment; -1 for one that has none, or is dead."""
    try:
        words = Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
    except OSError:
        return -1
    return _first_number(dict(word.split("=", 1) for word in words if "=" in word), _RANK, default=-1)


def dead_at_start(environment: Mapping[str, str] = os.environ) -> list[int]:
    """Ranks whose death before MPI was up is why this process, rank 0 of them, is alone."""
    return [int(rank) for rank in environment.get(DEAD_RANKS, "").split(",") if rank]


def open_launcher_stderr() -> TextIO | None:
    """That of Open MPI's launcher, which passes on nothing more that ranks say once it ends them; None elsewhere."""
    if _OPEN_MPI_SIZE in os.environ:
        with suppress(OSError):
            return open(f"/proc/{os.getppid()}/fd/2", "a")
    return None


def use_one_thread() -> None:
    """One thread a process, as ranks are the parallelism: for libraries still to be loaded, and those that are."""
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)


def heed_signals() -> None:
    """Let SIGTERM and a closed terminal interrupt rank 0 as Ctrl-C does, once; the other ranks end with rank 0.

    Open MPI, when it ends a job, kills all ranks as soon as one is gone: the others give rank 0 time to clean up.
    """
    if world_rank() > 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _end_after_grace)
        return
    signal.signal(signal.SIGTERM, _interrupt)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def seconds_since_start() -> float:
    """Age of this process in seconds, the interpreter's own start included where Linux tells it."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return time.monotonic() - _IMPORTED
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def peak_memory_bytes() -> int:
    """The most memory that this process has had resident."""
    try:
        # Not getrusage's figure where it can be helped: that one begins with the parent's.
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


def unshared_bytes() -> int:
    """Memory that this process shares with no other (USS); 0 where Linux does not tell it."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def own_record(message_seconds: float = 0.0) -> RankRecord:
    """That of this process."""
    return RankRecord(peak_memory_bytes(), unshared_bytes(), message_seconds)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _end_after_grace(_number: int, _frame: FrameType | None) -> None:
    time.sleep(_GRACE_SECONDS)
    os._exit(INTERRUPTED)


def _size_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where the number of ranks may be told. Slurm tells it to all that it starts, but MPI joins them only by PMIx."""
    return _PMIX_SIZE if "PMIX_RANK" in environment else _SIZE


def _first_number(environment: Mapping[str, str], names: tuple[str, ...], default: int) -> int:
    return next((int(environment[name]) for name in names if name in environment), default)
