from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.ner.consistency import (
    OPENING_CHARACTERS,
    Habits,
    WordIndex,
    consistent_spans,
    habits_fit,
    habits_from_config,
    habits_to_config,
    learn_habits,
)
from hfloop.ner.decoding import bio_labels, label_maps, split_words
from hfloop.ner.documents import Document, Span

LABEL2ID, _ = label_maps(bio_labels(["Company", "Name"]))
NEUTRAL = {"Company": Habits(1.0, 0.0, 0.0), "Name": Habits(1.0, 0.0, 0.0)}
ONE_BY_ONE = {"Company": Habits(0.0, 0.0, 0.0), "Name": Habits(0.0, 0.0, 0.0)}


def sure(words: int, spans: dict[tuple[int, int, str], float]) -> npt.NDArray[np.float32]:
    """Word probabilities that give each span the confidence named, and leave the rest to O."""
    probabilities = np.zeros((words, len(LABEL2ID)), dtype=np.float32)
    probabilities[:, 0] = 1.0
    for (first, end, label), confidence in spans.items():
        for word in range(first, end):
            tag = LABEL2ID[f"{'B' if word == first else 'I'}-{label}"]
            probabilities[word, tag] = confidence
            probabilities[word, 0] = 1 - confidence
    return probabilities


def texts(
    text: str,
    proposed: dict[tuple[int, int, str], float],
    also: dict[tuple[int, int, str], float],
    habits: dict[str, Habits],
) -> list[tuple[int, str, str]]:
    words = split_words(text)
    spans = consistent_spans(proposed, WordIndex(text, words), sure(len(words), proposed | also), LABEL2ID, habits)
    return [(span.start, text[span.start : span.end], span.label) for span in spans]


REPEATED = "Opal Systems . Later Opal Systems again"  # words 0-1 and 4-5


def test_a_sure_mention_brings_its_other_occurrences_along() -> None:
    found = texts(REPEATED, {(0, 2, "Company"): 0.99}, {(4, 6, "Company"): 0.3}, NEUTRAL)
    assert found == [(0, "Opal Systems", "Company"), (21, "Opal Systems", "Company")]


def test_a_doubtful_mention_goes_with_its_other_occurrences() -> None:
    assert texts(REPEATED, {(0, 2, "Company"): 0.6}, {(4, 6, "Company"): 0.05}, NEUTRAL) == []


def test_labels_whose_repeats_are_seldom_annotated_are_judged_place_by_place() -> None:
    found = texts(REPEATED, {(0, 2, "Company"): 0.6}, {(4, 6, "Company"): 0.05}, ONE_BY_ONE)
    assert found == [(0, "Opal Systems", "Company")]


def test_numbers_are_judged_place_by_place_even_where_repeats_are_annotated() -> None:
    found = texts("2010 to 2012 and 2010", {(0, 1, "Company"): 0.9}, {(4, 5, "Company"): 0.0}, NEUTRAL)
    assert found == [(0, "2010", "Company")]


def test_an_occurrence_is_whole_words_with_the_same_blanks_between_them() -> None:
    text = "Opal Systems, Opals Systems, Opal  Systems, opal systems"
    index = WordIndex(text, split_words(text))
    assert index.occurrences((0, 2)) == [(0, 2)]


