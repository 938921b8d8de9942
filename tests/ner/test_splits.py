from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.ner.documents import Document
from hfloop.ner.splits import folds, leaked, near_duplicate_groups, split_documents


def sentences(count: int, words: int, seed: int = 0) -> list[Document]:
    """Documents of random words: no two are near-duplicates."""
    draw = random.Random(seed)
    texts = (" ".join(f"w{draw.randrange(5000)}" for _ in range(words)) for _ in range(count))
    return [Document(text, (), f"line {number}") for number, text in enumerate(texts, start=1)]


def with_copies(documents: list[Document], copies: int) -> list[Document]:
    """`documents`, and for each of them as many near-duplicates, that end otherwise."""
    return [
        Document(f"{document.text} ending {copy}", (), f"{document.id}.{copy}")
        for copy in range(copies + 1)
        for document in documents
    ]


def test_changed_case_punctuation_and_a_few_words_are_near_duplicates():
    first, second, third = (document.text for document in sentences(3, 60))
    documents = [Document(first), Document(second), Document(first.upper() + "!"), Document(f"{second} more words")]
    assert near_duplicate_groups([*documents, Document(third)]) == [[0, 2], [1, 3], [4]]


def test_similarity_is_the_jaccard_index_of_five_word_shingles():
    words = [f"w{number}" for number in range(23)]  # 19 shingles
    whole, part = Document(" ".join(words)), Document(" ".join(words[:10]))  # 6 of 19 in common: 0.316
    shorter = Document(" ".join(words[:9]))  # 5 of 19: 0.263
    assert near_duplicate_groups([whole, part]) == [[0, 1]]
    assert near_duplicate_groups([whole, shorter]) == near_duplicate_groups([shorter, whole]) == [[0], [1]]


def test_groups_are_connected_components():
    words = [f"w{number}" for number in range(60)]
    chain = [Document(" ".join(words[start : start + 20])) for start in (8, 0, 16, 40)]
    assert near_duplicate_groups(chain) == [[0, 1, 2], [3]]


def test_short_texts_are_near_duplicates_of_the_same_words_only():
    texts = ["Thanks a lot!", "thanks a lot", "thanks a", "...", "...", "?", "", " "]
    assert near_duplicate_groups([Document(text) for text in texts]) == [[0, 1], [2], [3, 4], [5], [6, 7]]


def test_boilerplate_alone_does_not_join_documents():
    head = "please contact me at the address below "
    documents = [Document(head + document.text) for document in sentences(20, 40)]
    assert near_duplicate_groups(documents) == [[index] for index in range(20)]


@given(st.lists(st.text(st.sampled_from("ab "), max_size=30), max_size=12))
def test_every_document_is_in_one_group(texts):
    groups = near_duplicate_groups([Document(text) for text in texts])
    assert sorted(index for group in groups for index in group) == list(range(len(texts)))


def test_split_sizes_are_the_shares_and_groups_stay_whole():
    documents = with_copies(sentences(50, 30), 1)
    split = split_documents(documents, seed=3)
    assert (len(split.train), len(split.validation), len(split.test)) == (70, 10, 20)
    assert leaked(split.train, split.test) == leaked(split.train, split.validation) == 0
    assert leaked(split.validation, split.test) == 0


def test_a_split_depends_on_words_and_seed_not_on_order():
    documents = with_copies(sentences(40, 12), 1)
    shuffled = random.Random(1).sample(documents, len(documents))
    split, again, other = (split_documents(d, s) for d, s in [(documents, 5), (shuffled, 5), (documents, 6)])
    assert set(split.train) == set(again.train)
    assert set(split.test) == set(again.test)
    assert set(split.test) != set(other.test)
    assert split.train == [document for document in documents if document in split.train]


def test_the_smallest_split_has_one_document_in_each_part():
    split = split_documents(sentences(3, 10), seed=0)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [1, 1, 1]


def test_large_groups_leave_no_part_empty():
    large, middle, small = sentences(3, 30)
    documents = [*with_copies([large], 4), *with_copies([middle], 3), small]
    split = split_documents(documents, seed=0)
    assert sorted(len(part) for part in (split.train, split.validation, split.test)) == [1, 4, 5]


@pytest.mark.parametrize("seed", range(20))
def test_small_groups_even_out_the_sizes_that_large_ones_leave(seed):
    documents = [*sentences(12, 30), *with_copies(sentences(3, 30, seed=1), 5)]
    split = split_documents(documents, seed)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [21, 3, 6]


def test_a_share_of_nothing_gives_an_empty_part():
    split = split_documents(sentences(10, 10), seed=0, test_share=0.0)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [9, 1, 0]


def test_too_few_distinct_documents():
    documents = with_copies(sentences(2, 20), 1)
    message = "4 documents count as 2 once near-duplicates are taken together, too few for 3 {}: bring more documents"
    with pytest.raises(UserError, match=message.format("parts")):
        split_documents(documents, seed=0)
    with pytest.raises(UserError, match=message.format("folds")):
        folds(documents, 3, seed=0)


def test_folds_part_the_documents_evenly_with_groups_whole():
    documents = with_copies(sentences(25, 20), 1)
    parts = folds(documents, 5, seed=2)
    assert [len(part) for part in parts] == [10] * 5
    assert sorted(index for part in parts for index in part) == list(range(50))
    assert all({(index + 25) % 50 for index in part} == set(part) for part in parts)


def test_leaked_counts_test_documents_that_have_a_near_duplicate_in_train():
    documents = sentences(6, 30)
    test = [Document(documents[0].text.upper()), documents[1], documents[1], *documents[4:]]
    assert leaked(documents[:4], test) == 3
    assert leaked(documents[:4], []) == 0


def test_many_short_sentences_take_seconds():
    documents = with_copies(sentences(10_000, 12), 1)
    start = time.perf_counter()
    assert len(near_duplicate_groups(documents)) == 10_000
    assert time.perf_counter() - start < 5
