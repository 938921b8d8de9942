"""The Hub's routes about references and downloads: branches, tags, files and the storage behind them."""

from __future__ import annotations

import mimetypes
import re
from typing import Any
from urllib.parse import quote

from hub_http import Answer, HttpError, Request, part_of
from hub_server import Hub, body_of, table
from hub_store import SINGULAR, File, Repo

_NO_NAME = re.compile(r"[\x00-\x20~^:?*\[\\\x7f]|\.\.|@\{|//|^[/.-]|/\.|[/.]$|\.lock$|^refs/|^@$|^[0-9a-f]{40}$")


def _refs(hub: Hub, request: Request, kind: str, repo: str) -> Answer:
    found = hub.repo(request, SINGULAR[kind], repo)

    def said(folder: str, names: dict[Any, str]) -> list[dict[str, str]]:
        return [{"name": str(n), "ref": f"refs/{folder}/{n}", "targetCommit": sha} for n, sha in names.items()]

    told = {"branches": said("heads", found.branches), "tags": said("tags", found.tags), "converts": []}
    if request.flag("include_prs"):
        told["pullRequests"] = said("pr", found.pull_requests)
    return Answer(200, told)


def _new_branch(hub: Hub, request: Request, kind: str, repo: str, name: str) -> Answer:
    found = hub.writable(request, SINGULAR[kind], repo)
    asked = body_of(request, {}, {"startingPoint": str, "emptyBranch": bool, "overwrite": bool})
    if _NO_NAME.search(name):
        raise HttpError(400, f"Invalid reference for a branch: {name}")
    with found.lock:
        if name in found.branches and not asked.get("overwrite"):
            raise HttpError(409, f"Reference refs/heads/{name} already exists")
        found.point(f"refs/heads/{name}", found.at(asked.get("startingPoint", "main")).sha)
    return Answer(200, {"success": True})


def _delete_branch(hub: Hub, request: Request, kind: str, repo: str, name: str) -> Answer:
    found = hub.writable(request, SINGULAR[kind], repo)
    if name == "main":
        raise HttpError(403, "The default branch cannot be deleted")
    _gone(found.branches, name)
    return Answer(200, {"success": True})


def _gone(names: dict[str, str], name: str) -> None:
    if names.pop(name, None) is None:
        raise HttpError(404, f"Invalid rev id: {name}", "RevisionNotFound")


def _new_tag(hub: Hub, request: Request, kind: str, repo: str, rev: str) -> Answer:
    found = hub.writable(request, SINGULAR[kind], repo)
    asked = body_of(request, {"tag": str}, {"message": str})
    with found.lock:
        target = found.at(rev).sha
        if _NO_NAME.search(asked["tag"]):
            raise HttpError(400, f"Invalid reference for a tag: {asked['tag']}")
        if asked["tag"] in found.tags:
            raise HttpError(409, "Tag reference exists already")
        found.point(f"refs/tags/{asked['tag']}", target)
    return Answer(200, {"success": True})


def _delete_tag(hub: Hub, request: Request, kind: str, repo: str, rev: str) -> Answer:
    _gone(hub.writable(request, SINGULAR[kind], repo).tags, rev)
    return Answer(200, {"success": True})


def _resolve(hub: Hub, request: Request, prefix: str, repo: str, rev: str, path: str) -> Answer:
    """A file: small ones from here, those kept with LFS by a redirect to the storage."""
    found = hub.repo(request, SINGULAR.get(prefix.rstrip("/"), "model"), repo)
    hub.opened(request, found)
    at = found.at(rev)
    file = at.files.get(path)
    if file is None:
        raise HttpError(404, "Entry not found", "EntryNotFound", X_Repo_Commit=at.sha)
    headers = {"X-Repo-Commit": at.sha, "Accept-Ranges": "bytes", "ETag": f'"{file.oid}"'}
    name = path.rsplit("/", 1)[-1]
    headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name)}; filename=\"{quote(name)}\";"
    if file.lfs_sha256 is not None:
        return _elsewhere(hub, found, file, headers)
    headers["Content-Type"] = mimetypes.guess_type(path)[0] or "text/plain; charset=utf-8"
    status, content, of_range = part_of(file.data, request.headers.get("range"))
    return Answer(status, content, headers | of_range)


def _elsewhere(hub: Hub, repo: Repo, file: File, headers: dict[str, str]) -> Answer:
    target = f"{hub.storage_url}/{repo.key}/{file.lfs_sha256}"
    headers |= {"Location": target, "X-Linked-Etag": f'"{file.lfs_sha256}"', "X-Linked-Size": str(file.size)}
    return Answer(302, f"Found. Redirecting to {target}".encode(), headers)


def _stored(hub: Hub, request: Request, key: str, oid: str) -> Answer:
    """The storage's download; a token that reaches it has leaked."""
    if "authorization" in request.headers:
        hub.surprises.append(f"a token reached the storage: {request.method} {request.path}")
        raise HttpError(400, "Only one auth mechanism allowed")
    objects = [repo.lfs for repo in hub.store.repos.values() if repo.key == key and oid in repo.lfs]
    if not objects:
        raise HttpError(403, "AccessDenied")
    status, content, of_range = part_of(objects[0][oid], request.headers.get("range"))
    return Answer(status, content, {"Content-Type": "application/octet-stream", "ETag": f'"{oid}"'} | of_range)


OF_REFS = table(
    ("GET", "/api/{kind}/{repo}/refs", _refs),
    ("POST", "/api/{kind}/{repo}/branch/{name}", _new_branch),
    ("DELETE", "/api/{kind}/{repo}/branch/{name}", _delete_branch),
    ("POST", "/api/{kind}/{repo}/tag/{rev}", _new_tag),
    ("DELETE", "/api/{kind}/{repo}/tag/{rev}", _delete_tag),
    ("GET", "/{prefix}{repo}/resolve/{rev}/{path}", _resolve),
    ("HEAD", "/{prefix}{repo}/resolve/{rev}/{path}", _resolve),
)
FROM_STORAGE = table(("GET", "/{key}/{oid}", _stored), ("HEAD", "/{key}/{oid}", _stored))
