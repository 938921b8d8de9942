"""Look at what arrived on the Hub: download it as anybody would, compare it, and let it work."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi

from hfloop.errors import UserError
from hfloop.files import sha256_of_file
from hfloop.hub.client import hub_errors, waiting_for
from hfloop.hub.family import Family
from hfloop.hub.plan import OutgoingFile
from hfloop.release import read_provenance


def read_back(api: HfApi, repo_id: str, commit: str, sent: Mapping[str, OutgoingFile], family: Family) -> None:
    """Download a commit into a fresh cache, compare every file's sha256, load the model strictly, and let it work.

    Args:
        api: the Hub.
        repo_id: the repository.
        commit: its sha1, so that no later commit is read by mistake.
        sent: what must be there, by path.
        family: how to load it.

    Raises:
        UserError: it cannot be downloaded; a file is missing or another, by name; the model does something else.
    """
    name = f"{repo_id} at {commit[:8]}"
    with TemporaryDirectory(prefix="hfloop-read-back-") as cache:
        with waiting_for(f"{name} to be read back"), hub_errors(f"{name} could not be read back"):
            folder = Path(
                api.snapshot_download(
                    repo_id,
                    revision=commit,
                    cache_dir=cache,
                    allow_patterns=[glob.escape(file) for file in sent],
                )
            )
        for file, outgoing in sent.items():
            if not (folder / file).is_file():
                raise UserError(f"{name} lacks {file}, which was sent.")
            if sha256_of_file(folder / file) != outgoing.sha256:
                raise UserError(f"{file} of {name} is not what was sent: its sha256 is another.")
        differences = family.probe(folder, name, read_provenance(folder, name))
    if differences:
        raise UserError(f"{name} does not do what the release did: {'; '.join(differences)}.")
