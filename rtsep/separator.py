"""Separators of models: a chunk in, its stems out, and nothing remembered in between; here that of the sparse model."""

from __future__ import annotations

import numpy as np

from rtsep.decoder.kernels import decode_codes
from rtsep.decoder.masks import ratio_masks
from rtsep.frontend.features import compress, cut_patches
from rtsep.frontend.slices import SLICES_TOGETHER, chunk_shape, cut_slices
from rtsep.model_file import SparseModel, load_model, model_path
from rtsep.sparse.coder import Solver, SparseCoder
from rtsep.tensor_file import read_header
from rtsep.timbrenet import model as timbrenet
from rtsep.timbrenet.separator import TimbreSeparator
from rtsep.types import C64, F32, Audio, Stems

# What one file chunk holds: long enough that its context costs little, short enough that ranks share a song evenly.
_CHUNK_SAMPLES = 65536


class SparseSeparator:
    """Band spectra, sparse codes, linear decoder, ratio masks, the mixture's phase.

    The bits of a slice depend neither on the chunk's length nor on the rank that computes it. Level does not matter:
    codes are those of unit-norm patches. The energies of a chunk's last slices are kept: where the next chunk's past is
    what that one brought, as in any stream on one process, they are not computed again. They would come to the same
    bits. An object serves one call at a time.
    """

    def __init__(self, model: SparseModel, solver: Solver = "cd", slices: int | None = None) -> None:
        self.model = model
        self.solver = solver
        self.stems = model.stems
        self.sample_rate = model.sample_rate
        self._frontend = model.frontend()
        self._grid = model.grid(self._frontend)
        self._coder = SparseCoder(model.dictionary, model.whitening, model.sparsity, solver)
        slices = slices or max(1, _CHUNK_SAMPLES // self._frontend.hop)
        self.shape = chunk_shape(self._frontend, self._grid.context_slices, slices)
        self._kept: tuple[Audio, list[F32]] | None = None

    def separate(self, chunk: Audio) -> Stems:
        """Stems `(n_stems, shape.output_length, n_channels)` of a chunk `(shape.input_length, n_channels)`.

        They are windowed for the overlap-add and add up to the windowed chunk. Raises OptionError for another length.
        """
        shape = self.shape
        coefficients, patches = self._listen(chunk)
        stems = np.zeros((len(self.stems), shape.output_length, chunk.shape[1]), np.float32)
        for s, masks in enumerate(self._masks(patches)):
            masked = self._frontend.apply_gains(coefficients[s], masks)
            stems[:, s * shape.hop : s * shape.hop + shape.slice_output] += self._frontend.synthesize(masked)
        return stems

    def _listen(self, chunk: Audio) -> tuple[list[C64], F32]:
        """Coefficients of the slices to be separated, and their patches of energy, slice by slice."""
        shape = self.shape
        slices = cut_slices(chunk, shape)
        power = self._known_power(chunk)
        coefficients: list[C64] = []
        for start in range(len(power), len(slices), SLICES_TOGETHER):
            some = self._frontend.analyze(slices[start : start + SLICES_TOGETHER])
            coefficients.extend(some)
            power.extend(self._frontend.band_power(some))
        self._kept = chunk[shape.advance :][: shape.heard_before].copy(), power[shape.slices :]
        return coefficients[-shape.slices :], cut_patches(self._grid, power)

    def _known_power(self, chunk: Audio) -> list[F32]:
        """The energies of the context slices if the chunk before heard them, else nothing."""
        if self._kept and np.array_equal(self._kept[0], chunk[: self.shape.heard_before]):
            return list(self._kept[1])
        return []

    def _masks(self, patches: F32) -> F32:
        """Masks `(n_slices, n_stems, n_channels, n_bands, n_columns)` from patches of energy.

        All patches of a chunk are coded together, which is what makes the matrix products fast; still no bit of a
        code depends on what is coded beside it.
        """
        n_slices, n_channels, n_patches = patches.shape[:3]
        rows = compress(patches, self.model.compression).reshape(n_slices * n_channels * n_patches, -1)
        codes, _ = self._coder.encode(rows)
        decoded = np.empty((len(codes), self.model.decoder.shape[1]), np.float32)
        decode_codes(codes, self.model.decoder, decoded)
        amplitudes = decoded.reshape(n_slices, n_channels, self._grid.decoded.size, len(self.stems), -1)
        masks = ratio_masks(amplitudes.transpose(3, 0, 1, 4, 2), self.model.mask_exponent)
        return np.ascontiguousarray(masks[..., self._grid.nearest_decoded].swapaxes(0, 1))


ModelSeparator = SparseSeparator | TimbreSeparator


def load_separator(
    name_or_path: str = "cqt-sparse", solver: Solver = "cd", slices: int | None = None
) -> ModelSeparator:
    """The separator of a shipped model's name or of a model file, by the file's kind. Raises ModelError, OptionError.

    `solver` is that of sparse codes; a TimbreNet has none. `slices` is how many a chunk yields, of its own choice if
    not given: fewer are quicker to fill and take more computing; the stems are the same.
    """
    if read_header(model_path(name_or_path)).get("kind") == timbrenet.KIND.name:
        return TimbreSeparator(timbrenet.load_timbrenet(name_or_path), slices)
    return SparseSeparator(load_model(name_or_path), solver, slices)
