"""The release in a repository of the Hub, downloaded anew at one commit: data to look at, never code to run."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi, RepoFile, constants, errors
from huggingface_hub.utils import validate_repo_id

from hfloop.errors import UserError
from hfloop.hub.client import bars_only_on_a_terminal, hub_api, hub_errors, waiting_for
from hfloop.hub.failures import status_of
from hfloop.hub.repository import files_at
from hfloop.release import PROVENANCE_FILE, file_names, read_provenance

_MOST_BYTES = 10 << 20  # of a hfloop.json


@dataclass(frozen=True)
class Checkout:
    """A release as it lies in a folder.

    Attributes:
        folder: the files.
        name: what the user called it.
        commit: its sha1, if it comes from the Hub.
        others: files of the repository that are not part of the release; not downloaded.
    """

    folder: Path
    name: str
    commit: str | None = None
    others: tuple[str, ...] = ()


@contextmanager
def checked_out(repo_id: str, revision: str | None) -> Iterator[Checkout]:
    """Download a release from the Hub into a folder that is there for the block: what its `hfloop.json` names.

    Args:
        repo_id: `user/name`.
        revision: a branch, a tag or a commit; None for `main`.

    Raises:
        UserError: there is no such model or revision, no right to read it, no network; or it is no release.
    """
    try:
        validate_repo_id(repo_id)
    except errors.HFValidationError:
        raise UserError(f"{repo_id} is neither a folder here nor a Hub id (`user/name`).") from None
    api = hub_api()
    commit, files = _listed(api, repo_id, revision)
    if PROVENANCE_FILE not in files:
        raise UserError(f"{repo_id} is no release of hfloop: it has no {PROVENANCE_FILE}.")
    if files[PROVENANCE_FILE].size > _MOST_BYTES:
        raise UserError(f"{repo_id} is no release of hfloop: its {PROVENANCE_FILE} is too large to be one.")
    with TemporaryDirectory(prefix="hfloop-verify-") as place:
        folder = Path(place)
        _download(api, repo_id, commit, [PROVENANCE_FILE], folder)
        wanted = file_names(read_provenance(folder, repo_id))
        _download(api, repo_id, commit, [file for file in wanted if file in files], folder)
        yield Checkout(folder, repo_id, commit, tuple(sorted(files.keys() - set(wanted))))


def _listed(api: HfApi, repo_id: str, revision: str | None) -> tuple[str, dict[str, RepoFile]]:
    """The commit that a revision stands for, and the files there by path."""
    failed = f"{repo_id} could not be looked at"
    with waiting_for(f"what {repo_id} holds"), hub_errors(failed):
        try:
            info = api.model_info(repo_id, revision=revision)
        except errors.RevisionNotFoundError:
            raise UserError(
                f"{repo_id} has no revision {revision} on the Hub: name a branch, a tag or a commit that it has."
            ) from None
        except errors.RepositoryNotFoundError:
            raise UserError(_absent(api, repo_id)) from None
        if info.id != repo_id:
            raise UserError(f"{repo_id} is called {info.id} on the Hub: name it so.")
        return str(info.sha), files_at(api, info)


def _absent(api: HfApi, repo_id: str) -> str:
    """Why there is no model of this name, as far as the Hub tells."""
    kinds = {constants.REPO_TYPE_DATASET: "a data set", constants.REPO_TYPE_SPACE: "a Space"}
    for repo_type, told in kinds.items():
        try:
            api.repo_info(repo_id, repo_type=repo_type)
        except errors.HfHubHTTPError as error:
            if status_of(error) not in (401, 403, 404):  # not there, or not for this account to see
                raise
        else:
            return f"{repo_id} is {told} on the Hub, not a model: name a model that hfloop published."
    return (
        f"there is no folder {repo_id} here, and the Hub has no model {repo_id}, or it is private and you are not "
        "logged in (`hf auth login`)."
    )


def _download(api: HfApi, repo_id: str, commit: str, files: list[str], folder: Path) -> None:
    failed = f"{repo_id} at {commit[:8]} could not be downloaded"
    with waiting_for(f"the files of {repo_id}"), hub_errors(failed), bars_only_on_a_terminal():
        api.snapshot_download(
            repo_id, revision=commit, local_dir=folder, allow_patterns=[glob.escape(file) for file in files]
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's own notes
