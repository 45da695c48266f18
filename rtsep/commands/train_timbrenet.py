"""`rtsep train timbrenet`: a recipe and recordings in, a network's model file out; under mpirun by all ranks."""

from __future__ import annotations

from rtsep.commands.stages import show_stages
from rtsep.commands.train import TrainOptions, checked, conclude, keeper_of, on_all_ranks
from rtsep.engine.process import own_cores
from rtsep.errors import OptionError
from rtsep.sparse.ranks import Ranks
from rtsep.timbrenet.model import TimbreModel, save_timbrenet
from rtsep.training.timbre_recipe import read_timbre_recipe


def train_timbrenet(options: TrainOptions, device: str) -> int:
    """Train on `device`, cpu or cuda. Raises RtsepError."""

    def task(ranks: Ranks) -> int:
        recipe = ranks.together(lambda: checked(options, read_timbre_recipe))
        processes, threads = share_out(len(own_cores()), device) if ranks.size == 1 else (0, 1)
        ranks.together(lambda: _ready(device, threads))
        from rtsep.training.fit_timbrenet import fit_timbrenet

        with show_stages() as progress:
            model = fit_timbrenet(recipe, options.data, device, processes, progress, keeper_of(options, ranks), ranks)
        return conclude(ranks, options.run, lambda: _save(model, options))

    return on_all_ranks(task)


def _ready(device: str, threads: int) -> None:
    try:
        from rtsep.training.fit_timbrenet import check_device
    except ImportError as error:
        raise OptionError(
            f"torch cannot be imported ({error}): training needs it; pip install 'rtsep[timbrenet]'"
        ) from error
    check_device(device, threads)


def _save(model: TimbreModel, options: TrainOptions) -> None:
    save_timbrenet(model, options.out)
    n_weights = sum(array.size for array in model.weights.values())
    print(f"{options.out}: {n_weights} weights, held-out loss {model.notes['held_out_loss']:.2f} dB")


def share_out(cores: int, device: str) -> tuple[int, int]:
    """How many processes draw mixtures, and how many threads learn from them: together as many as the cores.

    Which of the two takes longer depends on the recipe; beside a graphics processor nearly all that is left is drawing.
    """
    threads = 1 if device == "cuda" else (cores + 1) // 2
    return cores - threads, threads
