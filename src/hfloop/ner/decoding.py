"""Words, IOB2 tags and spans: how spans become tags, probabilities the best valid tags, and tags spans again.

IOB2: `B-x` opens an entity `x`, `I-x` continues it, `O` is outside. `I-x` may only follow `B-x` or `I-x`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

from hfloop.ner.documents import Span

OUTSIDE = "O"
_WITHOUT_BLANKS = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # scripts written so
WORD = regex.compile(
    rf"[{_WITHOUT_BLANKS}]\p{{M}}*"
    rf"|[[\p{{L}}\p{{M}}\p{{N}}_\u200c\u200d]--[{_WITHOUT_BLANKS}]]+"  # joiners are spelling in Persian and Hindi
    r"|[^\s\x1c-\x1f]\p{M}*",
    regex.V1,
)
SMALLEST_PROBABILITY = 1e-30  # its logarithm is finite, so a model that is certain never forbids every valid path


@dataclass(frozen=True, order=True)
class ScoredSpan(Span):
    """A predicted :class:`Span`; `score` says how sure the model is, 0 to 1: the mean probability of its words' tags,
    or the probability by which its text was kept where each text is decided once (:mod:`hfloop.ner.consistency`)."""

    score: float


def split_words(text: str) -> list[tuple[int, int]]:
    """The half-open character ranges of the words of `text`, which hold every character that is not blank.

    A word is a run of letters, digits and underscores, or any one other character; marks stay with what they stand
    on. In scripts that put no blanks between words each character is a word, since an entity may end after any.
    """
    return [match.span() for match in WORD.finditer(text)]


def bio_labels(entity_labels: Sequence[str]) -> list[str]:
    """The tags of IOB2 for `entity_labels`, in their order: `["O", "B-x", "I-x", "B-y", "I-y", …]`."""
    return [OUTSIDE, *(f"{prefix}-{label}" for label in entity_labels for prefix in "BI")]


def label_maps(labels: Sequence[str]) -> tuple[dict[str, int], dict[int, str]]:
    """`(label2id, id2label)` for a model's configuration: the id of a label is its place in `labels`."""
    return {label: index for index, label in enumerate(labels)}, dict(enumerate(labels))


def tags_from_spans(spans: Iterable[Span], words: Sequence[tuple[int, int]]) -> list[str]:
    """The IOB2 tag of each word: a word belongs to the span that covers its first character.

    Args:
        spans: entities that do not overlap; one that covers no word's first character leaves no tag.
        words: half-open character ranges in reading order.
    """
    tags = [OUTSIDE] * len(words)
    starts = [start for start, _ in words]
    for span in spans:
        first, end = bisect_left(starts, span.start), bisect_left(starts, span.end)
        for word in range(first, end):
            tags[word] = f"{'B' if word == first else 'I'}-{span.label}"
    return tags


def transition_mask(labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether tag `j` may follow tag `i`, as a boolean array `[i, j]` of shape `(L, L)`."""
    return np.array([[_may_follow(before, after) for after in labels] for before in labels])


def start_mask(labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether a document may begin with a tag, as a boolean array of shape `(L,)`: any but `I-x` may."""
    return np.array([_may_follow(OUTSIDE, label) for label in labels])


def additive(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Turn a mask into scores to add to log-probabilities: 0 where allowed, minus infinity where forbidden."""
    return np.where(mask, 0.0, -np.inf)


def viterbi(
    log_probabilities: npt.NDArray[np.floating],
    transitions: npt.NDArray[np.floating],
    start: npt.NDArray[np.floating],
) -> npt.NDArray[np.int64]:
    """Find the path of tags with the largest sum of scores (Viterbi 1967; Forney 1973) in time O(T·L²).

    Args:
        log_probabilities: finite scores of shape `(T, L)`: each word's tags.
        transitions: scores `[i, j]` of shape `(L, L)` for tag `j` after tag `i`; minus infinity forbids.
        start: scores of shape `(L,)` for the first word's tag; minus infinity forbids.

    Returns:
        The tag ids of the best path, shape `(T,)`; of equal paths, the one with the smaller ids at its end.
    """
    words, labels = log_probabilities.shape
    if words == 0:
        return np.zeros(0, dtype=np.int64)
    emissions = log_probabilities.astype(np.float64)
    backpointers = np.zeros((words, labels), dtype=np.min_scalar_type(labels - 1))
    into = np.ascontiguousarray(transitions.T, dtype=np.float64)  # row j: the scores of entering j from each tag
    candidates = np.empty_like(into)
    best = emissions[0] + start
    for word in range(1, words):
        np.add(into, best, out=candidates)
        backpointers[word] = candidates.argmax(axis=1)
        best = candidates.max(axis=1) + emissions[word]

    path = np.empty(words, dtype=np.int64)
    path[-1] = best.argmax()
    for word in range(words - 1, 0, -1):
        path[word - 1] = backpointers[word, path[word]]
    return path


def decode(probabilities: npt.NDArray[np.floating], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """The most probable valid IOB2 tag ids, shape `(T,)`, for word probabilities of shape `(T, L)` over `labels`."""
    log_probabilities = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    return viterbi(log_probabilities, additive(transition_mask(labels)), additive(start_mask(labels)))


def spans_from_tags(tags: Sequence[int] | npt.NDArray[np.int64], labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """The entities that tag ids spell, as `(first word, last word + 1, label)`, in reading order.

    The reading is strict: an `I-x` that continues no entity `x` belongs to none.
    """
    spans: list[tuple[int, int, str]] = []
    open_label = ""
    for word, tag in enumerate(tags):
        prefix, _, label = labels[tag].partition("-")
        if prefix == "B":
            spans.append((word, word + 1, label))
            open_label = label
        elif prefix == "I" and label == open_label:
            spans[-1] = (spans[-1][0], word + 1, label)
        else:
            open_label = ""
    return spans


def character_spans(
    tags: Sequence[int] | npt.NDArray[np.int64],
    words: Sequence[tuple[int, int]],
    labels: Sequence[str],
    probabilities: npt.NDArray[np.floating],
) -> list[ScoredSpan]:
    """The entities that tag ids spell, as spans of characters with their scores.

    Args:
        tags: a tag id for each of T words.
        words: each word's half-open character range in the document, T of them.
        labels: the L tags.
        probabilities: shape `(T, L)`, the figures that scores are the mean of.
    """
    chosen = probabilities[np.arange(len(words)), tags]
    return [
        ScoredSpan(words[first][0], words[end - 1][1], label, float(chosen[first:end].mean()))
        for first, end, label in spans_from_tags(tags, labels)
    ]


def _may_follow(before: str, after: str) -> bool:
    if not after.startswith("I-"):
        return True
    return before in (after, f"B-{after[2:]}")
