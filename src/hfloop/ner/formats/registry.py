"""The formats by name: reading with detection, and writing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfloop.errors import UserError, nearest
from hfloop.files import write_text
from hfloop.ner.documents import Document
from hfloop.ner.formats import conll, dataturks, doccano, label_studio, spacy_json
from hfloop.ner.formats.source import Source, load_source
from hfloop.ner.repair import RepairReport


@dataclass(frozen=True)
class Format:
    """How files of one format are read and written."""

    read: Callable[[Source, RepairReport], list[Document]]
    write: Callable[[Sequence[Document]], str]


@dataclass(frozen=True)
class Reading:
    """What a file or dataset held: documents, the format's name, and what its reader had to mend."""

    documents: list[Document]
    format: str
    report: RepairReport


FORMATS = {
    "dataturks": Format(dataturks.read, dataturks.write),
    "doccano": Format(doccano.read, doccano.write),
    "label-studio": Format(label_studio.read, label_studio.write),
    "conll": Format(conll.read, conll.write),
    "spacy": Format(spacy_json.read, spacy_json.write),
}

# In the order of asking: a record of Label Studio's JSON-MIN would pass for doccano's, one of doccano's for spaCy's.
_RECORD_TESTS: dict[str, Callable[[Any], bool]] = {
    "dataturks": dataturks.looks_like,
    "label-studio": label_studio.looks_like,
    "doccano": doccano.looks_like,
    "spacy": spacy_json.looks_like,
}


def read_documents(path: str | Path, format: str = "auto") -> tuple[list[Document], str]:
    """The documents of a file, unrepaired, and the name of its format: :func:`read_file` in short."""
    reading = read_file(path, format)
    return reading.documents, reading.format


def read_file(path: str | Path, format: str = "auto") -> Reading:
    """Read annotated documents.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, any line ends.
        format: a key of :data:`FORMATS`, or `auto` to tell it by the file's content.

    Returns:
        Documents named after their line or record, with their spans in reading order but otherwise as in the file.

    Raises:
        UserError: naming the file and the line or record, and what to mend.
    """
    if format != "auto":
        _check_name(format)
    source = load_source(Path(path))
    report = RepairReport()
    name = _detect(source) if format == "auto" else format
    if name is None:
        raise UserError(
            f"{path}: cannot tell its format; say which it is with --format {'|'.join(FORMATS)} "
            "(for a recipe, convert it first with `hfloop data convert`)."
        )
    try:
        documents = FORMATS[name].read(source, report)
    except UserError as error:
        raise _with_better_format(error, source, name) from error
    if not documents:
        raise UserError(f"{path} holds no documents.")
    return Reading(documents, name, report)


def write_documents(documents: Sequence[Document], path: str | Path, format: str) -> None:
    """Write `documents` in a format of :data:`FORMATS`, first under a temporary name in the same folder.

    The JSON formats keep texts, spans and labels exactly; for CoNLL see :func:`hfloop.ner.formats.conll.write`.

    Raises:
        UserError: the format is unknown or cannot hold the documents, or the file cannot be written.
    """
    _check_name(format)
    text = FORMATS[format].write(documents)
    try:
        write_text(Path(path), text)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error


def _check_name(format: str) -> None:
    if format not in FORMATS:
        raise UserError(f"unknown format `{format}`{nearest(format, FORMATS)}; the formats are {', '.join(FORMATS)}.")


def _detect(source: Source) -> str | None:
    """The format that the file's content shows, or None.

    Raises:
        UserError: the file begins like JSON but a line of it is not.
    """
    if conll.looks_like(source):
        return "conll"
    if not source.is_json:
        return None
    values = [record.value for record in source.records]
    return next((name for name, looks_like in _RECORD_TESTS.items() if any(map(looks_like, values))), None)


def _with_better_format(error: UserError, source: Source, format: str) -> UserError:
    """`error`, or, where the content shows another format than the one that failed, a sentence that says so."""
    try:
        detected = _detect(source)
    except UserError:  # not even JSON: the reader's own error says where
        return error
    if detected in (None, format):
        return error
    return UserError(f"{source.path} is not in the format {format}: it looks like {detected} (--format {detected}).")
