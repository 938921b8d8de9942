"""Publish a release: look at everything, show what will change, make one commit, and look at what arrived."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.utils import build_hf_headers, get_session

from hfloop.errors import UserError
from hfloop.hub.client import bars_only_on_a_terminal, hub_api, waiting_for
from hfloop.hub.commit import Commit, kept_repository, make_commit
from hfloop.hub.destination import AnotherDestination, Destination, found
from hfloop.hub.failures import HUB_FAILURES, in_words, without_tokens
from hfloop.hub.family import FamilyOf
from hfloop.hub.outgoing import LocalRelease, checked_release, earlier_release, outgoing_files
from hfloop.hub.plan import Plan
from hfloop.hub.readback import read_back
from hfloop.hub.repository import Repository, new_repository, read_repository, read_texts, refuse_another_type
from hfloop.plain import speak_plainly
from hfloop.release import CARD_FILE, PROVENANCE_FILE, file_names, may_be_loaded, release_folder

logger = logging.getLogger("hfloop")


class NotAgreed(Exception):
    """Somebody was asked, and said no."""


Agreed = Callable[[str], bool]
"""Is told what will change, and says whether it shall."""


def publish_command(
    folder: Path,
    to: str,
    *,
    private: bool,
    create_pr: bool,
    revision: str | None,
    message: str | None,
    dry_run: bool,
    confirmed: bool,
    family_of: FamilyOf,
) -> str:
    """`hfloop publish`: publish a release, and ask first where somebody can answer.

    Args:
        folder: the release, or the run that holds it.
        to: `USER/NAME`, or `NAME` alone.
        private: make a new repository private.
        create_pr: propose the change.
        revision: the branch; None for main.
        message: of the commit; None for hfloop's own.
        dry_run: only say what would change.
        confirmed: do not ask.
        family_of: finds the family of the release.

    Returns:
        What was done.

    Raises:
        UserError: what stands in the way, and the command to type once it is mended.
    """
    speak_plainly()
    destination = Destination(to, private, create_pr, revision or Destination.revision, message)
    release_folder(folder)
    destination.check()
    flags = ["--dry-run"] * dry_run + ["--yes"] * confirmed
    with _told_how_to_try_again(folder, destination, *flags):
        if dry_run:
            return _prepared(hub_api(), folder, destination, family_of).told()
        try:
            return publish(folder, destination, family_of, _asked if _is_answered() and not confirmed else _told)
        except NotAgreed:
            logger.info("not published: nothing was changed")
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            logger.info("to try again: %s", destination.command(folder, *flags))
            raise


def check_destination(destination: Destination, family: str) -> Destination:
    """Refuse a recipe's destination that can be seen to be wrong before there is anything to publish.

    Args:
        destination: where the release will go.
        family: what the recipe trains.

    Returns:
        The destination with its namespace.

    Raises:
        UserError: what is wrong: its name, the token, the network, or what is there.
    """
    destination.check()
    api = hub_api()
    try:
        named = found(api, destination)
        texts = read_texts(api, named.repo_id, _read(api, named), [PROVENANCE_FILE])
        earlier_release(texts.get(PROVENANCE_FILE), named.repo_id, family)
    except AnotherDestination as error:
        if error.instead is None or error.instead.repo_id == destination.repo_id:
            raise
        raise UserError(f"{str(error).rstrip('.')}: say --hub_model_id {error.instead.repo_id}.") from None
    return named


def publish_or_say_how(folder: Path, destination: Destination, family_of: FamilyOf) -> str:
    """What a recipe does at its end: :func:`publish` without a question.

    Raises:
        UserError: what stood in the way, where the release is, and the command that publishes it.
    """
    try:
        with _told_how_to_try_again(folder, destination):
            return publish(folder, destination, family_of, _told)
    except UserError as error:
        raise UserError(f"the release is complete in {folder}, but {error}") from None
    except KeyboardInterrupt:
        command = destination.command(folder)
        logger.info("the release is complete in %s; to publish it, or to look at what arrived: %s", folder, command)
        raise


def publish(folder: Path, destination: Destination, family_of: FamilyOf, agreed: Agreed) -> str:
    """Make a repository on the Hub hold a release, in one commit, and look at what arrived.

    Args:
        folder: the release, or the run that holds it; it is not changed.
        destination: where it goes.
        family_of: finds the family of the release.
        agreed: is asked before anything is changed.

    Returns:
        What was done.

    Raises:
        UserError: what stands in the way; the repository is as it was, or, where the message says so, complete.
        NotAgreed: `agreed` said no.
    """
    api = hub_api()
    prepared = _prepared(api, folder, destination, family_of)
    if prepared.plan.changes_nothing() and prepared.repository.head is not None:
        return _nothing_to_publish(api, prepared, prepared.repository.head)
    if not agreed(prepared.told()):
        raise NotAgreed
    commit = _committed(api, prepared)
    if commit.oid == prepared.repository.head:  # the Hub found every file to be there already
        return _nothing_to_publish(api, prepared, commit.oid)
    with _told_that_it_is_complete(prepared.destination.repo_id, f"is complete: {commit.url}"):
        _look_at_what_arrived(api, prepared, commit.oid)
    done = "proposed" if destination.create_pr else "published"
    return f"{done}: {commit.url}\ncommit {commit.oid}, read back: every file is what was sent, and the model works"


def _nothing_to_publish(api: HfApi, prepared: _Prepared, head: str) -> str:
    repo_id = prepared.destination.repo_id
    with _told_that_it_is_complete(repo_id, f"holds this release already (commit {head})"):
        _look_at_what_arrived(api, prepared, head)
    branch = prepared.destination.revision
    where = repo_id if branch == Destination.revision else f"{branch} of {repo_id}"
    return f"nothing to publish: {where} already holds this release (commit {head}); it was read back and works"


@dataclass(frozen=True)
class _Prepared:
    """A release, where it goes, and what would change there."""

    release: LocalRelease
    destination: Destination
    repository: Repository
    plan: Plan

    def told(self) -> str:
        """What would change."""
        where = f"{self.destination.repo_id} ({self.destination.revision})"
        if not self.repository.exists:
            where = f"{self.destination.repo_id}, a new{' private' * self.destination.private} repository"
        what = "a pull request to " * self.destination.create_pr + where
        return f"{self.release.folder} → {what}\n{self.plan.told()}"


def _prepared(api: HfApi, folder: Path, destination: Destination, family_of: FamilyOf) -> _Prepared:
    """Look at both sides without changing either."""
    release = checked_release(folder, family_of)
    named = found(api, destination)
    repository = _read(api, named)
    texts = read_texts(api, named.repo_id, repository, [CARD_FILE, PROVENANCE_FILE])
    earlier = earlier_release(texts.get(PROVENANCE_FILE), named.repo_id, release.provenance["family"])
    outgoing = outgoing_files(release, named.repo_id, texts, earlier)
    owned = frozenset() if earlier is None else frozenset(file_names(earlier))
    plan = Plan(outgoing, repository.files, owned)
    if taken := [name for name in plan.kept if may_be_loaded(name)]:
        raise AnotherDestination(
            f"{named.repo_id} holds {', '.join(taken)}, which is not of the release, and which loaders may take for a "
            f"part of it: take it away at {api.endpoint}/{named.repo_id}/tree/{named.revision}, or choose another "
            "name.",
            named,
        )
    content = outgoing[CARD_FILE].content
    if not plan.changes_nothing() and isinstance(content, bytes):
        _let_the_hub_check(api, content.decode())
    return _Prepared(release, named, repository, plan)


def _read(api: HfApi, destination: Destination) -> Repository:
    """What is there; where nothing is, whether something can be made there."""
    repository = read_repository(api, destination)
    if repository.exists:
        return repository
    repo_id = destination.repo_id
    if destination.create_pr or destination.revision != Destination.revision:
        flag = "--create-pr" if destination.create_pr else f"--revision {destination.revision}"
        raise AnotherDestination(
            f"{repo_id} is no model on the Hub yet, or hidden from this token: leave out {flag}.",
            replace(destination, create_pr=False, revision=Destination.revision),
        )
    refuse_another_type(api, repo_id)
    return repository


def _let_the_hub_check(api: HfApi, card: str) -> None:
    """Ask the Hub what it thinks of a card's metadata; a Hub that cannot tell is no reason to stop.

    Raises:
        UserError: it refuses them.
    """
    try:
        with waiting_for("what it thinks of the card"):
            response = get_session().post(
                f"{api.endpoint}/api/validate-yaml",
                json={"content": card, "repoType": "model"},
                headers=build_hf_headers(),
            )
            answer = response.json() if response.status_code in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST) else {}
            problems = [str(each["message"]) for each in answer.get("errors") or []]
            remarks = [str(each["message"]) for each in answer.get("warnings") or []]
    except HUB_FAILURES as error:
        logger.warning("the Hub did not check the card's metadata: %s; going on", in_words(error))
        return
    if response.is_error and not problems:
        logger.warning("the Hub did not check the card's metadata: it answers %d; going on", response.status_code)
        return
    if problems:
        raise UserError(
            without_tokens(f"the Hub refuses the metadata of README.md: {' '.join('; '.join(problems).split()):.400}.")
        )
    for remark in remarks:
        logger.warning("the Hub remarks on the card's metadata: %s", without_tokens(" ".join(remark.split())))


def _committed(api: HfApi, prepared: _Prepared) -> Commit:
    destination, recipe = prepared.destination, prepared.release.provenance["recipe"]
    message = destination.message or f"Release of recipes/{recipe}.py, published by hfloop"
    with bars_only_on_a_terminal():
        if prepared.repository.exists:
            with kept_repository(destination):
                return make_commit(api, destination, prepared.repository, prepared.plan, message)
        with new_repository(api, destination) as made:
            return make_commit(api, destination, made, Plan(prepared.plan.outgoing, made.files), message)


def _look_at_what_arrived(api: HfApi, prepared: _Prepared, commit: str) -> None:
    with bars_only_on_a_terminal():
        repo_id, outgoing = prepared.destination.repo_id, prepared.plan.outgoing
        read_back(api, repo_id, commit, outgoing, prepared.release.family)


@contextmanager
def _told_how_to_try_again(folder: Path, destination: Destination, *flags: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        instead = error.instead if isinstance(error, AnotherDestination) else destination
        said = str(error).rstrip(".")
        if instead is not None:
            said += f"; to try again: {instead.command(folder, *flags)}"
        raise UserError(without_tokens(f"{said}{'.' * (instead is None)}")) from None


@contextmanager
def _told_that_it_is_complete(repo_id: str, complete: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{repo_id} {complete}; but {error}") from None
    except KeyboardInterrupt:
        logger.info("interrupted: %s %s; it was not looked at whether everything arrived", repo_id, complete)
        raise


def _is_answered() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _told(changes: str) -> bool:
    logger.info("%s", changes)
    return True


def _asked(changes: str) -> bool:
    sys.stderr.write(f"{changes}\nPublish? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
