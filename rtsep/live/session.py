"""One live session: source, callback, worker, recorder and sink put together, played, and told about."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from rtsep.engine.local import warm_up
from rtsep.engine.process import Terminated
from rtsep.errors import DeviceError
from rtsep.io.audio_device import Exchange
from rtsep.live.desk import Desk, weights
from rtsep.live.duplex import Duplex
from rtsep.live.ends import Ends
from rtsep.live.mixer import Mixer
from rtsep.live.modes import too_slow
from rtsep.live.plan import LivePlan
from rtsep.live.probe import Probe
from rtsep.live.recorder import Recorder, Recording
from rtsep.live.report import LiveReport, Show, Tell, decibels, fall_back, latency_ms
from rtsep.live.source import FileSource
from rtsep.live.steering import Changes, Steering
from rtsep.live.streams import JoinedStream, Stream, open_stream
from rtsep.live.thread import CALLBACK, ask_for_real_time, collect_young, undisturbed
from rtsep.live.timing import Durations
from rtsep.live.worker import Ear, Worker
from rtsep.types import F32, Audio, Engine, Separator

_REDRAWS_PER_SECOND = 10
_JUDGED_SECONDS = 1.5
_LAST_SECONDS = 0.03  # for what has been heard but not separated, when a launcher is about to kill all ranks


@dataclass(frozen=True)
class LiveJob:
    """What is asked for: it begins with `desk`, and ends after `n_samples`, if given, or when interrupted."""

    model: str
    plan: LivePlan
    ends: Ends
    desk: Desk
    recording: Recording
    n_samples: int | None = None
    probe: Probe | None = None


@dataclass(frozen=True)
class _Parts:
    """What runs in a session; `peaks` are the highest of stems and mix so far, `began` wall and processor seconds."""

    job: LiveJob
    stems: tuple[str, ...]
    duplex: Duplex
    stream: Stream
    called: Durations
    worker: Worker
    file: FileSource | None
    steering: Steering
    peaks: F32
    device_seconds: float
    began: tuple[float, float]


@dataclass(frozen=True)
class Played:
    """How a session went: its figures, and what ended it before its time, if anything did."""

    report: LiveReport
    error: BaseException | None = None


def play(
    job: LiveJob, separator: Separator, engine: Engine, show: Show, tell: Tell, changes: Changes | None = None
) -> Played:
    """Play until the end, an interruption or the loss of a device; `show` gets the figures ten times a second.

    `engine` runs the separator. `tell` gets what goes wrong while the sound goes on, a line at a time; `changes` of the
    desk may come at any time. What was recorded is kept. Raises RtsepError for what keeps the sound from beginning.
    """
    with ExitStack() as stack:
        warm_up(separator, job.plan.n_channels)
        parts = _begin(job, separator, engine, changes or Changes(), stack)
        lost = _run(parts, show, tell)
    for message in parts.steering.lost_takes():
        tell(message)
    _note_peaks(parts)
    error = lost or parts.worker.error or (parts.file.error if parts.file else None)
    return Played(_report(parts, parts.peaks), error)


def _begin(job: LiveJob, separator: Separator, engine: Engine, changes: Changes, stack: ExitStack) -> _Parts:
    """Put together what runs, and start it; closing `stack` ends it in order."""
    plan = job.plan
    mixer = Mixer(weights(job.desk), plan.n_channels, plan.fade, apart=job.ends.apart)
    duplex = Duplex(plan, mixer)
    file = stack.enter_context(FileSource(job.ends.song)) if job.ends.song else None
    recorder = Recorder(job.recording, separator.stems, plan)
    stack.callback(recorder.finish)
    steering = Steering(job.desk, mixer, recorder, changes, lambda: duplex.n_exchanged - plan.delay)
    called = Durations()
    exchange = _exchange(duplex, plan, file, mixer.n_played, called)
    stream = open_stream(job.ends, plan, job.probe.around(exchange) if job.probe else exchange)
    worker = Worker(separator, engine, plan, duplex, Ear(recorder, job.n_samples))
    worker.start()
    stack.callback(worker.finish, _LAST_SECONDS)  # where no sound comes after all
    stack.enter_context(undisturbed())
    stack.enter_context(stream)
    peaks = np.zeros(len(separator.stems) + 1, np.float32)
    began = time.perf_counter(), time.process_time()
    return _Parts(
        job, separator.stems, duplex, stream, called, worker, file, steering, peaks, stream.latency_seconds, began
    )


def _run(parts: _Parts, show: Show, tell: Tell) -> DeviceError | None:
    """Watch what plays until it ends, or is ended, and separate the rest; the error where a device is lost."""
    patience = None
    try:
        _watch(parts, show, tell)
    except DeviceError as lost:
        return lost
    except Terminated:
        patience = _LAST_SECONDS
    except KeyboardInterrupt:
        pass  # how one ends what has no end
    finally:
        parts.stream.stop()
        parts.worker.finish(patience)
    return None


def _watch(parts: _Parts, show: Show, tell: Tell) -> None:
    """Look after what plays, until its end. Raises DeviceError where the device is lost."""
    troubles: list[Callable[[], str]] = [lambda: _slowness(parts), lambda: _lost_output(parts), lambda: _broken(parts)]
    shown = np.zeros_like(parts.peaks)
    while not (_is_over(parts) or parts.steering.desk.ended or parts.worker.error or (parts.file and parts.file.error)):
        if not parts.stream.active:
            ends = parts.job.ends
            raise DeviceError(f"{ends.source_name} to {ends.sink_name}: the device stopped; connect it and start anew")
        for trouble in tuple(troubles):
            if message := trouble():
                tell(message)
                troubles.remove(trouble)
        shown = fall_back(shown, _note_peaks(parts), 1 / _REDRAWS_PER_SECOND)
        show(_report(parts, shown))
        collect_young()
        for message in parts.steering.follow(1 / _REDRAWS_PER_SECOND):
            tell(message)


def _is_over(parts: _Parts) -> bool:
    """Whether all that was asked for has been heard."""
    n_samples = parts.job.n_samples
    return n_samples is not None and parts.duplex.n_exchanged >= n_samples + parts.job.plan.delay


def _slowness(parts: _Parts) -> str:
    """One line as soon as enough chunks are known to tell that they take too long."""
    plan = parts.job.plan
    if parts.duplex.n_exchanged < _JUDGED_SECONDS * plan.rate:
        return ""
    return too_slow(plan, parts.job.model, parts.worker.computed.percentiles_ms())


def _lost_output(parts: _Parts) -> str:
    """One line when of two devices the one that plays has stopped."""
    if not (isinstance(parts.stream, JoinedStream) and parts.stream.output_lost):
        return ""
    return f"{parts.job.ends.sink_name}: the output stopped; all is recorded as before; to hear it start anew"


def _broken(parts: _Parts) -> str:
    """One line when the input has sent what is no sound."""
    if not parts.duplex.n_broken:
        return ""
    return f"{parts.job.ends.source_name}: it sends what is no sound (NaN), now silence; look at what feeds it"


def _note_peaks(parts: _Parts) -> F32:
    """The peaks of stems and mix since the last call, which go into those of the session."""
    recent = np.append(parts.worker.take_peaks(), np.float32(parts.duplex.mixer.take_peak()))
    np.maximum(parts.peaks, recent, out=parts.peaks)
    return recent


def _report(parts: _Parts, peaks: F32) -> LiveReport:
    """The figures so far, with these peaks."""
    job, duplex, plan = parts.job, parts.duplex, parts.job.plan
    wall, processor = time.perf_counter() - parts.began[0], time.process_time() - parts.began[1]
    worker, bridge = parts.worker, parts.stream.bridge if isinstance(parts.stream, JoinedStream) else None
    return LiveReport(
        model=job.model,
        source=job.ends.source_name,
        sink=job.ends.sink_name,
        sample_rate=plan.rate,
        channels=plan.n_channels,
        block=plan.block,
        reserve_blocks=plan.reserve,
        seconds=duplex.n_exchanged / plan.rate,
        latency_ms=latency_ms(plan, parts.device_seconds, bridge.latency if bridge else 0),
        clock_ppm=bridge.ppm if bridge else None,
        compute_ms=worker.computed.percentiles_ms(),
        compute_histogram_ms=worker.computed.histogram_ms(),
        callback_ms=parts.called.percentiles_ms(),
        deadline_ms=1e3 * plan.deadline / plan.rate,
        chunks=worker.computed.n,
        misses=duplex.n_misses,
        dry_seconds=duplex.n_dry / plan.rate,
        underruns=parts.stream.n_underruns + (parts.file.n_late if parts.file else 0),
        overruns=parts.stream.n_overruns + duplex.n_overruns,
        broken_samples=duplex.n_broken,
        queue_samples=duplex.heard.available,
        longest_queue_samples=worker.longest_queue,
        cpu=processor / wall,
        real_time_priority=worker.priority,
        desk=parts.steering.desk,
        takes=parts.steering.takes,
        peak_dbfs={stem: decibels(float(peak)) for stem, peak in zip(parts.stems, peaks[:-1], strict=True)},
        mix_peak_dbfs=decibels(float(peaks[-1])),
    )


def _exchange(duplex: Duplex, plan: LivePlan, file: FileSource | None, n_mixed: int, called: Durations) -> Exchange:
    """The callback: a file takes the place of what is heard, one channel of stems goes to all that are played.

    What it takes is added to `called`; to wait for the interpreter is no part of it.
    """
    from_file = np.zeros((plan.block, plan.n_channels), np.float32)
    mixed = np.zeros((plan.block, n_mixed), np.float32)
    started = False

    def exchange(heard: Audio, played: Audio) -> None:
        nonlocal started
        began = time.perf_counter()
        if not started:
            started = True
            ask_for_real_time(CALLBACK)  # PortAudio asks for it on some systems, not on all
        if file is None:
            duplex.exchange(heard, mixed)
        elif file.fill(from_file):
            duplex.exchange(from_file, mixed)
        else:
            mixed[:] = 0  # the song waits for the disk
        played[:] = mixed
        called.add(time.perf_counter() - began)

    return exchange
