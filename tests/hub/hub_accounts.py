"""The Hub's routes about accounts and whole repositories: who one is, creating, deleting, moving, settings, cards."""

from __future__ import annotations

import re
import secrets
from typing import Any

from hub_cards import judge
from hub_http import Answer, HttpError, Request
from hub_server import Hub, body_of, table
from hub_spaces import first_readme, wanted_runtime
from hub_store import SINGULAR, URL_PREFIX

NAME_RULE = (
    "Only regular characters and '-', '_', '.' are accepted. '--' and '..' are forbidden. '-' and '.' cannot start or "
    'end the name. The name cannot end with ".git". Max length is 96.'
)


def _whoami(hub: Hub, request: Request) -> Answer:
    user = hub.writer(request)
    access: dict[str, Any] = {"displayName": "tests", "role": user.role, "createdAt": "2026-01-01T00:00:00.000Z"}
    if user.role == "fineGrained":
        entities = [
            {"entity": {"_id": name, "type": "user", "name": name}, "permissions": permissions}
            for name, permissions in user.scopes.items()
        ]
        access["fineGrained"] = {"canReadGatedRepos": True, "global": [], "scoped": entities}
    orgs = [
        {"type": "org", "id": secrets.token_hex(12), "name": name, "fullname": name, "roleInOrg": role}
        for name, role in user.orgs.items()
    ]
    account = {"type": "user", "id": secrets.token_hex(12), "name": user.name, "fullname": user.name}
    auth = {"type": "access_token", "accessToken": access}
    return Answer(200, account | {"isPro": False, "canPay": user.paying, "orgs": orgs, "auth": auth})


