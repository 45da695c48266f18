"""Front ends against their slow twins, on any sizes and any numbers: layouts, channels, gains, silence, denormals."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from rtsep.errors import OptionError
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.cqt import CQT
from rtsep.frontend.presets import build_preset
from rtsep.frontend.real_fft import RealFFT
from rtsep.frontend.stft import STFT

SEEDS = st.integers(0, 2**31)
LEVELS = st.sampled_from([0.0, 1e-42, 1e-38, 1e-20, 1e-6, 1.0, 1e6, 1e12])


@st.composite
def front_ends(draw):
    """Small front ends of any make and precision; sizes that do not go together are refused by OptionError."""
    gamma = draw(st.one_of(st.just(0.0), st.floats(0, 3900)))
    rate = draw(st.sampled_from([8000, 22050, 44100, 192000]))
    layout = BandLayout(rate, draw(st.integers(1, 60)), gamma=gamma, f_min=draw(st.floats(10, 3700)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    if draw(st.booleans()):
        hop = draw(st.sampled_from([1, 2, 3, 8, 60]))
        depth = draw(st.integers(2, 4))
        return STFT(layout, hop * (depth + draw(st.integers(0, 5))) * 2, hop, 2 * hop * depth, dtype)
    n_columns = draw(st.sampled_from([2, 4, 8]))
    slice_length = 2 * n_columns * draw(st.integers(2, 100))
    return CQT(layout, slice_length, 2 * draw(st.integers(1, slice_length // 4)), n_columns, dtype)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n_channels=st.integers(0, 3), seed=SEEDS)
def test_any_sizes_reconstruct_or_are_refused(data, n_channels, seed):
    try:
        frontend = data.draw(front_ends())
    except OptionError:
        reject()  # Hypothesis draws again, and fails where most are refused
    n_slices = 2 * (frontend.slice_length // frontend.hop) + 1
    n_samples = (n_slices - 1) * frontend.hop + frontend.slice_length
    audio = np.random.default_rng(seed).standard_normal((n_samples, n_channels)).astype(frontend.dtype)
    out = np.zeros_like(audio)
    silent = frontend.slice_length - frontend.output_length
    for s in range(n_slices):
        part = slice(s * frontend.hop, s * frontend.hop + frontend.slice_length)
        coefficients = frontend.analyze(audio[part])
        gains = np.ones((n_channels, frontend.n_bands, frontend.n_columns), frontend.dtype)
        assert frontend.band_power(coefficients).shape == gains.shape
        out[part][silent:] += frontend.synthesize(frontend.apply_gains(coefficients, gains))
    inside = slice(frontend.slice_length - frontend.hop, n_slices * frontend.hop + silent)
    limit = 1e-6 if frontend.dtype == np.float32 else 1e-12
    assert np.linalg.norm(out[inside] - audio[inside]) <= limit * np.linalg.norm(audio[inside])


def slow_gains(frontend, coefficients, gains):
    """Each coefficient times the gain at its place in time, one by one; a bin times the blend of its bands' gains."""
    if frontend.name == "stft":
        weights = frontend.layout.weights(frontend.slice_length)
        return coefficients * (gains[..., 0] @ weights[weights.any(axis=1)])
    masked = np.empty((*gains.shape[:-2], frontend.n_coefficients), complex)
    start = 0
    centres = np.arange(frontend.n_columns) + 0.5
    for k, length in enumerate(lengths(frontend)):
        places = np.arange(length) / length * frontend.n_columns
        for where in np.ndindex(*gains.shape[:-2]):
            gain = np.interp(places, centres, gains[where][k])
            masked[where][start : start + length] = gain * coefficients[where[-1], start : start + length]
        start += length
    return masked


def lengths(frontend):
    """Coefficients of each band: the power of two that holds its bins and all columns."""
    supports = [np.ptp(np.flatnonzero(row)) + 1 for row in frontend.layout.weights(frontend.slice_length)]
    return [max(frontend.n_columns, 2 ** int(np.ceil(np.log2(n)))) for n in supports]


def slow_power(frontend, coefficients):
    """Mean |c|^2 over each column by the trapezoidal rule, the band wrapped around, times M^2; or weighted bins."""
    energy = np.abs(coefficients) ** 2
    if frontend.name == "stft":
        weights = frontend.layout.weights(frontend.slice_length)
        return (energy @ weights[weights.any(axis=1)].T)[:, :, None]
    power = np.empty((len(energy), frontend.n_bands, frontend.n_columns))
    start = 0
    for k, length in enumerate(lengths(frontend)):
        band = np.append(energy[:, start : start + length], energy[:, start : start + 1], axis=1)
        step = length // frontend.n_columns
        for t in range(frontend.n_columns):
            power[:, k, t] = np.trapezoid(band[:, t * step : (t + 1) * step + 1], axis=1) / step * length**2
        start += length
    return power


