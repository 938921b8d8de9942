"""Where a release is to be published, and whether this account may."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from hfloop.errors import UserError
from hfloop.hub.client import hub_errors, waiting_for

RULE = (
    "a model's id is USER/NAME, each of ASCII letters, digits, `-`, `_` and `.`, at most 96 characters long, without "
    "`--` and `..`, not beginning or ending with `-` or `.`, and not ending in `.git`"
)
_OTHER_KINDS = ("datasets", "spaces", "models", "buckets", "kernels")


class AnotherDestination(UserError):
    """What is refused is where, not what: `instead` is what was probably meant."""

    def __init__(self, message: str, instead: Destination) -> None:
        super().__init__(message)
        self.instead = instead


@dataclass(frozen=True)
class Destination:
    """A branch of a model repository on the Hub, and how the release goes there.

    Attributes:
        repo_id: `USER/NAME`, or `NAME` alone for the namespace of the token.
        private: a repository that is made new is seen by its owner only.
        create_pr: the change is proposed, not made.
        revision: the branch.
        message: of the commit; None for hfloop's own.
    """

    repo_id: str
    private: bool = False
    create_pr: bool = False
    revision: str = constants.DEFAULT_REVISION
    message: str | None = None

    def command(self, folder: Path, *more_flags: str) -> str:
        """The command line that publishes a folder here."""
        words = ["hfloop", "publish", str(folder), "--to", self.repo_id]
        words += ["--private"] * self.private + ["--create-pr"] * self.create_pr
        if self.revision != constants.DEFAULT_REVISION:
            words += ["--revision", self.revision]
        if self.message is not None:
            words += ["--message", self.message]
        return shlex.join([*words, *more_flags])

    def check(self) -> None:
        """Refuse what no try can publish to.

        Raises:
            UserError: the id breaks the Hub's rule, or flags contradict each other.
        """
        namespace, slash, _ = self.repo_id.partition("/")
        if slash and namespace in _OTHER_KINDS:
            raise UserError(
                f"{self.repo_id} cannot be published to: models are published, by their id alone; say USER/NAME "
                f"without {namespace}/."
            )
        try:
            validate_repo_id(self.repo_id)
        except HFValidationError:
            raise UserError(f"{self.repo_id!r} is no name for a repository: {RULE}.") from None
        if self.create_pr and self.revision != constants.DEFAULT_REVISION:
            raise UserError(
                f"--create-pr proposes a change of the branch {constants.DEFAULT_REVISION}: leave out --revision "
                f"{self.revision}."
            )
        if self.message is not None and (not self.message.strip() or "\n" in self.message):
            raise UserError("--message is the first line of the commit: write one line.")


def found(api: HfApi, destination: Destination) -> Destination:
    """The destination with its namespace, after the Hub has said whose token this is.

    Raises:
        UserError: there is no token, or HF_HUB_OFFLINE is set; the Hub cannot be reached or does not know the token,
            which may only read.
        AnotherDestination: the namespace is somebody else's.
    """
    failed = f"{destination.repo_id} cannot be published to"
    if constants.is_offline_mode():
        raise UserError(f"{failed} while HF_HUB_OFFLINE is set: unset it.")
    if get_token() is None:
        raise UserError(
            f"{failed} without a token: run `hf auth login`, or set HF_TOKEN (make one with write rights at "
            f"{api.endpoint}/settings/tokens)."
        )
    with waiting_for("who you are"), hub_errors(failed):
        account = api.whoami()
        user = str(account["name"])
    if _role(account) == "read":
        raise UserError(
            f"{failed}: the token of {user} may only read; make one with write "
            f"rights at {api.endpoint}/settings/tokens, then run `hf auth login`, or set HF_TOKEN."
        )
    if "/" not in destination.repo_id:
        return replace(destination, repo_id=f"{user}/{destination.repo_id}")
    namespace = destination.repo_id.partition("/")[0]
    own = _namespaces(account)
    if own is not None and namespace.lower() not in own and not destination.create_pr:
        raise AnotherDestination(
            f"{failed}: {namespace} is neither you ({user}) nor an organisation of yours.",
            replace(destination, repo_id=f"{user}/{destination.repo_id.partition('/')[2]}"),
        )
    return destination


def _role(account: dict[str, Any]) -> str | None:
    """What the token may do in all (`read`, `write`, `fineGrained`); None where the server does not tell."""
    auth = account.get("auth")
    token = auth.get("accessToken") if isinstance(auth, dict) else None
    return token.get("role") if isinstance(token, dict) else None


def _namespaces(account: dict[str, Any]) -> set[str] | None:
    """The user and their organisations, in small letters; None where the server does not tell, and has to decide."""
    organisations = account.get("orgs")
    if not isinstance(organisations, list):
        return None
    names = [each.get("name") for each in organisations if isinstance(each, dict)]
    return {name.lower() for name in [account["name"], *names] if isinstance(name, str)}
