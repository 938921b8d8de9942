from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from verifying import Said, edit_provenance, nudge_weights, record_again, replace_in, verify

from hfloop.hub import verify as verify_module
from hfloop.hub.card_text import parse_card
from hfloop.ner.formats import read_documents, write_documents

pytestmark = pytest.mark.usefixtures("logger_as_before")
PEOPLE_WROTE = "\nOur own tests gave an F1 of 0.42.\n\n| who | F1 |\n| --- | ---: |\n| we | 0.42 |\n\n"


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


def one_finding(result: Said, part: str) -> str:
    assert result.exit_code == 1
    (finding,) = result.findings
    assert f"1 finding ({part})" in result.verdict
    return finding


def provenance_of(release: Path):
    return json.loads((release / "hfloop.json").read_text(encoding="utf-8"))


# ------------------------------------------------------------------ what is as it says


def test_a_release_as_it_was_written_is_what_it_says_to_the_last_figure(verified, release):
    result = verified("--json")
    assert (result.exit_code, result.error) == (0, "")
    told = json.loads(result.output)
    assert told["verdict"] == "equal"
    assert told["findings"] == {"files": [], "card": [], "model": [], "figures": []}
    assert {figure["difference"] for figure in told["figures"]} == {0, None}
    assert {figure["figure"] for figure in told["figures"] if figure["difference"] is None} == {
        "protocol",
        "split",
        "data.splits.test.sha256",
        *(f"confusion.{side}.{number}" for side in ("gold", "predicted") for number in range(4)),
        *(
            figure["figure"]
            for figure in told["figures"]
            if figure["figure"].startswith("seqeval.") and isinstance(figure["claimed"], str)
        ),
    }
    values = {figure["figure"]: figure["claimed"] for figure in told["figures"]}
    assert values["per_label.Name.f1"] == provenance_of(release)["report"]["per_label"]["Name"]["f1"]
    assert result.output == verified("--json").output


def test_people_read_the_headline_first_and_the_verdict_last(verified, release):
    result = verified()
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == str(release)
    first = next(number for number, line in enumerate(lines) if line.startswith("figure "))
    assert lines[first].split() == ["figure", "claimed", "measured", "difference"]
    assert [line.split()[0] for line in lines[first + 1 : first + 4]] == ["precision", "recall", "f1"]
    assert lines[first + 1].split()[-1] == "0"
    assert len({line.rindex(line.split()[-1]) + len(line.split()[-1]) for line in lines[first : first + 8]}) == 1
    assert result.verdict.startswith(f"{release} is what it says: ")


def test_a_run_stands_for_its_release(said, tiny_release, data_files):
    assert said(tiny_release.parent, "--data", data_files["test"]).exit_code == 0


def test_what_people_add_to_a_card_is_theirs(verified, release):
    readme = release / "README.md"
    replace_in(readme, "<!-- hfloop:end figures -->\n", "<!-- hfloop:end figures -->\n" + PEOPLE_WROTE)
    replace_in(readme, "library_name: transformers\n", "library_name: transformers\nlicense: mit\nour_own: [1, 2]\n")
    replace_in(readme, "- hfloop\n", "- hfloop\n- resumes\n")
    replace_in(
        readme,
        "model-index:\n",
        "model-index:\n- name: theirs\n  results:\n  - task:\n      type: token-classification\n    dataset:\n"
        "      name: CoNLL\n      type: conll2003\n    metrics:\n    - type: f1\n      value: 0.9\n",
    )
    result = verified()
    assert (result.exit_code, result.findings) == (0, [])
    assert "note: results of others in the card's metadata, not checked: f1 on conll2003" in result.output
    assert re.search(
        r"\nnote: README.md has text outside of hfloop's markers, not checked: lines \d+–\d+\n", result.output
    )


def test_a_card_saved_with_other_line_ends_says_the_same(verified, release):
    readme = release / "README.md"
    readme.write_bytes(readme.read_bytes().replace(b"\n", b"\r\n"))
    assert verified().exit_code == 0


# ------------------------------------------------------------------ files


def test_an_altered_weight_is_caught_and_nothing_is_measured(verified, release):
    weights = release / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    result = verified()
    assert one_finding(result, "files").startswith("model.safetensors is not what was released: its sha256 ")
    assert "figure  " not in result.output
    assert result.verdict.endswith("the figures were not measured: they would not be those of what was released.")


