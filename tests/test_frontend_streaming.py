"""Front ends in a stream: latency measured with impulses, no allocation, no memory, whatever goes along."""

import tracemalloc

import numpy as np
import pytest

from rtsep.errors import OptionError
from rtsep.frontend.presets import PRESETS, build_preset
from rtsep.streaming.overlap_add import OverlapAdd
from rtsep.streaming.slicer import Slicer
from rtsep.types import ChunkShape


@pytest.fixture(scope="module", params=PRESETS)
def frontend(request):
    return build_preset(request.param)


def gains_for(frontend, seed, n_channels=1, several=()):
    shape = (*several, n_channels, frontend.n_bands, frontend.n_columns)
    return np.random.default_rng(seed).random(shape, np.float32)


class Masked:
    """A separator of one stem by random gains."""

    def __init__(self, frontend):
        self.frontend = frontend
        self.shape = ChunkShape(
            hop=frontend.hop,
            slice_length=frontend.slice_length,
            slice_output=frontend.output_length,
            latency=frontend.latency,
            context_slices=0,
            slices=1,
        )
        self.gains = gains_for(frontend, 1)

    def separate(self, chunk):
        coefficients = self.frontend.analyze(chunk)
        return self.frontend.synthesize(self.frontend.apply_gains(coefficients, self.gains))[None]


def streamed(separator, audio):
    """Output of a whole stream, and how many samples had been pushed when each of them came out."""
    slicer, overlap_add = Slicer(separator.shape, 1), OverlapAdd(separator.shape, 1, 1)
    out, pushed = [], []
    for n in range(len(audio)):
        for chunk in slicer.push(audio[n : n + 1]):
            out.append(overlap_add.push(separator.separate(chunk.samples))[0])
            pushed.append(np.full(len(out[-1]), n + 1))
    return np.concatenate(out), np.concatenate(pushed)


def test_declared_latency_is_the_longest_wait_for_a_sample_in_a_stream(frontend):
    separator = Masked(frontend)
    audio = np.zeros((frontend.latency + 3 * frontend.hop, 1), np.float32)
    _, pushed = streamed(separator, audio)
    assert len(pushed) >= 2 * frontend.hop
    assert np.max(pushed - np.arange(len(pushed))) == frontend.latency


def test_declared_latency_is_how_far_back_an_impulse_reaches(frontend):
    """Output up to `latency` samples before an impulse hears of it, and none before that: to the sample."""
    separator = Masked(frontend)
    shape, rng = separator.shape, np.random.default_rng(2)
    # The Hann window of the plain STFT begins with a zero: of each slice it mutes the first sample that is put out.
    muted = int(frontend.name == "stft" and frontend.output_length == frontend.slice_length)
    length = frontend.slice_length + 4 * frontend.hop
    begin = frontend.slice_length + frontend.hop
    slices_end = (shape.latency - shape.lead) % frontend.hop  # samples at which some slice has all it needs
    at_end = begin + (slices_end - begin) % frontend.hop - 1
    reach = {}
    for at in {at_end, at_end + 1, *(begin + rng.integers(0, frontend.hop, 4))}:
        audio = np.zeros((length + shape.latency, 1), np.float32)
        audio[at] = 1e6
        out, _ = whole(separator, audio)
        reach[at] = at - int(np.flatnonzero(out[:, 0])[0]) + 1
    assert max(reach.values()) == reach[at_end] == frontend.latency - muted


def whole(separator, audio):
    slicer, overlap_add = Slicer(separator.shape, 1), OverlapAdd(separator.shape, 1, 1)
    chunks = [*slicer.push(audio), *slicer.finish()]
    return np.concatenate([overlap_add.push(separator.separate(c.samples)) for c in chunks], axis=1)[0], len(chunks)


def test_low_delay_is_below_12_ms():
    assert build_preset("stft-low-delay").latency / 44100 <= 0.012


