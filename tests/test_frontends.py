"""Front ends: exact reconstruction, the formulas written out, scipy's STFT as oracle, energies in their places."""

import demo_song
import numpy as np
import pytest
from scipy.signal import ShortTimeFFT

from rtsep.errors import OptionError
from rtsep.frontend.bands import BandLayout
from rtsep.frontend.cqt import CQT
from rtsep.frontend.presets import PRESETS, build_preset
from rtsep.frontend.stft import STFT
from rtsep.frontend.windows import dual_window, hann_periodic, low_delay_pair, tukey_slice

RATE = 44100
LAYOUT = BandLayout(RATE)
FRONT_ENDS = {
    **{name: lambda dtype=np.float32, name=name: build_preset(name, RATE, dtype) for name in PRESETS},
    "cqt fine columns": lambda dtype=np.float32: CQT(LAYOUT, n_columns=16, dtype=dtype),
    "cqt of another length": lambda dtype=np.float32: CQT(LAYOUT, 9600, 1200, dtype=dtype),
    "stft short": lambda dtype=np.float32: STFT(LAYOUT, 1024, 256, dtype=dtype),
    "stft three deep": lambda dtype=np.float32: STFT(LAYOUT, 1536, 128, 384, dtype=dtype),
}


@pytest.fixture(scope="module", params=FRONT_ENDS)
def frontend(request):
    return FRONT_ENDS[request.param]()


