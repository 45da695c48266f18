"""Does live sound play through PulseAudio and PipeWire, and what becomes of it when they go away?

Each runs as a server of its own without a card: its null sink, whose monitor is the default input, is the cable for
`rtsep bench latency` through ALSA's plugin for it. Then the server is killed under `rtsep live` while that records:
the seconds until it has ended, its exit code, and the lines that it says. Debian has them as pulseaudio and
libasound2-plugins; pipewire, pipewire-alsa, wireplumber and dbus-daemon. Its packages of the two exclude each other:
what is not there is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from _table import Row, bench_parser, publish

BLOCKS = (256, 1024)
PLAYED_SECONDS = 3.0
PATIENCE = 90.0
NOWHERE = subprocess.DEVNULL

Server = subprocess.Popen[bytes]
Start = Callable[[Path], AbstractContextManager[Server]]


def main() -> None:
    options = bench_parser(__doc__).parse_args()
    servers = {"pulse": pulseaudio, "pipewire": pipewire}
    found = {name: start for name, start in servers.items() if shutil.which(start.__name__)}
    if not found:
        raise SystemExit("bench sound_servers: it needs pulseaudio or pipewire; its docstring names the packages")
    rows: list[Row] = []
    for name, start in found.items():
        for block in BLOCKS[:1] if options.quick else BLOCKS:
            with TemporaryDirectory() as folder, start(Path(folder)):
                rows += latency(name, block)
        with TemporaryDirectory() as folder, start(Path(folder)) as server:
            rows += loss(name, server)
    publish(__doc__, rows, options.json)


@contextmanager
def pulseaudio(folder: Path) -> Iterator[Server]:
    """A PulseAudio server that is found by this process and its children, with the sink `loop`."""
    socket = folder / "native"
    os.environ.update({"XDG_RUNTIME_DIR": str(folder), "PULSE_SERVER": f"unix:{socket}"})
    modules = (f"module-native-protocol-unix socket={socket} auth-anonymous=1", "module-null-sink sink_name=loop")
    options = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    with _running("pulseaudio", *options, *(word for module in modules for word in ("-L", module))) as server:
        _wait_for(socket)
        yield server


@contextmanager
def pipewire(folder: Path) -> Iterator[Server]:
    """The same of PipeWire, with its session manager on a bus of its own."""
    os.environ.update({"XDG_RUNTIME_DIR": str(folder), "PIPEWIRE_RUNTIME_DIR": str(folder)})
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={folder}/bus"
    sink = "{ factory.name=support.null-audio-sink node.name=loop media.class=Audio/Sink object.linger=true }"
    with ExitStack() as stack:
        stack.enter_context(_running("dbus-daemon", "--nofork", "--session", f"--address=unix:path={folder}/bus"))
        server = stack.enter_context(_running("pipewire"))
        _wait_for(folder / "pipewire-0")
        stack.enter_context(_running("wireplumber"))
        time.sleep(1)
        subprocess.run(["pw-cli", "create-node", "adapter", sink], check=True, stdout=NOWHERE)
        time.sleep(1)
        yield server


@contextmanager
def _running(*command: str) -> Iterator[Server]:
    process = subprocess.Popen(command, stdin=NOWHERE, stdout=NOWHERE, stderr=NOWHERE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(path: Path) -> None:
    """Until it is there. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} has not come")
        time.sleep(0.05)


def latency(device: str, block: int) -> list[Row]:
    """The rows of impulses over the loop."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        options = ["--input", device, "--output", device, "--latency", "balanced", "--block", str(block)]
        command = [sys.executable, "-m", "rtsep.cli", "bench", "latency", *options, "--json", str(path)]
        subprocess.run(command, check=True, stdin=NOWHERE, stdout=NOWHERE, timeout=PATIENCE)
        rows: list[Row] = json.loads(path.read_text())["rows"]
    return [{**row, "case": f"{device}, {block} samples: {row['case']}", "who": "rtsep"} for row in rows]


def loss(device: str, server: Server) -> list[Row]:
    """The row of a session whose server is killed."""
    with TemporaryDirectory() as folder:
        take = Path(folder) / "take-1"
        options = ["--input", device, "--output", device, "--latency", "balanced", "--record", folder, "--quiet"]
        command = [sys.executable, "-m", "rtsep.cli", "live", *options]
        with subprocess.Popen(command, stdin=NOWHERE, stdout=NOWHERE, stderr=subprocess.PIPE, text=True) as live:
            _wait_for(take)
            time.sleep(PLAYED_SECONDS)
            server.kill()
            killed = time.monotonic()
            _, told = live.communicate(timeout=PATIENCE)
            row: Row = {"case": f"{device}: server killed", "who": "rtsep", "ends_after_s": time.monotonic() - killed}
        kept = len(list(take.glob("*.flac")))
        return [{**row, "exit_code": live.returncode, "lines": len(told.splitlines()), "stems_kept": kept}]


if __name__ == "__main__":
    main()
