"""One commit with everything in it, or none; and if the answer is lost, which of the two it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoFile
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import CommitInfo

from hfloop.errors import UserError
from hfloop.hub.client import hub_errors, waiting_for
from hfloop.hub.destination import Destination, with_more
from hfloop.hub.failures import HUB_FAILURES, in_words, status_of
from hfloop.hub.plan import Plan
from hfloop.hub.repository import Repository, UnseenCommitError, is_lost, looks_after, read_repository

logger = logging.getLogger("hfloop")


@dataclass(frozen=True)
class Commit:
    """A commit that is on the Hub.

    Attributes:
        oid: its sha1.
        url: its page, or that of the pull request which proposes it.
    """

    oid: str
    url: str


@contextmanager
def kept_repository(destination: Destination) -> Iterator[None]:
    """Say of a commit that fails in this block that it left everything as it was."""
    try:
        yield
    except UnseenCommitError:
        raise
    except UserError as error:
        raise with_more(error, f"{destination.repo_id} is as it was") from None


def make_commit(api: HfApi, destination: Destination, before: Repository, plan: Plan, message: str) -> Commit:
    """Upload what is new, then commit it and every removal at once on top of what the repository held.

    Args:
        api: the Hub.
        destination: where it goes.
        before: what was looked at when the plan was made; if it is no longer so, the Hub refuses.
        plan: what to make of it.
        message: of the commit.

    Raises:
        UserError: there is no commit, and why.
        UnseenCommitError: whether there is one cannot be seen.
    """
    repo_id = destination.repo_id
    proposed = _proposals(api, repo_id) if destination.create_pr else {}
    additions = [_addition(name, plan) for name in plan.sent]
    with waiting_for(f"the upload to {repo_id}"), hub_errors(f"the upload to {repo_id} failed"):
        if additions:
            api.preupload_lfs_files(
                repo_id,
                additions,
                revision=destination.revision,
                create_pr=destination.create_pr,
                free_memory=False,
                # a .gitignore that somebody put there would silently leave files out
                gitignore_content="# nothing" if ".gitignore" in before.files else None,
            )
    try:
        with waiting_for(f"the commit to {repo_id}"):
            info = api.create_commit(
                repo_id,
                [*additions, *(CommitOperationDelete(name, is_folder=False) for name in plan.removed)],
                commit_message=message,
                revision=destination.revision,
                create_pr=destination.create_pr,
                parent_commit=before.head,
            )
        return _told(info)
    except HUB_FAILURES as error:
        with waiting_for(f"word whether {repo_id} has the commit"):
            commit = _made_after_all(api, destination, before, plan, proposed, error)
        if commit is None:
            late = "; nothing of it is to be seen, and should the Hub still finish it, the next try finds it there"
            raise UserError(f"the commit to {repo_id} failed: {in_words(error)}{late * is_lost(error)}.") from None
        return commit
    except KeyboardInterrupt as interruption:
        with waiting_for(f"word whether {repo_id} has the commit"):
            commit = _made_after_all(api, destination, before, plan, proposed, interruption)
        unseen = "nothing of the commit is to be seen; should the Hub still finish it, the next try finds it there"
        logger.info("interrupted: %s", unseen if commit is None else f"published as {commit.url}")
        raise


def _addition(name: str, plan: Plan) -> CommitOperationAdd:
    """What the library sends; it reads a large file once more, which must still be what was looked at."""
    file = plan.outgoing[name]
    addition = CommitOperationAdd(name, file.content)
    is_link = isinstance(file.content, Path) and file.content.is_symlink()
    if is_link or addition.upload_info.sha256.hex() != file.sha256:
        raise UserError(f"{name} was altered after it was looked at: wait until nobody writes to the release.")
    return addition


def _told(info: CommitInfo) -> Commit:
    return Commit(info.oid, info.pr_url or info.commit_url)


def _made_after_all(
    api: HfApi,
    destination: Destination,
    before: Repository,
    plan: Plan,
    proposed: dict[str, str] | None,
    error: BaseException,
) -> Commit | None:
    """The commit whose answer was an error, if it is there all the same.

    Raises:
        UnseenCommitError: that cannot be seen, or there is another commit than ours.
    """
    if isinstance(error, Exception) and not is_lost(error):  # the Hub refused it
        return None
    for _ in looks_after(error):
        try:
            if destination.create_pr:
                commit = _new_proposal(api, destination.repo_id, plan, proposed)
            else:
                commit = _new_head(api, destination, before, plan)
        except UnseenCommitError:
            raise
        except UserError as unseen:
            raise UnseenCommitError(
                f"{destination.repo_id} may have its commit or not, and nothing in between: the answer was lost "
                f"({in_words(error)}), and then {str(unseen).rstrip('.')}."
            ) from None
        if commit is not None:
            return commit
    return None


def _new_head(api: HfApi, destination: Destination, before: Repository, plan: Plan) -> Commit | None:
    repo_id = destination.repo_id
    after = read_repository(api, destination)
    if after.head is None or after.head == before.head:
        return None
    if not plan.has_happened_to(after.files):
        raise UnseenCommitError(
            f"the answer to the commit to {repo_id} was lost, and the commit that is there now ({after.head}) does "
            f"not hold exactly what was sent: look at {api.endpoint}/{repo_id}/commits/{destination.revision}."
        )
    return Commit(after.head, f"{api.endpoint}/{repo_id}/commit/{after.head}")


def _proposals(api: HfApi, repo_id: str) -> dict[str, str] | None:
    """The heads of all pull requests by their references, such as `refs/pr/1`; None where the server tells none."""
    with waiting_for(f"the pull requests of {repo_id}"), hub_errors(f"{repo_id} could not be looked at"):
        try:
            refs = api.list_repo_refs(repo_id, include_pull_requests=True)
        except HfHubHTTPError as error:
            if status_of(error) != HTTPStatus.NOT_FOUND:
                raise
            return None
    return {each.ref: each.target_commit for each in refs.pull_requests or []}


def _new_proposal(api: HfApi, repo_id: str, plan: Plan, known: dict[str, str] | None) -> Commit | None:
    now = _proposals(api, repo_id)
    if known is None or now is None:
        raise UserError(f"{repo_id} does not tell its pull requests.")
    for ref in sorted(now.keys() - known.keys()):
        with waiting_for(f"what {ref} of {repo_id} holds"), hub_errors(f"{ref} of {repo_id} could not be looked at"):
            tree = api.list_repo_tree(repo_id, recursive=True, revision=now[ref])
            files = {each.path: each for each in tree if isinstance(each, RepoFile)}
        if plan.has_happened_to(files):
            return Commit(now[ref], f"{api.endpoint}/{repo_id}/discussions/{ref.rpartition('/')[2]}")
    return None
