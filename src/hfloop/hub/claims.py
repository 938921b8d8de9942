"""Whether a card says what `hfloop.json` says: compared with the card rendered anew, part by part."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

import yaml

from hfloop import __version__
from hfloop.errors import one_line
from hfloop.hub.card import results_text, whole_card
from hfloop.hub.card_text import HEADER, CardText, Table, code_blocks, lines_of, parse_card, tables
from hfloop.hub.family import RenderedCard
from hfloop.hub.metadata import check_model_index
from hfloop.release import CARD_FILE, PROVENANCE_FILE, RESULTS_FILE

_INDEX = "model-index"
_RENDERED_BY = re.compile(r"Rendered by hfloop (\S+) for ")
_Cells = dict[tuple[tuple[str, int], tuple[str, int]], str]  # by row and column, each with how often it came before


def card_differences(card: CardText, fresh: RenderedCard) -> list[str]:
    """A sentence for each thing that a card's metadata or managed sections say otherwise than `hfloop.json`.

    What people added is not looked at: text outside the markers, keys, entries of lists, results of other data or
    metrics. Of a card that another version of hfloop rendered only the figures and tables that both have count.

    Args:
        card: the README.
        fresh: the same card, rendered anew.
    """
    expected = parse_card(whole_card(fresh))
    if not card.sections:
        return [f"{CARD_FILE} has none of the sections that hfloop renders: render it again with `hfloop card`"]
    if rendered_by(card) in (None, __version__):
        return [
            *_metadata_differences(card.metadata, expected.metadata),
            *_index_differences(card.metadata, expected.metadata),
            *_section_differences(card, expected),
        ]
    return [*_index_differences(card.metadata, expected.metadata), *_figure_differences(card, expected)]


def results_differences(text: str, fresh: RenderedCard) -> list[str]:
    """A sentence for each entry of `.eval_results/hfloop.yaml` that is not as it is rendered anew.

    Args:
        text: of that file.
        fresh: the card, rendered anew.
    """
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        return [f"{RESULTS_FILE} is no YAML ({one_line(error)})"]
    expected = yaml.safe_load(results_text(fresh))
    if not isinstance(found, list) or len(found) != len(expected):
        return [f"{RESULTS_FILE} does not hold the {len(expected)} results that {PROVENANCE_FILE} gives"]
    return [
        f"{RESULTS_FILE}: `{key}` of result {number} is {_shown(entry, key)}, and {_shown(wanted, key)} by "
        f"{PROVENANCE_FILE}"
        for number, (entry, wanted) in enumerate(zip(found, expected, strict=True), start=1)
        for key in wanted
        if not isinstance(entry, dict) or not _same(entry.get(key), wanted[key])
    ]


def other_results(card: CardText, fresh: RenderedCard) -> list[str]:
    """The metrics in the metadata whose values hfloop did not measure, by what they were measured on."""
    own = parse_card(whole_card(fresh)).metadata.get(_INDEX)
    known = {key for key, _ in _measured(own)}
    index = card.metadata.get(_INDEX)
    if check_model_index(index):
        return []
    return [f"{key[-1]} on {key[1]}" for key, _ in _measured(index) if key not in known]


def rendered_by(card: CardText) -> str | None:
    """The version of hfloop that rendered a card; None where its first line does not say."""
    header = next((part.text for part in card.parts if part.name == HEADER), "")
    found = _RENDERED_BY.search(header)
    return found and found[1]


# ------------------------------------------------------------------ metadata


def _metadata_differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """Of single values those that are others; of lists the entries that are missing."""
    for key, value in expected.items():
        if key == _INDEX:
            continue
        if isinstance(value, list):
            entries = found.get(key)
            missing = [each for each in value if each not in (entries if isinstance(entries, list) else [entries])]
            for each in missing:
                yield f"{CARD_FILE}: `{key}` in its metadata lacks {each!r}, which {PROVENANCE_FILE} gives"
        elif not _same(found.get(key), value):
            yield (f"{CARD_FILE}: `{key}` in its metadata is {_shown(found, key)}, and {value!r} by {PROVENANCE_FILE}")


def _index_differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    index = found.get(_INDEX)
    if problems := check_model_index(index):
        yield f"{CARD_FILE}: {problems[0].rstrip('.')}"
        return
    values: dict[tuple[str, ...], list[Any]] = {}
    for key, value in _measured(index):
        values.setdefault(key, []).append(value)
    for key, value in _measured(expected.get(_INDEX)):
        what = f"{CARD_FILE}: `{_INDEX}` in its metadata"
        if key not in values:
            yield f"{what} lacks {key[-1]} on {key[1]}, {value} by {PROVENANCE_FILE}"
        for claimed in values.get(key, []):
            if not _same(claimed, value):
                yield f"{what} says {claimed} for {key[-1]} on {key[1]}, and it is {value} by {PROVENANCE_FILE}"


def _measured(index: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value of a well-formed model-index by what it is of: task, data set with its parts, metric."""
    for result in (result for model in index or [] for result in model["results"]):
        dataset = [str(result["dataset"].get(key)) for key in ("type", "config", "split", "revision")]
        for metric in result["metrics"]:
            yield (result["task"]["type"], *dataset, metric["type"]), metric["value"]


