from __future__ import annotations

import json
import shutil

import pytest
from huggingface_hub import ModelCard

from hfloop.errors import UserError
from hfloop.families import family_of
from hfloop.hub.card import whole_card
from hfloop.hub.card_text import model_id_of, parse_card
from hfloop.hub.rendering import card_command
from hfloop.release import read_provenance, wrong_files


@pytest.fixture
def run(tiny_release, tmp_path):
    """A run that has finished; its release is a copy that a test may change."""
    shutil.copytree(tiny_release, tmp_path / "run" / "release")
    return tmp_path / "run"


def readme(run):
    return (run / "release" / "README.md").read_text(encoding="utf-8")


def contents(run):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}


def change(run, **facts):
    """Change what hfloop.json says."""
    path = run / "release" / "hfloop.json"
    provenance = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**provenance, **facts}), encoding="utf-8")
    return provenance


@pytest.mark.parametrize("part", ["", "release"])
def test_a_card_that_is_as_it_should_be_is_left_alone(run, part):
    before = contents(run)
    assert card_command(run / part, family_of) == f"{run / 'release' / 'README.md'}: nothing changed."
    assert contents(run) == before


def test_what_changed_is_said_and_people_s_own_text_stays(run):
    path = run / "release" / "README.md"
    path.write_text(
        readme(run).replace("tags:\n", "license: mit\ntags:\n- mine\n") + "\nMy words.\n", encoding="utf-8"
    )
    report = change(run)["report"]
    change(run, report=report | {"f1": 0.25}, limits=["Another limit."])
    said = card_command(run, family_of)
    assert said == (
        f"{path}: rendered again: metadata (tags, model-index), sections (figures, limits), .eval_results/hfloop.yaml."
    )
    assert readme(run).endswith("\nMy words.\n")
    metadata = ModelCard(readme(run)).data
    assert (metadata.license, metadata.tags[-1]) == ("mit", "mine")
    assert {result.metric_type: result.metric_value for result in metadata.eval_results}["f1"] == 0.25
    assert "- Another limit.\n" in readme(run)
    assert card_command(run, family_of).endswith("nothing changed.")
    assert "value: 0.25" in (run / "release/.eval_results/hfloop.yaml").read_text()


def test_the_model_that_the_snippets_load_stays(run):
    card = family_of(change(run), "it").card(change(run), "user/name")
    (run / "release" / "README.md").write_text(whole_card(card), encoding="utf-8")
    assert card_command(run, family_of).endswith("nothing changed.")
    assert model_id_of(parse_card(readme(run))) == "user/name"


def test_a_missing_card_is_written(run):
    before = readme(run)
    (run / "release" / "README.md").unlink()
    shutil.rmtree(run / "release" / ".eval_results")
    assert card_command(run, family_of).endswith("README.md: written.")
    assert readme(run) == before
    assert wrong_files(run / "release", read_provenance(run / "release", "it")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("---\n", "---\na: [\n", "README.md, line "),
        ("<!-- hfloop:end use -->\n", "", "the section `use`, begun in line"),
        ("- name: tiny", "- title: tiny", "model-index[0].name is missing"),
    ],
)
def test_a_card_that_cannot_be_read_is_left_alone(run, old, new, said):
    path = run / "release" / "README.md"
    path.write_text(readme(run).replace(old, new, 1), encoding="utf-8")
    change(run, limits=["Another limit."])
    before = contents(run)
    with pytest.raises(UserError) as error:
        card_command(run, family_of)
    assert said in str(error.value) and "README.md" in str(error.value)
    assert contents(run) == before


@pytest.mark.parametrize("lacking", ["versions", "curve", "labels"])
def test_a_release_that_says_too_little_is_refused_in_one_sentence(run, lacking):
    path = run / "release" / "hfloop.json"
    provenance = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({k: v for k, v in provenance.items() if k != lacking} | {"hfloop_version": "0.0.1"}))
    before = contents(run)
    with pytest.raises(UserError) as error:
        card_command(run, family_of)
    said = str(error.value)
    assert "written by hfloop 0.0.1" in said and f"('{lacking}' is missing)" in said
    assert "\n" not in said
    assert contents(run) == before
