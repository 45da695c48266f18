"""Separator of a TimbreNet: a chunk in, its stems out, and nothing remembered in between."""

from __future__ import annotations

import numpy as np

from rtsep.errors import AudioError
from rtsep.frontend.slices import SLICES_TOGETHER, chunk_shape, cut_slices
from rtsep.timbrenet.features import band_views
from rtsep.timbrenet.inference import TimbreStream
from rtsep.timbrenet.model import TimbreModel
from rtsep.timbrenet.partials import find_partials
from rtsep.types import Audio, Stems

# A chunk's slices, in lengths of its context: where chunks go from rank to rank, a fifth of the work is for the past.
_CONTEXTS_TOGETHER = 2


class TimbreSeparator:
    """Band energies, a causal network, one filter for each stem on the mixture's coefficients.

    The bits of a slice depend neither on the chunk's length nor on the rank that computes it. Level does not matter.
    The network's state after a chunk is kept: where the next chunk's past is what that one brought, as in any stream
    on one process, the past is not computed again. It would come to the same bits. An object serves one call at a time.
    """

    def __init__(self, model: TimbreModel, slices: int | None = None) -> None:
        self.model = model
        self.stems = model.stems
        self.sample_rate = model.sample_rate
        self._frontend = model.frontend()
        self._partials = find_partials(self._frontend.band_centres, model.sizes.ratios)
        context = model.sizes.context_slices
        self.shape = chunk_shape(self._frontend, context, slices or max(1, _CONTEXTS_TOGETHER * context))
        self._kept: tuple[Audio, TimbreStream] | None = None

    def separate(self, chunk: Audio) -> Stems:
        """Stems `(n_stems, shape.output_length, n_channels)` of a chunk `(shape.input_length, n_channels)`.

        They are windowed for the overlap-add and add up to the windowed chunk. Raises OptionError for another length,
        AudioError for samples that are not finite.
        """
        shape, frontend = self.shape, self._frontend
        slices = cut_slices(chunk, shape)
        if not np.isfinite(chunk).all():
            raise AudioError("chunk has samples that are not finite: take them out or set them to 0")
        first, stream = self._begin(chunk)
        stems = np.zeros((len(self.stems), shape.output_length, chunk.shape[1]), np.float32)
        for start in range(first, len(slices), SLICES_TOGETHER):
            coefficients = frontend.analyze(slices[start : start + SLICES_TOGETHER])
            for s, views in enumerate(band_views(frontend, coefficients)):
                at = start + s - shape.context_slices
                filters = stream.push(views, max(0, -at))
                if filters is not None:
                    filtered = frontend.synthesize(frontend.apply_gains(coefficients[s], filters))
                    stems[:, at * shape.hop : at * shape.hop + shape.slice_output] += filtered
        self._kept = chunk[shape.advance :][: shape.heard_before].copy(), stream
        return stems

    def _begin(self, chunk: Audio) -> tuple[int, TimbreStream]:
        """The first slice that has to be computed, and the state of the network before it."""
        kept, self._kept = self._kept, None  # what fails leaves no state behind
        if kept and np.array_equal(kept[0], chunk[: self.shape.heard_before]):
            return self.shape.context_slices, kept[1]
        return 0, TimbreStream(self.model.sizes, self.model.weights, self._partials, chunk.shape[1])
