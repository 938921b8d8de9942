"""What would change, computed from names and hashes alone."""

from __future__ import annotations

import hashlib

import pytest
from huggingface_hub import RepoFile
from hypothesis import given
from hypothesis import strategies as st

from hfloop.hub.plan import OutgoingFile, Plan, human_size, recorded_file, text_file


def outgoing(content):
    return OutgoingFile(content, len(content), hashlib.sha256(content).hexdigest())


def regular(path, content):
    """A file as a tree on the Hub lists it."""
    oid = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
    return RepoFile(path=path, size=len(content), oid=oid)


def large(path, content):
    """A file that the Hub keeps with LFS."""
    lfs = {"size": len(content), "oid": hashlib.sha256(content).hexdigest(), "pointerSize": 130}
    return RepoFile(path=path, size=len(content), oid="0" * 40, lfs=lfs)


CONTENTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([b"", b"one", b"two"]))


@given(CONTENTS, CONTENTS, st.frozensets(st.sampled_from("abcdef")), st.booleans())
def test_every_file_is_in_one_group_and_the_commit_makes_what_was_planned(ours, theirs, earlier, lfs):
    listed = large if lfs else regular
    remote = {name: listed(name, content) for name, content in theirs.items()}
    plan = Plan({name: outgoing(content) for name, content in ours.items()}, remote, earlier)
    groups = [plan.added, plan.changed, plan.removed, plan.unchanged, plan.kept]
    assert sorted(name for group in groups for name in group) == sorted({*ours, *theirs})
    after = {**theirs, **{name: ours[name] for name in plan.sent}}
    for name in plan.removed:
        del after[name]
    assert after == {**{name: theirs[name] for name in plan.kept}, **ours}
    assert set(plan.kept).isdisjoint(earlier)
    assert plan.has_happened_to({name: listed(name, content) for name, content in after.items()})
    assert plan.has_happened_to(remote) == plan.changes_nothing()


def test_sizes_and_names_are_aligned():
    plan = Plan(
        {"a.txt": outgoing(b"x" * 12), "model.safetensors": outgoing(b"y" * 90_900)},
        {"a.txt": regular("a.txt", b"old"), "old.png": regular("old.png", b"z"), "mine": regular("mine", b"")},
        frozenset(["old.png"]),
    )
    assert plan.told() == (
        "  added       90.9 kB  model.safetensors\n"
        "  changed        12 B  a.txt\n"
        "  removed         1 B  old.png\n"
        "  kept            0 B  mine (not of the release)\n"
        "1 added, 1 changed, 1 removed, 1 kept; 90.9 kB to upload"
    )


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (90_868_376, "90.9 MB"),
    ],
)
def test_sizes_are_told_as_people_say_them(size, told):
    assert human_size(size) == told


def test_a_small_file_is_held_in_memory_and_a_large_one_is_not(tmp_path):
    small, big = tmp_path / "small", tmp_path / "big"
    small.write_bytes(b"small")
    big.write_bytes(bytes(17 << 20))
    sha256 = hashlib.sha256(b"small").hexdigest()
    assert recorded_file(small, sha256) == OutgoingFile(b"small", 5, sha256)
    assert recorded_file(small, "0" * 64) is None
    assert recorded_file(big, "0" * 64) == OutgoingFile(big, 17 << 20, "0" * 64)
    assert text_file("ä").size == 2
