"""Mending annotations, openly: every change is counted, and the first of each kind can be shown without its text."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from operator import itemgetter
from typing import Any

from hfloop.errors import UserError
from hfloop.ner.decoding import split_words
from hfloop.ner.documents import Document, Span

EXAMPLES_PER_KIND = 3
UNKNOWN_LABEL = "UNKNOWN"  # DataTurks writes it where the annotator chose no label

Offsets = tuple[int, int]


class Kind(StrEnum):
    """What was found and done, in the order in which it is done: the readers' kinds first, then the repair's."""

    UNESCAPED = "documents with HTML entities unescaped"
    UTF16_OFFSETS = "documents with UTF-16 offsets converted"
    MISQUOTED = "spans unlike the file's own quotation (kept)"
    SECOND_ANNOTATIONS = "second annotations of a task left out"
    UNANNOTATED = "tasks without annotation left out"
    BROKEN_TAGS = "broken tag sequences read as conlleval does"
    BLANK_DOCUMENTS = "blank documents dropped"
    EMPTY_LABELS = "spans with an empty label dropped"
    UNKNOWN_LABELS = "spans with the label UNKNOWN dropped"
    EMPTY_SPANS = "spans without text dropped"
    EDGE_BLANKS = "spans with blanks at an edge trimmed"
    CUT_WORDS = "spans that cut a word completed"
    DUPLICATES = "exact duplicates merged"
    OVERLAPS = "overlapping spans dropped (the longest stays)"


@dataclass(frozen=True)
class Example:
    """One repair: where, and which offsets became which; `after` is None when the span went. It holds no text."""

    document: str
    label: str = ""
    before: Offsets | None = None
    after: Offsets | None = None

    def __str__(self) -> str:
        if self.before is None:
            return self.document
        place = f"{self.document} {self.label or '(no label)'} {self.before[0]}–{self.before[1]}"
        if self.after is None:
            return f"{place} dropped"
        return place if self.after == self.before else f"{place} → {self.after[0]}–{self.after[1]}"


@dataclass
class RepairReport:
    """How often each :class:`Kind` of repair was made, with the first few examples of each."""

    counts: dict[Kind, int] = field(default_factory=dict)
    examples: dict[Kind, list[Example]] = field(default_factory=dict)

    def add(self, kind: Kind, example: Example, count: int = 1) -> None:
        """Count a repair, and keep its example while there are few."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES_PER_KIND:
            examples.append(example)

    def merged(self, other: RepairReport) -> RepairReport:
        """A report of this one's repairs and then `other`'s: a reader's with the repair's, or of several files."""
        both = RepairReport(dict(self.counts), {kind: list(examples) for kind, examples in self.examples.items()})
        for kind, count in other.counts.items():
            both.counts[kind] = both.counts.get(kind, 0) + count
            both.examples[kind] = (both.examples.get(kind, []) + other.examples[kind])[:EXAMPLES_PER_KIND]
        return both

    def table(self) -> str:
        """Lines of `count  kind  examples`, in the order of the repairs; one sentence when there were none."""
        if not self.counts:
            return self.summary()
        kinds = [kind for kind in Kind if kind in self.counts]
        width = max(len(kind) for kind in kinds)
        return "\n".join(
            f"{self.counts[kind]:>7,}  {kind:<{width}}  {'; '.join(map(str, self.examples[kind]))}" for kind in kinds
        )

    def to_dict(self) -> dict[str, Any]:
        """`{kind: {count, examples: [{document, label, before, after}]}}` for JSON, in the order of the repairs."""
        return {
            kind.name.lower(): {
                "count": self.counts[kind],
                "examples": [asdict(example) for example in self.examples[kind]],
            }
            for kind in Kind
            if kind in self.counts
        }

    def summary(self) -> str:
        """One sentence: every kind with its count."""
        if not self.counts:
            return "Nothing to repair."
        return f"Repairs: {', '.join(f'{self.counts[kind]:,} {kind}' for kind in Kind if kind in self.counts)}."


