"""Writes the stems of a song into one folder, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rtsep.errors import OutputError
from rtsep.io.names import printable
from rtsep.io.stem_files import FORMATS, EncoderError, FloatWavFile, StemFile, create_stem_file, find_format_limit
from rtsep.io.whole import reads_to_its_end
from rtsep.types import Stems

_WORK = ".rtsep-"
_YOUNG_SECONDS = 60.0


class StemWriters:
    """Files `{stem}.{format}` in `folder`, one a stem, that appear all together with `commit`.

    Until then they grow in `work`, a hidden folder on the same disk; `made` are the folders above it that there were
    not, the innermost first. Leaving the `with` block without `commit`, on an
    error or an interrupt, removes everything that was made; what a killed process has left there, the next one removes.
    Entering it raises OutputError for what can be known to fail: files that are there already, unless `overwrite`, no
    permission, a rate that the format cannot hold. `create` starts a file, as `create_stem_file` does.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        stem_names: Sequence[str],
        sample_rate: int,
        n_channels: int,
        audio_format: str = "wav",
        overwrite: bool = False,
        create: Callable[[Path, int, int, str], StemFile] = create_stem_file,
    ) -> None:
        self._create = create
        self._folder = Path(os.path.realpath(folder))
        self._name = printable(folder)
        self._sample_rate = sample_rate
        self._n_channels = n_channels
        self._format = audio_format
        self._overwrite = overwrite
        self._targets = {stem: self._folder / f"{stem}.{audio_format}" for stem in stem_names}
        self._n_samples = 0

    @property
    def n_clipped(self) -> dict[str, int]:
        """Samples of each stem, over all channels, that lay beyond full scale and were clipped: none in a wav."""
        return {stem: file.n_clipped for stem, file in self._files.items()}

    def __enter__(self) -> Self:
        self._check_format()
        with ExitStack() as undo, self._one_line_errors():
            self._check_targets()
            self.work = self._make_work_folder(undo)
            self._files = {}
            for stem, target in self._targets.items():
                file = self._create(self.work / target.name, self._sample_rate, self._n_channels, self._format)
                undo.callback(file.abandon)
                self._files[stem] = file
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After a commit there is nothing left to undo but the emptied hidden folder.
        self._undo.close()

    def make_room(self, n_samples: int) -> None:
        """See that the disk has room for so many samples more, so that `write` and `commit` will find it.

        Raises OutputError where it has not: `commit` keeps what was written until then.
        """
        with self._one_line_errors():
            for file in self._files.values():
                file.make_room(n_samples)

    def write(self, stems: Stems) -> None:
        """Append `(n_stems, n, n_channels)` samples, the stems in the order of their names."""
        if stems.ndim != 3 or stems.shape[::2] != (len(self._files), self._n_channels):
            raise ValueError(f"stems of shape {stems.shape}: must be ({len(self._files)}, n, {self._n_channels})")
        with self._one_line_errors():
            for file, samples in zip(self._files.values(), stems, strict=True):
                file.write(samples)
        self._n_samples += stems.shape[1]

    def skip(self, n_samples: int) -> None:
        """Go on behind so many samples of each stem, which another has written to the files, all of them wavs."""
        for file in self._files.values():
            assert isinstance(file, FloatWavFile)
            file.skip(n_samples)
        self._n_samples += n_samples

    def note_length(self) -> None:
        """Have the files say how long they are by now, so that those of a killed process can be read so far.

        Of a flac or an ogg the encoder holds back the end, some 16384 samples at the most.
        """
        with self._one_line_errors():
            for file in self._files.values():
                file.note_length()

    def commit(self) -> None:
        """Complete the files, see that the disk holds them, and make them appear; OutputError if that cannot be."""
        moves = {self.work / target.name: target for target in self._targets.values()}
        with self._one_line_errors():
            for file in self._files.values():
                file.finish()
            for path in moves:
                _sync(path)
                if self._n_samples and not reads_to_its_end(path, self._n_samples):
                    raise OSError("the disk did not take all of it")
            self._check_targets()
            if self._folder.exists():
                _move_all(moves, self.work)
            else:
                self.work.rename(self._folder)

    def _check_format(self) -> None:
        if self._format not in FORMATS:
            raise OutputError(f"format {self._format}: unknown; choose one of {', '.join(FORMATS)}")
        if limit := find_format_limit(self._format, self._sample_rate):
            raise OutputError(f"format {self._format}: cannot hold {self._sample_rate} Hz, as {limit}; choose wav")

    def _check_targets(self) -> None:
        for folder in (self._folder, *self._folder.parents):
            if os.path.lexists(folder) and not folder.is_dir():
                raise OutputError(f"{printable(folder)}: is a file; choose a folder for the stems")
        for target in self._targets.values():
            name = printable(target)
            if target.is_dir():
                raise OutputError(f"{name}: is a folder where a stem would go; move it away")
            if os.path.lexists(target) and not self._overwrite:
                raise OutputError(f"{name}: is there already; choose another folder, or --overwrite to replace it")

    def _make_work_folder(self, undo: ExitStack) -> Path:
        """Make the hidden folder inside the target if that is there, as it may be a disk of its own, else beside it."""
        home = self._folder if self._folder.exists() else self._folder.parent
        self.made = _make_parents(home, undo)
        _remove_orphans(home)
        work = home / f"{_WORK}{secrets.token_hex(4)}"
        undo.callback(shutil.rmtree, work, ignore_errors=True)
        work.mkdir()
        undo.callback(os.close, _lock(work))
        return work

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._cannot_write(error.strerror or str(error)) from error
        except EncoderError as error:
            raise self._cannot_write(f"{error.error_string.rstrip('.')}, maybe for want of room") from error

    def _cannot_write(self, reason: str) -> OutputError:
        return OutputError(f"{self._name}: cannot be written ({reason}); choose another folder, or make room")


def _lock(folder: Path) -> int:
    """A descriptor that says, while it is open, that somebody works in the folder; a dead one's the kernel closes."""
    descriptor = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # where there are no locks, nothing is ever taken for an orphan
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _remove_orphans(home: Path) -> None:
    """Remove the hidden folders in which nobody works any more: whoever did was killed."""
    for work in home.glob(f"{_WORK}*"):
        with suppress(OSError):
            descriptor = os.open(work, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - work.stat().st_mtime > _YOUNG_SECONDS:  # or it is about to be locked
                    shutil.rmtree(work, ignore_errors=True)
            finally:
                os.close(descriptor)


def _make_parents(folder: Path, undo: ExitStack) -> list[Path]:
    """Make the folder and those above it that are missing, each to be removed again if nothing comes to lie in it."""
    if folder.is_dir():
        return []
    above = _make_parents(folder.parent, undo)
    undo.callback(_remove_if_empty, folder)
    folder.mkdir()
    return [folder, *above]


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _sync(path: Path) -> None:
    """See the file on the disk: some file systems find only then that there is no room."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _move_all(moves: dict[Path, Path], attic: Path) -> None:
    """Move every file to its target, or none of them; what lay at the targets goes to the attic."""
    with ExitStack() as undo:
        for source, target in moves.items():
            if os.path.lexists(target):
                old = attic / f"old-{target.name}"
                target.rename(old)
                undo.callback(old.rename, target)
            source.rename(target)
            undo.callback(target.rename, source)
        undo.pop_all()
