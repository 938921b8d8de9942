from __future__ import annotations

import dataclasses
import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfloop.ner.decoding import ScoredSpan, spans_from_tags, split_words
from hfloop.ner.documents import Document, Span
from hfloop.ner.scoring import ErrorCounts, coverage, match_spans, score, seqeval_strict

LABELS = ["Company", "Degree", "Name"]
WORDS = 12
TEXT = " ".join(f"w{word:02d}," for word in range(WORDS))  # words w00 and marks "," alternate


@st.composite
def word_aligned_spans(draw):
    """Spans of `TEXT` that do not overlap and begin and end at the borders of its words."""
    words = split_words(TEXT)
    borders = sorted(draw(st.sets(st.integers(0, len(words)), max_size=10)))
    kinds = draw(st.lists(st.sampled_from([*LABELS, None]), min_size=len(borders), max_size=len(borders)))
    return [
        Span(words[first][0], words[end - 1][1], kind)
        for first, end, kind in zip(borders, borders[1:], kinds, strict=False)
        if kind
    ]


@st.composite
def character_spans(draw):
    """Spans of `TEXT` that do not overlap and begin and end anywhere."""
    borders = sorted(draw(st.sets(st.integers(0, len(TEXT)), max_size=10)))
    kinds = draw(st.lists(st.sampled_from([*LABELS, None]), min_size=len(borders), max_size=len(borders)))
    return [Span(start, end, kind) for start, end, kind in zip(borders, borders[1:], kinds, strict=False) if kind]


def corpora(spans):
    """Gold documents and their predictions, 1 to 4 of each."""
    return st.lists(st.tuples(spans, spans), min_size=1, max_size=4).map(
        lambda pairs: ([Document(TEXT, tuple(gold)) for gold, _ in pairs], [predicted for _, predicted in pairs])
    )


def counts_of(errors):
    return dataclasses.astuple(errors)


@given(corpora(character_spans()))
def test_gold_scored_against_itself_is_perfect(corpus):
    references, _ = corpus
    scores = score(references, [document.spans for document in references], n_resamples=20)
    expected = 1.0 if scores.support else 0.0
    assert (scores.precision, scores.recall, scores.f1, scores.macro_f1) == (expected,) * 4
    assert scores.errors == ErrorCounts(correct=scores.support)


@given(corpora(character_spans()))
def test_swapping_gold_and_predictions_swaps_precision_and_recall(corpus):
    references, predictions = corpus
    scores = score(references, predictions, n_resamples=20)
    swapped_references = [Document(TEXT, tuple(predicted)) for predicted in predictions]
    swapped = score(swapped_references, [document.spans for document in references], n_resamples=20)
    assert (swapped.precision, swapped.recall, swapped.f1) == (scores.recall, scores.precision, scores.f1)
    correct, boundary, kind, missed, spurious = counts_of(scores.errors)
    assert counts_of(swapped.errors) == (correct, boundary, kind, spurious, missed)
    assert swapped.confusion == tuple(zip(*scores.confusion, strict=True))


@given(corpora(character_spans()))
def test_every_gold_and_every_predicted_span_is_accounted_for_once(corpus):
    references, predictions = corpus
    scores = score(references, predictions, n_resamples=20)
    correct, boundary, kind, missed, spurious = counts_of(scores.errors)
    assert correct + boundary + kind + missed == scores.support == sum(len(d.spans) for d in references)
    assert correct + boundary + kind + spurious == scores.predicted == sum(map(len, predictions))
    for label, of_label in scores.per_label.items():
        correct, boundary, kind, missed, _ = counts_of(of_label.errors)
        assert correct + boundary + kind + missed == of_label.support
        assert correct == of_label.correct
        index = scores.labels.index(label)
        assert sum(scores.confusion[index]) == of_label.support
        assert sum(row[index] for row in scores.confusion) == of_label.predicted
        assert scores.confusion[index][-1] == of_label.errors.missed
        assert scores.confusion[-1][index] == of_label.errors.spurious


