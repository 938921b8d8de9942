"""Files that are made to break what reads them get a sentence, and no traceback."""

from __future__ import annotations

import shutil

import pytest
from verifying import edit_provenance, replace_in, verify

pytestmark = pytest.mark.usefixtures("logger_as_before")


@pytest.fixture
def release(tiny_release, tmp_path):
    """A copy of a release of a token classifier, to tamper with."""
    return shutil.copytree(tiny_release, tmp_path / "release")


@pytest.fixture
def said(monkeypatch, capsys):
    """Run the command with these arguments."""
    return lambda *line: verify(monkeypatch, capsys, *line)


@pytest.fixture
def verified(said, release, data_files):
    """Run the command on the release and the data that it was measured on."""
    return lambda *more: said(release, "--data", data_files["test"], *more)


def refused(result):
    assert (result.exit_code, result.output) == (2, "")
    assert result.error.count("\n") == 1
    return result.error.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize("content", ["[" * 200_000, '{"sha256": ' * 200_000])
def test_an_hfloop_json_that_nests_without_end_is_refused_in_a_sentence(content, said, release):
    (release / "hfloop.json").write_text(content)
    assert refused(said(release)).startswith(f"{release}: its hfloop.json ")


@pytest.mark.parametrize("depth", [700, 800, 900, 950])
def test_a_part_of_hfloop_json_that_nests_deeply_is_no_crash(depth, verified, release):
    replace_in(release / "hfloop.json", '"report": {', f'"report": {{"charm": {"[" * depth}{"]" * depth},')
    assert verified().exit_code in (0, 1, 2)


def test_metadata_and_results_that_nest_without_end_are_caught(verified, release):
    replace_in(release / "README.md", "library_name: transformers", f"library_name: {'[' * 3000}{']' * 3000}")
    (release / ".eval_results" / "hfloop.yaml").write_text("[" * 3000 + "]" * 3000)
    assert verified().findings == [
        "README.md: its metadata nests too deeply to be read: mend it there",
        ".eval_results/hfloop.yaml nests too deeply to be read",
    ]


def test_names_too_long_for_a_file_are_no_crash(said, verified, release):
    assert refused(said("a" * 300)).endswith(" is neither a folder here nor a Hub id (`user/name`).")
    edit_provenance(release, lambda known: known["sha256"].update({"a" * 300: ""}))
    (finding,) = verified().findings
    assert finding.startswith("aaa")
