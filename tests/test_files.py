"""What is written is whole or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hfloop import files
from hfloop.files import empty_folder, new_folder, remove_folder, replace_folder, sha256_of_file, write_text


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


def test_text_is_written_as_utf8_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "first\n")
    write_text(tmp_path / "a.txt", "Zoë\n")
    assert (tmp_path / "a.txt").read_bytes() == "Zoë\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_text_that_cannot_be_written_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a.txt", "first\n")
    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a.txt", "second\n")
    assert (tmp_path / "a.txt").read_text() == "first\n"


def test_a_new_folder_takes_its_place_only_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "release"
    with new_folder(folder) as partial:
        (partial / "one").write_text("1")
        assert not folder.exists()
    assert (folder / "one").read_text() == "1"

    with new_folder(folder) as partial:
        (partial / "two").write_text("2")
        assert (folder / "one").exists()
    assert [path.name for path in folder.iterdir()] == ["two"]
    assert [path.name for path in folder.parent.iterdir()] == ["release"]


@pytest.mark.parametrize("failure", [OSError("full"), KeyboardInterrupt()])
def test_a_folder_that_fails_leaves_what_stood_there_and_no_partial_one(
    tmp_path: Path, failure: BaseException
) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "old").write_text("old")
    with pytest.raises(type(failure)), new_folder(tmp_path / "release") as partial:
        (partial / "new").write_text("new")
        raise failure
    assert [path.name for path in tmp_path.rglob("*")] == ["release", "old"]


def test_a_partial_folder_that_a_kill_left_is_cleared(tmp_path: Path) -> None:
    empty_folder(tmp_path / ".release.partial")
    (tmp_path / ".release.partial" / "stale").write_text("stale")
    with new_folder(tmp_path / "release") as partial:
        assert list(partial.iterdir()) == []


def test_a_folder_is_synced_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, bool]] = []
    real = files._sync
    monkeypatch.setattr(files, "_sync", lambda path: (synced.append((path.name, folder.exists())), real(path)))
    folder = tmp_path / "release"
    with new_folder(folder) as partial:
        (partial / "sub").mkdir()
        (partial / "sub" / "weights").write_text("w")
    assert synced == [("weights", False), (".release.partial", False), (tmp_path.name, True)]


def test_a_kill_while_a_folder_is_removed_leaves_none_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, **_: object) -> None:
        if path.exists():
            raise Killed

    empty_folder(tmp_path / "step-2")
    (tmp_path / "step-2" / "weights").write_text("w")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(files.shutil, "rmtree", killed)
        remove_folder(tmp_path / "step-2")
    assert not (tmp_path / "step-2").exists()

    empty_folder(tmp_path / "step-2")  # saved again after the kill, and removed again
    remove_folder(tmp_path / "step-2")
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_folder_is_whole_before_and_after(tmp_path: Path) -> None:
    for name in ("partial", "release"):
        empty_folder(tmp_path / name)
        (tmp_path / name / name).write_text(name)
    replace_folder(tmp_path / "partial", tmp_path / "release")
    assert [path.name for path in tmp_path.rglob("*")] == ["release", "partial"]


def test_sha256_is_that_of_the_bytes_however_long(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one chunk
    (tmp_path / "f").write_bytes(content)
    assert sha256_of_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def failing(*_: object) -> None:
    raise OSError(28, "No space left on device")
