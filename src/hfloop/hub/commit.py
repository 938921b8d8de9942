"""One commit with everything in it, or none; and if the answer is lost, which of the two it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.hf_api import CommitInfo

from hfloop.errors import UserError
from hfloop.hub.client import hub_errors, waiting_for
from hfloop.hub.destination import Destination
from hfloop.hub.failures import HUB_FAILURES, in_words
from hfloop.hub.plan import Plan
from hfloop.hub.repository import Repository, looks_after, read_repository

logger = logging.getLogger("hfloop")


class UnseenCommitError(UserError):
    """Whether there is a commit could not be seen."""


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
        raise UserError(f"{str(error).rstrip('.')}; {destination.repo_id} is as it was.") from None


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
    proposed = _proposals(api, destination) if destination.create_pr else set()
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
        commit = _made_after_all(api, destination, before, plan, proposed, error)
        if commit is None:
            raise UserError(f"the commit to {repo_id} failed: {in_words(error)}.") from None
        return commit
    except KeyboardInterrupt as interruption:
        commit = _made_after_all(api, destination, before, plan, proposed, interruption)
        logger.info("interrupted: %s", f"{repo_id} is as it was" if commit is None else f"published as {commit.url}")
        raise


def _addition(name: str, plan: Plan) -> CommitOperationAdd:
    file = plan.outgoing[name]
    addition = CommitOperationAdd(name, file.content)
    addition.upload_info.sha256 = bytes.fromhex(file.sha256)  # known already; else the library reads the file for it
    return addition


def _told(info: CommitInfo) -> Commit:
    return Commit(info.oid, info.pr_url or info.commit_url)


def _made_after_all(
    api: HfApi, destination: Destination, before: Repository, plan: Plan, proposed: set[str], error: BaseException
) -> Commit | None:
    """The commit whose answer was an error, if it is there all the same.

    Raises:
        UnseenCommitError: that cannot be seen.
    """
    for _ in looks_after(error):
        try:
            if destination.create_pr:
                commit = _new_proposal(api, destination, plan, proposed)
            else:
                commit = _new_head(api, destination, before, plan)
        except UserError as unseen:
            raise UnseenCommitError(
                f"{destination.repo_id} may have its commit or not, and nothing in between: the answer was lost "
                f"({in_words(error)}), and then {str(unseen).rstrip('.')}."
            ) from None
        if commit is not None:
            return commit
    return None


def _new_head(api: HfApi, destination: Destination, before: Repository, plan: Plan) -> Commit | None:
    after = read_repository(api, destination)
    if after.head is None or after.head == before.head or not plan.has_happened_to(after.files):
        return None
    return Commit(after.head, f"{api.endpoint}/{destination.repo_id}/commit/{after.head}")


def _proposals(api: HfApi, destination: Destination) -> set[str]:
    """The references of all pull requests, such as `refs/pr/1`."""
    repo_id = destination.repo_id
    with waiting_for(f"the pull requests of {repo_id}"), hub_errors(f"{repo_id} could not be looked at"):
        refs = api.list_repo_refs(repo_id, include_pull_requests=True)
    return {each.ref for each in refs.pull_requests or []}


def _new_proposal(api: HfApi, destination: Destination, plan: Plan, known: set[str]) -> Commit | None:
    for ref in sorted(_proposals(api, destination) - known):
        proposal = Destination(destination.repo_id, revision=ref)
        after = read_repository(api, proposal)
        if plan.has_happened_to(after.files):
            number = ref.rpartition("/")[2]
            return Commit(cast(str, after.head), f"{api.endpoint}/{destination.repo_id}/discussions/{number}")
    return None
