"""New training documents from old ones: mentions trade places, so that a model learns contexts instead of names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from hfloop.ner.documents import Document, Span


class MentionReplacement:
    """Replaces mentions by others of the same label (Dai & Adel 2020, "An Analysis of Simple Data Augmentation for
    Named Entity Recognition").

    A document is left as it is or touched, with even chances; in one that is touched each mention is replaced with
    `probability`, the same mention by the same other one throughout, so that a person keeps one name.

    Args:
        documents: the training documents, whose mentions trade places.
        probability: 0 to 1.
    """

    def __init__(self, documents: Iterable[Document], probability: float) -> None:
        self.probability = probability
        self.mentions: defaultdict[str, list[str]] = defaultdict(list)
        for document in documents:
            for span in document.spans:
                self.mentions[span.label].append(document.span_text(span))

    def __call__(self, document: Document, generator: np.random.Generator) -> Document:
        """`document` with some of its mentions replaced; its spans follow."""
        if generator.random() < 0.5:
            return document
        replacement: dict[tuple[str, str], str] = {}
        pieces: list[str] = []
        spans: list[Span] = []
        length = taken = 0
        for span in document.spans:
            mention = document.span_text(span)
            if (span.label, mention) not in replacement:
                replacement[span.label, mention] = self._draw(span.label, mention, generator)
            new = replacement[span.label, mention]
            pieces += [document.text[taken : span.start], new]
            length += span.start - taken
            spans.append(Span(length, length + len(new), span.label))
            length += len(new)
            taken = span.end
        return Document("".join(pieces) + document.text[taken:], tuple(spans), document.id)

    def _draw(self, label: str, mention: str, generator: np.random.Generator) -> str:
        if generator.random() >= self.probability:
            return mention
        others = self.mentions[label]
        return others[int(generator.integers(len(others)))]
