"""Sound files found below a folder: through links, once each, and to an end."""

from pathlib import Path

from rtsep.io.folders import sounds_below


def test_they_are_found_through_links_once_each_by_their_own_path_where_they_have_one(tmp_path: Path) -> None:
    top, elsewhere = tmp_path / "z" / "top", tmp_path / "a"
    for name in ("b/1.wav", "c/d/2.OGG", ".git/3.wav", ".4.wav", "5.mp3", "5.txt", "wav"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "6.flac").touch()
    (elsewhere / "back").symlink_to(top / "b")
    (elsewhere / "round").symlink_to(".")
    (top / "a").symlink_to("b")
    (top / "b" / "loop").symlink_to("..")
    (top / "gone.wav").symlink_to("nowhere")
    (top / "file.aif").symlink_to("b/1.wav")
    (top / "link").symlink_to(elsewhere)
    (top / "second").symlink_to(elsewhere / "deep")
    found = [str(path.relative_to(top)) for path in sounds_below(top)]
    assert found == ["5.mp3", "b/1.wav", "c/d/2.OGG", "file.aif", "gone.wav", "link/deep/6.flac"]
    assert sounds_below(tmp_path / "none") == []
