"""The options of `rtsep live` and `rtsep devices`."""

# As in app.py, only options are read here.

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rtsep.commands.console import Task


def live(
    input_device: Annotated[
        str | None, typer.Option("--input", help="Device, by number or name; the system's own if not given.")
    ] = None,
    output_device: Annotated[
        str | None, typer.Option("--output", help="The same for the monitor mix; none to hear nothing.")
    ] = None,
    input_file: Annotated[Path | None, typer.Option(help="A song that plays in the place of an input device.")] = None,
    latency: Annotated[
        Literal["low", "balanced", "quality"] | None,
        typer.Option(help="12, 93 or 186 ms for the transform; quality if not given."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="In the place of a mode: a shipped model's name, or a .safetensors file.")
    ] = None,
    hear: Annotated[str, typer.Option(help="Only these stems in the mix, as in bass,drums.", show_default=False)] = "",
    outputs: Annotated[
        Literal["mix", "stems"], typer.Option(help="All stems to the same outputs, or each to its own, one by one.")
    ] = "mix",
    midi: Annotated[
        str | None, typer.Option(help="MIDI input for gains: volume on channel 1 for the first stem, and so on.")
    ] = None,
    faders: Annotated[
        str, typer.Option(help="Its controllers instead, as in 21=bass,22=master.", show_default=False)
    ] = "",
    preset: Annotated[
        str, typer.Option(help="The mix: karaoke, instrumental, drumless or bassless.", show_default=False)
    ] = "",
    duration: Annotated[float | None, typer.Option(help="End after this many seconds.")] = None,
    channels: Annotated[int | None, typer.Option(help="Of the input; 2 where there are as many.")] = None,
    rate: Annotated[int | None, typer.Option(help="In Hz; the input's own if not given.")] = None,
    block: Annotated[int, typer.Option(help="Samples that the device hands over at a time.")] = 256,
    reserve: Annotated[
        int | None, typer.Option(help="Blocks kept ready against jitter; else a chunk's worth, 35 ms at least.")
    ] = None,
    slices: Annotated[int, typer.Option(help="Slices a chunk: more take less computing and add latency.")] = 1,
    record: Annotated[Path | None, typer.Option(help="Record the stems into this folder from the beginning.")] = None,
    audio_format: Annotated[
        Literal["wav", "flac", "ogg"], typer.Option("--format", help="Of what is recorded.")
    ] = "flac",
    report: Annotated[Path | None, typer.Option(help="Write the figures to this file as JSON.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No figures on the console.")] = False,
) -> Task:
    """Separate what a device hears, or a song, while it plays; Ctrl-C ends it."""

    def task() -> int:
        from rtsep.commands.live import LiveOptions, live

        live(
            LiveOptions(
                input=input_device,
                output=output_device,
                input_file=input_file,
                latency=latency,
                model=model,
                hear=tuple(filter(None, hear.split(","))),
                duration=duration,
                channels=channels,
                rate=rate,
                block=block,
                reserve=reserve,
                slices=slices,
                outputs=outputs,
                midi=midi,
                faders=faders,
                preset=preset,
                record=record,
                audio_format=audio_format,
                report=report,
                quiet=quiet,
            )
        )

    return task


def bench_latency(
    input_device: Annotated[str | None, typer.Option("--input", help="As for rtsep live.")] = None,
    output_device: Annotated[str | None, typer.Option("--output", help="As for rtsep live.")] = None,
    latency: Annotated[
        Literal["low", "balanced", "quality"] | None, typer.Option(help="The mode; quality if not given.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model in the place of a mode.")] = None,
    rate: Annotated[int | None, typer.Option(help="In Hz; the input's own if not given.")] = None,
    block: Annotated[int, typer.Option(help="Samples that the device hands over at a time.")] = 256,
    reserve: Annotated[int | None, typer.Option(help="Blocks kept ready against jitter.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> Task:
    """How late live sound is, by impulses: connect the output to the input with a cable, and take headphones off."""

    def task() -> int:
        from rtsep.commands.bench_latency import bench_latency
        from rtsep.commands.live import LiveOptions

        chosen = LiveOptions(
            input=input_device,
            output=output_device,
            latency=latency,
            model=model,
            rate=rate,
            block=block,
            reserve=reserve,
        )
        bench_latency(chosen, json)

    return task


def devices() -> Task:
    """The sound devices that there are, as `rtsep live` takes them."""

    def task() -> int:
        from rtsep.commands.devices import print_devices

        return print_devices()

    return task