def test_no_allocation_after_the_first_slice(frontend):
    rng = np.random.default_rng(3)
    samples = rng.standard_normal((frontend.slice_length, 2)).astype(np.float32)
    gains = gains_for(frontend, 4, 2, (3,))
    coefficients = frontend.analyze(samples)
    power = frontend.band_power(coefficients)
    masked = frontend.apply_gains(coefficients, gains)
    stems = frontend.synthesize(masked)

    def one_slice():
        frontend.analyze(samples, coefficients)
        frontend.band_power(coefficients, power)
        frontend.apply_gains(coefficients, gains, masked)
        frontend.synthesize(masked, stems)

    one_slice()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            one_slice()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Python's own small objects, such as views of arrays, are less than one channel of the shortest slice.
    assert peak - before < 2048 * 4


def test_same_samples_same_bits_whatever_went_before_or_beside(frontend):
    rng = np.random.default_rng(5)
    samples = rng.standard_normal((frontend.slice_length, 5)).astype(np.float32)
    gains = gains_for(frontend, 6, 5, (3,))

    def run(channels, masks):
        coefficients = frontend.analyze(samples[:, channels])
        masked = frontend.apply_gains(coefficients, gains[masks][:, channels])
        return frontend.band_power(coefficients), frontend.synthesize(masked)

    power, stems = run(slice(0, 5), slice(0, 3))
    frontend.synthesize(frontend.analyze(samples[::-1] * 1e3))
    for channel in range(5):
        for mask in range(3):
            alone = run(slice(channel, channel + 1), slice(mask, mask + 1))
            assert np.array_equal(alone[0][0], power[channel])
            assert np.array_equal(alone[1][0, :, 0], stems[mask, :, channel])


def test_many_slices_in_one_call_are_those_one_by_one(frontend):
    audio = np.random.default_rng(9).standard_normal((frontend.slice_length + 5 * frontend.hop, 3)).astype(np.float32)
    slices = np.stack([audio[s * frontend.hop :][: frontend.slice_length] for s in range(6)])
    together = frontend.analyze(slices.reshape(2, 3, frontend.slice_length, 3))
    power, back = frontend.band_power(together), frontend.synthesize(together)
    for s, samples in enumerate(slices):
        at, alone = divmod(s, 3), frontend.analyze(samples)
        assert np.array_equal(together[at], alone)
        assert np.array_equal(power[at], frontend.band_power(alone))
        assert np.array_equal(back[at], frontend.synthesize(alone))
    assert frontend.analyze(slices[:0]).shape == (0, *alone.shape)


def test_results_do_not_share_memory_with_later_ones(frontend):
    rng = np.random.default_rng(7)
    one, other = rng.standard_normal((2, frontend.slice_length, 2)).astype(np.float32)
    coefficients = frontend.analyze(one)
    kept = coefficients.copy()
    stems = frontend.synthesize(coefficients)
    kept_stems = stems.copy()
    frontend.synthesize(frontend.analyze(other))
    assert np.array_equal(coefficients, kept)
    assert np.array_equal(stems, kept_stems)


def test_what_does_not_fit_is_refused(frontend):
    samples = np.zeros((frontend.slice_length, 2), np.float32)
    with pytest.raises(OptionError, match="a slice must be"):
        frontend.analyze(samples[1:])
    with pytest.raises(OptionError, match="a slice must be"):
        frontend.analyze(samples[:, 0])
    coefficients = frontend.analyze(samples)
    with pytest.raises(OptionError, match="coefficients"):
        frontend.synthesize(coefficients[:, 1:])
    with pytest.raises(OptionError, match="gains"):
        frontend.apply_gains(coefficients, gains_for(frontend, 8, 3))
    for wrong in (coefficients[:1], coefficients.astype(np.complex128), coefficients[:, ::-1]):
        with pytest.raises(OptionError, match="it must be C-contiguous"):
            frontend.analyze(samples, wrong)