def test_a_missing_file_is_caught(verified, release):
    (release / "confusion.png").unlink()
    assert one_finding(verified(), "files") == "confusion.png is missing"


@pytest.mark.parametrize("file", ["README.md", ".eval_results/hfloop.yaml"])
def test_without_a_card_the_figures_are_measured_all_the_same(file, verified, release):
    (release / file).unlink()
    result = verified()
    assert one_finding(result, "files") == f"{file} is missing"
    assert "\nfigures  come out again\n" in result.output


def test_an_extra_file_is_caught(verified, release):
    (release / "notes.txt").write_text("by hand")
    assert one_finding(verified(), "files") == "notes.txt is not part of the release: take it away"


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors.index.json", "onnx/model.safetensors"])
def test_other_weights_are_caught(file, verified, release):
    (release / file).parent.mkdir(exist_ok=True)
    (release / file).write_bytes(b"{}")
    assert one_finding(verified(), "files").startswith(f"{file} is not part of the release, and loaders may take it")


def test_a_pickle_is_caught_even_if_hfloop_json_names_it(verified, release):
    (release / "pytorch_model.bin").write_bytes(b"")
    record_again(release, "pytorch_model.bin")
    assert one_finding(verified(), "files").startswith("pytorch_model.bin may be a pickle, which can run code ")


def test_names_that_a_terminal_would_obey_are_masked(verified, release):
    (release / "\x1b[2J.txt").write_text("")
    result = verified()
    assert "\x1b" not in result.output
    assert result.findings == ["�[2J.txt is not part of the release: take it away"]


def test_a_link_in_a_file_s_place_is_caught(verified, release, tmp_path):
    shutil.move(release / "curves.png", tmp_path / "curves.png")
    (release / "curves.png").symlink_to(tmp_path / "curves.png")
    assert one_finding(verified(), "files") == "curves.png is a link, not the file itself"


def test_what_a_download_leaves_in_a_folder_is_noted_only(verified, release):
    for file in (".gitattributes", ".git/HEAD", ".cache/huggingface/.gitignore"):
        (release / file).parent.mkdir(parents=True, exist_ok=True)
        (release / file).write_text("")
    result = verified()
    assert result.exit_code == 0
    assert "note: not part of the release, and not checked: .cache/huggingface/.gitignore, .git/HEAD, .git" in (
        result.output
    )


# ------------------------------------------------------------------ the card


def test_an_altered_cell_of_a_table_is_caught_with_both_values(verified, release):
    replace_in(release / "README.md", "| Name | 1.000 | 1.000 | 1.000 | 8 |", "| Name | 1.000 | 0.900 | 1.000 | 8 |")
    assert one_finding(verified(), "card") == (
        "README.md, section `figures`, row 'Name', column 'recall': the card says 0.900, hfloop.json 1.000"
    )


def test_an_altered_sentence_is_caught_with_its_line(verified, release):
    readme = release / "README.md"
    replace_in(readme, "seqeval (strict, IOB2), for comparison with other models: F1 1", "seqeval: F1 2")
    number = next(n for n, line in enumerate(readme.read_text().splitlines(), 1) if "seqeval: F1 2" in line)
    finding = one_finding(verified(), "card")
    assert finding.startswith(
        f"README.md, line {number}, section `figures`: the card says “- seqeval: F1 2.000.”, and"
    )


def test_a_lost_section_is_caught(verified, release):
    readme = release / "README.md"
    text = readme.read_text(encoding="utf-8")
    (limits,) = (part.text for part in parse_card(text).parts if part.name == "limits")
    readme.write_text(text.replace(limits, ""), encoding="utf-8")
    assert one_finding(verified(), "card") == "README.md lacks the section `limits`"


def test_a_card_written_by_hand_is_caught(verified, release):
    (release / "README.md").write_text("# The best model\n")
    assert one_finding(verified(), "card").startswith("README.md has none of the sections that hfloop renders")


def test_broken_markers_and_metadata_are_caught(verified, release):
    readme = release / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text.replace("<!-- hfloop:end figures -->\n", ""), encoding="utf-8")
    assert "the section `figures`" in one_finding(verified(), "card")
    readme.write_text(text.replace("library_name: transformers", "library_name: [transformers"), encoding="utf-8")
    assert one_finding(verified(), "card").startswith("README.md, line ")


