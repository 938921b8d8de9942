"""Cards that are rendered again: what people wrote into them stays, what hfloop wrote is renewed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub.utils import yaml_dump

from hfloop import __version__
from hfloop.errors import UserError, one_line
from hfloop.files import write_text
from hfloop.hub.card import results_text
from hfloop.hub.card_text import (
    CardText,
    Part,
    code_blocks,
    fence_of,
    lines_of,
    model_id_of,
    parse_card,
    read_card,
)
from hfloop.hub.family import Family, FamilyOf, RenderedCard
from hfloop.hub.metadata import check_model_index
from hfloop.release import CARD_FILE, RESULTS_FILE, read_provenance, release_folder

_START = ""
"""What the text before the first section follows."""


def card_command(folder: Path, family_of: FamilyOf) -> str:
    """Render README.md and .eval_results/hfloop.yaml of a release again, keeping what people wrote; say what changed.

    Args:
        folder: the release, or the run that holds it.
        family_of: finds the family that knows the card.

    Raises:
        UserError: `folder` holds no release, its `hfloop.json` lacks what the card shows, or README.md has metadata
            that is no YAML, or broken markers; then nothing is written.
    """
    release = release_folder(folder)
    readme, results = release / CARD_FILE, release / RESULTS_FILE
    provenance = read_provenance(release, str(release))
    exists = readme.exists()
    before = read_card(readme, str(readme)) if exists else ""
    earlier = parse_card(before, str(readme))
    fresh = render_card(family_of(provenance, str(release)), provenance, model_id_of(earlier) or ".", str(release))
    try:
        text = merge_cards(fresh, [(before, fresh)])
    except UserError as error:
        raise UserError(f"{release}: {error}") from None
    changes = _changes(earlier, parse_card(text)) if text != before else []
    if changes:
        write_text(readme, text)
    if not results.exists() or read_card(results, str(results)) != results_text(fresh):
        results.parent.mkdir(exist_ok=True)
        write_text(results, results_text(fresh))
        changes.append(RESULTS_FILE)
    if not exists:
        return f"{readme}: written."
    return f"{readme}: rendered again: {', '.join(changes)}." if changes else f"{readme}: nothing changed."


def render_card(family: Family, provenance: dict[str, Any], model_id: str, name: str) -> RenderedCard:
    """The card of a release that perhaps another version of hfloop wrote.

    Args:
        family: of the release.
        provenance: what its `hfloop.json` holds.
        model_id: what the snippets load.
        name: what to call the release in messages.

    Raises:
        UserError: `hfloop.json` lacks what this version's card shows.
    """
    from jinja2 import UndefinedError

    try:
        return family.card(provenance, model_id)
    except (LookupError, TypeError, ValueError, AttributeError, UndefinedError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else one_line(error)
        raise UserError(
            f"{name}: its hfloop.json, written by hfloop {provenance['hfloop_version']}, does not hold what the card "
            f"of hfloop {__version__} shows ({what}): render it with the version that wrote it."
        ) from None


def merge_cards(fresh: RenderedCard, earlier: Sequence[tuple[str, RenderedCard | None]]) -> str:
    """The text of README.md: `fresh`, with what people added to earlier cards.

    Text outside hfloop's markers stays word for word behind the section that it followed, or before the first; a
    section that `fresh` lacks goes, one that is new comes behind the one that precedes it in `fresh`. Metadata keys
    that `fresh` lacks stay, lists keep what people added, and `model-index` keeps results that hfloop did not measure.
    Merging once more changes nothing.

    Args:
        fresh: what hfloop renders now.
        earlier: cards that people may have edited, the most important first, each with what hfloop itself rendered
            then, or None where that is not known; the order of the sections is the first one's.

    Raises:
        UserError: an earlier card's metadata is no YAML mapping, its markers are broken, or its `model-index` cannot
            be read.
    """
    texts = [text for text, _ in earlier]
    line_end = "\r\n" if texts and lines_of(texts[0])[:1] and lines_of(texts[0])[0].endswith("\r\n") else "\n"
    cards = [parse_card(text) for text in [*texts[:1], *(_with_line_end(text, line_end) for text in texts[1:])]]
    metadata = _plain(fresh)
    for card, (_, base) in zip(cards, earlier, strict=True):
        metadata = _merged_metadata(metadata, card.metadata, {} if base is None else _plain(base))
    front = f"---\n{yaml_dump(metadata, sort_keys=False).strip()}\n---\n"
    rendered = parse_card(_with_line_end("\n" + fresh.text, line_end))
    return _with_line_end(front, line_end) + _merged_text([rendered, *cards], line_end)


# ------------------------------------------------------------------ text


def _merged_text(cards: Sequence[CardText], line_end: str) -> str:
    """What follows the metadata: the first card's sections, and what people wrote between those of the others."""
    sections = {part.name: part.text for part in cards[0].parts if part.name is not None}
    gaps: dict[str, str] = {}
    for card in cards[1:] or cards:
        for name, text in _gaps(card.parts, sections, line_end).items():
            gaps[name] = _union(gaps.get(name, ""), text)
    places = [_START, *_order(list(sections), [part.name for part in (cards[1:] or cards)[0].parts])]
    merged = ""
    for place in places:
        is_last = place == places[-1]
        merged += sections.get(place, "") + _framed(gaps.get(place, ""), line_end, is_last=is_last)
    return merged


def _order(rendered: list[str], before: Sequence[str | None]) -> list[str]:
    """The sections as people left them, each new one behind its predecessor."""
    order = [name for name in before if name in rendered]
    for number, name in enumerate(rendered):
        if name not in order:
            order.insert(order.index(rendered[number - 1]) + 1 if number else 0, name)
    return [name for name in order if name is not None]


