"""Real-time separation of music into bass, drums, vocals and other."""

# Only options are read here. Imports that take time wait until a command needs them.

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rtsep.cli.live import bench_latency, devices, live
from rtsep.cli.train import data, train
from rtsep.commands.console import Task

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__)
bench = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, help="Measure this machine.")
models = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(models, name="models")
app.add_typer(bench, name="bench")
app.add_typer(train, name="train")
app.add_typer(data, name="data")


@app.command()
def run(
    song: Annotated[
        Path | None, typer.Argument(help="The song: wav, flac, ogg or mp3; or a folder of songs.", show_default=False)
    ] = None,
    file: Annotated[Path | None, typer.Option(help="The song, as an option.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for SONG.stems; beside the song if not given.")] = None,
    model: Annotated[str | None, typer.Option(help="A shipped model's name, or a .safetensors file.")] = None,
    frontend: Annotated[
        Literal["cqt", "stft"] | None, typer.Option(help="The shipped model with this front end.")
    ] = None,
    solver: Annotated[Literal["cd", "lca"], typer.Option(help="Coordinate descent, or the neural dynamics.")] = "cd",
    audio_format: Annotated[Literal["wav", "flac", "ogg"], typer.Option("--format", help="Of the files.")] = "wav",
    stems: Annotated[str, typer.Option(help="Only these, as in bass,vocals.", show_default=False)] = "",
    start: Annotated[float, typer.Option(help="Begin here, in seconds.")] = 0.0,
    duration: Annotated[float | None, typer.Option(help="Separate this much, in seconds.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report to this file as JSON.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder with the true stems, to score against.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace stems that are there.")] = False,
    part: Annotated[str, typer.Option(help="Of a folder's songs, as in 3/8.", show_default=False)] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no report on the console.")] = False,
) -> Task:
    """Separate a song, or all songs of a folder; under mpirun on all its ranks."""
    chosen = song or file
    if chosen is None or (song and file):
        raise typer.BadParameter("give one song, as an argument or by --file", param_hint="SONG")

    def task() -> int:
        from rtsep.commands.computing import RunOptions
        from rtsep.commands.run import run
        from rtsep.file_job import FileJob

        job = FileJob(
            song=chosen,
            out=out,
            model=model or f"{frontend or 'cqt'}-sparse",
            solver=solver,
            audio_format=audio_format,
            stems=tuple(filter(None, stems.split(","))),
            start_seconds=start,
            duration_seconds=duration,
            overwrite=overwrite,
        )
        return run(RunOptions(job, frontend, report, truth, quiet, part))

    return task


app.command()(live)
app.command()(devices)
bench.command("latency")(bench_latency)


@models.callback(invoke_without_command=True)
def list_models(context: typer.Context) -> Task | None:
    """The models that come with the package: their names, or what one looks like."""
    if context.invoked_subcommand:
        return None

    def task() -> int:
        from rtsep.commands.models import list_models

        return list_models()

    return task


@models.command()
def show(
    name: Annotated[str, typer.Argument(help="A shipped model's name, or a model's or dictionary's .safetensors.")],
    out: Annotated[Path | None, typer.Option(help="The PNG to write; NAME.png here if not given.")] = None,
) -> Task:
    """Draw a model's atoms, and which stems they speak for."""

    def task() -> int:
        from rtsep.commands.models import show_model

        return show_model(name, out)

    return task


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="Folder of songs: SONG/bass.wav, SONG/drums.wav, ...")],
    model: Annotated[list[str] | None, typer.Option(help="A model's name or file; may come several times.")] = None,
    songs: Annotated[str, typer.Option(help="Only these, as in NAME,NAME.", show_default=False)] = "",
    baselines: Annotated[
        bool | None, typer.Option(help="The mixture, ideal masks, HPSS, REPET-SIM.", show_default=False)
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw box plots into this folder.")] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Make this folder: a page with players of mixture, truth and estimates.")
    ] = None,
) -> Task:
    """Score models on songs whose stems are known: SDR, SIR, SAR, ISR."""

    def task() -> int:
        from rtsep.commands.evaluate import EvaluateOptions, evaluate

        chosen = tuple(filter(None, songs.split(",")))
        return evaluate(EvaluateOptions(data, tuple(model or ()), chosen, baselines, json, plots, audio))

    return task


@bench.command()
def scaling(
    ranks: Annotated[str, typer.Option(help="Numbers of ranks.")] = "1,2,4",
    model: Annotated[list[str] | None, typer.Option(help="A model's name or file; may come several times.")] = None,
    song: Annotated[Path | None, typer.Option(help="Three synthetic minutes if not given.")] = None,
    repeats: Annotated[int, typer.Option(help="Runs of each; medians are told.")] = 3,
    launcher: Annotated[str, typer.Option(help="What starts ranks, as in 'mpirun --hostfile HOSTS'.")] = "mpirun",
    cores: Annotated[int | None, typer.Option(help="That all ranks share; this machine's if not given.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them into this PNG.")] = None,
) -> Task:
    """Real-time factor, speed-up, efficiency, idle share, messages, start-up and memory over ranks."""

    def task() -> int:
        from rtsep.commands.bench_scaling import ScalingOptions, bench_scaling, parse_ranks

        models = tuple(model or ["cqt-sparse"])
        chosen = ScalingOptions(models, parse_ranks(ranks), song, repeats=repeats, launcher=launcher, cores=cores)
        return bench_scaling(chosen, json, plot)

    return task