def test_an_altered_value_of_the_model_index_is_caught(verified, release):
    replace_in(release / "README.md", "- type: f1\n      value: 1.0", "- type: f1\n      value: 0.999")
    assert one_finding(verified(), "card") == (
        "README.md: `model-index` in its metadata says 0.999 for f1 on local/train-jsonl, and it is 1.0 by hfloop.json"
    )


def test_a_second_value_beside_that_of_the_model_index_is_caught(verified, release):
    replace_in(release / "README.md", "    - type: f1\n", "    - type: f1\n      value: 0.7\n    - type: f1\n")
    assert "says 0.7 for f1" in one_finding(verified(), "card")


def test_altered_metadata_is_caught(verified, release):
    replace_in(release / "README.md", "library_name: transformers", "library_name: spacy")
    replace_in(release / "README.md", "\n- named-entity-recognition\n", "\n")
    first, second = verified().findings
    assert first == "README.md: `library_name` in its metadata is 'spacy', and 'transformers' by hfloop.json"
    assert second == "README.md: `tags` in its metadata lacks 'named-entity-recognition', which hfloop.json gives"


def test_an_altered_result_in_the_hub_s_format_is_caught(verified, release):
    replace_in(release / ".eval_results" / "hfloop.yaml", "value: 1.0", "value: 0.5")
    assert one_finding(verified(), "card") == (
        ".eval_results/hfloop.yaml: `value` of result 1 is 0.5, and 1.0 by hfloop.json"
    )


@pytest.mark.parametrize("content", ["{", "", "[]", "f1: 1.0"])
def test_damaged_results_are_caught(content, verified, release):
    (release / ".eval_results" / "hfloop.yaml").write_text(content)
    assert one_finding(verified(), "card").startswith(".eval_results/hfloop.yaml ")


def rendered_by_another_version(release: Path) -> Path:
    readme = release / "README.md"
    replace_in(readme, "<!-- Rendered by hfloop ", "<!-- Rendered by hfloop 99.")
    replace_in(readme, "by the very weights in this repository", "by these weights")
    text = readme.read_text(encoding="utf-8")
    (limits,) = (part.text for part in parse_card(text).parts if part.name == "limits")
    readme.write_text(text.replace(limits, ""), encoding="utf-8")
    return readme


def test_of_a_card_of_another_version_the_words_may_be_others(verified, release):
    rendered_by_another_version(release)
    result = verified()
    assert result.exit_code == 0
    assert "\nnote: README.md was rendered by hfloop 99." in result.output
    assert ": its sentences were not compared, nor its metadata but for `model-index`\n" in result.output


def test_of_a_card_of_another_version_the_figures_count(verified, release):
    readme = rendered_by_another_version(release)
    replace_in(readme, "| Name | 1.000 | 1.000 | 1.000 | 8 |", "| Name | 1.000 | 0.900 | 1.000 | 8 |")
    assert one_finding(verified(), "card").startswith("README.md, section `figures`, row 'Name', column 'recall': ")


# ------------------------------------------------------------------ figures


def test_an_altered_figure_in_hfloop_json_is_caught_by_the_card_and_by_measuring(verified, release):
    edit_provenance(release, lambda known: known["report"]["per_label"]["Name"].update(f1=0.75))
    result = verified()
    assert result.exit_code == 1
    assert result.findings == [
        "README.md, section `figures`, row 'Name', column 'F1': the card says 1.000, hfloop.json 0.750",
        "per_label.Name.f1 is claimed to be 0.75, and 1.0 was measured",
    ]
    (row,) = (line for line in result.output.splitlines() if line.startswith("per_label.Name.f1 "))
    assert row.split()[1:] == ["0.75", "1", "+0.25", "✗"]


def test_a_figure_that_is_altered_everywhere_is_caught_by_measuring(verified, said, release):
    from hfloop.families import family_of
    from hfloop.release import write_card

    edit_provenance(release, lambda known: known["report"].update(f1=0.999))
    provenance = provenance_of(release)
    write_card(release, family_of(provenance, "it").card(provenance, "."))
    assert one_finding(verified(), "figures") == "f1 is claimed to be 0.999, and 1.0 was measured"
    assert verified("--tolerance", 0.01).exit_code == 0
    assert verified("--tolerance", 0.0005).exit_code == 1
    assert said(release).exit_code == 2  # nobody can see it without the data


