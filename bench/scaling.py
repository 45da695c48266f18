"""How does rtsep's speed grow with the number of ranks?

Whole runs of `rtsep run` under mpirun with each shipped model, on three synthetic minutes of stereo at 44.1 kHz;
medians of repeats. `rtf` leaves start-up out; `efficiency` is the speed-up over the number of ranks, or of cores where
those are fewer; `idle_share` the share of the time, mean over ranks, in which a rank has neither a chunk nor a message
at hand; `message_ms` what the messages of a chunk take on both ends together. `rtsep bench scaling` is the same for a
user's machine or cluster.
"""

from __future__ import annotations

from _plot import add_plot_option
from _table import bench_parser, publish

from rtsep.commands.bench_scaling import ScalingOptions, measure
from rtsep.commands.scaling_figure import draw_scaling
from rtsep.model_file import model_names

RANKS = (1, 2, 4, 8, 16, 32)


def main() -> None:
    parser = bench_parser(__doc__)
    add_plot_option(parser, "speed-up, efficiency and idle share")
    options = parser.parse_args()
    models = tuple(model_names())
    if options.quick:
        rows = measure(ScalingOptions(models[:1], RANKS[:2], seconds=20.0, repeats=2))
    else:
        rows = measure(ScalingOptions(models, RANKS))
    publish(__doc__, rows, options.json)
    if options.plot:
        draw_scaling(rows, options.plot)


if __name__ == "__main__":
    main()
