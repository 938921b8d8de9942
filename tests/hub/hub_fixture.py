"""A Hub on this machine that a test can look into: start it, give users tokens, disturb it, see what came of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping

from hub_accounts import OF_ACCOUNTS
from hub_faults import Faults
from hub_http import Recorded
from hub_refs import FROM_STORAGE, OF_REFS
from hub_repos import LAST, OF_REPOS, OF_STORAGE
from hub_server import Hub, User
from hub_spaces import OF_SPACES, Runtime, committed, first_readme, runtime
from hub_store import Commit, File, Operation, Repo, apply, kept_with_lfs, sha256_hex


class LocalHub:
    """A running Hub.

    Attributes:
        url: of the Hub, for HF_ENDPOINT.
        requests: everything that was asked, oldest first.
        faults: what shall go wrong; see :mod:`hub_faults`.
        surprises: requests that the Hub does not know, tokens that leaked to the storage, mistakes of this server.
        page_size: how many entries a listing gives at a time.
    """

    def __init__(self) -> None:
        self._hub = Hub(routes=[*OF_ACCOUNTS, *OF_SPACES, *OF_REPOS, *OF_REFS, *LAST])
        self._hub.storage_routes = [*OF_STORAGE, *FROM_STORAGE]
        self._wires = self._hub.listen()
        self.url = self._hub.url
        self.storage_url = self._hub.storage_url

    @property
    def requests(self) -> list[Recorded]:
        return self._hub.requests

    @property
    def faults(self) -> Faults:
        return self._hub.faults

    @property
    def surprises(self) -> list[str]:
        return self._hub.surprises

    def close(self) -> None:
        self.faults.over.set()
        for wire in self._wires:
            wire.close()

    def asked(self, method: str, path: str = "") -> list[Recorded]:
        """The requests of a method whose raw path and query a regular expression finds a match in."""
        return [each for each in self.requests if each.method == method and re.search(path, each.path)]

    def user(
        self,
        name: str,
        role: str = "write",
        orgs: Iterable[str] | Mapping[str, str] = (),
        scopes: Mapping[str, list[str]] | None = None,
        paying: bool = False,
    ) -> str:
        """A new token of a user.

        Args:
            name: of the user; a user may have several tokens.
            role: of the token: write, read or fineGrained.
            orgs: organizations that they administer, or a mapping to the role in each (admin, write, read).
            scopes: of a fineGrained token: user, organization or repository -> permissions such as `repo.write`;
                default: to write everything of the user's own.
            paying: whether they may have hardware that costs.
        """
        token = f"hf_{secrets.token_hex(17)}"
        roles = dict(orgs) if isinstance(orgs, Mapping) else dict.fromkeys(orgs, "admin")
        granted = dict(scopes) if scopes is not None else {name: ["repo.content.read", "repo.write"]}
        self._hub.users[token] = User(name, token, role, roles, granted, paying)
        return token

    def repo(self, kind: str, repo_id: str) -> Repo:
        """A `model`, `dataset` or `space`, for looking: `.history`, `.files(revision)`, `.refs`, `.head`.

        Raises:
            KeyError: there is none.
        """
        return self._hub.store.repos[kind, repo_id.lower()]

    def exists(self, kind: str, repo_id: str) -> bool:
        return (kind, repo_id.lower()) in self._hub.store.repos

    def create(self, kind: str, repo_id: str, *, private: bool = False) -> Repo:
        """Make a repository behind everyone's back; a Space is one of Gradio."""
        namespace, _, name = repo_id.partition("/")
        files = {"README.md": first_readme(name, "gradio")} if kind == "space" else {}
        repo = self._hub.store.create(kind, repo_id, namespace, files)
        repo.private = private
        if kind == "space":
            self._hub.runtimes[repo.key] = Runtime("gradio")
        return repo

    def commit(
        self,
        repo_id: str,
        changes: Mapping[str, bytes | None],
        message: str = "A change by someone else",
        *,
        kind: str = "model",
        revision: str = "main",
        author: str | None = None,
    ) -> Commit:
        """Commit by hand, as someone in a browser would; None deletes a file."""
        repo = self.repo(kind, repo_id)
        with repo.lock:
            ref, base = repo.movable(revision), repo.at(revision)
            attributes = base.files.get(".gitattributes", File(b"")).data
            operations = []
            for path, data in changes.items():
                file = None if data is None else File(data)
                if data is not None and kept_with_lfs(path, attributes):
                    repo.lfs[sha256_hex(data)] = data
                    file = File.pointer(sha256_hex(data), len(data))
                operations.append(Operation("delete" if file is None else "add", path, file))
            title, _, rest = message.partition("\n\n")
            files = apply(base.files, operations)
            new = repo.add_commit(ref, files, author or repo.namespace, title, rest, base.sha)
        if kind == "space" and ref == "refs/heads/main":
            committed(self._hub, repo)
        return new

    def rename(self, repo_id: str, new_id: str, *, kind: str = "model") -> None:
        """Rename a repository; its old name redirects."""
        self._hub.store.move(self.repo(kind, repo_id), new_id)

    def gate(self, repo_id: str, how: str | bool = "manual", *, kind: str = "model") -> None:
        """Let only those read the files whom the owner let in."""
        self.repo(kind, repo_id).gated = how

    def runtime(self, repo_id: str) -> Runtime:
        """What runs in a Space; set `build`, `build_log`, `run_log`, `failure` and `host` before a commit."""
        return runtime(self._hub, self.repo("space", repo_id))
