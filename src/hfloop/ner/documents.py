"""Documents and spans: the one representation that readers make, models learn from, and scores compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    """An entity: `text[start:end]` carries `label`. Offsets are characters (Unicode code points), `end` exclusive."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Document:
    """A text as the user sees it, with its entities in reading order and an `id` that error messages can name."""

    text: str
    spans: tuple[Span, ...] = ()
    id: str = ""

    def span_text(self, span: Span) -> str:
        """The characters that `span` covers."""
        return self.text[span.start : span.end]


def entity_labels(documents: Iterable[Document]) -> list[str]:
    """Every label that occurs in `documents`, sorted."""
    return sorted({span.label for document in documents for span in document.spans})
