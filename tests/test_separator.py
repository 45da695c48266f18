"""The shipped separators: pure, level-blind, adding up to the mixture, and nearer to an unseen song's stems than it."""

import demo_song
import numpy as np
import pytest
from small_model import LOW_DELAY, write_small_model
from small_timbrenet import CQT_SPEC, STFT_SPEC, write_small_timbrenet

import rtsep
from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.model_file import load_model, model_names
from rtsep.separator import SparseSeparator, load_separator

RATE = 44100


SHIPPED = ("cqt-sparse", "cqt-sparse-lowlatency", "stft-sparse")


@pytest.fixture(scope="module", params=[*SHIPPED, "low delay", "cqt-timbrenet", "stft-timbrenet"])
def separator(request, tmp_path_factory):
    if request.param in SHIPPED:
        return load_separator(request.param)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    if request.param == "low delay":
        return load_separator(str(write_small_model(path, spec=LOW_DELAY)))
    return load_separator(str(write_small_timbrenet(path, CQT_SPEC if request.param[:3] == "cqt" else STFT_SPEC)))


def cut_to(separator, slices):
    """The same separator for chunks of so many slices."""
    return type(separator)(separator.model, slices=slices)


@pytest.fixture(scope="module")
def music():
    return demo_song.mixture(4, 5)


def separate_song(separator, audio):
    return rtsep.separate(audio, RATE, separator)


def db(ratio):
    return 10 * np.log10(ratio)


def test_stems_add_up_to_the_mixture(separator, music):
    stems = separate_song(separator, music)
    assert stems.shape == (4, *music.shape)
    assert np.abs(stems.sum(axis=0) - music).max() <= 1e-5
    assert all(np.abs(stem).max() > 1e-3 for stem in stems)


def test_same_samples_same_stems_whatever_was_separated_before(separator, music):
    shape = separator.shape
    chunk = music[: shape.input_length]
    first = separator.separate(chunk)
    separator.separate(np.flip(music)[: shape.input_length])
    assert np.array_equal(separator.separate(chunk.copy()), first)


def test_a_chunk_after_another_has_the_bits_that_it_has_alone(separator, music):
    stream, alone = cut_to(separator, 2), cut_to(separator, 2)
    shape = stream.shape
    for start in (0, shape.advance, 2 * shape.advance, 4 * shape.advance):
        chunk = music[start : start + shape.input_length]
        alone.separate(np.flip(chunk))
        assert np.array_equal(stream.separate(chunk), alone.separate(chunk))


@pytest.mark.parametrize("slices", [1, 3])
def test_stems_do_not_depend_on_the_length_of_the_chunks(separator, music, slices):
    short = cut_to(separator, slices)
    a, b = separate_song(separator, music), separate_song(short, music)
    if separator.shape.slice_output == 2 * separator.shape.hop:  # two slices overlap: their sum has no order
        assert np.array_equal(a, b)
    assert np.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("gain_db", [-40, 20])
def test_level_does_not_matter(separator, music, gain_db):
    gain = np.float32(10 ** (gain_db / 20))
    a, b = separate_song(separator, music), separate_song(separator, music * gain) / gain
    assert np.linalg.norm(a - b) <= 1e-3 * np.linalg.norm(a)


def test_context_is_enough(separator, music):
    """What lies before the context has no say: the claim on which chunks on different ranks rest."""
    shape = separator.shape
    one = cut_to(separator, 1)
    late = separator.shape.context + 5 * shape.hop
    chunk = music[late - one.shape.context : late - one.shape.context + one.shape.input_length]
    alone = one.separate(chunk)[:, : shape.hop]
    longer = cut_to(separator, 4)
    start = late - longer.shape.context - 3 * shape.hop
    stems = longer.separate(music[start : start + longer.shape.input_length])
    # The fourth slice of the longer chunk begins at `late`, under the tails of those before it; take the tails away.
    three = cut_to(separator, 3)
    tails = three.separate(music[start : start + three.shape.input_length])
    overlap = tails[:, 3 * shape.hop : 4 * shape.hop]
    assert np.allclose(stems[:, 3 * shape.hop : 4 * shape.hop] - overlap, alone, atol=1e-5)


