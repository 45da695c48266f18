"""Finding and reading songs with known stems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtsep.errors import AudioError, OptionError
from rtsep.evaluation.songs import absent_stems, find_songs, read_song, sounding_windows
from rtsep.types import STEMS

RATE = 8000


def write_song(folder: Path, stems: tuple[str, ...] = STEMS, samples: int = RATE, suffix: str = ".wav") -> np.ndarray:
    """A song of noise, a different one in each stem; returns `(n_stems, samples, 1)`."""
    folder.mkdir(parents=True)
    sound = np.random.default_rng(len(folder.name)).standard_normal((len(stems), samples, 1)).astype(np.float32) / 8
    for stem, noise in zip(stems, sound, strict=True):
        soundfile.write(folder / f"{stem}{suffix}", noise, RATE, subtype="FLOAT")
    return sound


def test_songs_are_found_below_and_at_the_folder_and_read_in_the_order_of_stems(tmp_path: Path) -> None:
    sound = write_song(tmp_path / "test" / "b")
    write_song(tmp_path / "a", ("vocals", "drums"))
    soundfile.write(tmp_path / "a" / "mixture.wav", np.zeros(9), RATE)
    songs = find_songs(tmp_path)
    assert [(s.name, tuple(s.files), s.n_samples) for s in songs] == [
        ("a", ("drums", "vocals"), RATE),
        ("b", STEMS, RATE),
    ]
    recording = read_song(songs[1])
    np.testing.assert_array_equal(recording.truth, sound)
    np.testing.assert_allclose(recording.mixture, sound.sum(axis=0), atol=1e-6)
    assert recording.absent == ()
    assert [s.name for s in find_songs(tmp_path / "a")] == ["a"]


def test_a_stem_without_a_file_is_absent(tmp_path: Path) -> None:
    write_song(tmp_path / "song", ("bass", "other"))
    recording = read_song(find_songs(tmp_path)[0])
    assert recording.absent == ("drums", "vocals")
    assert not recording.truth[1:3].any()


def test_a_stem_60_db_below_the_mixture_is_absent_and_one_a_little_louder_is_not(tmp_path: Path) -> None:
    sound = np.ones((4, RATE, 1), np.float32)
    sound[0] *= 10 ** (-61 / 20) * 3
    sound[1] *= 10 ** (-59 / 20) * 3
    sound[2:, ::2] *= -1
    sound[2:] *= 1.5
    assert absent_stems(sound, sound.sum(axis=0)).tolist() == [True, False, False, False]
    folder = tmp_path / "song"
    write_song(folder)
    soundfile.write(folder / "vocals.wav", np.full(RATE, 1e-6, np.float32), RATE, subtype="FLOAT")
    recording = read_song(find_songs(tmp_path)[0])
    assert recording.absent == ("vocals",)
    assert not recording.truth[2].any()
    assert (recording.mixture - recording.truth.sum(axis=0)).any()


def test_windows_in_which_a_stem_is_but_noise_do_not_count_for_it(tmp_path: Path) -> None:
    sound = write_song(tmp_path / "song", samples=3 * RATE + 9)
    quiet = sound[1].copy()
    quiet[RATE : 2 * RATE] *= 1e-4
    soundfile.write(tmp_path / "song" / "drums.wav", quiet, RATE, subtype="FLOAT")
    counted = sounding_windows(read_song(find_songs(tmp_path)[0]))
    assert counted.tolist() == [[True] * 3, [True, False, True], [True] * 3, [True] * 3]


def test_songs_are_chosen_by_name(tmp_path: Path) -> None:
    for name in "abc":
        write_song(tmp_path / name)
    assert [s.name for s in find_songs(tmp_path, ["c", "a"])] == ["a", "c"]
    with pytest.raises(OptionError, match=r"song 'd' is not under .*: there are a, b, c"):
        find_songs(tmp_path, ["a", "d"])


def test_links_to_folders_are_followed_and_no_song_counts_twice(tmp_path: Path) -> None:
    write_song(tmp_path / "elsewhere" / "1")
    write_song(tmp_path / "data" / "own")
    (tmp_path / "data" / "linked").symlink_to("../elsewhere/1")
    (tmp_path / "data" / "again").symlink_to("own")
    (tmp_path / "elsewhere" / "1" / "up").symlink_to("..")
    songs = find_songs(tmp_path / "data")
    assert [(s.name, s.files["bass"].relative_to(tmp_path)) for s in songs] == [
        ("linked", Path("data/linked/bass.wav")),
        ("own", Path("data/own/bass.wav")),
    ]


def test_what_holds_no_songs_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no such folder"):
        find_songs(tmp_path / "none")
    with pytest.raises(OptionError, match="no songs under"):
        find_songs(tmp_path)
    write_song(tmp_path / "x" / "same")
    write_song(tmp_path / "y" / "same")
    with pytest.raises(OptionError, match=r"2 songs under .* are named same"):
        find_songs(tmp_path)


def test_files_that_do_not_fit_or_cannot_be_read_are_told_before_any_work(tmp_path: Path) -> None:
    write_song(tmp_path / "song")
    soundfile.write(tmp_path / "song" / "drums.wav", np.zeros(RATE - 1), RATE)
    with pytest.raises(OptionError, match=r"7999 samples at 8000 Hz, 1 channels, but bass\.wav beside it has 8000"):
        find_songs(tmp_path)
    (tmp_path / "song" / "drums.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"drums\.wav"):
        find_songs(tmp_path)
