from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.ner.decoding import (
    ScoredSpan,
    additive,
    bio_labels,
    character_spans,
    decode,
    label_maps,
    spans_from_tags,
    split_words,
    start_mask,
    tags_from_spans,
    transition_mask,
    viterbi,
)
from hfloop.ner.documents import Span

LABELS = bio_labels(["Name", "Skills"])
SEEDS = st.integers(0, 2**32 - 1)


def tag_ids(text):
    return [LABELS.index(tag) for tag in text.split()]


def test_bio_labels_keep_the_order_of_the_entity_labels():
    assert bio_labels(["Name", "E-mail"]) == ["O", "B-Name", "I-Name", "B-E-mail", "I-E-mail"]
    assert bio_labels([]) == ["O"]


def test_label_maps_are_inverse_to_each_other():
    label2id, id2label = label_maps(LABELS)
    assert [id2label[label2id[label]] for label in LABELS] == LABELS
    assert label2id["O"] == 0


def test_only_a_matching_tag_may_precede_inside():
    allowed = transition_mask(LABELS)
    before_inside = {LABELS[i] for i in np.flatnonzero(allowed[:, LABELS.index("I-Skills")])}
    assert before_inside == {"B-Skills", "I-Skills"}
    assert allowed[:, [LABELS.index(tag) for tag in ("O", "B-Name", "B-Skills")]].all()
    assert [label for label, ok in zip(LABELS, start_mask(LABELS), strict=True) if ok] == ["O", "B-Name", "B-Skills"]


def test_a_label_with_a_hyphen_is_told_apart_from_its_first_part():
    labels = bio_labels(["E", "E-mail"])
    assert not transition_mask(labels)[labels.index("B-E"), labels.index("I-E-mail")]
    assert spans_from_tags([3, 4], labels) == [(0, 2, "E-mail")]


def path_score(path, scores, transitions, start):
    total = start[path[0]] + scores[0, path[0]]
    for word in range(1, len(path)):
        total += transitions[path[word - 1], path[word]] + scores[word, path[word]]
    return total


@given(st.integers(1, 5), st.integers(1, 4), SEEDS)
def test_viterbi_finds_the_best_of_all_paths(words, labels, seed):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(words, labels))
    transitions = np.where(generator.random((labels, labels)) < 0.3, -np.inf, generator.normal(size=(labels, labels)))
    start = generator.normal(size=labels)
    best = max(path_score(path, scores, transitions, start) for path in itertools.product(range(labels), repeat=words))
    if np.isfinite(best):
        found = viterbi(scores, transitions, start)
        assert path_score(found, scores, transitions, start) == pytest.approx(best)


@given(st.integers(1, 5), SEEDS)
def test_decoding_finds_the_most_probable_valid_path(words, seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(LABELS)), size=words)
    transitions, start = additive(transition_mask(LABELS)), additive(start_mask(LABELS))
    paths = itertools.product(range(len(LABELS)), repeat=words)
    best = max(paths, key=lambda path: path_score(path, np.log(probabilities), transitions, start))
    assert tuple(decode(probabilities, LABELS)) == best


@given(st.integers(0, 60), SEEDS, st.floats(0, 1))
def test_every_decoded_path_is_valid_even_when_probabilities_are_zero(words, seed, zeros):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(len(LABELS), 0.1), size=words).astype(np.float32)
    probabilities[generator.random(probabilities.shape) < zeros] = 0
    path = decode(probabilities, LABELS)
    assert path.shape == (words,)
    assert start_mask(LABELS)[path[:1]].all()
    assert transition_mask(LABELS)[path[:-1], path[1:]].all()


@given(st.lists(st.sampled_from(range(len(LABELS))), max_size=40))
def test_decoding_certain_valid_tags_returns_them(tags):
    valid = []
    for tag in tags:
        allowed = transition_mask(LABELS)[valid[-1]] if valid else start_mask(LABELS)
        valid.append(tag if allowed[tag] else 0)
    certain = np.eye(len(LABELS), dtype=np.float32)[np.array(valid, dtype=int)]
    assert decode(certain, LABELS).tolist() == valid


def test_certain_tags_that_no_valid_path_spells_are_followed_where_possible():
    certain = np.eye(len(LABELS), dtype=np.float32)[tag_ids("O I-Name I-Name I-Name")]
    with np.errstate(all="raise"):
        assert decode(certain, LABELS).tolist()[2:] == tag_ids("I-Name I-Name")


def test_forty_thousand_words_and_21_tags_take_less_than_two_seconds():
    labels = bio_labels([f"label {n}" for n in range(10)])
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(labels)), size=40_000).astype(np.float32)
    began = time.process_time()
    decode(probabilities, labels)
    assert time.process_time() - began < 2


def test_tags_spell_spans_of_words():
    tags = tag_ids("B-Name I-Name O B-Skills B-Skills I-Skills B-Name")
    assert spans_from_tags(tags, LABELS) == [(0, 2, "Name"), (3, 4, "Skills"), (4, 6, "Skills"), (6, 7, "Name")]
    assert spans_from_tags([], LABELS) == []


def test_an_inside_tag_that_continues_nothing_belongs_to_no_entity():
    assert spans_from_tags(tag_ids("I-Name B-Name I-Skills I-Name O I-Name"), LABELS) == [(1, 2, "Name")]


def test_character_spans_reach_from_the_first_word_to_the_last_with_the_mean_probability():
    words = [(0, 3), (4, 10), (10, 11), (12, 15)]
    tags = tag_ids("B-Name I-Name O B-Skills")
    probabilities = np.zeros((4, len(LABELS)))
    probabilities[range(4), tags] = [0.5, 1.0, 0.9, 0.25]
    assert character_spans(tags, words, LABELS, probabilities) == [
        ScoredSpan(0, 10, "Name", 0.75),
        ScoredSpan(12, 15, "Skills", 0.25),
    ]
    assert character_spans([], [], LABELS, np.zeros((0, len(LABELS)))) == []


def test_words_are_runs_of_word_characters_or_single_marks():
    text = "C++, Zoë_2\n(2 years)"
    assert [text[start:end] for start, end in split_words(text)] == [
        *("C", "+", "+", ","),
        "Zoë_2",
        *("(", "2", "years", ")"),
    ]
    assert split_words(" \n") == []


def test_a_word_belongs_to_the_span_that_covers_its_first_character():
    words = split_words("Ada Lovelace wrote programs")
    assert tags_from_spans([Span(0, 12, "Name"), Span(19, 23, "Skills")], words) == [
        "B-Name",
        "I-Name",
        "O",
        "B-Skills",
    ]
    assert tags_from_spans([Span(1, 6, "Name")], words) == ["O", "B-Name", "O", "O"]
    assert tags_from_spans([Span(1, 3, "Name")], words) == ["O"] * 4


@given(st.lists(st.integers(1, 4), max_size=8), st.lists(st.sampled_from(["Name", "Skills", None]), max_size=8))
def test_spans_survive_the_way_to_tags_and_back(widths, kinds):
    words = [(3 * word, 3 * word + 2) for word in range(sum(widths))]
    spans, first = [], 0
    for width, kind in zip(widths, kinds, strict=False):
        if kind:
            spans.append(Span(words[first][0], words[first + width - 1][1], kind))
        first += width
    tags = [LABELS.index(tag) for tag in tags_from_spans(spans, words)]
    found = character_spans(tags, words, LABELS, np.ones((len(words), len(LABELS))))
    assert found == [ScoredSpan(span.start, span.end, span.label, 1.0) for span in spans]
