"""A data file as text, its JSON records, and errors that say where in the file they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from hfloop.errors import UserError
from hfloop.ner.documents import Document, Span

T = TypeVar("T")
_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a fraction",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True)
class Record:
    """One value of a data source: `where` is "line 3" of JSON lines, "record 3" of a list, "row 3" of a dataset."""

    source: str
    where: str
    value: Any

    def error(self, message: str) -> UserError:
        """An error that names this record."""
        return UserError(f"{self.source}, {self.where}: {message}.")

    def of_type(self, value: object, kind: type[T], name: str) -> T:
        """`value`, called `name` in the file, if it is of the type `kind`; an error otherwise."""
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(
                f"{name} must be {_TYPE_NAMES[kind]}, not {_TYPE_NAMES.get(type(value), type(value).__name__)}"
            )
        return value

    def field(self, name: str, kind: type[T], of: object = None) -> T:
        """The field `name` of the object `of` (the record's own by default) if it is of type `kind`."""
        owner = self.of_type(self.value if of is None else of, dict, "the record" if of is None else "an annotation")
        if name not in owner:
            raise self.error(f"the field `{name}` is missing")
        return self.of_type(owner[name], kind, f"the field `{name}`")

    def first_of(self, names: Sequence[str]) -> str:
        """The first of `names` that is a field of this record; an error when none is."""
        owner = self.of_type(self.value, dict, "the record")
        for name in names:
            if name in owner:
                return name
        raise self.error(f"it has none of the fields {', '.join(f'`{name}`' for name in names)}")

    def triple(self, value: object) -> tuple[object, object, object]:
        """`value` as `[start, end, label]`."""
        items = self.of_type(value, list, "a span")
        if len(items) != 3:
            raise self.error(f"a span must be [start, end, label], not a list of {len(items)}")
        return items[0], items[1], items[2]

    def span(self, text: str, start: object, end: object, label: object) -> Span:
        """A span of `text`, `end` exclusive, with its types and its offsets checked."""
        first, stop = self.of_type(start, int, "a span's start"), self.of_type(end, int, "a span's end")
        name = self.of_type(label, str, "a span's label")
        if first >= stop:
            raise self.error(f"a span `{name}` runs from {first} to {stop} (end exclusive), so it holds no character")
        if first < 0 or stop > len(text):
            raise self.error(
                f"a span `{name}` runs from {first} to {stop} (end exclusive), "
                f"outside the text of {len(text)} characters"
            )
        return Span(first, stop, name)

    def document(self, text: str, spans: list[Span]) -> Document:
        """A document with its spans in reading order, named after this record."""
        for value, name in [(text, "the text"), *((span.label, "a label") for span in spans)]:
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise self.error(f"{name} has half a surrogate pair at character {error.start}") from error
        return Document(text, tuple(sorted(spans)), self.where)


@dataclass
class Source:
    """A decoded data file; `text` has plain `\\n` line ends and no byte-order mark."""

    path: Path
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines, cut at `\\n` alone: other Unicode separators belong to the text of documents."""
        return self.text.split("\n")

    @property
    def is_json(self) -> bool:
        """Whether the file begins like JSON or JSON lines."""
        return self.text.lstrip()[:1] in ("{", "[")

    @cached_property
    def records(self) -> list[Record]:
        """The elements of a JSON list, or the values of JSON lines, or one JSON object alone.

        Raises:
            UserError: naming the line that is not JSON.
        """
        if self._is_one_value():
            value = self._loads(self.text, first_line=1)
            elements = value if isinstance(value, list) else [value]
            return [
                Record(str(self.path), f"record {number}", element) for number, element in enumerate(elements, start=1)
            ]
        return [
            Record(str(self.path), f"line {number}", self._loads(line, number))
            for number, line in enumerate(self.lines, start=1)
            if line.strip()
        ]

    def _is_one_value(self) -> bool:
        """Whether the file is one JSON value over its whole length rather than one value a line."""
        filled = [line for line in self.lines if line.strip()]
        if len(filled) == 1:
            return filled[0].lstrip().startswith("[") and not _is_text_and_object(filled[0])
        return not (_is_json(filled[0]) or all(line.startswith("{") for line in filled[:2]))

    def _loads(self, text: str, first_line: int) -> Any:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            line = first_line + error.lineno - 1
            raise UserError(f"{self.path}, line {line}: not JSON: {error.msg} at column {error.colno}.") from error


def load_source(path: Path) -> Source:
    """Read and decode a data file.

    Raises:
        UserError: the file is missing, a folder, not readable, empty, or not UTF-8 (with the byte's place).
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder: name a file of annotated documents in it.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        byte, line = data[error.start], data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: byte 0x{byte:02x} at offset {error.start} is not UTF-8; save the file as UTF-8."
        ) from error
    if not text.strip():
        raise UserError(f"{path} is empty.")
    return Source(path, text.replace("\r\n", "\n"))


def json_lines(values: list[Any]) -> str:
    """One JSON value a line."""
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)


def json_list(values: list[Any]) -> str:
    """A JSON list, one element a line."""
    return "[\n" + ",\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n]\n"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def _is_text_and_object(line: str) -> bool:
    """Whether a line is spaCy's `["text", {"entities": …}]` rather than a list of records."""
    if not _is_json(line):
        return False
    value = json.loads(line)
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
