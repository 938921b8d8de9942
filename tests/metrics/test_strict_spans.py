from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.metrics.strict_spans.spans import Scores, Span, strict_scores
from hfloop.ner.documents import Document
from hfloop.ner.documents import Span as EntitySpan
from hfloop.ner.scoring import score

LABELS = ["Company", "Degree", "Name"]
NAME = {"start": 0, "end": 8, "label": "Name"}
COMPANY = {"start": 12, "end": 18, "label": "Company"}


@st.composite
def spans_apart(draw):
    """Spans of one document that do not overlap."""
    borders = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    kinds = draw(st.lists(st.sampled_from([*LABELS, None]), min_size=len(borders), max_size=len(borders)))
    return [
        EntitySpan(start, end, kind) for start, end, kind in zip(borders, borders[1:], kinds, strict=False) if kind
    ]


@given(st.lists(st.tuples(spans_apart(), spans_apart()), min_size=1, max_size=4))
def test_equals_the_scores_of_hfloop_where_spans_do_not_overlap(documents):
    expected = score(
        [Document("x" * 12, tuple(gold)) for gold, _ in documents],
        [predicted for _, predicted in documents],
        n_resamples=1,
    )
    scores = strict_scores(
        [[asdict(span) for span in gold] for gold, _ in documents],
        [[asdict(span) for span in predicted] for _, predicted in documents],
    )
    assert scores.micro == as_scores(expected)
    assert scores.macro_f1 == expected.macro_f1
    assert scores.per_label == {label: as_scores(each) for label, each in expected.per_label.items()}


def as_scores(theirs) -> Scores:
    """The figures of hfloop's scores that the metric has too."""
    return Scores(**{name: getattr(theirs, name) for name in Scores.__dataclass_fields__})


@pytest.mark.parametrize(
    ("gold", "predicted", "correct"), [(1, 2, 1), (2, 1, 1), (2, 2, 2), (3, 2, 2)], ids=lambda count: str(count)
)
def test_a_repeated_span_counts_as_often_as_it_has_a_partner(gold, predicted, correct):
    micro = strict_scores([[NAME] * gold], [[NAME] * predicted]).micro
    assert (micro.support, micro.predicted, micro.correct) == (gold, predicted, correct)


def test_a_span_is_right_in_its_own_document_only():
    assert strict_scores([[NAME], []], [[], [NAME]]).micro.correct == 0


@pytest.mark.parametrize("change", [{"start": 1}, {"end": 9}, {"label": "name"}])
def test_start_end_and_label_must_all_be_equal(change):
    assert strict_scores([[NAME]], [[{**NAME, **change}]]).micro.correct == 0


def test_overlapping_spans_are_scored_one_by_one():
    inner = {**COMPANY, "start": 14}
    assert strict_scores([[COMPANY, inner]], [[inner, COMPANY]]).micro.f1 == 1.0


@pytest.mark.parametrize(("gold", "predicted"), [([], []), ([NAME], []), ([], [NAME])])
def test_ratios_without_a_denominator_are_zero(gold, predicted):
    scores = strict_scores([gold], [predicted])
    assert (scores.micro.precision, scores.micro.recall, scores.micro.f1, scores.macro_f1) == (0.0, 0.0, 0.0, 0.0)


def test_macro_f1_is_the_mean_over_labels_of_either_side():
    scores = strict_scores([[NAME]], [[NAME, COMPANY]])
    assert list(scores.per_label) == ["Company", "Name"]
    assert scores.macro_f1 == 0.5


@pytest.mark.parametrize("wrong", [{"start": None}, {"end": 8.5}, {"start": "0"}, {"label": None}, {"label": 5}])
def test_a_span_needs_whole_numbers_and_a_label(wrong):
    with pytest.raises(ValueError, match="a span needs whole numbers as start and end and a string as label, not"):
        strict_scores([[]], [[{**NAME, **wrong}]])


@pytest.mark.parametrize("key", ["start", "end", "label"])
def test_a_span_without_a_key_is_refused(key):
    with pytest.raises(ValueError, match="a span needs"):
        strict_scores([[]], [[{name: value for name, value in NAME.items() if name != key}]])


def test_further_keys_are_left_out():
    assert Span.of({**NAME, "score": 0.9}) == (0, 8, "Name")


def test_as_many_predictions_as_documents_are_needed():
    with pytest.raises(ValueError, match="shorter"):
        strict_scores([[], []], [[]])