def _same(one: Any, other: Any) -> bool:
    """Equal, and not only as 1 and True are."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _shown(entry: Any, key: str) -> str:
    return repr(entry[key]) if isinstance(entry, dict) and key in entry else "missing"


# ------------------------------------------------------------------ text


def _section_differences(card: CardText, expected: CardText) -> Iterator[str]:
    first_lines = _first_lines(card)
    for name, body in expected.sections.items():
        if name not in card.sections:
            yield f"{CARD_FILE} lacks the section `{name}`"
            continue
        found = card.sections[name]
        pairs = list(zip(tables(found), tables(body), strict=False))
        for number, (table, wanted) in enumerate(pairs, start=1):
            yield from _table_differences(table, wanted, _place(name, number, len(pairs)))
        if len(tables(found)) != len(tables(body)):
            counts = f"{len(tables(found))}, and {len(tables(body))} by {PROVENANCE_FILE}"
            yield f"{CARD_FILE}, section `{name}`: the number of tables is {counts}"
        yield from _line_differences(found, body, name, first_lines[name])


def _figure_differences(card: CardText, expected: CardText) -> Iterator[str]:
    """Of sections that both have, the cells that both have and that differ."""
    for name, body in expected.sections.items():
        pairs = list(zip(tables(card.sections.get(name, "")), tables(body), strict=False))
        for number, (table, wanted) in enumerate(pairs, start=1):
            found, cells = _cells(table), _cells(wanted)
            yield from _cell_differences(
                {key: found[key] for key in found if key in cells},
                {key: cells[key] for key in cells if key in found},
                _place(name, number, len(pairs)),
            )


def _place(section: str, number: int, count: int) -> str:
    return f"{CARD_FILE}, section `{section}`" + (f", table {number}" if count > 1 else "")


def _table_differences(found: Table, expected: Table, place: str) -> Iterator[str]:
    if found.header != expected.header:
        yield f"{place}: its columns are {' | '.join(found.header)}, and {' | '.join(expected.header)} by " + (
            PROVENANCE_FILE
        )
        return
    yield from _cell_differences(_cells(found), _cells(expected), place)


def _cell_differences(found: _Cells, expected: _Cells, place: str) -> Iterator[str]:
    for key in [*expected, *(key for key in found if key not in expected)]:
        if found.get(key) != expected.get(key):
            (row, _), (column, _) = key
            claimed, wanted = (cells.get(key, "nothing") for cells in (found, expected))
            where = f"{place}, row {row.strip('*')!r}" + (f", column {column!r}" if column else "")
            yield f"{where}: the card says {claimed}, {PROVENANCE_FILE} {wanted}"


def _cells(table: Table) -> _Cells:
    """The cells but those of the first column, which names the rows."""
    columns = _numbered(table.header)
    rows = _numbered([row[0] if row else "" for row in table.rows])
    return {
        (label, column): cell
        for label, row in zip(rows, table.rows, strict=True)
        for column, cell in list(zip(columns, row, strict=False))[1:]
    }


def _numbered(names: list[str]) -> list[tuple[str, int]]:
    """Names that are told apart where they are the same."""
    known: Counter[str] = Counter()
    numbered = []
    for name in names:
        numbered.append((name, known[name]))
        known[name] += 1
    return numbered


def _line_differences(found: str, expected: str, section: str, first_line: int) -> Iterator[str]:
    """What a section says beside its tables and is not as it is rendered anew, by the line of the README."""
    ours, theirs = _sentences(found), _sentences(expected)
    matcher = SequenceMatcher(None, [line for _, line in ours], [line for _, line in theirs], autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        number = first_line + (ours[start][0] if start < len(ours) else ours[-1][0] + 1 if ours else 0)
        said = " / ".join(line for _, line in ours[start:end]) or "nothing"
        wanted = " / ".join(line for _, line in theirs[other_start:other_end]) or "nothing"
        yield (
            f"{CARD_FILE}, line {number}, section `{section}`: the card says “{said}”, and by {PROVENANCE_FILE} it is "
            f"“{wanted}”"
        )


def _sentences(section: str) -> list[tuple[int, str]]:
    """The lines of a section that are neither empty nor of a table, each with its number from 0."""
    lines = lines_of(section)
    return [
        (number, line.rstrip())
        for number, (line, code) in enumerate(zip(lines, code_blocks(lines)[0], strict=True))
        if line.strip() and (code or not line.startswith("|"))
    ]


def _first_lines(card: CardText) -> dict[str, int]:
    """The number, from 1, of each section's first line behind its marker."""
    before = card.front.count("\n")
    numbers = {}
    for part in card.parts:
        if part.name not in (None, HEADER):
            numbers[str(part.name)] = before + 2
        before += part.text.count("\n")
    return numbers