def _create(hub: Hub, request: Request) -> Answer:
    user = hub.writer(request)
    text = (str, type(None))
    optional = {"organization": text, "type": text, "visibility": str, "private": bool, "region": str, "license": str}
    for_spaces = {"sdk": str, "template": str, "hardware": str, "sleepTimeSeconds": int, "secrets": list}
    for_spaces |= {"variables": list, "volumes": list}
    asked = body_of(request, {"name": str}, optional | for_spaces | {"resourceGroupId": str})
    kind, namespace = asked.get("type") or "model", asked.get("organization") or user.name
    if kind not in URL_PREFIX:
        raise HttpError(400, 'Invalid input at "type": expected one of model, dataset, space.')
    _check_name(asked["name"])
    if asked.get("visibility", "public") not in ("public", "private", "protected"):
        raise HttpError(400, 'Invalid input at "visibility": expected one of public, private, protected.')
    if not hub.may_write(user, namespace, f"{namespace}/{asked['name']}"):
        raise HttpError(403, f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"')
    if kind != "space" and (extra := [name for name in for_spaces if name in asked]):
        raise HttpError(400, f'Unrecognized key: "{extra[0]}"')
    state = wanted_runtime(asked, user) if kind == "space" else None
    with hub.store.lock:
        there = hub.store.repos.get((kind, f"{namespace}/{asked['name']}".lower()))
        if there is not None:
            said = f"You already created this {kind} repo: {there.id}"
            raise HttpError(409, said, body={"error": said, "url": hub.page(there)})
        first_files = {"README.md": first_readme(asked["name"], state.sdk)} if state else {}
        repo = hub.store.create(kind, f"{namespace}/{asked['name']}", user.name, first_files)
        repo.private = asked.get("visibility") == "private" or asked.get("private", False)
        if state is not None:
            hub.runtimes[repo.key] = state
    return Answer(200, {"url": hub.page(repo), "name": repo.id, "id": repo.key})


def _check_name(name: str) -> None:
    fine = re.fullmatch(r"[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?", name, re.ASCII) and len(name) <= 96
    if not fine or "--" in name or ".." in name or name.endswith(".git"):
        raise HttpError(400, NAME_RULE)


def _delete(hub: Hub, request: Request) -> Answer:
    user = hub.writer(request)
    asked = body_of(request, {"name": str}, {"organization": (str, type(None)), "type": (str, type(None))})
    kind = asked.get("type") or "model"
    repo = hub.store.find(kind, f"{asked.get('organization') or user.name}/{asked['name']}")
    if repo is None or not hub.may_read(user, repo):
        raise HttpError(404, "Repository not found", "RepoNotFound")
    if not hub.may_write(user, repo.namespace, repo.id):
        raise HttpError(403, f"You don't have the rights to delete this {kind}")
    hub.store.delete(repo)
    return Answer(200, b"OK")


def _move(hub: Hub, request: Request) -> Answer:
    user = hub.writer(request)
    asked = body_of(request, {"fromRepo": str, "toRepo": str, "type": str})
    repo = hub.store.find(asked["type"], asked["fromRepo"])
    if repo is None or not hub.may_read(user, repo):
        raise HttpError(404, "Repository not found", "RepoNotFound")
    namespace, _, name = asked["toRepo"].partition("/")
    _check_name(name)
    if not (hub.may_write(user, repo.namespace, repo.id) and hub.may_write(user, namespace)):
        raise HttpError(403, f'You don\'t have the rights to move this {repo.kind} to the namespace "{namespace}"')
    if (repo.kind, asked["toRepo"].lower()) in hub.store.repos:
        raise HttpError(409, f"A {repo.kind} repository called {asked['toRepo']} already exists")
    hub.store.move(repo, asked["toRepo"])
    return Answer(200, {})


def _settings(hub: Hub, request: Request, kind: str, repo: str) -> Answer:
    found = hub.writable(request, SINGULAR[kind], repo)
    optional = {"visibility": str, "private": bool, "gated": (str, bool), "discussionsDisabled": bool}
    asked = body_of(request, {}, optional)
    if asked.get("visibility", "public") not in ("public", "private", "protected"):
        raise HttpError(400, 'Invalid input at "visibility": expected one of public, private, protected.')
    if asked.get("gated", False) not in ("auto", "manual", False):
        raise HttpError(400, 'Invalid input at "gated": expected one of auto, manual, false.')
    if "visibility" in asked or "private" in asked:
        found.private = asked.get("visibility") == "private" or asked.get("private", False)
    found.gated = asked.get("gated", found.gated)
    return Answer(200, {"private": found.private, "gated": found.gated})


def _auth_check(hub: Hub, request: Request, kind: str, repo: str) -> Answer:
    hub.opened(request, hub.repo(request, SINGULAR[kind], repo))
    return Answer()


def _auth_check_write(hub: Hub, request: Request, kind: str, repo: str) -> Answer:
    hub.writable(request, SINGULAR[kind], repo)
    return Answer()


def _validate(hub: Hub, request: Request) -> Answer:
    hub.asker(request)
    asked = body_of(request, {"content": str}, {"repoType": (str, type(None))})
    kind = asked.get("repoType") or "model"
    if kind not in URL_PREFIX:
        raise HttpError(400, 'Invalid input at "repoType": expected one of model, dataset, space.')
    errors, warnings = judge(asked["content"], kind)
    if request.headers.get("accept", "").startswith("text/plain"):
        said = "\n".join([*(f"- Error: {e}" for e in errors), *(f"- Warning: {w}" for w in warnings)])
        return Answer(400 if errors else 200, said.encode())
    told = {"errors": [{"message": e} for e in errors], "warnings": [{"message": w} for w in warnings]}
    return Answer(400 if errors else 200, told)


def _agents(hub: Hub, request: Request) -> Answer:
    """The list by which the client learns whether an agent runs it; it asks for it before anything else."""
    return Answer(200, {"standardEnvVars": [], "harnesses": {}})


OF_ACCOUNTS = table(
    ("GET", "/api/agent-harnesses", _agents),
    ("GET", "/api/whoami-v2", _whoami),
    ("POST", "/api/repos/create", _create),
    ("DELETE", "/api/repos/delete", _delete),
    ("POST", "/api/repos/move", _move),
    ("POST", "/api/validate-yaml", _validate),
    ("PUT", "/api/{kind}/{repo}/settings", _settings),
    ("GET", "/api/{kind}/{repo}/auth-check", _auth_check),
    ("GET", "/api/{kind}/{repo}/auth-check/write", _auth_check_write),
)
