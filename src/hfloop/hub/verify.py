"""`hfloop verify`: whether a release is what it says, from its files to its figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfloop import __version__
from hfloop.errors import UserError
from hfloop.files import sha256_of_file
from hfloop.hub.card_text import model_id_of, parse_card, read_card
from hfloop.hub.checkout import Checkout, checked_out
from hfloop.hub.claims import card_differences, other_results, rendered_by, results_differences, text_of_people
from hfloop.hub.family import Family, FamilyOf, RenderedCard
from hfloop.hub.figures import Figure, compared, table
from hfloop.hub.metadata import as_said
from hfloop.hub.rendering import render_card
from hfloop.launch import processor_name
from hfloop.plain import speak_plainly
from hfloop.release import (
    CARD_FILE,
    PROVENANCE_FILE,
    RESULTS_FILE,
    file_names,
    is_pickle,
    may_be_loaded,
    read_provenance,
    release_folder,
)

EQUAL, NOT_EQUAL, NOT_MEASURED = 0, 1, 2
_ROUNDING = 0.01  # relative; larger differences are no other processor's, so that no tolerance is larger
_VERDICTS = {EQUAL: "equal", NOT_EQUAL: "not equal", NOT_MEASURED: "not measured"}
_LEFT_BY_DOWNLOADS = (".gitattributes", ".git/", ".cache/huggingface/")


@dataclass
class Verification:
    """What was found of a release, and what its user should know besides.

    Attributes:
        name: what the user called it.
        tolerance: how far a figure may be off, relative to it.
        commit: its sha1, if it is on the Hub.
        findings: sentences on what is not as it should be, by part: files, card, model or figures.
        notes: sentences on what was not checked.
        figures: claimed and measured; empty where they were not measured.
        not_measured: why they were not; None where they were.
    """

    name: str
    tolerance: float
    commit: str | None = None
    findings: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    not_measured: str | None = None
    hint: str | None = None

    @property
    def exit_code(self) -> int:
        """A finding goes before figures that could not be measured."""
        if any(self.findings.values()):
            return NOT_EQUAL
        return EQUAL if self.not_measured is None else NOT_MEASURED


def verify_command(
    model: str,
    *,
    data: str | None,
    train_data: str | None,
    revision: str | None,
    tolerance: float,
    as_json: bool,
    family_of: FamilyOf,
) -> tuple[str, int]:
    """Look whether a release is what it says: its files, its card, what it does, and its figures, measured again.

    Args:
        model: a release, a run that holds one, or a repository of the Hub.
        data: see :meth:`hfloop.hub.family.Family.measure`.
        train_data: the same.
        revision: of a repository of the Hub: a branch, a tag or a commit.
        tolerance: how far a figure may be off, relative to it: 0 to 0.01.
        as_json: JSON for programs instead of lines for people.
        family_of: finds the family of the release.

    Returns:
        What is to be printed, and the exit code: 0 if all is as it says, 1 if something is not, 2 if nothing was found
        to be wrong and the figures could not be measured.

    Raises:
        UserError: there is no such release, or it cannot be read; or the tolerance is none.
    """
    speak_plainly()
    if not 0 <= tolerance <= _ROUNDING:
        raise UserError(
            f"--tolerance {tolerance:g} is no rounding of another processor, which is what it is for: take 0 to "
            f"{_ROUNDING:g}."
        )
    try:
        with _opened(model, revision) as release:
            verification = _verified(release, family_of, data, train_data, tolerance)
    except RecursionError:
        raise UserError(f"{model}: its {PROVENANCE_FILE} or its card nests too deeply to be read.") from None
    return (_json if as_json else _text)(verification), verification.exit_code


def _opened(model: str, revision: str | None) -> AbstractContextManager[Checkout]:
    path = Path(model)
    try:
        is_here = path.exists()
    except OSError:  # the name is too long for one
        is_here = False
    if not is_here:
        return checked_out(model, revision)
    if revision is not None:
        raise UserError(f"{model} is a folder here, and --revision is of a repository on the Hub: leave it out.")
    return nullcontext(Checkout(release_folder(path), model))


def _verified(
    release: Checkout, family_of: FamilyOf, data: str | None, train_data: str | None, tolerance: float
) -> Verification:
    """Look at one part after the other, up to what the next could not be believed without."""
    folder, name = release.folder, release.name
    provenance = read_provenance(folder, name)
    family = family_of(provenance, name)
    verification = Verification(name, tolerance, release.commit)
    altered = dict(_altered_files(folder, provenance))
    verification.findings["files"] = [*altered.values(), *_foreign_files(release, provenance, verification)]
    try:
        card = _check_card(release, family, provenance, verification)
    except UserError as error:
        if verification.exit_code == EQUAL:
            raise
        verification.not_measured = _clause(error)
        return verification
    if altered.keys() & provenance["sha256"].keys():
        verification.not_measured = "they would not be those of what was released"
        return verification
    verification.notes += family.unchecked(provenance)
    verification.findings["model"] = _said_by_probe(release, family, provenance)
    if verification.findings["model"]:
        verification.not_measured = "they would not be those of the model that was released"
        return verification
    try:
        measured = family.measure(folder, name, provenance, data, train_data)
    except UserError as error:
        verification.not_measured = _clause(error)
        return verification
    headlines = {result.metric_type for result in card.metadata.eval_results or []}
    verification.figures = compared(
        {**provenance["report"], **measured.recorded}, {**measured.report, **measured.facts}, headlines, tolerance
    )
    verification.findings["figures"] = [
        f"{figure.name} is claimed to be {as_said(figure.claimed)}, and {as_said(figure.measured)} was measured"
        for figure in verification.figures
        if not figure.is_equal
    ]
    verification.hint = _hint(verification.figures, provenance["hardware"]["device"])
    return verification


def _said_by_probe(release: Checkout, family: Family, provenance: dict[str, Any]) -> list[str]:
    try:
        return family.probe(release.folder, release.name, provenance)
    except UserError as error:
        return [_clause(error)]


def _hint(figures: list[Figure], device: str) -> str | None:
    """What to do about small differences, which another processor can make; None where there are others, or none."""
    wrong = [figure for figure in figures if not figure.is_equal]
    if not wrong or not all(figure.is_within(_ROUNDING) for figure in wrong) or device == _this_device():
        return None
    return (
        f"measured first on {device}, now on {_this_device()}, which may round otherwise: --tolerance says how far a "
        "figure may be off, relative to it."
    )


def _this_device() -> str:
    """What models run on here, as `hfloop.json` calls it."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else processor_name()


