"""doccano JSON lines, as its 1.x releases export sequence labelling.

`{"id", "text" or "data", "label" or "labels" or "entities": …}` with spans as `[start, end, label]` or
`{"start_offset", "end_offset", "label"}`; `end` is exclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hfloop.ner.documents import Document, Span
from hfloop.ner.formats.source import Record, Source, json_lines
from hfloop.ner.repair import RepairReport

_TEXT_FIELDS = ("text", "data")
_SPAN_FIELDS = ("label", "labels", "entities")


def looks_like(value: Any) -> bool:
    """Whether a JSON value is a document of doccano; `{"text", "entities": [[…]]}` is spaCy's."""
    if not isinstance(value, dict) or not any(isinstance(value.get(name), str) for name in _TEXT_FIELDS):
        return False
    entities = value.get("entities")
    with_objects = isinstance(entities, list) and any(isinstance(e, dict) and "start_offset" in e for e in entities)
    return with_objects or any(isinstance(value.get(name), list) for name in ("label", "labels"))


def read(source: Source, report: RepairReport) -> list[Document]:
    """The documents of a doccano file; the format leaves nothing to repair while reading."""
    return [_document(record) for record in source.records]


def write(documents: Sequence[Document]) -> str:
    """doccano JSON lines with `text` and `label`, spans as `[start, end, label]`."""
    return json_lines(
        [
            {"id": number, "text": document.text, "label": [[s.start, s.end, s.label] for s in document.spans]}
            for number, document in enumerate(documents, start=1)
        ]
    )


def _document(record: Record) -> Document:
    text = record.field(record.first_of(_TEXT_FIELDS), str)
    spans = [_span(record, text, span) for span in record.field(record.first_of(_SPAN_FIELDS), list)]
    return record.document(text, spans)


def _span(record: Record, text: str, span: object) -> Span:
    if isinstance(span, dict):
        start, end = record.field("start_offset", int, span), record.field("end_offset", int, span)
        return record.span(text, start, end, record.field("label", str, span))
    return record.span(text, *record.triple(span))