@given(corpora(character_spans()))
def test_labels_sum_to_the_micro_counts_and_errors(corpus):
    scores = score(*corpus, n_resamples=20)
    for field in ("support", "predicted", "correct"):
        assert sum(getattr(of_label, field) for of_label in scores.per_label.values()) == getattr(scores, field)
    errors = [counts_of(of_label.errors) for of_label in scores.per_label.values()]
    assert tuple(map(sum, zip(*errors, strict=True))) == (counts_of(scores.errors) if errors else ())


@settings(deadline=None)  # the first call imports seqeval
@given(corpora(word_aligned_spans()))
def test_strict_scores_agree_with_seqeval_when_spans_are_whole_words(corpus):
    scores, compared = score(*corpus, n_resamples=20), seqeval_strict(*corpus)
    assert compared["unaligned_gold"] == compared["unaligned_predicted"] == 0
    assert compared["precision"] == pytest.approx(scores.precision)
    assert compared["recall"] == pytest.approx(scores.recall)
    assert compared["f1"] == pytest.approx(scores.f1)
    assert compared["support"] == scores.support


@given(corpora(character_spans()), st.randoms(use_true_random=False))
def test_the_order_of_documents_and_spans_does_not_matter(corpus, shuffler):
    order = list(range(len(corpus[0])))
    shuffler.shuffle(order)
    references = [Document(TEXT, tuple(reversed(corpus[0][index].spans))) for index in order]
    predictions = [corpus[1][index][::-1] for index in order]
    assert score(references, predictions, n_resamples=50) == score(*corpus, n_resamples=50)


@given(corpora(character_spans()))
def test_the_interval_lies_between_0_and_1_and_is_a_point_for_identical_documents(corpus):
    scores = score(*corpus, n_resamples=50)
    low, high = scores.f1_interval
    assert 0 <= low <= high <= 1
    first = ([corpus[0][0]] * 3, [corpus[1][0]] * 3)
    repeated = score(*first, n_resamples=50)
    assert repeated.f1_interval == pytest.approx((repeated.f1, repeated.f1))


def many_documents(count, share_correct):
    shuffler = random.Random(0)
    gold = [Document(TEXT, (Span(0, 3, "Name"), Span(5, 8, "Degree"))) for _ in range(count)]
    return gold, [[span for span in document.spans if shuffler.random() < share_correct] for document in gold]


def test_the_interval_contains_the_estimate_and_narrows_with_more_documents():
    few, many = score(*many_documents(25, 0.5)), score(*many_documents(400, 0.5))
    for scores in (few, many):
        assert scores.f1_interval[0] < scores.f1 < scores.f1_interval[1]
    # Sixteen times the documents: a quarter of the width.
    assert few.f1_interval[1] - few.f1_interval[0] == pytest.approx(
        4 * (many.f1_interval[1] - many.f1_interval[0]), rel=0.25
    )


def test_the_interval_is_that_of_resampling_documents_one_by_one():
    references, predictions = many_documents(40, 0.85)
    found = np.array([len(predicted) for predicted in predictions])  # all of them correct, of two gold spans each
    drawn = np.random.default_rng(1).integers(0, 40, size=(4000, 40))
    f1 = 2 * found[drawn].sum(axis=1) / (found[drawn].sum(axis=1) + 2 * 40)
    interval = score(references, predictions, n_resamples=4000).f1_interval
    assert interval == pytest.approx(np.percentile(f1, [2.5, 97.5]), abs=0.01)