def repair(documents: Iterable[Document]) -> tuple[list[Document], RepairReport]:
    """Mend the annotations of `documents`; their text stays as it is.

    In this order: blank documents and spans with the label "" or `UNKNOWN` are dropped; blanks at the edges of spans
    are trimmed, spans of nothing but blanks dropped; a span that starts or ends inside a word grows to the whole word
    (a word is what :func:`hfloop.ner.decoding.split_words` says); exact duplicates are merged; of overlapping spans
    the longest stays, then the earliest, then the one whose label comes first in the alphabet.

    Returns:
        Documents without overlaps, edge blanks, empty spans or cut words (repairing them again changes nothing), and
        the report of what was done.
    """
    report = RepairReport()
    repaired = []
    for document in documents:
        if document.text.strip():
            repaired.append(_repair_document(document, report))
        else:
            report.add(Kind.BLANK_DOCUMENTS, Example(document.id))
    return repaired, report


def require_spans(documents: Sequence[Document], name: str) -> None:
    """Raise a :class:`UserError` that names the source `name` if `documents` hold nothing to learn from."""
    if not any(document.text.strip() for document in documents):
        raise UserError(f"{name} holds no document with text: there is nothing to learn from.")
    if not any(document.spans for document in documents):
        raise UserError(f"{name} holds {len(documents):,} documents but not one labelled span: annotate some first.")


def _repair_document(document: Document, report: RepairReport) -> Document:
    words = split_words(document.text)
    mended = (_mend_span(document, span, words, report) for span in document.spans)
    distinct = _merge_duplicates(document, [span for span in mended if span], report)
    return Document(document.text, tuple(_resolve_overlaps(document, distinct, report)), document.id)


def _mend_span(document: Document, span: Span, words: list[Offsets], report: RepairReport) -> Span | None:
    """`span` trimmed and grown to whole words, or None when it has no label or no text."""
    trimmed = _trim(document.text, span)
    if not span.label.strip():
        _count_drop(report, Kind.EMPTY_LABELS, document, span)
        return None
    if span.label == UNKNOWN_LABEL:
        _count_drop(report, Kind.UNKNOWN_LABELS, document, span)
        return None
    if trimmed is None:
        _count_drop(report, Kind.EMPTY_SPANS, document, span)
        return None
    completed = _complete_words(trimmed, words)
    _count_change(report, Kind.EDGE_BLANKS, document, span, trimmed)
    _count_change(report, Kind.CUT_WORDS, document, trimmed, completed)
    return completed


def _trim(text: str, span: Span) -> Span | None:
    """`span` without blanks at its edges, or None when nothing is left."""
    covered = text[span.start : span.end]
    start = span.start + len(covered) - len(covered.lstrip())
    end = start + len(covered.strip())
    return Span(start, end, span.label) if start < end else None


def _complete_words(span: Span, words: list[Offsets]) -> Span:
    """`span` from the start of the word its first character is in to the end of the word its last one is in.

    Outside blanks every character is in a word, so the span must have no blanks at its edges.
    """
    first = bisect(words, span.start, key=itemgetter(0)) - 1
    last = bisect(words, span.end - 1, key=itemgetter(0)) - 1
    return Span(words[first][0], words[last][1], span.label)


def _count_drop(report: RepairReport, kind: Kind, document: Document, span: Span) -> None:
    report.add(kind, Example(document.id, span.label, (span.start, span.end)))


def _count_change(report: RepairReport, kind: Kind, document: Document, before: Span, after: Span) -> None:
    if before != after:
        report.add(kind, Example(document.id, before.label, (before.start, before.end), (after.start, after.end)))


def _merge_duplicates(document: Document, spans: list[Span], report: RepairReport) -> list[Span]:
    distinct: set[Span] = set()
    for span in spans:
        if span in distinct:
            _count_drop(report, Kind.DUPLICATES, document, span)
        distinct.add(span)
    return sorted(distinct)


def _resolve_overlaps(document: Document, spans: list[Span], report: RepairReport) -> list[Span]:
    kept: list[Span] = []  # in reading order, without overlaps: only the two neighbours can touch a new span
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start, span.label)):
        place = bisect(kept, span)
        neighbours = kept[max(0, place - 1) : place + 1]
        if any(span.start < other.end and other.start < span.end for other in neighbours):
            _count_drop(report, Kind.OVERLAPS, document, span)
        else:
            kept.insert(place, span)
    return kept
