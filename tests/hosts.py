"""Two hosts on one machine: network namespaces, joined by a cable that can be unplugged, with names of their own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_AGENT = """#!/bin/sh
# As ssh: AGENT HOST COMMAND...
case $1 in {addresses[0]}) host={names[0]} ;; *) host={names[1]} ;; esac
shift
exec ip netns exec $host unshare --uts sh -c "hostname $host; $*"
"""


@dataclass(frozen=True)
class Hosts:
    """Names of the namespaces and their addresses; `agent` runs a command on the host of an address."""

    names: tuple[str, str]
    addresses: tuple[str, str]
    agent: Path

    def launcher(self, ranks_each: int, *options: str) -> list[str]:
        """mpirun, run on the first host, for so many ranks on each."""
        there = ",".join(f"{address}:{ranks_each}" for address in self.addresses)
        here = ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"']
        return [
            *here,
            self.names[0],
            "mpirun",
            "--prtemca",
            "plm_ssh_agent",
            str(self.agent),
            *options,
            "--host",
            there,
        ]

    def unplug(self) -> None:
        ip("-n", self.names[1], "link", "set", "cable", "down")

    def processes(self) -> list[int]:
        """All that run on the two hosts."""
        return [int(pid) for name in self.names for pid in ip("netns", "pids", name).split()]


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def can_be_made() -> bool:
    """Whether this system lets this user have namespaces: containers often do not."""
    name = f"rtsep-try-{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("netns", "exec", name, "unshare", "--uts", "hostname", name)
        ip("netns", "delete", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextmanager
def two_hosts(folder: Path) -> Iterator[Hosts]:
    """Two hosts that see each other and nothing else; whatever still runs there is killed in the end."""
    names, addresses = (f"rtsep-{os.getpid()}-a", f"rtsep-{os.getpid()}-b"), ("10.77.0.1", "10.77.0.2")
    agent = folder / "agent"
    agent.write_text(_AGENT.format(addresses=addresses, names=names))
    agent.chmod(0o755)
    hosts = Hosts(names, addresses, agent)
    for name in names:
        ip("netns", "add", name)
    try:
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        for name, address in zip(names, addresses, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "cable", "up")
        yield hosts
    finally:
        for pid in hosts.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in names:
            ip("netns", "delete", name)
