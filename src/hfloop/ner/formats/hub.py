"""Datasets of the Hub (or a local folder) as documents: token lists with tags, or texts with spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hfloop.errors import UserError, one_line
from hfloop.ner.documents import Document
from hfloop.ner.formats.registry import Reading
from hfloop.ner.formats.source import Record
from hfloop.ner.formats.tags import is_tag, join_tokens, tag_scheme, tags_to_spans
from hfloop.ner.repair import Example, Kind, RepairReport

if TYPE_CHECKING:
    from datasets import Dataset

_SPAN_COLUMNS = ("spans", "entities")


def read_hub_dataset(dataset_name: str, config_name: str | None, split: str) -> list[Document]:
    """The documents of one split, unrepaired: :func:`read_hub` in short."""
    return read_hub(dataset_name, config_name, split).documents


def read_hub(dataset_name: str, config_name: str | None, split: str) -> Reading:
    """Load one split with `datasets.load_dataset`; `dataset_name` is a Hub id or a local folder of data files.

    The columns are either `tokens` with `ner_tags` (class labels or strings; IOB1, IOB2 or BIOES), which become one
    document a row with tokens joined by one blank, or `text` with `spans` or `entities` of `{start, end, label}`,
    `end` exclusive.

    Raises:
        UserError: naming the dataset: not reachable, no such configuration or split, other columns, wrong offsets.
    """
    dataset = _load(dataset_name, config_name, split)
    columns = dataset.column_names
    span_column = next((name for name in _SPAN_COLUMNS if name in columns), None)
    report = RepairReport()
    if "tokens" in columns and "ner_tags" in columns:
        records = _records(dataset, ["tokens", "ner_tags"], dataset_name)
        documents = _documents_of_tokens(records, _class_names(dataset.features["ner_tags"]), report)
    elif "text" in columns and span_column:
        records = _records(dataset, ["text", span_column], dataset_name)
        labels = _class_names_of_spans(dataset.features[span_column])
        documents = [_document_of_spans(record, span_column, labels) for record in records]
    else:
        raise UserError(
            f"dataset {dataset_name}: expected the columns `tokens` and `ner_tags`, or `text` and `spans` or "
            f"`entities`; found {', '.join(f'`{name}`' for name in columns)}."
        )
    if not documents:
        raise UserError(f"dataset {dataset_name}, split {split}: holds no documents.")
    return Reading(documents, "hub", report)


def split_names(dataset_name: str, config_name: str | None) -> list[str]:
    """The names of a dataset's splits.

    Raises:
        UserError: as :func:`read_hub`.
    """
    import datasets

    with _said_as_user_errors(dataset_name):
        return list(datasets.get_dataset_split_names(dataset_name, config_name))


def _load(dataset_name: str, config_name: str | None, split: str) -> Dataset:
    import datasets

    with _said_as_user_errors(dataset_name):
        return datasets.load_dataset(dataset_name, config_name, split=split)


@contextmanager
def _said_as_user_errors(dataset_name: str) -> Iterator[None]:
    """Turn what `datasets` raises for a dataset that cannot be had into one sentence."""
    import datasets
    from huggingface_hub import constants

    try:
        yield
    except ConnectionError as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "is there a network?"
        raise UserError(
            f"dataset {dataset_name}: {one_line(error)} ({why}); a local folder of data files loads without."
        ) from error
    except (FileNotFoundError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"dataset {dataset_name} cannot be loaded: {one_line(error)}.") from error


def _records(dataset: Dataset, columns: Sequence[str], name: str) -> list[Record]:
    rows = dataset.select_columns(columns)
    return [Record(f"dataset {name}", f"row {number}", row) for number, row in enumerate(rows, start=1)]


def _documents_of_tokens(
    records: Sequence[Record], class_names: list[str] | None, report: RepairReport
) -> list[Document]:
    tags = [_tags(record, class_names) for record in records]
    scheme = tag_scheme(tags)
    return [_document_of_tokens(record, tags[row], scheme, report) for row, record in enumerate(records)]


def _tags(record: Record, class_names: list[str] | None) -> list[str]:
    values = record.field("ner_tags", list)
    if class_names is None and any(isinstance(value, int) for value in values):
        raise record.error("`ner_tags` are numbers without names; they must be strings or class labels")
    tags = values if class_names is None else [_class_name(record, class_names, value) for value in values]
    for tag in tags:
        if not is_tag(record.of_type(tag, str, "a tag")):
            raise record.error(f"a tag must be `O` or like `B-LABEL`, not `{tag}`")
    return tags


def _document_of_tokens(record: Record, tags: list[str], scheme: str, report: RepairReport) -> Document:
    tokens = [record.of_type(token, str, "a token") for token in record.field("tokens", list)]
    if len(tokens) != len(tags):
        raise record.error(f"has {len(tokens)} tokens but {len(tags)} ner_tags")
    entities, broken = tags_to_spans(tags, scheme)
    if broken:
        report.add(Kind.BROKEN_TAGS, Example(record.where), count=broken)
    return record.document(*join_tokens([(tokens, entities)]))


def _document_of_spans(record: Record, column: str, class_names: list[str] | None) -> Document:
    text = record.field("text", str)
    spans = []
    for span in _as_list(record.value[column]):
        label = record.of_type(span, dict, "a span").get("label")
        name = label if class_names is None else _class_name(record, class_names, label)
        spans.append(record.span(text, record.field("start", int, span), record.field("end", int, span), name))
    return record.document(text, spans)


def _class_name(record: Record, class_names: list[str], value: object) -> str:
    number = record.of_type(value, int, "a class label")
    if not 0 <= number < len(class_names):
        raise record.error(f"the class label {number} is not one of 0 to {len(class_names) - 1}")
    return class_names[number]


def _as_list(spans: Any) -> list[dict[str, Any]]:
    """A list of spans; datasets' own `Sequence({…})` columns give one dict of lists instead."""
    if isinstance(spans, dict):
        return [dict(zip(spans, values, strict=True)) for values in zip(*spans.values(), strict=True)]
    return spans or []


def _class_names(feature: Any) -> list[str] | None:
    """The names of a list of class labels, or None for a list of anything else."""
    return getattr(getattr(feature, "feature", None), "names", None)


def _class_names_of_spans(feature: Any) -> list[str] | None:
    """The names of the spans' labels where they are class labels, for both forms of :func:`_as_list`."""
    if isinstance(feature, dict):
        return _class_names(feature.get("label"))
    fields = getattr(feature, "feature", None)
    return getattr(fields["label"], "names", None) if isinstance(fields, dict) and "label" in fields else None
