"""DataTurks JSON lines: `{"content", "annotation": [{"label": [..], "points": [{"start", "end", "text"}]}]}`.

`end` is inclusive. DataTurks escapes `content` for HTML while its offsets count the characters before escaping.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from hfloop.ner.documents import Document
from hfloop.ner.formats.quotes import Mention, count_matches, document_of_mentions
from hfloop.ner.formats.source import Record, Source, json_lines
from hfloop.ner.repair import Example, Kind, RepairReport


def looks_like(value: Any) -> bool:
    """Whether a JSON value is a document of DataTurks."""
    return isinstance(value, dict) and "content" in value and "annotation" in value


def read(source: Source, report: RepairReport) -> list[Document]:
    """The documents of a DataTurks file; a content is unescaped where its spans' own quotations say that it must be.

    A span with several labels becomes as many spans; one without gets the label "".
    """
    return [_document(record, report) for record in source.records]


def write(documents: Sequence[Document]) -> str:
    """DataTurks JSON lines, with `content` not escaped."""
    return json_lines([_as_json(document) for document in documents])


def _document(record: Record, report: RepairReport) -> Document:
    content = record.field("content", str)
    mentions = _mentions(record)
    unescaped = html.unescape(content)
    if count_matches(unescaped, mentions) > count_matches(content, mentions):
        report.add(Kind.UNESCAPED, Example(record.where))
        content = unescaped
    return document_of_mentions(record, content, mentions, report)


def _mentions(record: Record) -> list[Mention]:
    if record.value.get("annotation", []) is None:  # what DataTurks writes for a text nobody annotated
        return []
    mentions = []
    for annotation in record.field("annotation", list):
        labels = tuple(record.of_type(label, str, "a label") for label in record.field("label", list, annotation))
        for point in record.field("points", list, annotation):
            start, end = record.field("start", int, point), record.field("end", int, point)
            mentions.append(Mention(start, end + 1, labels, record.field("text", str, point)))
    return mentions


def _as_json(document: Document) -> dict[str, Any]:
    annotation = [
        {
            "label": [span.label] if span.label else [],
            "points": [{"start": span.start, "end": span.end - 1, "text": document.span_text(span)}],
        }
        for span in document.spans
    ]
    return {"content": document.text, "annotation": annotation, "extras": None}
