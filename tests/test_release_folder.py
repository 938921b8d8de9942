from __future__ import annotations

import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.families import family_of
from hfloop.release import file_names, is_plain_name, read_provenance, release_folder, wrong_files


@pytest.fixture
def release(tiny_release, tmp_path):
    """A copy of a release that a test may spoil."""
    return shutil.copytree(tiny_release, tmp_path / "release")


def rewrite(release, **changes):
    path = release / "hfloop.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_run_stands_for_its_release(tiny_release):
    assert release_folder(tiny_release.parent) == tiny_release
    assert release_folder(tiny_release) == tiny_release


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: (path / "config.yaml").touch(), "is a run that has not finished: wait until it has"),
        (lambda path: None, "holds no release: name the folder that a recipe printed"),
        (lambda path: (path.rmdir(), path.touch()), "is no folder"),
        (lambda path: path.rmdir(), "does not exist"),
    ],
)
def test_what_is_no_release_is_refused(tmp_path, make, told):
    path = tmp_path / "given"
    path.mkdir()
    make(path)
    with pytest.raises(UserError, match=told):
        release_folder(path)


def test_a_whole_release_has_nothing_wrong(tiny_release):
    provenance = read_provenance(tiny_release, "it")
    assert wrong_files(tiny_release, provenance) == []
    found = {path.relative_to(tiny_release).as_posix() for path in tiny_release.rglob("*") if path.is_file()}
    assert set(file_names(provenance)) == found
    assert {"README.md", "hfloop.json", ".eval_results/hfloop.yaml", "model.safetensors"} <= found


def spoil_byte(release):
    path = release / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def name_a_pickle(release):
    (release / "training_args.bin").write_bytes(b"x")
    rewrite(release, sha256=json.loads((release / "hfloop.json").read_text())["sha256"] | {"training_args.bin": "0"})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_byte, "model.safetensors is not what was released"),
        (lambda release: (release / "config.json").unlink(), "config.json is missing"),
        (lambda release: (release / "README.md").unlink(), "README.md is missing"),
        (lambda release: (release / ".env").write_text("KEY=1"), ".env is not part of the release"),
        (lambda release: (release / "optimizer.pt").write_bytes(b"x"), "optimizer.pt may be a pickle"),
        (lambda release: (release / "OLD.PT").touch(), "OLD.PT may be a pickle"),
        (lambda release: (release / "net.pth.tar").touch(), "net.pth.tar may be a pickle"),
        (
            lambda release: (release / "config.json").unlink() or os.mkfifo(release / "config.json"),
            "config.json is no file",
        ),
        (name_a_pickle, "training_args.bin may be a pickle"),
        (lambda release: (release / "shadow").symlink_to("/etc"), "shadow is a link"),
        (
            lambda release: (
                (release / "config.json").rename(release / "real.json")
                and (release / "config.json").symlink_to("real.json")
            ),
            "config.json is a link",
        ),
    ],
)
def test_what_is_wrong_is_named(release, spoil, told):
    spoil(release)
    assert any(sentence.startswith(told) for sentence in wrong_files(release, read_provenance(release, "it")))


@pytest.mark.parametrize(
    "file",
    ["../up", "a/../../up", "/etc/passwd", "a\\b", "", "a//b", "./a", "a/", "a\0b", ".env", ".git/config", "a/.b"],
)
def test_names_that_leave_the_folder_are_refused(release, file):
    rewrite(release, sha256={file: "0" * 64})
    assert not is_plain_name(file)
    with pytest.raises(UserError, match="which can be part of none"):
        read_provenance(release, "it")


@given(parts=st.lists(st.text(st.characters(blacklist_characters="/\\\0", codec="utf-8"), min_size=1), min_size=1))
def test_a_plain_name_lies_below_its_folder(tmp_path_factory, parts):
    file = "/".join(parts)
    assert is_plain_name(file) == (not any(part.startswith(".") for part in parts))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "cannot be read"),
        ("[]", "does not describe a release"),
        ('{"sha256": {}}', "does not describe a release"),
        (
            '{"sha256": [], "family": "x", "recipe": "ner", "created": "now", "hfloop_version": "1"}',
            "does not describe a release",
        ),
        (
            '{"sha256": {}, "family": "x", "recipe": "ner; rm", "created": "now", "hfloop_version": "1"}',
            "names the recipe 'ner; rm', which is no name",
        ),
        (
            '{"sha256": {"a": 1}, "family": "x", "recipe": "ner", "created": "now", "hfloop_version": "1"}',
            "has no sha256 of a",
        ),
    ],
)
def test_a_damaged_hfloop_json_is_told(tmp_path, content, told):
    (tmp_path / "hfloop.json").write_text(content)
    with pytest.raises(UserError, match=told):
        read_provenance(tmp_path, "it")


def test_a_family_that_is_not_known_is_told(tiny_release):
    provenance = read_provenance(tiny_release, "it")
    assert type(family_of(provenance, "it")).__name__ == "NerFamily"
    with pytest.raises(UserError, match="it is of the family 'video', which this version of hfloop does not know"):
        family_of(provenance | {"family": "video"}, "it")
