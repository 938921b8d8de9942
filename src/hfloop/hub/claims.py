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
from hfloop.hub.metadata import as_said, check_model_index, cut, in_short
from hfloop.release import CARD_FILE, PROVENANCE_FILE, RESULTS_FILE

_INDEX = "model-index"
_FIGURES = "figures"  # the section whose tables people read for them
_RENDERED_BY = re.compile(r"Rendered by hfloop (\S+) for ")
_Cells = dict[tuple[tuple[str, int], tuple[str, int]], str]  # by row and column, each with how often it came before


def card_differences(card: CardText, fresh: RenderedCard) -> list[str]:
    """A sentence for each thing that a card's metadata or managed sections say otherwise than `hfloop.json`.

    What people added is not looked at: text outside the markers, keys, entries of lists, results of other data or
    metrics. Of a card that another version of hfloop rendered only `model-index` and tables count: none may be
    missing, those of the figures must have the same rows and columns, and others the same cells where both have them.

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
    except RecursionError:
        return [f"{RESULTS_FILE} nests too deeply to be read"]
    except (yaml.YAMLError, ValueError) as error:
        return [f"{RESULTS_FILE} is no YAML ({cut(one_line(error))})"]
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
    known = {key for key, *_ in _measured(own)}
    index = card.metadata.get(_INDEX)
    if check_model_index(index):
        return []
    return [cut(f"{key[-1]} on {key[1]}") for key, *_ in _measured(index) if key not in known]


def text_of_people(card: CardText) -> list[str]:
    """Where a README has text outside of hfloop's markers: the numbers of its lines, such as `40–52`."""
    places = []
    number = card.front.count("\n") + 1
    for part in card.parts:
        if part.name is None and part.text.strip():
            lines = lines_of(part.text)
            written = [number + place for place, line in enumerate(lines) if line.strip()]
            places.append(str(written[0]) if written[0] == written[-1] else f"{written[0]}–{written[-1]}")
        number += part.text.count("\n")
    return places


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
                yield f"{CARD_FILE}: `{key}` in its metadata lacks {in_short(each)}, which {PROVENANCE_FILE} gives"
        elif not _same(_single(found.get(key)), value):
            shown = f"{_shown(found, key)}, and {in_short(value)} by {PROVENANCE_FILE}"
            yield f"{CARD_FILE}: `{key}` in its metadata is {shown}"


def _index_differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    index = found.get(_INDEX)
    if problems := check_model_index(index):
        yield f"{CARD_FILE}: {problems[0].rstrip('.')}"
        return
    values: dict[tuple[str, ...], list[tuple[Any, dict[str, Any]]]] = {}
    for key, value, names in _measured(index):
        values.setdefault(key, []).append((value, names))
    for key, value, names in _measured(expected.get(_INDEX)):
        what = f"{CARD_FILE}: `{_INDEX}` in its metadata"
        if key not in values:
            yield f"{what} lacks {key[-1]} on {key[1]}, {value} by {PROVENANCE_FILE}"
        for claimed, called in values.get(key, []):
            if not _same(claimed, value):
                yield f"{what} says {claimed} for {key[-1]} on {key[1]}, and it is {value} by {PROVENANCE_FILE}"
                continue
            for part, name in names.items():
                if not _same(called[part], name):
                    yield (
                        f"{what} calls the {part} of {key[-1]} on {key[1]} {in_short(called[part])}, and it is "
                        f"{in_short(name)} by {PROVENANCE_FILE}"
                    )


def _measured(index: Any) -> Iterator[tuple[tuple[str, ...], Any, dict[str, Any]]]:
    """Each value of a well-formed model-index with what it is of (task, data set with its parts, metric) before it.

    Behind it come the names of the three that people read.
    """
    for result in (result for model in index or [] for result in model["results"]):
        task, dataset = result["task"], result["dataset"]
        parts = [as_said(dataset.get(key)) for key in ("config", "split", "revision")]
        for metric in result["metrics"]:
            names = {"task": task.get("name"), "data set": dataset.get("name"), "metric": metric.get("name")}
            yield (task["type"], dataset["type"], *parts, metric["type"]), metric["value"], names


def _single(value: Any) -> Any:
    """The entry of a list that has one: the Hub reads both alike."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _same(one: Any, other: Any) -> bool:
    """Equal, and not only as 1 and True are."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _shown(entry: Any, key: str) -> str:
    return in_short(entry[key]) if isinstance(entry, dict) and key in entry else "missing"


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
        yield from _count_differences(found, body, name)
        yield from _line_differences(found, body, name, first_lines[name])


def _figure_differences(card: CardText, expected: CardText) -> Iterator[str]:
    """Of a card of another version: tables that are missing, and of the others what both versions must have alike."""
    for name, body in expected.sections.items():
        if not tables(body):
            continue
        if name not in card.sections:
            yield f"{CARD_FILE} lacks the section `{name}`"
            continue
        section = card.sections[name]
        pairs = list(zip(tables(section), tables(body), strict=False))
        for number, (table, wanted) in enumerate(pairs, start=1):
            place = _place(name, number, len(pairs))
            if name == _FIGURES:
                yield from _table_differences(table, wanted, place)
                continue
            found, cells = _cells(table), _cells(wanted)
            yield from _cell_differences(
                {key: found[key] for key in found if key in cells},
                {key: cells[key] for key in cells if key in found},
                place,
            )
        yield from _count_differences(section, body, name)


def _count_differences(found: str, expected: str, section: str) -> Iterator[str]:
    if len(tables(found)) != len(tables(expected)):
        counts = f"{len(tables(found))}, and {len(tables(expected))} by {PROVENANCE_FILE}"
        yield f"{CARD_FILE}, section `{section}`: the number of tables is {counts}"


def _place(section: str, number: int, count: int) -> str:
    return f"{CARD_FILE}, section `{section}`" + (f", table {number}" if count > 1 else "")


def _table_differences(found: Table, expected: Table, place: str) -> Iterator[str]:
    if found.header != expected.header:
        columns, wanted = (cut(" | ".join(table.header)) for table in (found, expected))
        yield f"{place}: its columns are {columns}, and {wanted} by {PROVENANCE_FILE}"
        return
    yield from _cell_differences(_cells(found), _cells(expected), place)


def _cell_differences(found: _Cells, expected: _Cells, place: str) -> Iterator[str]:
    for key in [*expected, *(key for key in found if key not in expected)]:
        if found.get(key) != expected.get(key):
            (row, _), (column, _) = key
            claimed, wanted = (cut(cells.get(key, "nothing")) for cells in (found, expected))
            where = f"{place}, row {in_short(row.strip('*'))}" + (f", column {in_short(column)}" if column else "")
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
        said = cut(" / ".join(line for _, line in ours[start:end])) or "nothing"
        wanted = cut(" / ".join(line for _, line in theirs[other_start:other_end])) or "nothing"
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