def test_the_place_in_the_document_shifts_the_decision() -> None:
    only_in_the_opening = {"Name": Habits(0.0, 3.0, -3.0), "Company": NEUTRAL["Company"]}
    words = "word " * (OPENING_CHARACTERS // 5)
    early, late = f"Ada Quill {words}", f"{words}Ada Quill"
    first_late = len(split_words(words))
    assert texts(early, {(0, 2, "Name"): 0.3}, {}, only_in_the_opening) == [(0, "Ada Quill", "Name")]
    assert texts(late, {(first_late, first_late + 2, "Name"): 0.7}, {}, only_in_the_opening) == []


def test_of_overlapping_mentions_the_longest_stays() -> None:
    found = texts("Opal Systems Opal", {(0, 2, "Company"): 0.7, (2, 3, "Company"): 0.99}, {}, NEUTRAL)
    assert (0, "Opal Systems", "Company") in found
    assert (13, "Opal", "Company") in found
    assert len(found) == 2


def test_a_score_is_the_probability_by_which_the_text_was_kept() -> None:
    words = split_words(REPEATED)
    proposed = {(0, 2, "Company"): 0.9}
    probabilities = sure(len(words), proposed | {(4, 6, "Company"): 0.5})
    spans = consistent_spans(proposed, WordIndex(REPEATED, words), probabilities, LABEL2ID, NEUTRAL)
    assert [span.score for span in spans] == pytest.approx([0.7, 0.7], abs=0.01)  # the mean of 0.9 and 0.5


@given(st.lists(st.sampled_from(["Opal", "Tern", "of", "2010", "\n"]), min_size=1, max_size=30), st.data())
def test_the_answer_never_overlaps_and_lies_on_words(pieces: list[str], data: st.DataObject) -> None:
    text = " ".join(pieces)
    words = split_words(text)
    if not words:
        return
    proposed = {}
    place = 0
    while place < len(words):
        end = data.draw(st.integers(place + 1, min(place + 3, len(words))))
        if data.draw(st.booleans()):
            proposed[place, end, data.draw(st.sampled_from(["Company", "Name"]))] = data.draw(st.floats(0.01, 0.99))
        place = end
    index = WordIndex(text, words)
    spans = consistent_spans(proposed, index, sure(len(words), proposed), LABEL2ID, NEUTRAL)
    assert all(before.end <= after.start for before, after in itertools.pairwise(spans))
    assert {span.start for span in spans} <= {start for start, _ in words}
    assert {span.end for span in spans} <= {end for _, end in words}
    assert all(0 <= span.score <= 1 for span in spans)


@given(
    st.lists(st.sampled_from(["Opal", "Tern", "of"]), min_size=1, max_size=40), st.integers(0, 39), st.integers(1, 3)
)
def test_occurrences_are_all_and_only_the_equal_runs(pieces: list[str], first: int, length: int) -> None:
    text = " ".join(pieces)
    words = split_words(text)
    first = min(first, len(words) - 1)
    end = min(first + length, len(words))
    expected = [
        (start, start + end - first)
        for start in range(len(pieces) - (end - first) + 1)
        if pieces[start : start + end - first] == pieces[first:end]
    ]
    assert WordIndex(text, words).occurrences((first, end)) == expected


def test_habits_are_counted_on_annotations() -> None:
    filler = "x " * 200
    text = f"Ada. Opal. {filler}Ada and Opal. Tern."
    second_ada, second_opal, tern = text.index("Ada and"), text.rindex("Opal"), text.index("Tern")
    document = Document(
        text,
        (
            Span(0, 3, "Name"),
            Span(5, 9, "Company"),
            Span(second_opal, second_opal + 4, "Company"),
            Span(tern, tern + 4, "Company"),
        ),
    )
    habits = learn_habits([document])
    area = OPENING_CHARACTERS / len(text)
    # one success and one failure are counted beforehand
    assert habits["Name"].repeat_rate == pytest.approx(1 / 3)  # its repeat at second_ada is not annotated
    assert text[second_ada : second_ada + 3] == "Ada"
    assert habits["Company"].repeat_rate == pytest.approx(2 / 3)
    assert habits["Company"].opening_shift == pytest.approx(math.log((3 / 5) / area))  # Opal, Opal, not Tern
    assert habits["Company"].later_shift == pytest.approx(math.log((2 / 5) / (1 - area)))


def test_short_documents_are_opening_all_over_and_shift_nothing() -> None:
    habits = learn_habits([Document("Ada Quill", (Span(0, 9, "Name"),))] * 50)
    assert habits["Name"].opening_shift == pytest.approx(0.0, abs=0.03)
    assert habits["Name"].later_shift == 0.0


def test_habits_travel_through_a_configuration() -> None:
    class Config:
        mention_habits = habits_to_config(NEUTRAL)

    assert habits_from_config(Config()) == NEUTRAL
    assert habits_from_config(object()) == {}


def test_habits_that_do_not_fit_the_labels_are_told() -> None:
    class Config:
        mention_habits: object = habits_to_config(NEUTRAL)

    assert habits_fit(object(), {"Name"})
    assert habits_fit(Config(), {"Name", "Company"})
    assert not habits_fit(Config(), {"Name", "Company", "Skills"})
    Config.mention_habits = {"Name": {"repeat_rate": 1.0}}
    assert not habits_fit(Config(), {"Name"})
    Config.mention_habits = {"Name": {"repeat_rate": "often", "opening_shift": 0.0, "later_shift": 0.0}}
    assert not habits_fit(Config(), {"Name"})
    Config.mention_habits = ["Name"]
    assert not habits_fit(Config(), {"Name"})
