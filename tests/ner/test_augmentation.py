from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.ner.augmentation import MentionReplacement
from hfloop.ner.documents import Document, Span

TWICE = Document(
    "Ada Quill met Bruno Ferrant. Ada Quill left Opal Systems for Tern Logistics.",
    (
        Span(0, 9, "Name"),
        Span(14, 27, "Name"),
        Span(29, 38, "Name"),
        Span(44, 56, "Company"),
        Span(61, 75, "Company"),
    ),
)
OTHERS = Document("Chidi at Quarry Labs", (Span(0, 5, "Name"), Span(9, 20, "Company")))


@given(st.integers(0, 500))
def test_every_mention_is_replaced_by_a_mention_of_its_label_and_the_text_around_stays(seed: int) -> None:
    replace = MentionReplacement([TWICE, OTHERS], probability=0.7)
    replaced = replace(TWICE, np.random.default_rng(seed))

    assert [span.label for span in replaced.spans] == [span.label for span in TWICE.spans]
    for span in replaced.spans:
        assert replaced.span_text(span) in replace.mentions[span.label]
    assert outside(replaced) == outside(TWICE)


@given(st.integers(0, 500))
def test_a_mention_that_stands_twice_is_replaced_by_the_same_other_one(seed: int) -> None:
    replaced = MentionReplacement([TWICE, OTHERS], probability=0.7)(TWICE, np.random.default_rng(seed))
    assert replaced.span_text(replaced.spans[0]) == replaced.span_text(replaced.spans[2])


def test_about_half_of_the_documents_stay_as_they_are() -> None:
    replace = MentionReplacement([TWICE, OTHERS], probability=1.0)
    generator = np.random.default_rng(0)
    untouched = sum(replace(TWICE, generator) is TWICE for _ in range(1000))
    assert 450 < untouched < 550


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_the_probability_decides_how_often_a_mention_of_a_touched_document_changes(probability: float) -> None:
    many = Document(" ".join(f"w{number}" for number in range(50)), tuple(spans_of_words(50)))
    replace = MentionReplacement([many], probability)
    generator = np.random.default_rng(0)
    changed = [replaced.text != many.text for replaced in (replace(many, generator) for _ in range(40))]
    assert any(changed) == (probability > 0)


def test_the_same_generator_state_gives_the_same_document() -> None:
    replace = MentionReplacement([TWICE, OTHERS], probability=0.5)
    first, second = (replace(TWICE, np.random.default_rng(11)) for _ in range(2))
    assert first == second


def outside(document: Document) -> list[str]:
    borders = [0, *(border for span in document.spans for border in (span.start, span.end)), len(document.text)]
    return [document.text[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True)]


def spans_of_words(count: int) -> list[Span]:
    spans, start = [], 0
    for number in range(count):
        end = start + len(f"w{number}")
        spans.append(Span(start, end, "Word"))
        start = end + 1
    return spans
