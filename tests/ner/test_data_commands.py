from __future__ import annotations

import json

import pytest

from hfloop.errors import UserError
from hfloop.ner.data_commands import check, convert
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import read_documents, write_documents

FIRST = "Ada Lovelace wrote the first program in London long ago"
SECOND = "Grace Hopper studied at Vassar College and built a compiler"


@pytest.fixture
def annotated(tmp_path):
    path = tmp_path / "people.jsonl"
    first = (Span(0, 13, "Name"), Span(40, 45, "City"), Span(40, 46, "UNKNOWN"))
    second = (Span(0, 12, "Names"), Span(24, 38, "College"), Span(24, 30, "City"))
    documents = [Document(FIRST, first), Document(SECOND, second), Document(SECOND.upper()), Document(" ")]
    write_documents(documents, path, "doccano")
    return path


def test_check_prints_counts_repairs_duplicates_and_warnings_and_writes_nothing(annotated, tmp_path):
    assert check(annotated) == (
        f"""{annotated}: format doccano, 4 documents, 30 words, 6 spans
2 documents without spans: line 3; line 4

label      spans  documents  median words  max words
City           2          2             1          1
College        1          1             2          2
Name           1          1             2          2
Names          1          1             2          2
UNKNOWN        1          1             1          1

Repairs (made when training, and by `hfloop data convert`)
      1  blank documents dropped                        line 4
      1  spans with the label UNKNOWN dropped           line 1 UNKNOWN 40–46 dropped
      1  spans with blanks at an edge trimmed           line 1 Name 0–13 → 0–12
      1  spans that cut a word completed                line 1 City 40–45 → 40–46
      1  overlapping spans dropped (the longest stays)  line 2 City 24–30 dropped

2 near-duplicate documents in 1 groups: line 2 ~ line 3
A split keeps each group together.

Warnings
The labels `Name`, `Names` look alike: are they one?
The label `City` has 1 examples: fewer than 10 teach and measure little.
The label `College` has 1 examples: fewer than 10 teach and measure little.
The label `Name` has 1 examples: fewer than 10 teach and measure little.
The label `Names` has 1 examples: fewer than 10 teach and measure little.
"""
    )
    assert [path.name for path in tmp_path.iterdir()] == ["people.jsonl"]


def test_check_quotes_no_text(annotated):
    assert not {"Ada", "Lovelace", "Hopper", "London", "Vassar"} & set(check(annotated).split())


def test_check_of_a_clean_file_has_no_warnings(tmp_path):
    write_documents([Document(f"w{n} x", (Span(0, 2, "X"),)) for n in range(10)], tmp_path / "x", "spacy")
    text = check(tmp_path / "x")
    assert "Nothing to repair.\n\nNo near-duplicate documents." in text
    assert "Warnings" not in text


def test_check_says_that_there_is_nothing_to_learn_from(tmp_path):
    write_documents([Document("a b c"), Document(" ")], tmp_path / "x", "doccano")
    assert "0 spans\nNo document has a span: there is nothing to learn from.\n\nRepairs" in check(tmp_path / "x")


def test_check_counts_very_long_spans(tmp_path):
    write_documents([Document("word " * 201, (Span(0, 1004, "Skills"),))], tmp_path / "x", "doccano")
    assert "\n1 spans of more than 200 words: line 1 Skills 0–1004\n" in check(tmp_path / "x")


def test_check_reports_what_the_reader_mended(tmp_path):
    value = {
        "content": "R&amp;D at Acme",
        "annotation": [{"label": ["X"], "points": [{"start": 7, "end": 10, "text": "Acme"}]}],
    }
    (tmp_path / "x").write_text(json.dumps(value))
    assert "      1  documents with HTML entities unescaped  line 1\n" in check(tmp_path / "x")


def test_convert_repairs_and_says_so(annotated, tmp_path):
    target = tmp_path / "people.conll"
    said = convert(annotated, target, "conll")
    assert said == (
        f"{annotated} (doccano) → {target} (conll): 3 documents. Repairs: 1 blank documents dropped, "
        "1 spans with the label UNKNOWN dropped, 1 spans with blanks at an edge trimmed, "
        "1 spans that cut a word completed, 1 overlapping spans dropped (the longest stays).\n"
    )
    documents, name = read_documents(target)
    assert name == "conll"
    assert documents[0].spans == (Span(0, 12, "Name"), Span(40, 46, "City"))


def test_convert_without_repair_keeps_everything(annotated, tmp_path):
    target = tmp_path / "people.json"
    said = convert(annotated, target, "spacy", repaired=False)
    assert said == f"{annotated} (doccano) → {target} (spacy): 4 documents. Nothing to repair.\n"
    assert [d.spans for d in read_documents(target)[0]] == [d.spans for d in read_documents(annotated)[0]]


def test_convert_refuses_what_the_target_cannot_hold_and_leaves_it_alone(annotated, tmp_path):
    target = tmp_path / "people.conll"
    with pytest.raises(UserError, match=r"line 1: the span 40–46 overlaps another, so conll cannot hold it"):
        convert(annotated, target, "conll", repaired=False)
    assert not target.exists()
