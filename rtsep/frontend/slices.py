"""How a separator's chunks lie on its front end's slices: the shape of a chunk, and the slices of one."""

from __future__ import annotations

from numpy.lib.stride_tricks import sliding_window_view

from rtsep.errors import OptionError
from rtsep.frontend.features import FrontEnd
from rtsep.types import Audio, ChunkShape

# Slices that are analysed in one call: two would do for stereo; more than eight leave the processor's cache.
SLICES_TOGETHER = 4


def chunk_shape(frontend: FrontEnd, context_slices: int, slices: int) -> ChunkShape:
    """Chunks of `slices` slices of `frontend` after `context_slices` that are only listened to."""
    return ChunkShape(
        hop=frontend.hop,
        slice_length=frontend.slice_length,
        slice_output=frontend.output_length,
        latency=frontend.latency,
        context_slices=context_slices,
        slices=slices,
    )


def cut_slices(chunk: Audio, shape: ChunkShape) -> Audio:
    """All slices `(n, slice_length, n_channels)` of a chunk, context first, as a view. Raises OptionError.

    A chunk is `(shape.input_length, n_channels)`; another length cannot be separated.
    """
    if chunk.ndim != 2 or chunk.shape[0] != shape.input_length:
        raise OptionError(
            f"chunk is {chunk.shape}: it must be ({shape.input_length}, n_channels); cut it with streaming.Slicer"
        )
    view: Audio = sliding_window_view(chunk, shape.slice_length, axis=0)[:: shape.hop].swapaxes(1, 2)
    return view