@pytest.mark.parametrize("tolerance", [1, 0.011, "inf"])
def test_a_tolerance_that_is_no_rounding_is_refused(tolerance, verified):
    sentence = refused(verified("--tolerance", tolerance))
    assert sentence.startswith("--tolerance ") and sentence.endswith("is what it is for: take 0 to 0.01.")


def test_the_verdict_names_the_tolerance(verified):
    assert verified().verdict.endswith(" figures and settings, to 0.0001 of each.")
    assert verified("--tolerance", 0.002).verdict.endswith(" figures and settings, to 0.002 of each.")
    assert json.loads(verified("--tolerance", 0.002, "--json").output)["tolerance"] == 0.002


def test_counts_of_the_data_that_are_altered_everywhere_are_caught_by_reading_it(verified, release):
    from hfloop.families import family_of
    from hfloop.hub.rendering import card_command

    edit_provenance(release, lambda known: known["data"]["splits"]["test"].update(documents=9999))
    card_command(release, family_of)
    finding = one_finding(verified(), "figures")
    assert finding.startswith("data.splits.test.documents is claimed to be 9999, and ")


def test_pictures_of_figures_are_not_drawn_again_and_this_is_said(verified):
    assert "\nnote: not drawn again: label_scores.png, confusion.png, curves.png\n" in verified().output


def test_counts_have_no_tolerance(verified, release):
    edit_provenance(release, lambda known: known["report"].update(n_resamples=1001))
    assert one_finding(verified("--tolerance", 0.01), "figures").startswith("n_resamples is claimed to be 1001, ")


def test_another_protocol_is_caught(verified, release):
    edit_provenance(release, lambda known: known["report"].update(protocol="a kinder one"))
    said = verified().findings
    assert any(line.startswith("protocol is claimed to be a kinder one, and strict") for line in said)


def test_a_figure_that_nobody_measures_is_caught_and_one_left_out_too(verified, release):
    edit_provenance(release, lambda known: (known["report"].update(charm=0.9), known["report"].pop("macro_f1")))
    said = verified().findings
    assert said == [
        "charm is claimed to be 0.9, and — was measured",
        "macro_f1 is claimed to be —, and 1.0 was measured",
    ]