def test_the_interval_depends_on_the_seed_alone():
    corpus = many_documents(25, 0.5)
    first, again, other = (score(*corpus, n_resamples=10, seed=seed).f1_interval for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_each_kind_of_error_is_told_apart():
    gold = [
        Span(0, 3, "Name"),
        Span(5, 8, "Name"),
        Span(10, 18, "Degree"),
        Span(20, 28, "Degree"),
        Span(30, 33, "Company"),
    ]
    predicted = [
        Span(0, 3, "Name"),  # correct
        Span(5, 8, "Degree"),  # type
        Span(10, 13, "Degree"),  # boundary
        Span(20, 33, "Company"),  # overlaps two: same label first, so boundary of Company; Degree is missed
        Span(40, 43, "Name"),  # spurious
    ]
    scores = score([Document(TEXT, tuple(gold))], [predicted])
    assert scores.errors == ErrorCounts(correct=1, boundary=2, type=1, missed=1, spurious=1)
    assert scores.labels == ("Company", "Degree", "Name")
    assert scores.confusion == (
        (1, 0, 0, 0),
        (0, 1, 0, 1),
        (0, 1, 1, 0),
        (0, 0, 1, 0),
    )
    assert scores.per_label["Degree"].errors == ErrorCounts(boundary=1, missed=1)
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((0.2, 0.2, 0.2))


def test_overlap_with_another_label_counts_as_type():
    assert score([Document(TEXT, (Span(0, 8, "Name"),))], [[Span(2, 5, "Degree")]]).errors == ErrorCounts(type=1)


def test_of_two_candidates_the_exact_one_then_the_larger_overlap_is_the_partner():
    gold = [Span(0, 20, "Name")]
    small, large = Span(0, 5, "Name"), Span(6, 20, "Name")
    assert match_spans(gold, [small, large]) == [(gold[0], large), (None, small)]
    nested = [Span(0, 20, "Degree"), Span(2, 4, "Name")]
    assert match_spans(gold, nested) == [(gold[0], nested[0]), (None, nested[1])]


def test_spans_that_touch_do_not_overlap():
    scores = score([Document(TEXT, (Span(0, 3, "Name"),))], [[Span(3, 5, "Name")]])
    assert scores.errors == ErrorCounts(missed=1, spurious=1)


def test_a_duplicate_prediction_is_right_once():
    scores = score([Document(TEXT, (Span(0, 3, "Name"),))], [[Span(0, 3, "Name")] * 2])
    assert scores.errors == ErrorCounts(correct=1, spurious=1)


def test_scored_spans_are_compared_by_place_and_label():
    scores = score([Document(TEXT, (Span(0, 3, "Name"),))], [[ScoredSpan(0, 3, "Name", 0.4)]])
    assert scores.f1 == 1.0


def test_macro_f1_is_the_mean_over_labels_of_gold_and_predictions():
    references = [Document(TEXT, (Span(0, 3, "Name"), Span(5, 8, "Degree")))]
    assert score(references, [[Span(0, 3, "Name"), Span(10, 13, "Company")]]).macro_f1 == pytest.approx(1 / 3)


@pytest.mark.parametrize("scorer", [score, seqeval_strict])
def test_nothing_found_or_nothing_to_find_scores_zero(scorer):
    def ratios(result):
        result = result if isinstance(result, dict) else result.to_dict()
        return result["precision"], result["recall"], result["f1"]

    empty, full = Document(TEXT), Document(TEXT, (Span(0, 3, "Name"),))
    assert ratios(scorer([empty], [[]])) == (0.0, 0.0, 0.0)
    assert ratios(scorer([full], [[]])) == (0.0, 0.0, 0.0)
    assert ratios(scorer([empty], [[Span(0, 3, "Name")]])) == (0.0, 0.0, 0.0)
    assert ratios(scorer([Document("")], [[]])) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("scorer", [score, seqeval_strict])
def test_no_documents_or_unequal_counts_are_refused(scorer):
    with pytest.raises(ValueError, match="no documents"):
        scorer([], [])
    with pytest.raises(ValueError):
        scorer([Document(TEXT)], [])


def test_an_entity_opened_by_an_inside_tag_is_wrong_as_in_strict_seqeval():
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    gold, predicted = ["B-Name", "O", "B-Name"], ["B-Name", "O", "I-Name"]
    assert f1_score([gold], [predicted]) == 1.0  # seqeval's default is lenient
    strict = f1_score([gold], [predicted], mode="strict", scheme=IOB2)
    assert strict == pytest.approx(0.667, abs=5e-4)

    labels = ["O", "B-Name", "I-Name"]
    words = [(0, 3), (3, 4), (5, 8)]
    spans = [
        [Span(words[first][0], words[end - 1][1], label) for first, end, label in spans_from_tags(ids, labels)]
        for ids in ([labels.index(tag) for tag in tags] for tags in (gold, predicted))
    ]
    references = [Document(TEXT, tuple(spans[0]))]
    assert score(references, [spans[1]]).f1 == pytest.approx(strict)
    assert seqeval_strict(references, [spans[1]])["f1"] == pytest.approx(strict)


def test_spans_that_cut_words_are_counted_as_unaligned():
    references = [Document(TEXT, (Span(1, 3, "Name"), Span(5, 8, "Name")))]
    compared = seqeval_strict(references, [[Span(0, 2, "Name"), Span(5, 8, "Name"), Span(10, 14, "Name")]])
    assert (compared["unaligned_gold"], compared["unaligned_predicted"]) == (1, 1)


def test_coverage_is_the_share_of_visible_characters_that_were_seen():
    document = Document("ab  cd\nef")
    assert coverage([document], [split_words(document.text)]) == 1.0
    assert coverage([document], [[(0, 2), (1, 6)]]) == pytest.approx(4 / 6)
    assert coverage([document, Document("xy")], [[(0, 9)], []]) == pytest.approx(6 / 8)
    assert coverage([Document(" \n")], [[]]) == 1.0
    with pytest.raises(ValueError):
        coverage([document], [])


def test_the_dictionary_is_json_and_says_its_protocol():
    references = [Document(TEXT, (Span(0, 3, "Name"),)), Document(TEXT, (Span(0, 3, "Degree"),))]
    figures = score(references, [[Span(0, 3, "Name")], []], n_resamples=100).to_dict()
    assert json.loads(json.dumps(figures)) == figures
    assert figures["protocol"].startswith("strict character spans (start, end and label must be equal), micro average")
    assert "2 complete documents" in figures["protocol"]
    assert figures["f1"] == pytest.approx(2 / 3)
    assert figures["per_label"]["Degree"]["errors"]["missed"] == 1
    assert figures["confusion"] == {
        "gold": ["Degree", "Name", "spurious"],
        "predicted": ["Degree", "Name", "missed"],
        "counts": [[0, 0, 1], [0, 1, 0], [0, 0, 0]],
    }


def test_the_table_lists_labels_by_support_then_averages_errors_and_interval():
    gold = (Span(0, 3, "Name"), Span(5, 8, "College Name"), Span(10, 13, "College Name"))
    table = score([Document(TEXT, gold)] * 2, [[gold[0], gold[1]], [Span(20, 23, "Name")]], n_resamples=200).table()
    lines = table.splitlines()
    assert lines[0] == "label         precision  recall      F1  support  predicted"
    assert lines[1] == "College Name      1.000   0.250   0.400        4          1"
    assert lines[2] == "Name              0.500   0.500   0.500        2          2"
    assert lines[4] == "micro             0.667   0.333   0.444        6          3"
    assert lines[5] == "macro                             0.450"
    assert lines[7] == "gold:      2 correct, 0 boundary, 0 type, 4 missed"
    assert lines[8] == "predicted: 2 correct, 0 boundary, 0 type, 1 spurious"
    assert lines[9] == "micro F1 0.444, 95 % interval 0.000 to 0.800 over 2 documents"
    assert {len(line) for line in lines[:5]} == {len(lines[0])}
