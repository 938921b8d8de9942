from __future__ import annotations

import pytest
from format_cases import LABELS, documents
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.ner.decoding import split_words
from hfloop.ner.documents import Document, Span
from hfloop.ner.repair import Example, Kind, RepairReport, repair, require_spans

ANY_DOCUMENTS = st.lists(documents(labels=(*LABELS, "", " ", "UNKNOWN")), max_size=3)


def repaired_spans(text: str, *spans: Span) -> tuple[tuple[Span, ...], dict[Kind, int]]:
    found, report = repair([Document(text, spans, "line 4")])
    return found[0].spans, report.counts


@given(ANY_DOCUMENTS)
def test_repaired_spans_are_whole_words_with_labels_and_do_not_overlap(cases):
    for document in repair(cases)[0]:
        assert document.text.strip()
        words = split_words(document.text)
        starts, ends = {start for start, _ in words}, {end for _, end in words}
        end_before = 0
        for span in document.spans:
            assert span.start >= end_before
            assert span.start in starts
            assert span.end in ends
            assert span.label.strip() not in ("", "UNKNOWN")
            assert document.span_text(span) == document.span_text(span).strip() != ""
            end_before = span.end


@given(ANY_DOCUMENTS)
def test_repairing_again_changes_nothing(cases):
    once, _ = repair(cases)
    assert repair(once) == (once, RepairReport())


@given(ANY_DOCUMENTS)
def test_every_kept_span_comes_from_one_of_its_label_that_it_shares_a_character_with(cases):
    originals = [document for document in cases if document.text.strip()]
    for before, after in zip(originals, repair(cases)[0], strict=True):
        assert before.text == after.text
        for span in after.spans:
            assert any(o.label == span.label and o.start < span.end and span.start < o.end for o in before.spans)


@given(ANY_DOCUMENTS)
def test_every_span_that_went_is_counted(cases):
    found, report = repair(cases)
    dropped = [Kind.EMPTY_LABELS, Kind.UNKNOWN_LABELS, Kind.EMPTY_SPANS, Kind.DUPLICATES, Kind.OVERLAPS]
    before = sum(len(document.spans) for document in cases if document.text.strip())
    assert before - sum(len(document.spans) for document in found) == sum(report.counts.get(k, 0) for k in dropped)


def test_blanks_at_the_edges_are_trimmed():
    assert repaired_spans("at Acme\n now", Span(2, 9, "X")) == ((Span(3, 7, "X"),), {Kind.EDGE_BLANKS: 1})


def test_a_span_of_blanks_is_dropped():
    assert repaired_spans("a \n b", Span(1, 4, "X")) == ((), {Kind.EMPTY_SPANS: 1})


def test_cut_words_are_completed_at_both_ends_but_punctuation_is_not_swallowed():
    assert repaired_spans("(Python, Java)", Span(2, 10, "X")) == ((Span(1, 13, "X"),), {Kind.CUT_WORDS: 1})


def test_labels_without_meaning_are_dropped():
    spans = (Span(0, 1, ""), Span(0, 1, "UNKNOWN"), Span(0, 1, "X"))
    kinds = {Kind.EMPTY_LABELS: 1, Kind.UNKNOWN_LABELS: 1}
    assert repaired_spans("a b", *spans) == ((Span(0, 1, "X"),), kinds)


def test_spans_that_become_equal_are_merged_once():
    assert repaired_spans("Acme", Span(0, 4, "X"), Span(0, 3, "X")) == (
        (Span(0, 4, "X"),),
        {Kind.CUT_WORDS: 1, Kind.DUPLICATES: 1},
    )


@pytest.mark.parametrize(
    ("spans", "kept"),
    [
        ([(0, 3, "A"), (2, 8, "B")], [(2, 8, "B")]),
        ([(0, 5, "A"), (4, 9, "B")], [(0, 5, "A")]),
        ([(0, 5, "B"), (0, 5, "A")], [(0, 5, "A")]),
        ([(0, 3, "A"), (2, 5, "B"), (4, 7, "C")], [(0, 3, "A"), (4, 7, "C")]),
        ([(0, 3, "A"), (3, 4, "B")], [(0, 3, "A"), (3, 4, "B")]),
    ],
)
def test_of_overlapping_spans_the_longest_then_the_earliest_then_the_first_label_stays(spans, kept):
    found, _ = repaired_spans(". , ; : ! ?"[:9], *(Span(*span) for span in spans))
    trimmed = [Span(start, end, label) for start, end, label in kept]
    expected, _ = repaired_spans(". , ; : ! ?"[:9], *trimmed)
    assert found == expected


def test_blank_documents_are_dropped_and_counted():
    found, report = repair([Document(" \n", (), "line 1"), Document("a", (), "line 2")])
    assert [document.id for document in found] == ["line 2"]
    assert report.counts == {Kind.BLANK_DOCUMENTS: 1}


def test_the_report_names_places_and_offsets_but_no_text():
    _, report = repair([Document("Secretive Person", (Span(0, 5, "A"),) * 2, f"line {n}") for n in range(1, 6)])
    assert report.counts == {Kind.CUT_WORDS: 10, Kind.DUPLICATES: 5}
    assert report.table().splitlines() == [
        "     10  spans that cut a word completed  line 1 A 0–5 → 0–9; line 1 A 0–5 → 0–9; line 2 A 0–5 → 0–9",
        "      5  exact duplicates merged          line 1 A 0–9 dropped; line 2 A 0–9 dropped; line 3 A 0–9 dropped",
    ]
    assert report.summary() == "Repairs: 10 spans that cut a word completed, 5 exact duplicates merged."
    assert report.to_dict()["duplicates"] == {
        "count": 5,
        "examples": [{"document": f"line {n}", "label": "A", "before": (0, 9), "after": None} for n in range(1, 4)],
    }


def test_an_empty_report():
    assert (RepairReport().table(), RepairReport().summary()) == ("Nothing to repair.",) * 2
    assert RepairReport().to_dict() == {}


def test_merged_reports_add_up_and_leave_their_parts_alone():
    first, second = RepairReport(), RepairReport()
    first.add(Kind.UNESCAPED, Example("line 1"))
    second.add(Kind.UNESCAPED, Example("line 2"), count=4)
    second.add(Kind.OVERLAPS, Example("line 3", "X", (0, 2)))
    both = first.merged(second)
    assert both.counts == {Kind.UNESCAPED: 5, Kind.OVERLAPS: 1}
    assert [example.document for example in both.examples[Kind.UNESCAPED]] == ["line 1", "line 2"]
    assert first.counts == {Kind.UNESCAPED: 1}
    assert len(first.examples[Kind.UNESCAPED]) == 1


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(UserError, match=r"^x.jsonl holds no document with text: there is nothing to learn from.$"):
        require_spans([Document(" ")], "x.jsonl")
    with pytest.raises(
        UserError, match=r"^x.jsonl holds 1 documents but not one labelled span: annotate some first.$"
    ):
        require_spans([Document("a")], "x.jsonl")
    require_spans([Document("a"), Document("b", (Span(0, 1, "X"),))], "x.jsonl")
