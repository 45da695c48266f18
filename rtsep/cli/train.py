"""The options of `rtsep train` and `rtsep data`."""

# As in app.py, only options are read here.

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rtsep.commands.console import Task

train = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Make a model from recordings; under mpirun on all ranks.",
)
data = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, help="Make recordings to train with.")

Recipe = Annotated[Path, typer.Argument(help="A TOML file as in recipes/.")]
Data = Annotated[Path, typer.Option(help="Folder with the recordings that the recipe names.")]
Out = Annotated[Path, typer.Option(help="The file to write, ending in .safetensors.")]
Run = Annotated[Path | None, typer.Option(help="Folder for states and curves: training that was stopped goes on.")]


@train.command()
def sparse(recipe: Recipe, data: Data, out: Out, run: Run = None) -> Task:
    """Learn a dictionary and its decoder: a whole model."""

    def task() -> int:
        from rtsep.commands.train import TrainOptions, train_sparse

        return train_sparse(TrainOptions(recipe, data, out, run))

    return task


@train.command()
def dictionary(recipe: Recipe, data: Data, out: Out, run: Run = None) -> Task:
    """Learn a dictionary alone."""

    def task() -> int:
        from rtsep.commands.train import TrainOptions, train_dictionary

        return train_dictionary(TrainOptions(recipe, data, out, run))

    return task


@train.command()
def decoder(
    recipe: Recipe,
    data: Data,
    dictionary: Annotated[Path, typer.Option(help="What `rtsep train dictionary` wrote.")],
    out: Out,
    run: Run = None,
) -> Task:
    """Make a model of a dictionary that was learned before."""

    def task() -> int:
        from rtsep.commands.train import TrainOptions, train_decoder

        return train_decoder(TrainOptions(recipe, data, out, run), dictionary)

    return task


@train.command()
def timbrenet(
    recipe: Recipe,
    data: Data,
    out: Out,
    run: Run = None,
    device: Annotated[
        Literal["cpu", "cuda"],
        typer.Option(help="Where torch computes; with cpu on half of the cores, the others draw mixtures."),
    ] = "cpu",
) -> Task:
    """Train a causal mask network, with torch; under mpirun all ranks share each batch."""

    def task() -> int:
        from rtsep.commands.train import TrainOptions
        from rtsep.commands.train_timbrenet import train_timbrenet

        return train_timbrenet(TrainOptions(recipe, data, out, run), device)

    return task


@data.command("render")
def data_render(
    midi: Annotated[Path, typer.Option(help="Folder with Groove MIDI and POP909.")],
    out: Annotated[Path, typer.Option(help="Folder for the songs.")],
    voices: Annotated[list[Path] | None, typer.Option(help="Folder with recordings of singers, as MIR-1K's.")] = None,
    soundfont: Annotated[
        list[Path] | None,
        typer.Option(help="A SoundFont to play with, may come several times; all that Debian has if not given."),
    ] = None,
    songs: Annotated[int, typer.Option(help="How many there shall be.")] = 60,
    seconds: Annotated[float, typer.Option(help="Length of each.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same songs.")] = 0,
    processes: Annotated[int | None, typer.Option(help="All cores if not given.")] = None,
) -> Task:
    """Render songs from MIDI, sung where there are voices; those that are there already are kept."""

    def task() -> int:
        from rtsep.commands.render import render

        return render(midi, voices or (), soundfont or (), out, songs, seconds, seed, processes)

    return task


@data.command("quartet")
def data_quartet(
    notes: Annotated[
        list[Path],
        typer.Option(help="Folder of {violin,clarinet,saxophone,bassoon}/ with single notes; may come several times."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the chorales.")],
    chorales: Annotated[int, typer.Option(help="How many to learn from; an eighth as many are held out.")] = 308,
    seed: Annotated[int, typer.Option(help="The same seed, the same chorales, notes and players.")] = 0,
    processes: Annotated[int | None, typer.Option(help="All cores if not given.")] = None,
) -> Task:
    """Render Bach's chorales from recordings of single notes; those that are there already are kept."""

    def task() -> int:
        from rtsep.commands.quartet import quartet

        return quartet(notes, out, chorales, seed, processes)

    return task


@data.command("notes")
def data_notes(
    soundfont: Annotated[Path, typer.Option(help="A General MIDI SoundFont, as FluidR3_GM.sf2.")],
    out: Annotated[Path, typer.Option(help="Folder to make, for --notes of `rtsep data quartet`.")],
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INSTRUMENT=BANK:PROGRAM",
            help="Another preset than General MIDI's, as saxophone=0:65, the alto; may come several times.",
        ),
    ] = None,
) -> Task:
    """Play every note of the quartet's instruments from a SoundFont: players that recordings of notes lack."""

    def task() -> int:
        from rtsep.commands.quartet import single_notes

        return single_notes(soundfont, preset or [], out)

    return task
