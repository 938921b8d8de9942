"""A model repository on the Hub: what it holds, how it is made, and how one just made is taken away again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi, RepoFile, constants, errors

from hfloop.errors import UserError
from hfloop.hub.card_text import read_card
from hfloop.hub.client import hub_errors, waiting_for
from hfloop.hub.destination import AnotherDestination, Destination
from hfloop.hub.failures import HUB_FAILURES, in_words, status_of

logger = logging.getLogger("hfloop")

SECONDS_BEFORE_LOOKS = (0.0, 2.0, 5.0, 10.0)
"""When a lost answer is looked after: a Hub under load may do what it was asked after its gateway has given up."""

_MADE_BY_THE_HUB = frozenset([".gitattributes"])  # what a repository holds that nobody has filled
_TEXT_LIMIT_BYTES = 10 << 20  # of a card or a hfloop.json; the Hub shows no larger ones


@dataclass(frozen=True)
class Repository:
    """A branch of a repository at one commit.

    Attributes:
        head: the commit; None where the repository does not exist, or has no commit yet.
        exists: whether the repository is there.
        files: what it holds, by path.
    """

    head: str | None = None
    exists: bool = False
    files: dict[str, RepoFile] = field(default_factory=dict)


def read_repository(api: HfApi, destination: Destination) -> Repository:
    """What the Hub holds where a release is to go.

    Raises:
        UserError: the Hub cannot be asked; the repository is gated; the branch does not exist.
        AnotherDestination: the repository has another name now, or it is public and was to be private.
    """
    repo_id, revision = destination.repo_id, destination.revision
    failed = f"{repo_id} could not be looked at"
    with waiting_for(f"what {repo_id} holds"), hub_errors(failed):
        try:
            info = api.model_info(repo_id)
        except errors.HfHubHTTPError as error:
            if status_of(error) != 404:
                raise
            return Repository()
    if info.id != repo_id:
        raise AnotherDestination(f"{repo_id} is called {info.id} on the Hub.", replace(destination, repo_id=info.id))
    if destination.private and info.private is False:
        raise AnotherDestination(
            f"{repo_id} is public: make it private at {api.endpoint}/{repo_id}/settings, or ask for no private one.",
            replace(destination, private=False),
        )
    if revision != constants.DEFAULT_REVISION:
        with waiting_for(f"the branch {revision} of {repo_id}"), hub_errors(failed):
            try:
                info = api.model_info(repo_id, revision=revision)
            except errors.RevisionNotFoundError:
                raise UserError(
                    f"{repo_id} has no branch {revision}: make it with `hf repos branch create {repo_id} {revision}`."
                ) from None
    if info.sha is None or not info.siblings:
        return Repository(info.sha, exists=True)
    with waiting_for(f"what {repo_id} holds"), hub_errors(failed):
        tree = list(api.list_repo_tree(repo_id, recursive=True, revision=info.sha))
    return Repository(info.sha, exists=True, files={each.path: each for each in tree if isinstance(each, RepoFile)})


def refuse_another_type(api: HfApi, repo_id: str) -> None:
    """Refuse to make a model beside a data set or a Space of the same name, which is rarely what was meant.

    Raises:
        UserError: there is one.
    """
    for repo_type, told in ((constants.REPO_TYPE_DATASET, "a data set"), (constants.REPO_TYPE_SPACE, "a Space")):
        with waiting_for(f"whether {repo_id} is {told}"), hub_errors(f"{repo_id} could not be looked at"):
            try:
                api.repo_info(repo_id, repo_type=repo_type)
            except errors.HfHubHTTPError as error:
                if status_of(error) not in (401, 403, 404):  # not there, or not for this account to see
                    raise
                continue
        raise UserError(
            f"{repo_id} is {told} on the Hub, not a model: choose another name, or, if a model beside it is "
            f"meant, make it first with `hf repos create {repo_id}`."
        )


def read_texts(api: HfApi, repo_id: str, repository: Repository, names: list[str]) -> dict[str, str]:
    """Those of the files `names` that the repository holds, as text.

    Raises:
        UserError: one cannot be downloaded, or is no text.
    """
    texts = {}
    with TemporaryDirectory(prefix="hfloop-") as cache:
        for name in names:
            remote = repository.files.get(name)
            if remote is None:
                continue
            if remote.size > _TEXT_LIMIT_BYTES:
                raise UserError(f"{name} of {repo_id} is too large to be one of hfloop ({remote.size:,} bytes).")
            with waiting_for(f"{name} of {repo_id}"), hub_errors(f"{name} of {repo_id} could not be downloaded"):
                path = Path(api.hf_hub_download(repo_id, name, revision=repository.head, cache_dir=cache))
            texts[name] = read_card(path, f"{name} of {repo_id}")
    return texts


@contextmanager
def new_repository(api: HfApi, destination: Destination) -> Iterator[None]:
    """Make the repository for the block that fills it; where the block fails, take it away again.

    Raises:
        UserError: the Hub refuses, or somebody made it at the same moment; or what the block raises, with what became
            of the repository.
    """
    _create(api, destination)
    try:
        yield
    except UserError as error:
        raise UserError(f"{str(error).rstrip('.')}; {_removed(api, destination)}.") from None
    except KeyboardInterrupt:
        logger.info("interrupted: %s", _removed(api, destination))
        raise


def _create(api: HfApi, destination: Destination) -> None:
    repo_id = destination.repo_id
    failed = f"{repo_id} could not be made"
    try:
        with waiting_for(f"{repo_id} to be made"):
            api.create_repo(repo_id, private=destination.private or None)
    except HUB_FAILURES as error:
        for _ in looks_after(error):
            made = _files_of(api, repo_id)
            if made is None:
                continue
            if _is_lost(error) and made <= _MADE_BY_THE_HUB:
                return
            raise UserError(f"{failed}: it is there since a moment; look at {api.endpoint}/{repo_id}.") from None
        raise UserError(f"{failed}: {in_words(error)}.") from None


def looks_after(error: BaseException) -> Iterator[None]:
    """Give a Hub whose answer was lost the time to do what it was asked; one look where it refused."""
    for seconds in SECONDS_BEFORE_LOOKS if _is_lost(error) else (0.0,):
        time.sleep(seconds)
        yield


def _is_lost(error: BaseException) -> bool:
    """Whether an error says nothing about what the Hub did."""
    status = status_of(error)
    return isinstance(error, Exception) and (status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR)


def _removed(api: HfApi, destination: Destination) -> str:
    """Take away a repository that this run made and could not fill; returns what became of it, for people."""
    repo_id = destination.repo_id
    try:
        with waiting_for(f"{repo_id} to be removed again"):
            if (files := _files_of(api, repo_id)) is None or not files <= _MADE_BY_THE_HUB:
                return f"the new repository {repo_id} stays, as it is not empty or could not be looked at"
            api.delete_repo(repo_id)
    except HUB_FAILURES as error:
        return (
            f"the new repository {repo_id} stays, empty, and the next try fills it (it could not be removed: "
            f"{in_words(error)})"
        )
    return f"the new repository {repo_id} was removed again"


def _files_of(api: HfApi, repo_id: str) -> set[str] | None:
    """The paths in a repository; None where there is none, or where the Hub does not tell."""
    try:
        return {each.rfilename for each in api.model_info(repo_id).siblings or []}
    except HUB_FAILURES:
        return None
