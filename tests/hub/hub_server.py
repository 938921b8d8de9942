"""The Hub's HTTP protocol over a :class:`hub_store.Store`, as huggingface_hub 2.4 speaks it and no more lenient.

Paths that no route knows are answered 404 and kept in `surprises`, so that a test can assert that there were none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub_faults import Faults
from hub_http import Answer, HttpError, Recorded, Request, Route, Wire, decoded, pattern
from hub_store import URL_PREFIX, Repo, Store, StoreError

BAD_TOKEN = "Invalid credentials in Authorization header"
NO_TOKEN = "Invalid username or password."


@dataclass
class User:
    """An account with one token."""

    name: str
    token: str
    role: str  # of the token: write, read or fineGrained
    orgs: dict[str, str]  # organization -> role in it
    scopes: dict[str, list[str]]  # of a fineGrained token: user, organization or repository -> permissions
    paying: bool


@dataclass
class Hub:
    """The state of one Hub and what its routes share."""

    store: Store = field(default_factory=Store)
    users: dict[str, User] = field(default_factory=dict)  # by token
    faults: Faults = field(default_factory=Faults)
    requests: list[Recorded] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    page_size: int = 7  # of trees and histories, small so that paging happens
    signatures: set[str] = field(default_factory=set)  # of the upload links that were handed out
    routes: list[Route] = field(default_factory=list)
    storage_routes: list[Route] = field(default_factory=list)
    runtimes: dict[str, Any] = field(default_factory=dict)  # of Spaces, by the repository's key; see hub_spaces
    url: str = ""
    storage_url: str = ""

    def listen(self) -> list[Wire]:
        """Open the Hub's port and that of its storage, which is another origin and takes no tokens."""
        hub = Wire(lambda request: self._respond(request, self.routes), self._owner, self.faults, self.requests)
        storage = Wire(
            lambda request: self._respond(request, self.storage_routes), self._owner, self.faults, self.requests
        )
        self.url, self.storage_url = hub.url, storage.url
        return [hub, storage]

    def _owner(self, request: Request) -> str | None:
        user = self.users.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        return user.name if user else None

    def _respond(self, request: Request, routes: list[Route]) -> Answer:
        try:
            return self._route(request, routes)
        except HttpError as error:
            return error.answer
        except StoreError as error:
            return HttpError(error.status, error.message, error.code).answer
        except Exception as error:  # a mistake of this server: the test must see it
            self.surprises.append(f"{request.method} {request.path}: {type(error).__name__}: {error}")
            return HttpError(500, f"the test server failed: {type(error).__name__}: {error}").answer

    def _route(self, request: Request, routes: list[Route]) -> Answer:
        for method, path, respond in routes:
            if method == request.method and (match := path.fullmatch(request.path)):
                return respond(self, request, **decoded(match.groupdict()))
        self.surprises.append(f"{request.method} {request.path}")
        raise HttpError(404, "Sorry, we can't find the page you are looking for.")

    # Who asks

    def asker(self, request: Request) -> User | None:
        """The user whose token a request carries; None for none, 401 for a wrong one."""
        said = request.headers.get("authorization")
        if said is None:
            return None
        user = self.users.get(said.removeprefix("Bearer ")) if said.startswith("Bearer ") else None
        if user is None:
            raise HttpError(401, BAD_TOKEN)
        return user

    def writer(self, request: Request) -> User:
        """The user of a request that changes something."""
        user = self.asker(request)
        if user is None:
            raise HttpError(401, NO_TOKEN, WWW_Authenticate='Bearer realm="Authentication required", charset="UTF-8"')
        return user

    def may_write(self, user: User, namespace: str, repo_id: str | None = None) -> bool:
        """Whether a user's token may change things in a namespace."""
        if user.role == "fineGrained":
            return "repo.write" in self._granted(user, namespace, repo_id)
        member = user.orgs.get(namespace) in ("admin", "write", "contributor")
        return user.role == "write" and (namespace == user.name or member)

    def may_read(self, user: User | None, repo: Repo) -> bool:
        if not repo.private:
            return True
        if user is None:
            return False
        if user.role == "fineGrained":
            return bool({"repo.write", "repo.content.read"} & set(self._granted(user, repo.namespace, repo.id)))
        return repo.namespace == user.name or repo.namespace in user.orgs

    def _granted(self, user: User, namespace: str, repo_id: str | None) -> list[str]:
        return user.scopes.get(namespace, []) + user.scopes.get(repo_id or namespace, [])

    # What is asked for

    def repo(self, request: Request, kind: str, repo_id: str) -> Repo:
        """The repository of a request; a renamed one redirects, one that the asker may not see is not there."""
        user = self.asker(request)
        repo = self.store.find(kind, repo_id)
        if repo is None or not self.may_read(user, repo):
            if user is None:
                raise HttpError(401, NO_TOKEN, "RepoNotFound")
            raise HttpError(404, "Repository not found", "RepoNotFound")
        if repo.id != repo_id:
            target = request.path.replace(repo_id, repo.id, 1) + (f"?{request.raw_query}" if request.raw_query else "")
            raise HttpError(307, f"Temporary Redirect. Redirecting to {target}", Location=target)
        return repo

    def writable(self, request: Request, kind: str, repo_id: str, *, by_pull_request: bool = False) -> Repo:
        """The repository of a request that changes it, or opens a pull request to it."""
        user = self.writer(request)
        repo = self.repo(request, kind, repo_id)
        if user.role == "read":
            raise HttpError(403, "you must use a write token to upload to a repository.")
        if not by_pull_request and not self.may_write(user, repo.namespace, repo.id):
            raise HttpError(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        return repo

    def opened(self, request: Request, repo: Repo) -> None:
        """Refuse what is in a gated repository to those whom its owner did not let in."""
        user = self.asker(request)
        if not repo.gated or (user and (self.may_write(user, repo.namespace, repo.id) or user.name in repo.granted)):
            return
        if user is not None and (repo.namespace == user.name or repo.namespace in user.orgs):
            return
        restricted = f"Access to {repo.kind} {repo.id} is restricted"
        if user is None:
            said = f"{restricted}. You must have access to it and be authenticated to access it. Please log in."
            raise HttpError(401, said, "GatedRepo")
        said = f"{restricted} and you are not in the authorized list. Visit {self.page(repo)} to ask for access."
        raise HttpError(403, said, "GatedRepo")

    def page(self, repo: Repo) -> str:
        """The address of a repository's page."""
        return f"{self.url}/{URL_PREFIX[repo.kind]}{repo.id}"


Types = Mapping[str, Any]


def body_of(request: Request, required: Types, optional: Types | None = None) -> dict[str, Any]:
    """The JSON object of a request, whose fields are of these types and no others; 400 that names what is wrong."""
    if request.content_type not in ("application/json", "application/vnd.git-lfs+json"):
        raise HttpError(400, f"Expected a JSON body, not Content-Type {request.content_type or 'none'!r}.")
    try:
        read = json.loads(request.body)
    except ValueError:
        raise HttpError(400, "The body is not valid JSON.") from None
    return checked(read, required, optional)


def checked(value: Any, required: Types, optional: Types | None = None) -> dict[str, Any]:
    """A JSON object with these fields and no others."""
    known = dict(required) | dict(optional or {})
    if not isinstance(value, dict):
        raise HttpError(400, "Invalid input: expected object.")
    for name in value:
        if name not in known:
            raise HttpError(400, f'Unrecognized key: "{name}"')
    for name in required:
        if name not in value:
            raise HttpError(400, f'Invalid input: "{name}" is required.')
    for name, given in value.items():
        if (isinstance(given, bool) and known[name] is int) or not isinstance(given, known[name]):
            raise HttpError(400, f'Invalid input at "{name}": it has the wrong type.')
    return value


def paged(hub: Hub, request: Request, items: list[Any]) -> Answer:
    """One page of a listing, with a Link to the next."""
    query = {name: values[-1] for name, values in request.query.items()}
    start = int(query.pop("cursor", "0"))
    size = min(int(query.get("limit", hub.page_size)), 1000)
    headers = {}
    if start + size < len(items):
        rest = "&".join([*(f"{name}={value}" for name, value in query.items()), f"cursor={start + size}"])
        headers["Link"] = f'<{hub.url}{request.path}?{rest}>; rel="next"'
    return Answer(200, items[start : start + size], headers)


Respond = Callable[..., Answer]


def table(*rows: tuple[str, str, Respond]) -> list[Route]:
    """Routes from methods, path templates and functions."""
    return [(method, pattern(template), respond) for method, template, respond in rows]
