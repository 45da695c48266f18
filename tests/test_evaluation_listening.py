"""What one listens to is what was judged; pictures show frequencies where they are; folders appear whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from demo_song import RATE, stems

from rtsep.errors import OutputError
from rtsep.evaluation import excerpts
from rtsep.evaluation.bsseval import StemScores
from rtsep.evaluation.excerpts import LOWEST_HZ, begin_excerpt, highest_hz, spectrum_image
from rtsep.evaluation.experiment import Method, SongScores, folder_of
from rtsep.evaluation.listening import listening_page
from rtsep.evaluation.songs import Recording, Song
from rtsep.io.new_folder import new_folder
from rtsep.types import STEMS


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def test_excerpts_are_the_middle_of_what_was_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpts, "LONGEST_SECONDS", 0.5)
    truth = np.stack(list(stems(3.0, 2.0)))
    recording = Recording(truth.sum(axis=0), truth, RATE, ())
    excerpt = begin_excerpt(recording, tmp_path / "song")
    excerpt.add("1-model", truth[::-1])
    start = (truth.shape[1] - RATE // 2) // 2
    heard = slice(start, start + RATE // 2)
    assert excerpt.gain == 1 / max(1, np.abs(recording.mixture[heard]).max(), np.abs(truth[:, heard]).max())
    files = {"mixture": recording.mixture, "truth/vocals": truth[2], "1-model/vocals": truth[1]}
    for name, samples in files.items():
        found = read(tmp_path / "song" / f"{name}.flac")
        np.testing.assert_allclose(found, excerpt.gain * samples[heard], atol=2**-23)
        assert (tmp_path / "song" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_songs_beyond_full_scale_are_turned_down_as_a_whole(tmp_path: Path) -> None:
    truth = 4 * np.stack(list(stems(3.0, 0.3)))
    mixture = truth.sum(axis=0)
    excerpt = begin_excerpt(Recording(mixture, truth, RATE, ()), tmp_path)
    assert excerpt.gain < 1
    np.testing.assert_allclose(read(tmp_path / "truth" / "bass.flac"), excerpt.gain * truth[0], atol=2**-23)


@pytest.mark.parametrize(
    ("n_samples", "rate", "highest"), [(100, 44100, 16000), (30000, 44100, 16000), (9000, 8000, 4000)]
)
def test_a_tone_stands_at_its_pitch(n_samples: int, rate: int, highest: float) -> None:
    tone = np.sin(2 * np.pi * 1000 / rate * np.arange(n_samples, dtype=np.float32))[:, None]
    image = spectrum_image(tone.astype(np.float32), rate)
    rows = image.max(axis=1)
    assert highest_hz(rate) == highest
    wanted = len(rows) * np.log(1000 / LOWEST_HZ) / np.log(highest / LOWEST_HZ)
    assert abs(int(rows.argmax()) - wanted) <= (1 if n_samples > 4096 else 30)


def test_names_are_quoted_models_of_one_name_told_apart_and_pictures_end_where_the_page_says() -> None:
    models = ["a/net.safetensors", "b/net.safetensors"]
    assert [folder_of(models, name) for name in models] == ["1-net", "2-net"]
    row = StemScores("bass", 1.25, float("nan"), 3.0, 4.0, (1.25,))
    result = SongScores('R & "B" #1', 2.0, ("drums",), dict.fromkeys(models, (row,)), STEMS[:2])
    song = Song(result.song, {}, 11025, 22050, 1)
    page = listening_page([song], [result], [Method(name, "model", STEMS[:2]) for name in models])
    assert 'src="R%20%26%20%22B%22%20%231/2-net/bass.flac"' in page
    assert "<h2>R &amp; &quot;B&quot; #1</h2>" in page
    assert page.count("not judged") == 1
    assert "Pictures: 40 Hz to 5.5125 kHz." in page
    assert "SDR 1.2, SAR" in page


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "page") as work:
        (work / "file").touch()
        assert not (tmp_path / "a" / "page").exists()
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["page", "file"]
    filled = pytest.raises(OutputError, match=r"page: there is something in it already; choose another")
    with filled, new_folder(tmp_path / "a" / "page"):
        raise AssertionError("no work is begun")
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "b"):
        raise KeyboardInterrupt
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"), new_folder(tmp_path / "file" / "b"):
        raise AssertionError("no work is begun")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file"]
