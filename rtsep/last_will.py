"""What is to be done if this process is killed, where it cannot do it itself any more."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO


class LastWill:
    """In a `with` block: a line of shell, `arguments` as $1 and on, that is run if this process dies within.

    A shell waits at the other end of a pipe, which the system closes when this process is gone, whatever ended it. It
    has a process group of its own, so that who kills this one's does not hit it, and nothing of this one's environment:
    it is no rank. Where there is no shell nothing is done.
    """

    def __init__(self, script: str, *arguments: str, stderr: TextIO | None = None) -> None:
        self._command = ["/bin/sh", "-c", f"read -r revoked || {{ {script}; }}", "sh", *arguments]
        self._stderr = stderr
        self._shell: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._shell = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr or subprocess.DEVNULL,
                process_group=0,
                env={"PATH": os.defpath},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shell:
            self._shell.communicate(b"revoked\n")
