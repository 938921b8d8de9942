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
    """What is refused is where, not what: `instead` is what was probably meant, if that can be told."""

    def __init__(self, message: str, instead: Destination | None) -> None:
        super().__init__(message)
        self.instead = instead


def with_more(error: UserError, more: str) -> UserError:
    """An error of the same kind with another clause at its end."""
    message = f"{str(error).rstrip('.')}; {more}."
    return (
        AnotherDestination(message, error.instead) if isinstance(error, AnotherDestination) else type(error)(message)
    )


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
    if _may_only_read(account):
        raise UserError(
            f"{failed}: the token of {user} may only read; make one with write "
            f"rights at {api.endpoint}/settings/tokens, then run `hf auth login`, or set HF_TOKEN."
        )
    if "/" not in destination.repo_id:
        return replace(destination, repo_id=f"{user}/{destination.repo_id}")
    namespace, _, name = destination.repo_id.partition("/")
    own, all_are_told = _namespaces(account)
    if namespace.lower() in own:
        spelt, role = own[namespace.lower()]
        if role == "read" and not destination.create_pr:
            raise UserError(
                f"{failed}: {user} may only read in the organisation {spelt}; ask its administrators for the role "
                "`contributor` or `write`."
            )
        return replace(destination, repo_id=f"{spelt}/{name}")
    if all_are_told and not destination.create_pr:
        raise AnotherDestination(
            f"{failed}: {namespace} is neither you ({user}) nor an organisation of yours: propose the change with "
            "--create-pr, or publish to a name of your own.",
            replace(destination, repo_id=f"{user}/{name}"),
        )
    return destination


def _may_only_read(account: dict[str, Any]) -> bool:
    """Whether the token is one that may write nowhere; False where the server does not tell, and has to decide."""
    auth = account.get("auth")
    token = auth.get("accessToken") if isinstance(auth, dict) else None
    if not isinstance(token, dict):
        return False
    scopes = token.get("fineGrained")
    if token.get("role") != "fineGrained" or not isinstance(scopes, dict):
        return token.get("role") == "read"
    permissions = [*(scopes.get("global") or [])]
    for scope in scopes.get("scoped") or []:
        permissions += scope.get("permissions") or []
    return not any(str(each).endswith("write") for each in permissions)


def _namespaces(account: dict[str, Any]) -> tuple[dict[str, tuple[str, str | None]], bool]:
    """The user and their organisations: by the name in small letters, the name as it is spelt and the role there.

    Also whether the server tells of organisations at all; else it has to decide.
    """
    orgs = account.get("orgs")
    told = [each for each in orgs if isinstance(each, dict)] if isinstance(orgs, list) else []
    names = [(account["name"], None), *((each.get("name"), each.get("roleInOrg")) for each in told)]
    return {name.lower(): (name, role) for name, role in names if isinstance(name, str)}, isinstance(orgs, list)
