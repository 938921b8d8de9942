"""What a release folder sends: its files as they were released, and a card that keeps what people wrote."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hfloop.errors import UserError
from hfloop.hub.card import results_text
from hfloop.hub.card_text import parse_card, read_card
from hfloop.hub.destination import AnotherDestination
from hfloop.hub.family import Family, FamilyOf, RenderedCard
from hfloop.hub.metadata import check_metadata
from hfloop.hub.plan import OutgoingFile, recorded_file, text_file
from hfloop.hub.rendering import merge_cards, render_card
from hfloop.release import (
    CARD_FILE,
    PROVENANCE_FILE,
    RESULTS_FILE,
    file_names,
    read_provenance,
    release_folder,
    wrong_files,
)

logger = logging.getLogger("hfloop")


@dataclass(frozen=True)
class LocalRelease:
    """A release folder that is as it was written.

    Attributes:
        folder: the release.
        provenance: what its `hfloop.json` holds.
        family: of the model.
        files: what is sent as it lies there: all but what is rendered, by the path below the folder.
    """

    folder: Path
    provenance: dict[str, Any]
    family: Family
    files: Mapping[str, OutgoingFile]


def checked_release(path: Path, family_of: FamilyOf) -> LocalRelease:
    """The release that a path stands for, after its files and its model have been looked at.

    Raises:
        UserError: it is no release; a file is missing, altered or foreign, by name; the model does not load, or does
            something else than when it was released.
    """
    folder = release_folder(path)
    provenance = read_provenance(folder, str(folder))
    family = family_of(provenance, str(folder))
    if wrong := wrong_files(folder, provenance):
        raise UserError(f"{folder} cannot be published: {'; '.join(wrong)}.")
    record = (folder / PROVENANCE_FILE).read_bytes()
    files = {name: recorded_file(folder / name, sha256) for name, sha256 in provenance["sha256"].items()}
    files[PROVENANCE_FILE] = text_file(record.decode()) if json.loads(record) == provenance else None
    whole = {name: file for name, file in files.items() if file is not None}
    if altered := files.keys() - whole:
        raise UserError(f"{folder} is being written to ({', '.join(sorted(altered))}): wait until that is over.")
    if differences := family.probe(folder, str(folder), provenance):
        raise UserError(f"{folder} does not do what it did when it was released: {'; '.join(differences)}.")
    return LocalRelease(folder, provenance, family, whole)


def outgoing_files(
    release: LocalRelease, repo_id: str, there: Mapping[str, str], earlier: dict[str, Any] | None
) -> dict[str, OutgoingFile]:
    """Every file that is sent, the card and its figures rendered for the repository.

    Args:
        release: the folder.
        repo_id: what the card's snippets load.
        there: the card on the Hub, if there is one, by its name.
        earlier: what the `hfloop.json` beside it holds, if that is known.

    Raises:
        UserError: one of the two cards cannot be read, or its metadata is not what the Hub takes.
    """
    family, name = release.family, str(release.folder)
    fresh = render_card(family, release.provenance, repo_id, name)
    cards: list[tuple[str, RenderedCard | None]] = []
    if CARD_FILE in there:
        parse_card(there[CARD_FILE], f"{CARD_FILE} of {repo_id}")  # so that an error says which of the two
        cards.append((there[CARD_FILE], None if earlier is None else _as_rendered_then(family, earlier, repo_id)))
    local = read_card(release.folder / CARD_FILE, str(release.folder / CARD_FILE))
    parse_card(local, str(release.folder / CARD_FILE))
    cards.append((local, render_card(family, release.provenance, ".", name)))
    card = merge_cards(fresh, cards)
    if CARD_FILE in there:
        _say_what_stays(parse_card(local).metadata, parse_card(card).metadata, repo_id)
    if problems := check_metadata(parse_card(card).metadata):
        raise UserError(f"the card's metadata is not what the Hub takes: {' '.join(problems)}")
    rendered = {CARD_FILE: text_file(card), RESULTS_FILE: text_file(results_text(fresh))}
    return {file: rendered.get(file) or release.files[file] for file in file_names(release.provenance)}


def _say_what_stays(ours: Mapping[str, Any], merged: Mapping[str, Any], repo_id: str) -> None:
    """Warn of metadata in the folder that give way to what people wrote on the Hub."""
    for key, value in ours.items():
        if key != "model-index" and not isinstance(value, list) and merged.get(key) != value:
            logger.warning(
                "%s: %s is %r in the folder and %r on the Hub, where it stays: change it there",
                CARD_FILE,
                key,
                value,
                merged.get(key),
            )


def earlier_release(text: str | None, repo_id: str, family: str) -> dict[str, Any] | None:
    """What the `hfloop.json` on the Hub says; None where there is none, or none that describes a release.

    Args:
        text: its content.
        repo_id: the repository, for messages.
        family: of the release that is to take its place.

    Raises:
        UserError: it describes a model of another family, which is published here by mistake.
    """
    if text is None:
        return None
    with TemporaryDirectory(prefix="hfloop-") as folder:
        (Path(folder) / PROVENANCE_FILE).write_text(text, encoding="utf-8")
        try:
            earlier = read_provenance(Path(folder), repo_id)
        except UserError:
            return None
    if earlier["family"] != family:
        raise AnotherDestination(
            f"{repo_id} holds a model of another family ({earlier['family']}, not {family}): choose another name.",
            None,
        )
    return earlier


def _as_rendered_then(family: Family, earlier: dict[str, Any], repo_id: str) -> RenderedCard | None:
    try:
        return render_card(family, earlier, repo_id, repo_id)
    except UserError:  # of a version whose hfloop.json holds something else
        return None