def test_declared_latency_is_that_of_a_change_in_the_input(separator, music):
    """A sample's stems are final once `latency` later samples are known, and not one sample much earlier."""
    shape, at = separator.shape, 2 * RATE
    changed = music.copy()
    changed[at:] = np.random.default_rng(1).standard_normal(changed[at:].shape)
    a, b = separate_song(separator, music), separate_song(separator, changed)
    first = np.flatnonzero(np.any(a != b, axis=(0, 2)))[0]
    assert first >= at - shape.latency
    assert first <= at - shape.latency + shape.hop


@pytest.mark.parametrize("n_channels", [1, 3, 8])
def test_channels_are_separated_each_on_its_own(separator, music, n_channels):
    shape = separator.shape
    mono = music[: shape.input_length, :1]
    alone = separator.separate(mono)
    many = separator.separate(np.repeat(mono, n_channels, axis=1))
    for channel in range(n_channels):
        assert np.allclose(many[:, :, channel], alone[:, :, 0], atol=1e-5)


def test_silence_and_denormals_give_silence(separator):
    for value in (0.0, 1e-40):
        chunk = np.full((separator.shape.input_length, 2), value, np.float32)
        stems = separator.separate(chunk)
        assert np.isfinite(stems).all()
        assert np.abs(stems).max() <= 1e-38


@pytest.mark.parametrize("name", SHIPPED)
def test_both_solvers_give_the_same_stems(name, music):
    separator = load_separator(name)
    chunk = music[: separator.shape.input_length]
    cd, lca = separator.separate(chunk), SparseSeparator(separator.model, "lca").separate(chunk)
    assert np.linalg.norm(cd - lca) <= 0.02 * np.linalg.norm(cd)


@pytest.mark.parametrize("name", [*SHIPPED, "stft-sparse-lowdelay", "timbrenet-4stems", "timbrenet-4stems-lowlatency"])
def test_every_stem_of_an_unseen_song_is_nearer_than_the_mixture(name, music):
    stems = separate_song(load_separator(name), music)
    for true, stem in zip(demo_song.stems(4, 5), stems, strict=True):
        gain = db(np.sum((music - true) ** 2) / np.sum((stem - true) ** 2))
        assert gain > 1.0


def test_wrong_chunks_models_and_solvers_are_one_clear_line(separator, tmp_path):
    with pytest.raises(OptionError, match="it must be"):
        separator.separate(np.zeros((100, 2), np.float32))
    chunk = np.zeros((separator.shape.input_length, 2), np.float32)
    chunk[-separator.shape.slice_length + 3000] = np.nan
    with pytest.raises(AudioError, match="not finite"):
        separator.separate(chunk)
    with pytest.raises(OptionError, match="choose cd or lca"):
        load_separator("cqt-sparse", "ista")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="choose cqt-sparse"):
        load_separator("no-such-model")
    damaged = tmp_path / "damaged.safetensors"
    for content in (b"not a model", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      tail", b""):
        damaged.write_bytes(content)
        with pytest.raises(ModelError, match="cannot be read"):
            load_model(str(damaged))


def test_shipped_models_are_small_and_listed():
    assert set(SHIPPED) <= set(model_names())


def test_separate_takes_whole_songs_at_their_own_rate_and_refuses_what_is_none(music):
    short = music[: RATE // 2]
    stems = rtsep.separate(short.astype(np.float64), 48000)
    assert stems.shape == (4, *short.shape)
    assert stems.dtype == np.float32
    assert np.abs(stems.sum(axis=0) - short).max() <= 1e-5
    for wrong in (short[:, 0], short[:0], *(np.full((9, 1), x) for x in (np.inf, np.nan, 1e39, 1))):
        with pytest.raises(AudioError, match=r"must be|NaN"):
            rtsep.separate(wrong, RATE)
    for rate in (0, 7999, 192001, 44100.5, np.nan):
        with pytest.raises(AudioError, match=f"sample rate {rate}: it must be a whole number"):
            rtsep.separate(short, rate)
