"""Label Studio's JSON export and its JSON-MIN.

JSON: a list of tasks `{"data": {"text"}, "annotations": [{"result": [{"type": "labels", "value": {…}}]}]}`
(`completions` before version 1.0). JSON-MIN: `[{"text", "label": [{"start", "end", "text", "labels"}]}]`, the field
being named after the labelling tag. `end` is exclusive. Older releases count UTF-16 units, so that every emoji shifts
the offsets that follow it (HumanSignal/label-studio#1347): the quoted text tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hfloop.ner.documents import Document
from hfloop.ner.formats.quotes import Mention, count_matches, document_of_mentions
from hfloop.ner.formats.source import Record, Source, json_list
from hfloop.ner.repair import Example, Kind, RepairReport

_LABEL_TYPES = ("labels", "hypertextlabels")
_ANNOTATION_FIELDS = ("annotations", "completions")


def looks_like(value: Any) -> bool:
    """Whether a JSON value is a task of the JSON export or of JSON-MIN."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("data"), dict):
        return any(name in value for name in _ANNOTATION_FIELDS)
    return "annotation_id" in value or bool(_minimal_fields(value))


def read(source: Source, report: RepairReport) -> list[Document]:
    """The annotated tasks: of each the first annotation that was not cancelled; the others are counted."""
    documents = (_document(record, report) for record in source.records)
    return [document for document in documents if document]


def write(documents: Sequence[Document]) -> str:
    """Tasks to import: control tag `label`, object tag `text`, offsets in characters (Unicode code points)."""
    return json_list([_as_json(number, document) for number, document in enumerate(documents, start=1)])


def _document(record: Record, report: RepairReport) -> Document | None:
    if isinstance(record.of_type(record.value, dict, "the record").get("data"), dict):
        text = _text(record, record.value["data"])
        annotation = _annotation(record, report)
        if annotation is None:
            return None
        regions = _regions(record, annotation)
    else:
        text = record.field("text", str)
        regions = [
            _mention(record, value, _label_type(value))
            for name in _minimal_fields(record.value)
            for value in record.value[name]
        ]
    return document_of_mentions(record, text, _in_code_points(record, text, regions, report), report)


def _text(record: Record, data: dict[str, Any]) -> str:
    """The task's text: the field `text`, or the only field there is, whatever its name."""
    return record.field(next(iter(data)) if len(data) == 1 else "text", str, data)


def _annotation(record: Record, report: RepairReport) -> dict[str, Any] | None:
    annotations = [
        record.of_type(annotation, dict, "an annotation")
        for annotation in record.field(record.first_of(_ANNOTATION_FIELDS), list)
    ]
    usable = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if not usable:
        report.add(Kind.UNANNOTATED, Example(record.where))
        return None
    if len(usable) > 1:
        report.add(Kind.SECOND_ANNOTATIONS, Example(record.where), count=len(usable) - 1)
    return usable[0]


def _regions(record: Record, annotation: dict[str, Any]) -> list[Mention]:
    """The labelled regions of an annotation; choices, relations and ratings are no spans."""
    regions = []
    for item in record.field("result", list, annotation):
        kind = record.of_type(item, dict, "a result").get("type")
        if kind in _LABEL_TYPES:
            regions.append(_mention(record, record.field("value", dict, item), kind))
    return regions


def _mention(record: Record, value: dict[str, Any], kind: str) -> Mention:
    labels = record.of_type(value.get(kind, []), list, f"the field `{kind}`")
    names = tuple(record.of_type(label, str, "a label") for label in labels)
    quoted = record.field("text", str, value) if "text" in value else None
    return Mention(record.field("start", int, value), record.field("end", int, value), names, quoted)


def _minimal_fields(value: dict[str, Any]) -> list[str]:
    """The fields of a JSON-MIN task that hold labelled regions."""
    return [
        name for name, field in value.items() if isinstance(field, list) and field and all(map(_label_type, field))
    ]


def _label_type(value: object) -> str:
    """The key under which a region has its labels; empty if it is no region."""
    if not isinstance(value, dict) or "start" not in value or "end" not in value:
        return ""
    return next((kind for kind in _LABEL_TYPES if kind in value), "")


def _in_code_points(record: Record, text: str, mentions: list[Mention], report: RepairReport) -> list[Mention]:
    """`mentions` with offsets in characters: converted from UTF-16 units where more quotations match that way."""
    unit_places = [place for place, character in enumerate(text) for _ in range(2 if character > "\uffff" else 1)]
    unit_places.append(len(text))
    converted = [
        replace(mention, start=unit_places[mention.start], end=unit_places[mention.end])
        for mention in mentions
        if 0 <= mention.start <= mention.end < len(unit_places)
    ]
    if len(converted) < len(mentions) or count_matches(text, converted) <= count_matches(text, mentions):
        return mentions
    report.add(Kind.UTF16_OFFSETS, Example(record.where))
    return converted


def _as_json(number: int, document: Document) -> dict[str, Any]:
    result = [
        {
            "id": f"{number}-{index}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": span.start,
                "end": span.end,
                "text": document.span_text(span),
                "labels": [span.label] if span.label else [],
            },
        }
        for index, span in enumerate(document.spans, start=1)
    ]
    return {"id": number, "data": {"text": document.text}, "annotations": [{"id": number, "result": result}]}
