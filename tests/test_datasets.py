"""Datasets: what each finds in the folders of its collection, what it holds back, and what it refuses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtsep.errors import OptionError
from rtsep.training.datasets import Mir1k, Musdb, SoloFolder, SongFolder, dataset
from rtsep.training.sources import read_clip
from rtsep.types import STEMS


def sound(path: Path, values: Sequence[float], rate: int = 44100, n: int = 4000) -> None:
    """A file with one constant a channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.tile(np.asarray(values, np.float32), (n, 1)), rate)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """MUSDB18-HQ's layout with three songs, and five clips named as those of MIR-1K."""
    folder = tmp_path_factory.mktemp("data")
    for i, song in enumerate(("train/A - One", "train/B - Two", "test/C - Three")):
        for j, stem in enumerate((*STEMS, "mixture")):
            sound(folder / "musdb18hq" / song / f"{stem}.wav", [0.1 * i + 0.01 * j, 0.0], n=4000 * (i + 1))
    for clip in ("amy_1_01", "amy_1_02", "amy_10_01", "leon_1_01", "titon_2_03"):
        sound(folder / "mir1k" / f"{clip}.wav", [0.5, -0.25], rate=16000)
    return folder


def test_musdb_hq_gives_the_stems_of_one_subset_and_no_mixture(data):
    sources = Musdb("musdb18hq").sources(data)
    assert {s.song for s in sources} == {"A - One", "B - Two"}
    assert sorted(s.stem for s in sources if s.song == "B - Two") == sorted(STEMS)
    assert {s.n_samples for s in sources if s.song == "B - Two"} == {8000}
    assert {s.song for s in Musdb("musdb18hq", "test").sources(data)} == {"C - Three"}
    assert {s.song for s in Musdb("musdb18hq", held_out=("A - One",)).sources(data)} == {"B - Two"}
    drums = next(s for s in sources if (s.song, s.stem) == ("B - Two", "drums"))
    assert read_clip(drums, 0.0, 0.05, drums.channels, 44100)[0] == pytest.approx([0.11, 0.0], abs=1e-4)


def test_packed_musdb_is_refused_with_the_way_to_unpack_it(tmp_path):
    (tmp_path / "musdb18" / "train").mkdir(parents=True)
    (tmp_path / "musdb18" / "train" / "A.stem.mp4").touch()
    with pytest.raises(OptionError, match="musdbconvert"):
        Musdb("musdb18").sources(tmp_path)


def test_mir1k_gives_the_voice_on_the_right_and_holds_out_singers(data):
    sources = Mir1k("mir1k", held_out=("amy",)).sources(data)
    assert [s.path.stem for s in sources] == ["leon_1_01", "titon_2_03"]
    assert {s.stem for s in sources} == {"vocals"}
    assert read_clip(sources[0], 0.0, 0.1, sources[0].channels, 16000)[0] == pytest.approx([-0.25], abs=1e-4)
    assert len(Mir1k("mir1k").sources(data)) == 5
    with pytest.raises(OptionError, match="held-out singer 'ami'"):
        Mir1k("mir1k", held_out=("ami",)).sources(data)


def test_finding_sources_decodes_nothing(data, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was decoded before a clip was asked for")

    monkeypatch.setattr(soundfile, "read", refuse)
    monkeypatch.setattr(soundfile.SoundFile, "read", refuse)
    assert len(SongFolder("musdb18hq").sources(data)) == 12
    assert len(Mir1k("mir1k").sources(data)) == 5


def test_a_clip_costs_as_much_of_the_file_as_it_is_long(tmp_path, monkeypatch):
    sound(tmp_path / "A" / "bass.flac", [0.1, 0.1], n=44100 * 60)
    (source,) = SongFolder(".").sources(tmp_path)
    wanted = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda f, n, *a, **k: wanted.append(n) or read(f, n, *a, **k))
    read_clip(source, 30.0, 2.0, [0], 44100)
    assert wanted == [2 * 44100]


def test_groups_and_shares_are_those_of_the_collection(data):
    one, two = SongFolder("musdb18hq", share=0.5), SoloFolder("mir1k", "vocals", "amy*.wav", (1,), 2.0)
    assert {(s.group, s.share) for s in one.sources(data)} == {("musdb18hq", 0.5)}
    assert {(s.group, s.share) for s in two.sources(data)} == {("mir1k/amy*.wav", 2.0)}


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("songs", {"folder": "mir1k"}, "no songs under"),
        ("songs", {"folder": "musdb18hq", "held_out": ["D"]}, "held-out song 'D' is not under"),
        ("musdb", {"folder": "musdb18hq", "subset": "valid"}, "no songs under"),
        ("mir1k", {"folder": "musdb18hq"}, "no clips under"),
        ("solo", {"folder": "mir1k", "stem": "vocals", "pattern": "*.mp3"}, "matches"),
        ("solo", {"folder": "mir1k", "stem": "voice", "pattern": "*.wav"}, "is none of bass"),
        ("solo", {"folder": "mir1k", "stem": "vocals", "pattern": "*.wav", "channels": [2]}, "channels 0 to 1"),
        ("solo", {"folder": ".", "stem": "vocals", "pattern": "*"}, "is no sound file"),
    ],
)
def test_what_is_not_there_is_one_line(data, kind, options, words):
    with pytest.raises(OptionError, match=words) as caught:
        dataset({"kind": kind, **options}).sources(data)
    assert "\n" not in str(caught.value)


def test_songs_are_found_through_links_once_each(data, tmp_path):
    for link in ("here", "again"):
        (tmp_path / link).symlink_to(data / "musdb18hq" / "train")
    assert {(s.song, s.path.parts[-3]) for s in SongFolder(".").sources(tmp_path)} == {
        ("A - One", "again"),
        ("B - Two", "again"),
    }


def test_an_absolute_folder_is_taken_as_it_is(data, tmp_path):
    assert SongFolder(str(data / "musdb18hq")).sources(tmp_path) == SongFolder(str(data / "musdb18hq")).sources(data)
