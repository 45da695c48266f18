"""Files found below a folder: through links, once each, and without end."""

from pathlib import Path

from rtsep.io.folders import files_below


def test_files_are_found_through_links_once_each_by_their_own_path_where_they_have_one(tmp_path: Path) -> None:
    top, elsewhere = tmp_path / "z" / "top", tmp_path / "a"
    for name in ("b/1", "c/d/2", ".git/3", ".4", "5"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "6").touch()
    (elsewhere / "back").symlink_to(top / "b")
    (elsewhere / "round").symlink_to(".")
    (top / "a").symlink_to("b")
    (top / "b" / "loop").symlink_to("..")
    (top / "gone").symlink_to("nowhere")
    (top / "file").symlink_to("b/1")
    (top / "link").symlink_to(elsewhere)
    (top / "second").symlink_to(elsewhere / "deep")
    found = [str(path.relative_to(top)) for path in files_below(top)]
    assert found == ["5", "b/1", "c/d/2", "file", "gone", "link/deep/6"]
    assert files_below(tmp_path / "none") == []