def _clause(error: UserError) -> str:
    return str(error).rstrip(".")


# ------------------------------------------------------------------ files


def _altered_files(folder: Path, provenance: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each file of the release that is missing or is not what `hfloop.json` records, with a sentence on it."""
    for file in file_names(provenance):
        try:
            amiss = _amiss(folder / file, provenance["sha256"].get(file))
        except OSError as error:  # a name too long for a file, or one that may not be read
            amiss = f"cannot be read ({error.strerror})"
        if amiss:
            yield file, f"{as_said(file)} {amiss}"


def _amiss(path: Path, sha256: str | None) -> str | None:
    """What is wrong with a file of a release, of which `hfloop.json` records this sha256."""
    if path.is_symlink():
        return "is a link, not the file itself"
    if not path.is_file():
        return "is missing"
    if is_pickle(path.name):
        return "may be a pickle, which can run code when it is loaded: take it away"
    if sha256 is not None and sha256_of_file(path) != sha256:
        return f"is not what was released: its sha256 is another than {PROVENANCE_FILE} records"
    return None


def _foreign_files(release: Checkout, provenance: dict[str, Any], verification: Verification) -> Iterator[str]:
    """A sentence for each file that should not stand beside the release; what may is noted."""
    own = set(file_names(provenance))
    here = [
        path.relative_to(release.folder).as_posix()
        for path in sorted(release.folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    ]
    on_the_hub = release.commit is not None
    unchecked = []
    for file in [*release.others, *(file for file in here if file not in own)]:
        if may_be_loaded(file):
            yield f"{file} is not part of the release, and loaders may take it for a part: take it away"
        elif on_the_hub or file.startswith(_LEFT_BY_DOWNLOADS):
            unchecked.append(file)
        else:
            yield f"{file} is not part of the release: take it away"
    if unchecked:
        verification.notes.append(f"not part of the release, and not checked: {_listed(unchecked)}")


# ------------------------------------------------------------------ card


def _check_card(
    release: Checkout, family: Family, provenance: dict[str, Any], verification: Verification
) -> RenderedCard:
    """Compare README.md and .eval_results/hfloop.yaml with what they are rendered from, which is returned.

    Raises:
        UserError: `hfloop.json` lacks what a card shows.
    """
    found = []
    readme, results = release.folder / CARD_FILE, release.folder / RESULTS_FILE
    model_id, card = ".", None
    if readme.is_file():
        try:
            card = parse_card(read_card(readme, CARD_FILE))
            model_id = model_id_of(card) or "."
        except UserError as error:
            found.append(_clause(error))
    fresh = render_card(family, provenance, model_id, release.name)
    verification.findings["card"] = found
    if card is not None:
        found += card_differences(card, fresh)
        if (version := rendered_by(card)) not in (None, __version__):
            verification.notes.append(
                f"{CARD_FILE} was rendered by hfloop {as_said(version)}: its sentences were not compared, nor its "
                "metadata but for `model-index`"
            )
        if places := text_of_people(card):
            lines = "line" if len(places) == 1 and places[0].isdecimal() else "lines"
            verification.notes.append(
                f"{CARD_FILE} has text outside of hfloop's markers, not checked: {lines} {_listed(places)}"
            )
        if others := other_results(card, fresh):
            verification.notes.append(f"results of others in the card's metadata, not checked: {_listed(others)}")
        if release.commit is not None and model_id not in (".", release.name):
            verification.notes.append(f"the card's snippets load {model_id}, another repository than this one")
    if results.is_file():
        try:
            found += results_differences(read_card(results, RESULTS_FILE), fresh)
        except UserError as error:
            found.append(_clause(error))
    return fresh


# ------------------------------------------------------------------ what is said


def _text(verification: Verification) -> str:
    """What was found, part by part; then the figures; then one sentence that says it all."""
    at = f" at {verification.commit}" if verification.commit else ""
    lines = [f"{verification.name}{at}", ""]
    lines += _part_lines(verification)
    if verification.figures:
        lines += ["", table(verification.figures)]
    if verification.hint:
        lines += ["", f"hint: {verification.hint}"]
    if verification.notes:
        lines += ["", *(f"note: {note}" for note in verification.notes)]
    text = "\n".join([*lines, "", _verdict(verification)])
    return "".join(each if each.isprintable() or each == "\n" else "�" for each in text)  # names may be anything


def _part_lines(verification: Verification) -> Iterator[str]:
    good = {
        "files": f"each is what {PROVENANCE_FILE} records",
        "card": f"says what {PROVENANCE_FILE} says",
        "model": "loads, and does what it did",
        "figures": "come out again",
    }
    for part, said in good.items():
        findings = verification.findings.get(part)
        if findings is None:
            yield f"{part:<8} not {'measured' if part == 'figures' else 'looked at'}"
        else:
            yield f"{part:<8} {'not as it should be' if findings else said}"
            yield from (f"  ✗ {finding}" for finding in findings)


def _verdict(verification: Verification) -> str:
    """The whole in one sentence."""
    name, findings = verification.name, verification.findings
    unmeasured = f"the figures were not measured: {verification.not_measured}"
    if verification.exit_code == NOT_MEASURED:
        return f"{name}: files, card and probe agree; {unmeasured}."
    if verification.exit_code == NOT_EQUAL:
        count = sum(len(each) for each in findings.values())
        parts = ", ".join(part for part, each in findings.items() if each)
        said = f"{name} is not what it says: {count} {'finding' if count == 1 else 'findings'} ({parts})"
        return f"{said}; {unmeasured}." if verification.not_measured else f"{said}."
    count = len(verification.figures)
    return (
        f"{name} is what it says: its files, its card, what it does, and {count:,} figures and settings, to "
        f"{verification.tolerance:g} of each."
    )


def _json(verification: Verification) -> str:
    said = {
        "model": verification.name,
        "commit": verification.commit,
        "tolerance": verification.tolerance,
        "verdict": _VERDICTS[verification.exit_code],
        "findings": verification.findings,
        "figures": [
            {
                "figure": figure.name,
                "claimed": _plain(figure.claimed),
                "measured": _plain(figure.measured),
                "difference": figure.difference,
                "equal": figure.is_equal,
            }
            for figure in verification.figures
        ],
        "not_measured": verification.not_measured,
        "notes": [*verification.notes, *([verification.hint] if verification.hint else [])],
    }
    return json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:10]) + (f", and {len(shown) - 10:,} more" if len(shown) > 10 else "")