def slow_synthesis(frontend, coefficients):
    """X[m] = sum_k gamma_k[m] FFT(c_k)[m mod M_k], term by term; samples by the inverse FFT."""
    weights = frontend.layout.weights(frontend.slice_length)
    spectrum = np.zeros((len(coefficients), weights.shape[1]), complex)
    start = 0
    for g, length in zip(weights, lengths(frontend), strict=True):
        band = np.fft.fft(coefficients[:, start : start + length], axis=1)
        for m in np.flatnonzero(g):
            spectrum[:, m] += g[m] / np.sum(weights[:, m] ** 2) * band[:, m % length]
        start += length
    return np.fft.irfft(spectrum, frontend.slice_length, axis=1).T


PRESETS = ["cqt", "cqt-lowest-latency", "stft", "stft-low-delay"]


@pytest.fixture(scope="module")
def built():
    return {name: build_preset(name) for name in PRESETS}


@settings(max_examples=12, deadline=None)
@given(name=st.sampled_from(PRESETS), seed=SEEDS, several=st.sampled_from([(), (1,), (3,), (2, 2), (0,)]))
def test_gains_power_and_synthesis_are_the_slow_ones(built, name, seed, several):
    frontend, rng = built[name], np.random.default_rng(seed)
    coefficients = rng.standard_normal((2, frontend.n_coefficients, 2)).astype(np.float32).view(np.complex64)[..., 0]
    gains = rng.random((*several, 2, frontend.n_bands, frontend.n_columns), np.float32)
    masked = frontend.apply_gains(coefficients, gains)
    assert masked.shape == (*several, 2, frontend.n_coefficients)
    assert np.allclose(masked, slow_gains(frontend, coefficients, gains), atol=1e-5)
    assert np.allclose(frontend.band_power(coefficients), slow_power(frontend, coefficients), rtol=1e-5)
    stems = frontend.synthesize(masked)
    assert stems.shape == (*several, frontend.output_length, 2)
    if frontend.name == "cqt":
        slow = slow_synthesis(frontend, coefficients)
        assert np.linalg.norm(frontend.synthesize(coefficients) - slow) <= 1e-6 * np.linalg.norm(slow)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(PRESETS), level=LEVELS, gain=LEVELS, seed=SEEDS)
def test_any_level_and_any_gain_come_out_in_proportion(built, name, level, gain, seed):
    """Also denormals: what is too small to be told from nothing comes out as nothing much, never as NaN."""
    frontend, rng = built[name], np.random.default_rng(seed)
    unit = rng.standard_normal((frontend.slice_length, 1)).astype(np.float32)
    level, gain = float(np.float32(level)), float(np.float32(gain))  # denormals are not what they were written as
    coefficients = frontend.analyze(unit * np.float32(level))
    gains = np.full((1, frontend.n_bands, frontend.n_columns), gain, np.float32)
    out = frontend.synthesize(frontend.apply_gains(coefficients, gains))
    expected = frontend.synthesize(frontend.analyze(unit)).astype(float) * level * gain
    # Denormals have an absolute precision: sums of thousands of them may be wrong by some of it each.
    absolute = 1e-38 * max(1.0, gain)
    assert np.abs(out - expected).max() <= 2e-5 * np.abs(expected).max() + absolute
    power = frontend.band_power(coefficients)
    assert np.isfinite(power).all()
    assert (power >= 0).all()


@settings(max_examples=40, deadline=None)
@given(half=st.integers(1, 300), n_rows=st.integers(0, 9), seed=SEEDS, wide=st.booleans())
def test_real_fft_is_numpys(half, n_rows, seed, wide):
    dtype, limit = (np.float64, 1e-12) if wide else (np.float32, 1e-5)
    rows = np.random.default_rng(seed).standard_normal((n_rows, 2 * half)).astype(dtype)
    fft, work, parts = RealFFT(2 * half, np.dtype(dtype)), rows.copy(), np.empty((n_rows, 2 * half + 2), dtype)
    fft.forward(work, parts)
    expected = np.fft.rfft(rows.astype(float), axis=1)
    assert np.allclose(parts[:, ::2] + 1j * parts[:, 1::2], expected, atol=limit * np.sqrt(half) * 4)
    fft.inverse(parts, work)
    assert np.allclose(work, rows, atol=limit)