def signals() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    n = 50000
    impulse = np.zeros((n, 2))
    impulse[n // 2] = 1
    square = np.sign(np.sin(2 * np.pi * 441 * np.arange(n) / RATE) + 1e-9)[:, None]
    return {
        "noise": rng.standard_normal((n, 2)),
        "music": demo_song.mixture(3, n / RATE).astype(float),
        "impulse": impulse,
        "square": np.tile(square, (1, 2)),
        "silence": np.zeros((n, 2)),
    }


def overlap_added(frontend, audio):
    """Slice by slice through the front end, unchanged; only the samples under every slice are returned."""
    out = np.zeros_like(audio)
    n_slices = (len(audio) - frontend.slice_length) // frontend.hop + 1
    silent = frontend.slice_length - frontend.output_length
    for s in range(n_slices):
        part = slice(s * frontend.hop, s * frontend.hop + frontend.slice_length)
        out[part][silent:] += frontend.synthesize(frontend.analyze(audio[part]))
    inside = slice(frontend.slice_length - frontend.hop, n_slices * frontend.hop + silent)
    return audio[inside], out[inside]


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_reconstruction_is_exact(name, dtype, limit):
    frontend = FRONT_ENDS[name](dtype)
    for kind, audio in signals().items():
        given, back = overlap_added(frontend, audio.astype(dtype))
        assert back.dtype == dtype
        assert given.shape[0] > 2 * frontend.hop
        assert np.linalg.norm(back - given) <= limit * np.linalg.norm(given)
        assert (np.linalg.norm(given) > 0) == (kind != "silence")


def slow_cqt(frontend, samples):
    """c_k[n] = 1/M_k sum_m X[m] g_k[m] e^(2 pi i m n / M_k), term by term in float64."""
    window = tukey_slice(frontend.slice_length, 2 * (frontend.latency - 3 * frontend.slice_length // 4))
    spectrum = np.fft.rfft(samples.astype(np.float64) * window)
    weights = frontend.layout.weights(frontend.slice_length)
    coefficients = []
    for g in weights:
        bins = np.flatnonzero(g)
        length = max(frontend.n_columns, 1 << int(np.ceil(np.log2(bins[-1] - bins[0] + 1))))
        phases = np.exp(2j * np.pi * (np.outer(np.arange(length), bins) % length) / length)
        coefficients.append(phases @ (spectrum[bins] * g[bins]) / length)
    return np.concatenate(coefficients)


@pytest.mark.parametrize("name", ["cqt", "cqt-low-latency", "cqt of another length"])
@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_cqt_is_its_formula(name, dtype, limit):
    frontend = FRONT_ENDS[name](dtype)
    samples = np.random.default_rng(2).standard_normal((frontend.slice_length, 1)).astype(dtype)
    expected = slow_cqt(frontend, samples[:, 0])
    got = frontend.analyze(samples)[0]
    assert got.shape == expected.shape
    assert np.linalg.norm(got - expected) <= limit * np.linalg.norm(expected)


@pytest.mark.parametrize(("slice_length", "hop"), [(4096, 1024), (1024, 256), (512, 256)])
def test_stft_agrees_with_scipy(slice_length, hop):
    frontend = STFT(LAYOUT, slice_length, hop)
    audio = np.random.default_rng(3).standard_normal(8 * slice_length).astype(np.float32)
    oracle = ShortTimeFFT(hann_periodic(slice_length), hop, RATE, phase_shift=None)
    columns = oracle.stft(audio)
    # scipy centres its slices: column p covers the samples around p * hop.
    for p in range(slice_length // (2 * hop), 6):
        start = p * hop - slice_length // 2
        got = frontend.analyze(audio[start : start + slice_length, None])[0]
        assert np.linalg.norm(got - columns[:, p - oracle.p_min]) <= 1e-5 * np.linalg.norm(got)
    assert np.allclose(dual_window(hann_periodic(slice_length), hop), oracle.dual_win, atol=1e-12)


def test_low_delay_stft_agrees_with_scipy():
    """scipy takes the pair as it is: its dual windows are as long as the analysis window, ours mostly zeros."""
    slice_length, hop, output_length = 2048, 128, 512
    frontend = STFT(LAYOUT, slice_length, hop, output_length, np.float64)
    window, synthesis = low_delay_pair(slice_length, hop, output_length)
    padded = np.concatenate([np.zeros(slice_length - output_length), synthesis])
    oracle = ShortTimeFFT(window, hop, RATE, dual_win=padded, phase_shift=None)
    audio = np.random.default_rng(3).standard_normal(8 * slice_length)
    columns = oracle.stft(audio)
    p = slice_length // hop
    start = p * hop - slice_length // 2
    got = frontend.analyze(audio[start : start + slice_length, None])[0]
    assert np.allclose(got, columns[:, p - oracle.p_min], atol=1e-9)
    assert np.allclose(oracle.istft(columns, k1=audio.size), audio, atol=1e-9)


def test_energy_lies_in_the_band_and_column_of_the_sound(frontend):
    time = np.arange(frontend.slice_length) / RATE
    centres = frontend.layout.centres()
    for k in (len(centres) // 3, len(centres) // 2, len(centres) - 20):
        tone = np.sin(2 * np.pi * centres[k] * time).astype(np.float32)[:, None]
        power = frontend.band_power(frontend.analyze(tone))[0].mean(axis=1)
        missing = len(centres) - frontend.n_bands  # bands narrower than a bin are left out, all at the bottom
        assert abs(int(power.argmax()) + missing - k) <= 1
    if frontend.n_columns > 1:
        width = frontend.slice_length // frontend.n_columns
        for column in range(2, frontend.n_columns - 2):
            click = np.zeros((frontend.slice_length, 1), np.float32)
            click[column * width + width // 2] = 1
            power = frontend.band_power(frontend.analyze(click))[0, -20:].sum(axis=0)
            assert power.argmax() == column
            assert power[column] > 0.8 * power.sum()


def test_band_energies_are_those_of_the_weighted_spectrum(frontend):
    """Parseval, band by band: the mean of the columns is sum_m |X[m]|^2 g_k[m]^2 (constant-Q) or g_k[m] (Fourier)."""
    noise = np.random.default_rng(6).standard_normal((frontend.slice_length, 2)).astype(np.float32)
    power = frontend.band_power(frontend.analyze(noise)).mean(axis=2)
    if frontend.name == "cqt":
        window = tukey_slice(frontend.slice_length, 2 * (frontend.latency - 3 * frontend.slice_length // 4))
    elif frontend.output_length < frontend.slice_length:
        window, _ = low_delay_pair(frontend.slice_length, frontend.hop, frontend.output_length)
    else:
        window = hann_periodic(frontend.slice_length)
    weights = frontend.layout.weights(frontend.slice_length) ** (2 if frontend.name == "cqt" else 1)
    spectrum = np.fft.rfft(noise * window[:, None], axis=0)
    expected = (weights[weights.any(axis=1)] @ np.abs(spectrum) ** 2).T
    assert power.shape == expected.shape
    assert np.allclose(power, expected, rtol=1e-4)


def test_gains_reach_their_own_channel_band_and_column(frontend):
    noise = np.random.default_rng(8).standard_normal((frontend.slice_length, 2)).astype(np.float32)
    coefficients = frontend.analyze(noise)
    band = frontend.n_bands // 2
    gains = np.ones((2, frontend.n_bands, frontend.n_columns), np.float32)
    gains[1, band] = 0
    power = frontend.band_power(frontend.apply_gains(coefficients, gains))
    before = frontend.band_power(coefficients)
    assert np.allclose(power[0], before[0], rtol=1e-4)
    assert power[1, band].sum() < 0.5 * before[1, band].sum()
    assert np.allclose(power[1, : band - 2], before[1, : band - 2], rtol=1e-4)


def test_window_translates_and_band_weights_sum_to_one():
    for length, transition in ((8192, 2048), (4096, 2048), (64, 10)):
        window = tukey_slice(length, transition)
        assert np.allclose(window[: length // 2] + window[length // 2 :], 1, atol=1e-12)
        assert np.count_nonzero(window) == length // 2 + transition
    for length, hop, short in ((4096, 256, 512), (1536, 128, 384), (64, 4, 16)):
        analysis, synthesis = low_delay_pair(length, hop, short)
        product = analysis[-short:] * synthesis
        assert np.allclose(product.reshape(-1, hop).sum(axis=0), 1, atol=1e-12)
        assert 0 < analysis.min() < analysis.max() <= 1
    for n_fft in (1024, 4096, 8192):
        assert np.allclose(LAYOUT.weights(n_fft).sum(axis=0), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CQT(LAYOUT, slice_length=5001), "slice_length 5001: it must be a multiple of .* 16"),
        (lambda: CQT(LAYOUT, slice_length=0), "slice_length 0: it must"),
        (lambda: CQT(LAYOUT, n_columns=6), "n_columns 6: it must be a power of two"),
        (lambda: CQT(LAYOUT, n_columns=1), "n_columns 1: it must be a power of two"),
        (lambda: CQT(LAYOUT, transition=9000), "transition 9000: it must be even"),
        (lambda: CQT(LAYOUT, transition=0), "transition 0: it must be even"),
        (lambda: CQT(LAYOUT, 2048, 512), "gamma 20 Hz: bands must be 86.1 Hz wide .* take 84.4 Hz or more"),
        (lambda: CQT(LAYOUT, dtype=np.float16), "dtype float16: .* choose one"),
        (lambda: STFT(LAYOUT, 4096, 1000), "hop 1000: it must divide"),
        (lambda: STFT(LAYOUT, 4096, 4096), "hop 4096: it must divide"),
        (lambda: STFT(LAYOUT, 4095, 1), "slice_length 4095: it must be even"),
        (lambda: STFT(LAYOUT, 4096, 256, 8192), "output_length 8192: it must be even"),
        (lambda: STFT(LAYOUT, 4096, 512, 512), "hop 512: it must divide"),
        (lambda: BandLayout(RATE, f_min=30000), "f_min 30000 Hz: it must lie between"),
        (lambda: BandLayout(RATE, gamma=-1.0), "gamma -1.0 Hz: it must"),
        (lambda: BandLayout(RATE, gamma=float("nan")), "gamma nan Hz: it must"),
        (lambda: BandLayout(RATE, bins_per_octave=0), "bins_per_octave 0: it must"),
        (lambda: BandLayout(0), "sample_rate 0 Hz: it must"),
        (lambda: build_preset("cqt-best"), "preset 'cqt-best' is not known: choose cqt-"),
        (lambda: build_preset("cqt", 192000), "gamma 20 Hz: bands must"),
    ],
)
def test_plans_that_cannot_be_are_refused_in_one_line(make, words):
    with pytest.raises(OptionError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
