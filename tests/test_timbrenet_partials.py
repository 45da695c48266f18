"""Partials: each band hears, at each ratio, what lies there, interpolated; beyond the bands it hears nothing."""

import numpy as np

from rtsep.timbrenet import kernels
from rtsep.timbrenet.layers import RATIOS
from rtsep.timbrenet.partials import find_partials

CENTRES = np.geomspace(50.0, 5000.0, 60)


def test_a_band_hears_what_lies_at_the_multiples_and_fractions_of_its_frequency():
    heard = find_partials(CENTRES, RATIOS).matrix() @ CENTRES.astype(np.float32)  # each band sounds its own frequency
    for k, ratio in enumerate(RATIOS):
        wanted = CENTRES * ratio
        inside = (wanted >= CENTRES[0]) & (wanted <= CENTRES[-1])
        assert 0 < inside.sum() <= inside.size
        assert np.allclose(heard[k][inside], wanted[inside], rtol=1e-5)
        assert not heard[k][~inside].any()


def test_the_kernel_multiplies_by_these_matrices():
    partials = find_partials(CENTRES, RATIOS)
    x = np.random.default_rng(1).random((2, CENTRES.size, 3), np.float32)
    out = np.full((2, CENTRES.size, len(RATIOS), 3), np.nan, np.float32)
    kernels.put_partials(x, partials.lower, partials.from_lower, partials.from_upper, out)
    assert np.allclose(out, np.einsum("kab,cbf->cakf", partials.matrix(), x), atol=1e-6)


def test_a_note_looks_the_same_at_every_pitch():
    """On bands that are even in pitch, a note moved by a band moves what is heard by a band."""
    matrix = find_partials(CENTRES, RATIOS).matrix()
    note = np.zeros(CENTRES.size, np.float32)
    note[[12, 21, 26]] = 1.0, 0.5, 0.2
    heard, moved = matrix @ note, matrix @ np.roll(note, 1)
    assert np.allclose(heard[:, 4:50], moved[:, 5:51], atol=1e-4)
