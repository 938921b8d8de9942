"""Annotation tools quote the text of each span beside its offsets: the evidence of what the offsets count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hfloop.ner.documents import Document, Span
from hfloop.ner.formats.source import Record
from hfloop.ner.repair import Example, Kind, RepairReport


@dataclass(frozen=True)
class Mention:
    """A span as a file gives it: offsets still unchecked, `end` exclusive; `quoted` is None without a quotation."""

    start: int
    end: int
    labels: tuple[str, ...]
    quoted: str | None

    @property
    def place(self) -> tuple[int, int]:
        """`(start, end)`."""
        return self.start, self.end


def count_matches(text: str, mentions: Sequence[Mention]) -> int:
    """How many mentions quote exactly what `text` has at their offsets."""
    return sum(mention.start >= 0 and text[mention.start : mention.end] == mention.quoted for mention in mentions)


def document_of_mentions(record: Record, text: str, mentions: Sequence[Mention], report: RepairReport) -> Document:
    """A document with one span per label of each mention (label "" where there is none); misquotations are counted."""
    spans: list[Span] = []
    for mention in mentions:
        mentioned = [record.span(text, mention.start, mention.end, label) for label in mention.labels or ("",)]
        spans += mentioned
        if mention.quoted is not None and text[mention.start : mention.end] != mention.quoted:
            label = mentioned[0].label
            report.add(Kind.MISQUOTED, Example(record.where, label, before=mention.place, after=mention.place))
    return record.document(text, spans)
