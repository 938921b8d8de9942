"""From a text to what a model reads: token ids, and the words by whose first pieces it is judged."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import regex

from hfloop.ner.decoding import OUTSIDE, split_words, tags_from_spans
from hfloop.ner.documents import Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that cross-entropy skips
LINE_BREAK = r"\R"  # any of Unicode's
BLANK_LINES = r"\R\s*\R"  # a run of line breaks
LINE_BREAKS = rf"{BLANK_LINES}|{LINE_BREAK}"


@dataclass(frozen=True)
class EncodedText:
    """A whole text, tokenized once and never truncated.

    Attributes:
        token_ids: shape `(tokens,)`, without special tokens.
        words: half-open character ranges in the text as given, in reading order; a run of line breaks is a word too.
        first_pieces: shape `(words,)`: for each word the place of its first token, strictly rising.
    """

    token_ids: npt.NDArray[np.int64]
    words: list[tuple[int, int]]
    first_pieces: npt.NDArray[np.int64]


def encode(text: str, tokenizer: PreTrainedTokenizerBase) -> EncodedText:
    """Tokenize `text` whole and find the words that its tokens begin.

    The tokenizer sees the text in Unicode's composed form (NFC), the form that models are trained on; the words'
    character ranges are those of `text` as given. Words that one token covers together count as one.
    """
    composed, origin = compose(text)
    encoding = tokenizer(
        composed, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
    )
    offsets: Sequence[tuple[int, int]] = encoding["offset_mapping"]
    words, first_pieces = _words_of_tokens(composed, offsets)
    return EncodedText(
        token_ids=np.array(encoding["input_ids"], dtype=np.int64),
        words=[(origin[start], origin[end]) for start, end in words],
        first_pieces=np.array(first_pieces, dtype=np.int64),
    )


def token_labels(encoded: EncodedText, spans: Sequence[Span], label2id: dict[str, int]) -> npt.NDArray[np.int64]:
    """The training label of each token, shape `(tokens,)`.

    A word's first piece has the word's tag; its further pieces continue it (`I-` inside an entity), so that stock
    pipelines, which read every piece, agree with the model. Tokens before the first word are :data:`IGNORED`.
    """
    tags = tags_from_spans(spans, encoded.words)
    labels = np.full(len(encoded.token_ids), IGNORED, dtype=np.int64)
    borders = [*encoded.first_pieces, len(labels)]
    for tag, (first, end) in zip(tags, pairwise(borders), strict=True):
        labels[first:end] = label2id[f"I-{tag[2:]}" if tag != OUTSIDE else tag]
        labels[first] = label2id[tag]
    return labels


def compose(text: str) -> tuple[str, Sequence[int]]:
    """`text` in composed form (NFC), and for each border between its characters the border in `text`.

    Returns:
        `(composed, origin)`: `composed[i:j]` stands for `text[origin[i]:origin[j]]`.
    """
    if unicodedata.is_normalized("NFC", text):
        return text, range(len(text) + 1)
    composed: list[str] = []
    origin: list[int] = []
    start = 0
    for position in range(1, len(text) + 1):
        if position < len(text) and _joins(text[start:position], text[position]):
            continue
        segment = unicodedata.normalize("NFC", text[start:position])
        composed.append(segment)
        origin += [start] * len(segment)  # a segment that stays several characters is one place
        start = position
    return "".join(composed), [*origin, len(text)]


def _joins(segment: str, character: str) -> bool:
    """Whether `character` belongs to `segment`: it is a mark on it, or composes with it; with a blank nothing does."""
    if segment.isspace():
        return False
    if unicodedata.combining(character):
        return True
    apart = unicodedata.normalize("NFC", segment) + unicodedata.normalize("NFC", character)
    return unicodedata.normalize("NFC", segment + character) != apart


def _words_of_tokens(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[int]]:
    """The words that tokens begin, and each one's first token."""
    ranges = sorted([*split_words(text), *(match.span() for match in regex.finditer(LINE_BREAKS, text))])
    inked = np.array([not text[start].isspace() for start, _ in ranges], dtype=bool)
    range_at = np.full(len(text), -1, dtype=np.int64)
    for index, (start, end) in enumerate(ranges):
        range_at[start:end] = index
    words: list[tuple[int, int]] = []
    first_pieces: list[int] = []
    last_seen = -1
    for token, (start, end) in enumerate(offsets):
        covered = range_at[start:end]
        covered = covered[covered >= 0]
        if inked[covered].any():
            covered = covered[inked[covered]]  # a line break on a word's edge is no part of the word
        if len(covered) == 0 or covered[-1] <= last_seen:
            continue
        if covered[0] > last_seen:
            words.append((ranges[covered[0]][0], ranges[covered[-1]][1]))
            first_pieces.append(token)
        else:
            words[-1] = (words[-1][0], ranges[covered[-1]][1])
        last_seen = covered[-1]
    return words, first_pieces