def test_a_claimed_nan_is_a_finding_and_json_stays_json(verified, release):
    edit_provenance(release, lambda known: known["report"].update(macro_f1=math.nan))
    assert one_finding(verified(), "figures") == "macro_f1 is claimed to be nan, and 1.0 was measured"
    told = json.loads(verified("--json").output, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    (figure,) = (figure for figure in told["figures"] if not figure["equal"])
    assert figure == {
        "figure": "macro_f1", "claimed": "nan", "measured": 1.0, "difference": None, "equal": False
    }  # fmt: skip


def test_small_differences_on_another_processor_get_a_hint(verified, release, monkeypatch):
    edit_provenance(release, lambda known: known["report"].update(macro_f1=0.9991))
    assert "hint: " not in verified().output
    monkeypatch.setattr(verify_module, "_this_device", lambda: "A newer one")
    result = verified()
    assert result.exit_code == 1
    assert "hint: measured first on " in result.output and "--tolerance" in result.output
    for other in ({"n_resamples": 1001}, {"n_resamples": 1000, "macro_f1": 0.98}):
        edit_provenance(release, lambda known, other=other: known["report"].update(other))
        assert "hint: " not in verified().output


# ------------------------------------------------------------------ the model


def test_other_weights_under_their_own_sha256_are_caught_by_the_probe(verified, release):
    nudge_weights(release / "model.safetensors")
    record_again(release, "model.safetensors")
    result = verified()
    assert (result.exit_code, "finding" in result.verdict, "(model)" in result.verdict) == (1, True, True)
    assert any("the model's score of " in finding for finding in result.findings)


def test_weights_that_lack_a_tensor_are_caught(verified, release):
    from safetensors.torch import load_file, save_file

    tensors = load_file(release / "model.safetensors")
    tensors.pop("classifier.bias")
    save_file(tensors, release / "model.safetensors", metadata={"format": "pt"})
    record_again(release, "model.safetensors")
    assert "classifier.bias is missing" in one_finding(verified(), "model")


def test_an_example_that_the_model_does_not_give_is_caught(verified, release):
    edit_provenance(release, lambda known: known["example"]["spans"][0].update(score=0.999))
    assert one_finding(verified(), "model").startswith("the model's score of Name 'Marisol', characters 0 to 7, is 0.")
    edit_provenance(release, lambda known: known["example"].update(spans=known["example"]["spans"][1:]))
    assert "in the example the model finds what was not recorded: Name 'Marisol', characters 0 to 7" in (
        verified().findings
    )


def test_labels_that_the_model_does_not_have_are_caught(verified, release):
    edit_provenance(release, lambda known: known["labels"].append("Salary"))
    assert (
        "the model's labels are Company, Designation, Name, and Company, Designation, Name, Salary were recorded"
        in (verified().findings)
    )


# ------------------------------------------------------------------ what cannot be measured


def test_without_the_data_the_rest_is_looked_at(said, release):
    result = said(release)
    assert (result.exit_code, result.findings, result.error) == (2, [], "")
    assert result.verdict == (
        f"{release}: files, card and probe agree; the figures were not measured: {release} was measured on "
        "test.jsonl: name it with --data."
    )
    assert json.loads(said(release, "--json").output)["verdict"] == "not measured"


def test_a_finding_goes_before_figures_that_cannot_be_measured(said, release):
    (release / "notes.txt").write_text("")
    assert said(release).exit_code == 1


def test_other_data_is_not_measured_on(said, release, data_files):
    result = said(release, "--data", data_files["validation"])
    assert result.exit_code == 2
    assert "does not give the documents that the figures were measured on (sha256 " in result.verdict


def test_data_with_one_annotation_less_is_other_data(said, release, data_files, tmp_path):
    documents, _ = read_documents(data_files["test"])
    documents[0] = replace(documents[0], spans=documents[0].spans[1:])
    write_documents(documents, tmp_path / "test.jsonl", "doccano")
    assert said(release, "--data", tmp_path / "test.jsonl").exit_code == 2


def test_data_that_is_not_there_is_not_measured_on(said, release, tmp_path):
    result = said(release, "--data", tmp_path / "none.jsonl")
    assert result.exit_code == 2
    assert str(tmp_path / "none.jsonl") in result.verdict


def refused(result: Said) -> str:
    assert (result.exit_code, result.output) == (2, "")
    assert result.error.count("\n") == 1
    return result.error.removeprefix("error: ").rstrip("\n")


def test_what_is_no_release_is_refused_in_a_sentence(said, tmp_path):
    assert refused(said(tmp_path)).startswith(f"{tmp_path} holds no release: ")
    assert refused(said("no such thing")) == "no such thing is neither a folder here nor a Hub id (`user/name`)."


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"sha256": {}}', "null"])
def test_a_damaged_hfloop_json_is_refused_in_a_sentence(content, said, release):
    (release / "hfloop.json").write_text(content)
    assert refused(said(release)).startswith(f"{release}: its hfloop.json ")


@pytest.mark.parametrize("lost", ["report", "data", "example", "config", "hardware", "labels"])
def test_an_hfloop_json_that_lacks_a_part_is_refused_in_a_sentence(lost, said, release):
    edit_provenance(release, lambda known: known.pop(lost))
    assert refused(said(release)).startswith(f"{release}: its hfloop.json, ")


def test_an_altered_file_is_said_even_if_hfloop_json_lacks_a_part(said, release):
    (release / "curves.png").unlink()
    edit_provenance(release, lambda known: known.pop("report"))
    result = said(release)
    assert (result.exit_code, result.findings) == (1, ["curves.png is missing"])
    assert "\ncard     not looked at\nmodel    not looked at\nfigures  not measured\n" in result.output


def test_a_family_of_another_version_is_refused_in_a_sentence(said, release):
    edit_provenance(release, lambda known: known.update(family="video"))
    assert refused(said(release)).startswith(f"{release} is of the family 'video', which this version of hfloop does ")


def test_a_folder_has_no_revisions(said, release):
    assert refused(said(release, "--revision", "main")).startswith(
        f"{release} is a folder here, and --revision is of "
    )
