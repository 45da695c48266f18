"""`rtsep live`: stems of what is heard, while it is heard."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import NoReturn

from rtsep.commands.console import REFUSED, Task, guarded, print_tables, warn
from rtsep.commands.live_ranks import StartEngine, live_on_ranks, ranks_at_work
from rtsep.engine.local import LocalEngine
from rtsep.engine.process import world_size
from rtsep.errors import OptionError
from rtsep.io.audio_file import AudioReader, open_audio
from rtsep.io.quiet import leave_stderr_to_python
from rtsep.kernel_loading import load_without_compiler
from rtsep.live.desk import make_desk
from rtsep.live.ends import Ends, find_ends, stems_apart
from rtsep.live.keys import Key, keyboard, make_keys
from rtsep.live.midi import faders, parse_controls
from rtsep.live.modes import choose_model
from rtsep.live.plan import make_plan
from rtsep.live.recorder import Recording
from rtsep.live.report import Show, Tell
from rtsep.live.screen import desk_table, figures_table, open_screen
from rtsep.live.session import LiveJob, play
from rtsep.live.steering import Changes
from rtsep.new_file import check_new_file
from rtsep.run_report import write_json
from rtsep.separator import ModelSeparator, load_separator


@dataclass(frozen=True)
class LiveOptions:
    """What `rtsep live` was asked for; None where nothing was, and the device or the machine decides."""

    input: str | None = None
    output: str | None = None
    input_file: Path | None = None
    latency: str | None = None
    model: str | None = None
    hear: tuple[str, ...] = ()
    duration: float | None = None
    channels: int | None = None
    rate: int | None = None
    block: int = 256
    reserve: int | None = None
    slices: int = 1
    outputs: str = "mix"
    midi: str | None = None
    faders: str = ""
    preset: str = ""
    record: Path | None = None
    audio_format: str = "flac"
    report: Path | None = None
    quiet: bool = False


def live(options: LiveOptions) -> NoReturn:
    """Play, record and report until the end or an interruption, under a launcher on all ranks; and end the process."""
    leave_stderr_to_python()
    if world_size() > 1:
        live_on_ranks(lambda start_engine: _play(options, start_engine), options.slices)
    end_after(lambda: _play(options, lambda job, separator, show, tell: (LocalEngine(separator), show)))


def end_after(task: Task) -> NoReturn:
    """End the process with the exit code of `task`, which plays.

    At once: a device that was lost may have left a thread of PortAudio's, in libraries that Python's end would unload.
    """
    code = guarded(task)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def _play(options: LiveOptions, start_engine: StartEngine) -> int:
    _check(options)
    with ExitStack() as stack:
        song = stack.enter_context(open_audio(options.input_file, 0, options.duration)) if options.input_file else None
        job, separator = plan_job(options, song)
        changes = Changes()
        controls = parse_controls(options.faders, separator.stems)
        show, tell = stack.enter_context(_screen(options.quiet, make_keys(separator.stems), changes))
        if options.midi is not None:
            stack.enter_context(faders(options.midi, controls, changes, tell))
        engine, show = start_engine(job, separator, show, tell)
        played = play(job, separator, engine, show, tell, changes)
    if options.report:
        write_json(asdict(played.report), options.report)
    if played.error:
        raise played.error
    if not options.quiet:
        print_tables([desk_table(played.report), figures_table(played.report)])
    return REFUSED if any(take.error for take in played.report.takes) else 0


def plan_job(options: LiveOptions, song: AudioReader | None) -> tuple[LiveJob, ModelSeparator]:
    """What is to be played, and what separates it; `song` is the open input file, if any. Raises RtsepError."""
    model = choose_model(options.latency, options.model, world_size())
    ends = find_ends(song, options.input, options.output, options.channels, options.rate)
    load_without_compiler()
    separator = load_separator(model, slices=options.slices)
    if options.outputs == "stems":
        ends = stems_apart(ends, len(separator.stems))
    plan = make_plan(
        separator.shape,
        separator.sample_rate,
        ends.rate,
        ends.n_channels,
        options.block,
        options.reserve,
        n_computing=ranks_at_work(),
    )
    job = LiveJob(
        model=model,
        plan=plan,
        ends=ends,
        desk=replace(make_desk(separator.stems, options.hear, options.preset), recording=bool(options.record)),
        n_samples=_n_samples(options.duration, ends),
        recording=Recording(options.record or Recording.folder, options.audio_format),
    )
    return job, separator


def _check(options: LiveOptions) -> None:
    """Refuse what can be known to be wrong before anything is loaded. Raises RtsepError."""
    if options.slices < 1:
        raise OptionError(f"slices {options.slices}: a chunk has 1 or more; 1 has the lowest latency")
    if options.duration is not None and not (isfinite(options.duration) and options.duration > 0):
        raise OptionError(f"duration {options.duration:g} s: it must be more than 0; leave it out to play on and on")
    if options.faders and options.midi is None:
        raise OptionError(f"faders {options.faders}: they are a MIDI input's; name it by --midi")
    if options.report:
        check_new_file(options.report)


def _n_samples(duration: float | None, ends: Ends) -> int | None:
    """How much is heard before it ends by itself; a song is as long as it is."""
    if ends.song:
        return ends.song.n_samples
    return None if duration is None else max(1, round(duration * ends.rate))


@contextmanager
def _screen(quiet: bool, keys: tuple[Key, ...], changes: Changes) -> Iterator[tuple[Show, Tell]]:
    """Where figures and lines go: to a screen with keys if stderr is a terminal, else the lines alone."""
    if quiet or not sys.stderr.isatty():
        yield lambda report: None, warn
        return
    with keyboard(keys, changes) as listening, open_screen(keys if listening else ()) as screen:
        yield screen
