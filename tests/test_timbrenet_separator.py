"""A TimbreNet keeps its state between chunks that follow on each other: it saves the work, and changes no bit."""

import demo_song
import numpy as np
import pytest
from small_timbrenet import CQT_SPEC, STFT_SPEC, small_timbrenet

from rtsep.engine.local import warm_up
from rtsep.streaming.slicer import Slicer
from rtsep.timbrenet.inference import TimbreStream
from rtsep.timbrenet.separator import TimbreSeparator


@pytest.fixture(params=[CQT_SPEC, STFT_SPEC], ids=["cqt", "stft"])
def separator(request):
    return TimbreSeparator(small_timbrenet(request.param), slices=2)


@pytest.fixture
def heard(monkeypatch):
    """The `ahead` of each slice that a network heard."""
    slices = []
    push = TimbreStream.push

    def counted(stream, views, ahead=0):
        slices.append(ahead)
        return push(stream, views, ahead)

    monkeypatch.setattr(TimbreStream, "push", counted)
    return slices


def chunks_of(separator, seconds=1.5):
    slicer = Slicer(separator.shape, 2)
    return [chunk.samples for chunk in slicer.push(demo_song.mixture(5, seconds))]


def fresh(separator):
    return TimbreSeparator(separator.model, slices=separator.shape.slices)


def test_chunks_in_a_row_are_what_each_is_alone_and_cost_no_context(separator, heard):
    chunks = chunks_of(separator)
    in_a_row = [separator.separate(chunk) for chunk in chunks]
    assert len(heard) == separator.shape.context_slices + 2 * len(chunks)
    for chunk, stems in zip(chunks, in_a_row, strict=True):
        assert np.array_equal(fresh(separator).separate(chunk), stems)


def test_chunks_out_of_order_or_of_another_song_are_what_each_is_alone(separator):
    chunks = chunks_of(separator)
    for chunk in (chunks[4], chunks[5], chunks[5], chunks[7], chunks[3], chunks[4] * 0.5, chunks[5], chunks[6][:, :1]):
        assert np.array_equal(separator.separate(chunk), fresh(separator).separate(chunk))


def test_one_other_sample_in_the_past_is_heard(separator):
    chunks = chunks_of(separator)
    separator.separate(chunks[4])
    changed = chunks[5].copy()
    changed[separator.shape.slice_length // 2, 0] += 0.5
    found = separator.separate(changed)
    assert np.array_equal(found, fresh(separator).separate(changed))
    assert not np.array_equal(found, fresh(separator).separate(chunks[5]))


def test_after_the_warm_up_a_stream_begins_without_a_delay(separator, heard):
    warm_up(separator, 2)
    heard.clear()
    separator.separate(chunks_of(separator)[0])
    assert heard == [0, 0]
