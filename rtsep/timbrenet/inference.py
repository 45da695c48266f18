"""A trained network, slice by slice, without torch. Every product has the same shape for each slice: the same bits."""

from __future__ import annotations

import numpy as np

from rtsep.timbrenet import kernels
from rtsep.timbrenet.features import Features
from rtsep.timbrenet.layers import TAPS, Sizes, Weights
from rtsep.timbrenet.partials import Partials
from rtsep.types import F32

LARGEST_LOGIT = 12.0  # beyond it a filter is open or shut; all of them shut must still add up to one


class TimbreStream:
    """Filters of one slice after the other; remembers `sizes.context_slices` of them and starts from nothing.

    What it gives is that of a stream which heard more, to the last bit, once it has heard so many slices.
    """

    def __init__(self, sizes: Sizes, weights: Weights, partials: Partials, n_channels: int) -> None:
        self._features = Features(sizes.level_slices, sizes.compression)
        self._sizes = sizes
        self._weights = weights
        self._partials = partials
        self._n_slices = 0
        n_bands = len(weights["enter_bias"])
        cells = (n_channels * n_bands, sizes.channels)
        # What a slice adds to those one and two dilations later, until they come.
        self._later = [tuple(np.zeros((n * d, *cells), np.float32) for n in (1, 2)) for d in sizes.dilations]

    def push(self, views: F32, ahead: int = 0) -> F32 | None:
        """Filters `(n_outputs, n_channels, n_bands, n_columns)` of the next slice, from its `band_views`.

        They are in (0, 1) and add up to one. If the first that matter are those of the slice `ahead` slices later, only
        what these depend on is computed, and there are none.
        """
        timbres = self.timbres(views, ahead)
        if timbres is None:
            return None
        logits = timbres @ self._weights["mix"] + self._weights["mix_bias"]
        filters = 1 / (1 + np.exp(-np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)))
        filters /= filters.sum(axis=-1, keepdims=True)
        return np.ascontiguousarray(np.moveaxis(filters, -1, 0))

    def timbres(self, views: F32, ahead: int = 0) -> F32 | None:
        """What the timbre dimension holds: `(n_channels, n_bands, n_columns, n_timbres)`, none of it below 0."""
        weights = self._weights
        features = self._features.push(views)
        index, self._n_slices = self._n_slices, self._n_slices + 1
        if ahead > self._sizes.reach[0]:
            return None
        x = (_neighbours(features) @ weights["enter"]).reshape(*views.shape[:2], -1)
        x = _relu(x + weights["enter_bias"])
        for i, reach in enumerate(self._sizes.reach):
            if ahead > reach:
                return None
            x = self._block(i, index, self._with_partials(i, x))
        if ahead:
            return None
        up = _relu(x @ weights["timbre"] + weights["timbre_bias"])
        return up.reshape(*up.shape[:2], -1, self._sizes.timbres)

    def _with_partials(self, i: int, x: F32) -> F32:
        """`x` `(n_channels, n_bands, wide)` and what each of its bands hears at its partials."""
        weights, places = self._weights, self._partials
        few = _relu(x @ weights[f"gather{i}"] + weights[f"gather{i}_bias"])
        heard = np.empty((*x.shape[:2], places.lower.shape[1], few.shape[2]), np.float32)
        kernels.put_partials(few, places.lower, places.from_lower, places.from_upper, heard)
        h = _relu(heard.reshape(*x.shape[:2], -1) @ weights[f"partials{i}"] + weights[f"partials{i}_bias"])
        out = h @ weights[f"join{i}"]
        kernels.add_residual(x, weights[f"join{i}_bias"], out)
        return out

    def _block(self, i: int, index: int, x: F32) -> F32:
        """Block `i` of slice number `index`: `x` `(n_channels, n_bands, wide)` and what the block adds to it."""
        weights, dilation = self._weights, self._sizes.dilations[i]
        heard = _neighbours(x) @ weights[f"time{i}"]
        one, two = self._later[i][0][index % dilation], self._later[i][1][index % (2 * dilation)]
        h = np.empty_like(x)
        kernels.take_taps(heard, one, two, weights[f"time{i}_bias"], h.reshape(one.shape))
        inner = _relu(weights[f"narrow{i}"] @ h + weights[f"narrow{i}_bias"])
        kernels.add_bands(weights[f"widen{i}"] @ inner, weights[f"widen{i}_bias"], h)
        out = h @ weights[f"leave{i}"]
        kernels.add_residual(x, weights[f"leave{i}_bias"], out)
        return out


def _neighbours(x: F32) -> F32:
    """Each band beside the one below and the one above it, `(n_channels * n_bands, 3 * wide)`; silence at the ends."""
    n_channels, n_bands, wide = x.shape
    out = np.empty((n_channels, n_bands, TAPS, wide), np.float32)
    kernels.put_neighbours(x, out)
    return out.reshape(n_channels * n_bands, TAPS * wide)


def _relu(x: F32) -> F32:
    return np.maximum(x, np.float32(0), out=x)
