"""Token tags: IOB1, IOB2, and BIOES (also called BILOU), read as entities in the way of conlleval."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from hfloop.ner.documents import Span

OUTSIDE = "O"
_TAG = re.compile(r"O|[BIESLU]-.+")
_LAST = "ESLU"  # the prefixes that close an entity: end, single, last, unit


def is_tag(value: str) -> bool:
    """Whether `value` is `O`, or one of B-, I-, E-, S-, L-, U- before a label."""
    return _TAG.fullmatch(value) is not None


def tag_scheme(sentences: Iterable[Sequence[str]]) -> str:
    """`BIOES` (BILOU too) if any tag closes an entity; `IOB1` if `B-` only ever parts neighbours of one label."""
    opened_by_b = opened_by_i = False
    for tags in sentences:
        for before, tag in pairwise((OUTSIDE, *tags)):
            if tag[0] in _LAST:
                return "BIOES"
            alike = before[2:] == tag[2:]
            opened_by_b |= tag[0] == "B" and not alike
            opened_by_i |= tag[0] == "I" and not alike
    return "IOB1" if opened_by_i and not opened_by_b else "IOB2"


def tags_to_spans(tags: Sequence[str], scheme: str) -> tuple[list[tuple[int, int, str]], int]:
    """The entities that `tags` spell, and how many transitions the scheme forbids.

    As conlleval does, an `I-x` or `E-x` that continues no entity `x` opens one, and an entity that is not closed ends
    where the next tag does not continue it.

    Returns:
        `(first token, last token + 1, label)` in reading order, and the number of broken transitions.
    """
    entities: list[tuple[int, int, str]] = []
    broken = 0
    open_label = ""
    for token, tag in enumerate(tags):
        prefix, label = tag[0], tag[2:]
        continues = prefix in "IEL" and label == open_label
        unopened = prefix in "IEL" and not continues and scheme != "IOB1"
        unclosed = scheme == "BIOES" and open_label != "" and not continues
        broken += unopened or unclosed
        if continues:
            entities[-1] = (entities[-1][0], token + 1, label)
        elif tag != OUTSIDE:
            entities.append((token, token + 1, label))
        open_label = "" if prefix in _LAST else label
    return entities, broken + (scheme == "BIOES" and open_label != "")


def join_tokens(
    sentences: Sequence[tuple[Sequence[str], Sequence[tuple[int, int, str]]]],
) -> tuple[str, list[Span]]:
    """The text of tokenised sentences, tokens joined by one blank and sentences by a line break, with its spans.

    Args:
        sentences: tokens, and entities as :func:`tags_to_spans` gives them.
    """
    spans: list[Span] = []
    start = 0
    for tokens, entities in sentences:
        starts, ends = [], []
        for token in tokens:
            starts.append(start)
            ends.append(start + len(token))
            start += len(token) + 1
        spans += [Span(starts[first], ends[end - 1], label) for first, end, label in entities]
    return "\n".join(" ".join(tokens) for tokens, _ in sentences), spans
