from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import docx
import pytest
from invented import invented_documents
from test_text_files import minimal_pdf

from hfloop.errors import UserError
from hfloop.ner.commands import Found, evaluate, extract
from hfloop.ner.decoding import ScoredSpan
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import write_documents

pytestmark = pytest.mark.usefixtures("logger_as_before")
RESUME = invented_documents(1, first=30)[0]


@pytest.fixture
def files(tmp_path):
    """One invented resume as text, PDF and Word file."""
    (tmp_path / "cv.txt").write_text(RESUME.text, encoding="utf-8")
    (tmp_path / "cv.pdf").write_bytes(minimal_pdf(RESUME.text.splitlines()))
    document = docx.Document()
    for line in RESUME.text.splitlines():
        document.add_paragraph(line)
    document.save(tmp_path / "cv.docx")
    return [tmp_path / name for name in ("cv.txt", "cv.pdf", "cv.docx")]


# ------------------------------------------------------------------ evaluate


def test_evaluate_measures_again_what_the_release_claims(tiny_release, data_files):
    claimed = json.loads((tiny_release / "hfloop.json").read_text())["report"]
    measured = json.loads(evaluate(str(tiny_release), data_files["test"], "auto", as_json=True))
    assert measured.pop("repairs") == {}
    assert measured.pop("split") == "test.jsonl"
    assert claimed.pop("split") == "test"
    assert measured == claimed


def test_evaluate_prints_the_data_the_scores_and_nothing_else(tiny_release, data_files):
    lines = evaluate(str(tiny_release), data_files["test"], "auto", as_json=False).splitlines()
    assert lines[0] == f"{data_files['test']} (doccano): 8 documents. Nothing to repair."
    assert lines[2].split() == ["label", "precision", "recall", "F1", "support", "predicted"]
    assert {line.split()[0] for line in lines[3:6]} == {"Company", "Designation", "Name"}
    assert lines[-1].startswith("seqeval strict F1 ")
    assert lines[-1].endswith("coverage 100.00 % of the text")


def test_evaluate_says_what_it_repaired(tiny_release, tmp_path):
    write_documents([Document("Ada Quill\n", (Span(0, 10, "Name"),))], tmp_path / "x.json", "spacy")
    text = evaluate(str(tiny_release), tmp_path / "x.json", "spacy", as_json=False)
    assert text.splitlines()[0].endswith("1 documents. Repairs: 1 spans with blanks at an edge trimmed.")
    repairs = json.loads(evaluate(str(tiny_release), tmp_path / "x.json", "spacy", as_json=True))["repairs"]
    assert repairs["edge_blanks"]["count"] == 1


def test_evaluate_counts_labels_that_the_model_does_not_know_as_missed_and_says_so(tiny_release, tmp_path):
    text = "Ada Quill\nlives in Quito"
    write_documents([Document(text, (Span(0, 9, "Name"), Span(19, 24, "City")))], tmp_path / "x.jsonl", "doccano")
    lines = evaluate(str(tiny_release), tmp_path / "x.jsonl", "auto", as_json=False).splitlines()
    assert lines[-1] == "labels that the model does not know, so that all of them count as missed: City"


def test_evaluate_refuses_data_that_shares_no_label_with_the_model(tiny_release, tmp_path):
    write_documents([Document("Quito", (Span(0, 5, "City"),))], tmp_path / "x.jsonl", "doccano")
    with pytest.raises(UserError) as caught:
        evaluate(str(tiny_release), tmp_path / "x.jsonl", "auto", as_json=False)
    assert str(caught.value) == (
        f"{tiny_release} knows the labels Company, Designation, Name, and {tmp_path / 'x.jsonl'} has City: "
        "they share none, so there is nothing to measure."
    )


# ------------------------------------------------------------------ extract


def test_extract_finds_the_same_in_text_pdf_and_word_files(tiny_release, files):
    answers = json.loads(extract(str(tiny_release), files, as_json=True))
    assert [answer["file"] for answer in answers] == [str(path) for path in files]
    expected = [[span.label, RESUME.span_text(span)] for span in RESUME.spans]
    for answer in answers:
        assert [[entity["label"], entity["text"]] for entity in answer["entities"]] == expected


def test_offsets_are_those_of_the_text_that_was_read(tiny_release, files):
    (answer, *_) = json.loads(extract(str(tiny_release), files, as_json=True))
    assert answer["characters"] == len(RESUME.text)
    for entity in answer["entities"]:
        assert RESUME.text[entity["start"] : entity["end"]] == entity["text"]
        assert 0 < entity["score"] <= 1


def test_extract_prints_a_table_a_file(tiny_release, files):
    first, second, third = extract(str(tiny_release), files, as_json=False).split("\n\n")
    lines = first.splitlines()
    assert lines[0] == f"{files[0]}: 5 entities in {len(RESUME.text.split())} words"
    assert [line.split()[0] for line in lines[1:]] == [span.label for span in RESUME.spans]
    assert lines[1].endswith("  " + RESUME.span_text(RESUME.spans[0]))
    assert second.splitlines()[1:] == lines[1:]
    assert third.splitlines()[1:] == lines[1:]


def test_a_long_entity_is_shown_on_one_line_and_cut():
    text = "Skills:\n" + "Python,\n" * 20
    table = Found("cv.txt", text, [ScoredSpan(8, len(text) - 1, "Skills", 0.5)]).table()
    title, row = table.splitlines()
    assert title == "cv.txt: 1 entities in 21 words"
    assert row == "  Skills  0.50  " + "Python, " * 7 + "Pyt…"


def test_a_file_without_entities_is_said_to_have_none():
    assert Found("cv.txt", "a b", []).table() == "cv.txt: 0 entities in 2 words"


def test_a_damaged_pdf_that_can_still_be_read_makes_no_noise(tiny_release, tmp_path):
    pdf = minimal_pdf(RESUME.text.splitlines())
    (tmp_path / "cv.pdf").write_bytes(b"junk\n" + pdf.replace(b"startxref\n", b"startxref\n9"))
    done = subprocess.run(
        [sys.executable, "-c", "from hfloop.cli import main; main()", "extract", tiny_release, tmp_path / "cv.pdf"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "cv.pdf: 5 entities in " in done.stdout


def test_half_a_surrogate_pair_in_a_pdf_is_replaced(tiny_release, tmp_path, monkeypatch):
    monkeypatch.setattr("pypdf.PageObject.extract_text", lambda page: "Ada \ud835 Quill \ud835\udc00 x\udc00")
    (tmp_path / "cv.pdf").write_bytes(minimal_pdf(["Ada"]))
    (answer,) = json.loads(extract(str(tiny_release), [tmp_path / "cv.pdf"], as_json=True))
    assert answer["characters"] == len("Ada \ufffd Quill 𝐀 x\ufffd")


def test_nothing_is_said_of_any_file_when_one_cannot_be_read(tiny_release, files, tmp_path):
    with pytest.raises(UserError, match=r"gone\.txt cannot be read"):
        extract(str(tiny_release), [*files, tmp_path / "gone.txt"], as_json=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tiny_release, files):
    files[0].chmod(stat.S_IWUSR)
    with pytest.raises(UserError, match=r"cv\.txt cannot be read \(Permission denied\)"):
        extract(str(tiny_release), files, as_json=True)
