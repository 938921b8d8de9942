"""A README as data: metadata, sections that hfloop renders, and what people wrote between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hfloop.errors import UserError

HEADER = "header"
"""The name of the card's first line, which hfloop renders too, and which names the model."""

# the Hub's own rule (REGEX_YAML_BLOCK of huggingface_hub), but a byte order mark and no metadata are fine too
_FRONT_MATTER = re.compile(r"(\ufeff?\s*---(?:\r\n|\r|\n))((?:[\S\s]*?(?:\r\n|\r|\n))?)---[ \t]*(?:\r\n|\n|$)")
_MARKER = re.compile(r" {0,3}<!--\s*hfloop:(begin|end)\s+([\w-]+)\s*-->\s*")
_HEADER_LINE = re.compile(r" {0,3}<!-- Rendered by hfloop \S+ for `(\S+)`; .*-->\s*")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Part:
    """A stretch of a card: a section between hfloop's markers, or what stands between two of them.

    Attributes:
        name: of the section; None for text that is people's own.
        text: all of it to the last character, markers included.
    """

    name: str | None
    text: str

    @property
    def body(self) -> str:
        """What stands between the markers of a section."""
        return "".join(lines_of(self.text)[1:-1])


@dataclass(frozen=True)
class CardText:
    """A README, so that `str` gives it back to the last character.

    Attributes:
        front: the lines of the metadata with those of `---` around them; empty where there are none.
        metadata: what these lines say, keys in their order.
        parts: the rest, in order; no two stretches of people's own text follow one another.
    """

    front: str
    metadata: dict[str, Any]
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return self.front + "".join(part.text for part in self.parts)

    @property
    def sections(self) -> dict[str, str]:
        """What stands between the markers of each section, by its name."""
        return {part.name: part.body for part in self.parts if part.name not in (None, HEADER)}