def _gaps(parts: Sequence[Part], sections: Mapping[str, str], line_end: str) -> dict[str, str]:
    """People's own text by the name of the section that it follows, of those that there still are."""
    gaps, place = {_START: ""}, _START
    for part in parts:
        if part.name is None:
            gaps[place] = _behind(gaps[place], _closed(part.text.removeprefix("\ufeff"), line_end))
        elif part.name in sections:
            place = part.name
            gaps[place] = ""
    return gaps


def _behind(first: str, second: str) -> str:
    if not first.strip() or not second.strip():
        return first if first.strip() else second
    return first + second


def _closed(text: str, line_end: str) -> str:
    """The text with an end of its last line, and of a code block that has none, lest it swallow what follows."""
    lines = lines_of(text)
    unclosed = code_blocks(lines)[1]
    if lines and not lines[-1].endswith("\n"):
        text += line_end
    return text + fence_of(lines[unclosed - 1]) + line_end if unclosed else text


def _union(first: str, second: str) -> str:
    """Both texts, what they share once and each one's in order, so that a union with either is the same.

    What differs is kept whole from heading to heading: lines of two texts among each other would be nobody's.
    """
    ours, theirs = lines_of(first), lines_of(second)
    if not second.strip() or _is_subsequence(theirs, ours):
        return first or second
    if not first.strip() or _is_subsequence(ours, theirs):
        return second
    sections, their_sections = _from_heading_to_heading(ours), _from_heading_to_heading(theirs)
    merged: list[str] = []
    matcher = difflib.SequenceMatcher(a=sections, b=their_sections, autojunk=False)
    for tag, start, end, their_start, their_end in matcher.get_opcodes():
        merged += sections[start:end]
        if tag != "equal":
            merged += their_sections[their_start:their_end]
    return "".join(merged)


def _from_heading_to_heading(lines: Sequence[str]) -> list[str]:
    """The text in pieces, each but the first beginning with a heading; a `#` in a code block is none."""
    pieces = [""]
    for line, block in zip(lines, code_blocks(lines)[0], strict=True):
        if not block and re.match(r" {0,3}#{1,6}\s", line):
            pieces.append("")
        pieces[-1] += line
    return [piece for piece in pieces if piece]


def _is_subsequence(few: Sequence[str], many: Sequence[str]) -> bool:
    remaining = iter(many)
    return all(line in remaining for line in few)


def _framed(text: str, line_end: str, *, is_last: bool) -> str:
    """People's text with an empty line on either side, or one empty line where there is none."""
    if not text.strip():
        return "" if is_last else line_end
    before = "" if not lines_of(text)[0].strip() else line_end
    after = "" if is_last or not lines_of(text)[-1].strip() else line_end
    return before + text + after


def _with_line_end(text: str, line_end: str) -> str:
    return re.sub(r"\r?\n", line_end, text)


# ------------------------------------------------------------------ metadata


def _merged_metadata(ours: dict[str, Any], theirs: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Our metadata with what people added to theirs, which hfloop had rendered as `base`."""
    merged = dict(ours)
    for key, value in theirs.items():
        if key == "model-index":
            if problems := check_model_index(value):
                raise UserError(f"README.md: {problems[0]}")
            if index := _merged_index(ours.get(key) or [], value or [], base.get(key) or []):
                merged[key] = index
        elif isinstance(ours.get(key), list) or (key not in ours and key in base and isinstance(value, list)):
            known = [*_listed(ours.get(key)), *_listed(base.get(key))]
            if added := [each for each in _listed(value) if each not in known]:
                merged[key] = [*_listed(ours.get(key)), *added]
        elif key not in ours and (key not in base or base[key] != value):
            merged[key] = value
    return merged


def _merged_index(ours: list[Any], theirs: list[Any], base: list[Any]) -> list[Any]:
    """Our figures, and those of theirs that hfloop did not measure, whatever the model was called there."""
    known = {_key(result, metric) for result, metric in [*_measured(ours), *_measured(base)]}
    added = []
    for result in (result for model in theirs for result in model["results"]):
        metrics = [metric for metric in result["metrics"] if _key(result, metric) not in known]
        if metrics:
            added.append({**result, "metrics": metrics})
    if not added:
        return ours
    name = (ours or theirs)[0]["name"]
    return [{"name": name, "results": [*(result for model in ours for result in model["results"]), *added]}]


def _measured(index: list[Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for model in index:
        for result in model["results"]:
            for metric in result["metrics"]:
                yield result, metric


def _key(result: Mapping[str, Any], metric: Mapping[str, Any]) -> tuple[str, ...]:
    """What a figure is of: two with the same key say the same thing."""
    dataset = [str(result["dataset"].get(key)) for key in ("type", "config", "split", "revision")]
    return (result["task"]["type"], *dataset, metric["type"])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _plain(card: RenderedCard) -> dict[str, Any]:
    """The metadata as a README that holds it reads."""
    return yaml.safe_load(card.metadata.to_yaml()) or {}


# ------------------------------------------------------------------ what is said


def _changes(before: CardText, after: CardText) -> list[str]:
    """What differs between two cards, in words."""
    keys = [
        key for key in {**after.metadata, **before.metadata} if before.metadata.get(key) != after.metadata.get(key)
    ]
    sections = [
        name for name in {**after.sections, **before.sections} if before.sections.get(name) != after.sections.get(name)
    ]
    said = [f"metadata ({', '.join(keys)})"] if keys else []
    return [*said, *([f"sections ({', '.join(sections)})"] if sections else [])] or ["its layout"]
