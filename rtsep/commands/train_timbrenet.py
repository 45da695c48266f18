"""`rtsep train timbrenet`: a recipe and recordings in, a network's model file out; by one process, with torch."""

from __future__ import annotations

from rtsep.commands.stages import show_stages
from rtsep.commands.train import TrainOptions, check_files, draw_run
from rtsep.engine.process import own_cores, world_size
from rtsep.errors import OptionError
from rtsep.sparse.ranks import ONE_RANK
from rtsep.timbrenet.model import save_timbrenet
from rtsep.training.run_folder import NOTHING_KEPT, RunFolder
from rtsep.training.timbre_recipe import read_timbre_recipe


def train_timbrenet(options: TrainOptions, device: str) -> int:
    """Train on `device`, cpu or cuda. Raises RtsepError."""
    if world_size() > 1:
        raise OptionError(f"{world_size()} ranks: a TimbreNet is trained by one process; start it without mpirun")
    recipe = read_timbre_recipe(options.recipe)
    check_files(options, recipe.songs)
    try:
        from rtsep.training.fit_timbrenet import check_device, fit_timbrenet
    except ImportError as error:
        raise OptionError(
            f"torch cannot be imported ({error}): training needs it; pip install 'rtsep[timbrenet]'"
        ) from error
    processes, threads = share_out(len(own_cores()), device)
    check_device(device, threads)
    keeper = RunFolder(options.run, ONE_RANK) if options.run else NOTHING_KEPT
    with show_stages() as progress:
        model = fit_timbrenet(recipe, options.data, device, processes, progress, keeper)
    save_timbrenet(model, options.out)
    n_weights = sum(array.size for array in model.weights.values())
    print(f"{options.out}: {n_weights} weights, held-out loss {model.notes['held_out_loss']:.2f} dB")
    if options.run:
        draw_run(options.run)
    return 0


def share_out(cores: int, device: str) -> tuple[int, int]:
    """How many processes draw mixtures, and how many threads learn from them: together as many as the cores.

    Which of the two takes longer depends on the recipe; beside a graphics processor nearly all that is left is drawing.
    """
    threads = 1 if device == "cuda" else (cores + 1) // 2
    return cores - threads, threads