def read_card(path: Path, name: str) -> str:
    """The text of a README with its line ends as they are.

    Args:
        path: of the file.
        name: what to call it in messages.

    Raises:
        UserError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"{name} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UserError(f"{name} is not UTF-8: save it in this encoding.") from None


def parse_card(text: str, name: str = "README.md") -> CardText:
    """Take a README apart.

    Args:
        text: its content.
        name: what to call it in messages.

    Raises:
        UserError: the metadata is no YAML mapping, or a marker lacks its other half or stands where none can.
    """
    front = _FRONT_MATTER.match(text)
    metadata = {} if front is None else _metadata(front[2], name, first_line=front[1].count("\n") + 1)
    start = 0 if front is None else front.end()
    return CardText(text[:start], metadata, tuple(_parts(text[start:], name, text[:start].count("\n"))))


def model_id_of(card: CardText) -> str | None:
    """What the snippets of a card load: a Hub id, or `.` for the folder itself; None where no header says it."""
    for part in card.parts:
        if part.name == HEADER and (header := _HEADER_LINE.fullmatch(part.text)):
            return header[1]
    return None


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends; only `\\n` ends one, as in Markdown and unlike `str.splitlines`."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


@dataclass(frozen=True)
class Table:
    """A Markdown table.

    Attributes:
        header: of each column.
        rows: of cells, as they are read: without `\\` before a bar.
    """

    header: list[str]
    rows: list[list[str]]


def tables(section: str) -> list[Table]:
    """The tables of a section, in order; what looks like one in a code block is none."""
    found: list[Table] = []
    block: list[list[str]] = []
    lines = [*lines_of(section), ""]
    for line, code in zip(lines, code_blocks(lines)[0], strict=True):
        if line.startswith("|") and not code:
            block.append([cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line.rstrip())[1:-1]])
        elif block:
            found.append(Table(block[0], block[2:]))
            block = []
    return found


def _metadata(lines: str, name: str, first_line: int) -> dict[str, Any]:
    try:
        metadata = yaml.safe_load(lines)
    except RecursionError:
        raise UserError(f"{name}: its metadata nests too deeply to be read: mend it there.") from None
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f", line {first_line + mark.line}"
        what = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise UserError(f"{name}{place}: its metadata is not valid YAML ({what}): mend it there.") from None
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise UserError(
            f"{name}, line {first_line}: between its first two lines of --- stand no `key: value` lines: write them "
            "there, or take the two lines away."
        )
    return metadata


def _parts(text: str, name: str, lines_before: int) -> Iterator[Part]:
    """Divide a card at hfloop's markers; those in code blocks are text."""
    lines = lines_of(text)
    blocks, unclosed = code_blocks(lines)
    known: set[str] = set()
    in_code: dict[str, int] = {}
    section, begun, held = None, 0, list[str]()
    for number, (line, block) in enumerate(zip(lines, blocks, strict=True), start=lines_before + 1):
        kind, named = _marker(line)
        place = f"{name}, line {number}"
        if kind and block:
            in_code.setdefault(named, lines_before + block)
            if block == unclosed:
                raise UserError(
                    f"{place}: hfloop's marker of `{named}` counts as code here, since the code block begun in line "
                    f"{lines_before + block} has no end: close that block."
                )
        if not kind or block:
            held.append(line)
        elif section is not None and (kind, named) != ("end", section):
            raise UserError(
                f"{place}: the section `{section}`, begun in line {begun}, has not ended before `{named}` {kind}s: "
                f"write <!-- hfloop:end {section} --> above this line."
            )
        elif section is not None:
            yield Part(section, "".join([*held, line]))
            section, held = None, []
        elif kind == "end":
            hidden = f", or close the code block begun in line {in_code[named]}" if named in in_code else ""
            raise UserError(
                f"{place}: the section `{named}` ends here without having begun: write "
                f"<!-- hfloop:begin {named} --> above it, or take this line away{hidden}."
            )
        elif named in known:
            raise UserError(f"{place}: here is a second section `{named}`: take one of the two away.")
        else:
            known.add(named)
            if held:
                yield Part(None, "".join(held))
            if named == HEADER:
                yield Part(HEADER, line)
                held = []
            else:
                section, begun, held = named, number, [line]
    if section is not None:
        raise UserError(
            f"{name}: the section `{section}`, begun in line {begun}, has no end: write "
            f"<!-- hfloop:end {section} --> under it."
        )
    if held:
        yield Part(None, "".join(held))


def _marker(line: str) -> tuple[str, str]:
    """Whether a line begins or ends a section, and which one; the header's line begins one of its own."""
    if _HEADER_LINE.fullmatch(line):
        return "begin", HEADER
    marker = _MARKER.fullmatch(line)
    return (marker[1], marker[2]) if marker else ("", "")


def code_blocks(lines: Sequence[str]) -> tuple[list[int], int]:
    """Which lines belong to fenced code blocks.

    Returns:
        For each line the number, from 1, of the line that opens its block, 0 where it is in none; and the number of
        the line that opens a block without an end, or 0.
    """
    opened, fence, blocks = 0, "", list[int]()
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if opened:
            blocks.append(opened)
            if stripped and set(stripped) == {fence[0]} and len(stripped) >= len(fence):
                opened = 0
        else:
            if _FENCE.match(line.rstrip("\r\n")):
                opened, fence = number, fence_of(line)
            blocks.append(opened)
    return blocks, opened


def fence_of(line: str) -> str:
    """What opens a code block in its first line, and closes it again."""
    opening = _FENCE.match(line.rstrip("\r\n"))
    assert opening is not None
    return opening[1]


def is_free_text(text: str) -> bool:
    """Whether a text can stand between two sections: each of its code blocks has an end, and no marker is outside."""
    lines = lines_of(text)
    blocks, unclosed = code_blocks(lines)
    return not unclosed and not any(_marker(line)[0] and not block for line, block in zip(lines, blocks, strict=True))
