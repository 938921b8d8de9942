"""spaCy's JSON: a list, or JSON lines, of `{"text", "entities"}` or of the older `["text", {"entities"}]`.

Entities are `[start, end, label]` or `{"start", "end", "label"}`; `end` is exclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hfloop.ner.documents import Document, Span
from hfloop.ner.formats.source import Record, Source, json_list
from hfloop.ner.repair import RepairReport


def looks_like(value: Any) -> bool:
    """Whether a JSON value is a document in one of spaCy's two shapes."""
    if isinstance(value, dict):
        return "text" in value and "entities" in value
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict) and "entities" in value[1]


def read(source: Source, report: RepairReport) -> list[Document]:
    """The documents of a spaCy file; the format leaves nothing to repair while reading."""
    return [_document(record) for record in source.records]


def write(documents: Sequence[Document]) -> str:
    """A JSON list of `{"text", "entities": [[start, end, label], …]}`, one document a line."""
    return json_list(
        [
            {"text": document.text, "entities": [[span.start, span.end, span.label] for span in document.spans]}
            for document in documents
        ]
    )


def _document(record: Record) -> Document:
    if isinstance(record.value, list):
        if len(record.value) != 2:
            raise record.error('expected `["text", {"entities": […]}]`')
        text, annotations = record.of_type(record.value[0], str, "the text"), record.value[1]
    else:
        text, annotations = record.field("text", str), record.value
    spans = [_span(record, text, entity) for entity in record.field("entities", list, annotations)]
    return record.document(text, spans)


def _span(record: Record, text: str, entity: object) -> Span:
    if isinstance(entity, dict):
        start, end = record.field("start", int, entity), record.field("end", int, entity)
        return record.span(text, start, end, record.field("label", str, entity))
    return record.span(text, *record.triple(entity))
