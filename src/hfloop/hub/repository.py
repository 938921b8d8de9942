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

from huggingface_hub import HfApi, ModelInfo, RepoFile, constants, errors

from hfloop.errors import UserError
from hfloop.hub.card_text import read_card
from hfloop.hub.client import hub_errors, waiting_for
from hfloop.hub.destination import AnotherDestination, Destination, with_more
from hfloop.hub.failures import HUB_FAILURES, in_words, status_of

logger = logging.getLogger("hfloop")

SECONDS_BEFORE_LOOKS = (0.0, 2.0, 5.0, 10.0)
"""When a lost answer is looked after: a Hub under load may do what it was asked after its gateway has given up."""

_MADE_BY_THE_HUB = frozenset([".gitattributes"])  # what a repository holds that nobody has filled
_TEXT_LIMIT_BYTES = 10 << 20  # of a card or a hfloop.json; the Hub shows no larger ones


class UnseenCommitError(UserError):
    """Whether there is a commit of ours could not be seen."""


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
        UserError: the Hub cannot be asked; the repository is gated, or public and was to be private; the branch does
            not exist.
        AnotherDestination: the repository has another name now.
    """
    repo_id, revision = destination.repo_id, destination.revision
    failed = f"{repo_id} could not be looked at"
    with waiting_for(f"what {repo_id} holds"), hub_errors(failed):
        info = _info_of(api, repo_id)
    if info is None:
        return Repository()
    if info.id != repo_id:
        raise AnotherDestination(f"{repo_id} is called {info.id} on the Hub.", replace(destination, repo_id=info.id))
    if destination.private and info.private is False:
        raise UserError(
            f"{repo_id} is public: make it private at {api.endpoint}/{repo_id}/settings, or leave out --private "
            "(--hub_private of a recipe)."
        )
    if revision != constants.DEFAULT_REVISION:
        with waiting_for(f"the branch {revision} of {repo_id}"), hub_errors(failed):
            if not _is_branch(api, repo_id, revision):
                raise UserError(
                    f"{repo_id} has no branch {revision}: make it with `hf repos branch create {repo_id} {revision}`."
                )
            info = api.model_info(repo_id, revision=revision)
    with waiting_for(f"what {repo_id} holds"), hub_errors(failed):
        return Repository(info.sha, exists=True, files=files_at(api, info))


def _is_branch(api: HfApi, repo_id: str, revision: str) -> bool:
    """Whether commits can be made to a revision: a branch, or the reference of a pull request."""
    try:
        refs = api.list_repo_refs(repo_id, include_pull_requests=True)
    except errors.HfHubHTTPError as error:
        if status_of(error) != HTTPStatus.NOT_FOUND:
            raise
        return True  # a server that tells no references tells when it comes to the commit
    return revision in [*(each.name for each in refs.branches), *(each.ref for each in refs.pull_requests or [])]


def _info_of(api: HfApi, repo_id: str) -> ModelInfo | None:
    """What the Hub says of a repository; None where there is none, or it is hidden from this token."""
    try:
        return api.model_info(repo_id)
    except errors.GatedRepoError:  # it is there
        raise
    except errors.RepositoryNotFoundError:
        return None
    except errors.HfHubHTTPError as error:
        if status_of(error) != HTTPStatus.NOT_FOUND:
            raise
        return None


def files_at(api: HfApi, info: ModelInfo) -> dict[str, RepoFile]:
    """What a repository holds at the commit of `info`, by path.

    Only a list that says so is taken for emptiness: some servers list no files beside the commit.
    """
    if info.sha is None or info.siblings == []:
        return {}
    tree = api.list_repo_tree(info.id, recursive=True, revision=info.sha)
    return {each.path: each for each in tree if isinstance(each, RepoFile)}


def refuse_another_type(api: HfApi, repo_id: str) -> None:
    """Refuse to make a model beside a data set or a Space of the same name, which is rarely what was meant.

    Raises:
        UserError: there is one.
    """
    for repo_type, told in ((constants.REPO_TYPE_DATASET, "a data set"), (constants.REPO_TYPE_SPACE, "a Space")):
        with waiting_for(f"whether {repo_id} is {told}"), hub_errors(f"{repo_id} could not be looked at"):
            try:
                api.repo_info(repo_id, repo_type=repo_type)
            except errors.HfHubHTTPError:  # not there, not for this account to see, or a server of models alone
                continue
        raise AnotherDestination(
            f"{repo_id} is {told} on the Hub, not a model: choose another name, or, if a model beside it is "
            f"meant, make it first with `hf repos create {repo_id}`.",
            None,
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
def new_repository(api: HfApi, destination: Destination) -> Iterator[Repository]:
    """Make the repository for the block that fills it; where the block fails, take it away again.

    It is taken away only where the Hub has said that it made it for us, and only as long as it is as it was made:
    whatever else is there may be somebody's.

    Raises:
        UserError: the Hub refuses, or somebody made it at the same moment; or what the block raises, with what became
            of the repository.
    """
    is_ours = _create(api, destination)
    made = None
    try:
        made = read_repository(api, destination)
        yield made
    except UserError as error:
        raise with_more(error, _taken_away(api, destination, made, error, is_ours=is_ours)) from None
    except KeyboardInterrupt as interruption:
        logger.info("interrupted: %s", _taken_away(api, destination, made, interruption, is_ours=is_ours))
        raise


def _create(api: HfApi, destination: Destination) -> bool:
    """Whether the Hub said that it made the repository for us; not where its answer was lost, though one is there."""
    repo_id = destination.repo_id
    try:
        with waiting_for(f"{repo_id} to be made"):
            api.create_repo(repo_id, private=destination.private or None)
    except HUB_FAILURES as error:
        with waiting_for(f"word whether {repo_id} was made"):
            _look_for_created(api, repo_id, error)
        return False
    except KeyboardInterrupt:
        logger.info("interrupted: %s may have been made, empty, or not; the next try fills it", repo_id)
        raise
    return True


def _look_for_created(api: HfApi, repo_id: str, refusal: BaseException) -> None:
    """Return if the repository is there and empty although the answer was lost.

    Raises:
        UserError: it is not, somebody else's is, or that cannot be seen.
    """
    unseen = False
    for _ in looks_after(refusal):
        try:
            made = _files_of(api, repo_id)
            unseen = False
        except HUB_FAILURES:
            unseen = True
            continue
        if made is None:
            continue
        if is_lost(refusal) and made <= _MADE_BY_THE_HUB:
            return
        raise UserError(f"{repo_id} could not be made: it is there since a moment; look at {api.endpoint}/{repo_id}.")
    if unseen and is_lost(refusal):
        raise UserError(
            f"{repo_id} may have been made, empty, or not, for the answer was lost and it cannot be seen "
            f"({in_words(refusal)}); the next try fills it."
        )
    raise UserError(f"{repo_id} could not be made: {in_words(refusal)}.")


def looks_after(error: BaseException) -> Iterator[None]:
    """Give a Hub whose answer was lost the time to do what it was asked; one look where it refused."""
    for seconds in SECONDS_BEFORE_LOOKS if is_lost(error) else (0.0,):
        time.sleep(seconds)
        yield


def is_lost(error: BaseException) -> bool:
    """Whether an error says nothing about what the Hub did."""
    status = status_of(error)
    return isinstance(error, Exception) and (status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR)


def _taken_away(
    api: HfApi, destination: Destination, made: Repository | None, error: BaseException, *, is_ours: bool
) -> str:
    """Take away a repository that this run made and could not fill; returns what became of it, for people."""
    repo_id = destination.repo_id
    if not is_ours:
        return f"{repo_id} stays, empty, and the next try fills it"
    if isinstance(error, UnseenCommitError):
        return f"{repo_id} stays"
    with waiting_for(f"{repo_id} to be removed again"):
        try:
            if reason := _in_use(api, destination, made):
                return f"the new repository {repo_id} stays, as {reason}"
        except HUB_FAILURES as unseen:
            return f"the new repository {repo_id} stays, as it could not be looked at ({in_words(unseen)})"
        try:
            api.delete_repo(repo_id)
        except HUB_FAILURES as refusal:
            return (
                f"the new repository {repo_id} stays, empty, and the next try fills it (it could not be removed: "
                f"{in_words(refusal)})"
            )
    return f"the new repository {repo_id} was removed again"


def _in_use(api: HfApi, destination: Destination, made: Repository | None) -> str | None:
    """Why a repository is no longer the empty one that was made, in words; None where it still is."""
    info = _info_of(api, destination.repo_id)
    if info is None:
        return "it is hidden or gone"
    if info.id != destination.repo_id:
        return f"it is called {info.id}"
    files = set(files_at(api, info)) if info.siblings is None else {each.rfilename for each in info.siblings}
    if not files <= _MADE_BY_THE_HUB or (made is not None and info.sha != made.head):
        return "it is not empty"
    try:
        refs = api.list_repo_refs(destination.repo_id, include_pull_requests=True)
    except errors.HfHubHTTPError as error:
        if status_of(error) != HTTPStatus.NOT_FOUND:
            raise
        return None
    return "it has other branches" if len(refs.branches) > 1 or refs.pull_requests else None


def _files_of(api: HfApi, repo_id: str) -> set[str] | None:
    """The paths in a repository; None where there is none."""
    info = _info_of(api, repo_id)
    if info is None:
        return None
    return set(files_at(api, info)) if info.siblings is None else {each.rfilename for each in info.siblings}
