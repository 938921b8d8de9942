"""The Hub's routes about what is in a repository: uploads, commits, listings, references and downloads."""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import json
import re
import secrets
from typing import Any
from urllib.parse import parse_qs

from hub_cards import judge, metadata
from hub_http import Answer, HttpError, Request
from hub_server import Hub, body_of, checked, paged, table
from hub_spaces import committed, runtime
from hub_store import (
    SINGULAR,
    Commit,
    File,
    Operation,
    Repo,
    StoreError,
    apply,
    ignored,
    kept_with_lfs,
)

_LARGE = 10 * 2**20  # bytes from which a file must be kept with LFS
_DANGLING = (
    "Your push was rejected because an LFS pointer pointed to a file that does not exist. For instance, this can "
    "happen if you used git push --no-verify to push your changes. Offending file: - {}"
)
_STALE = "The branch was updated since you opened this page. Please refresh and try again."
_TIME = "%Y-%m-%dT%H:%M:%S.000Z"


def _check_path(path: str) -> None:
    """Refuse paths that could leave the repository, and those that git cannot hold."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts) or "\\" in path or "\0" in path:
        raise HttpError(422, f"Invalid path: {path!r}")
    if any(len(part.encode()) > 255 for part in parts) or len(path.encode()) > 4096:
        raise HttpError(400, f"The path is too long: {path[:60]!r}…")


# Uploads


def _preupload(hub: Hub, request: Request, kind: str, repo: str, rev: str) -> Answer:
    found = hub.writable(request, SINGULAR[kind], repo, by_pull_request=request.flag("create_pr"))
    asked = body_of(request, {"files": list}, {"gitAttributes": str, "gitIgnore": str})
    if not 0 < len(asked["files"]) <= 256:
        raise HttpError(400, 'Invalid input at "files": expected 1 to 256 items.')
    at = found.at(rev)
    attributes = asked.get("gitAttributes", at.files.get(".gitattributes", File(b"")).data.decode()).encode()
    gitignore = asked.get("gitIgnore", at.files.get(".gitignore", File(b"")).data.decode())
    files = [_mode(checked(file, {"path": str, "size": int}, {"sample": str}), attributes) for file in asked["files"]]
    for file in files:
        file["shouldIgnore"] = ignored(file["path"], gitignore)
        if (there := at.files.get(file["path"])) is not None:
            file["oid"] = there.lfs_sha256 or there.oid
    return Answer(200, {"commitOid": at.sha, "files": files})


def _mode(file: dict[str, Any], attributes: bytes) -> dict[str, Any]:
    """How a file goes up: small text as it is, anything else with LFS."""
    _check_path(file["path"])
    try:
        sample = base64.b64decode(file.get("sample", ""), validate=True)
    except binascii.Error:
        raise HttpError(400, 'Invalid input at "sample": it is not base64.') from None
    large = file["size"] >= _LARGE or kept_with_lfs(file["path"], attributes) or _binary(sample)
    return {"path": file["path"], "uploadMode": "lfs" if large and file["size"] else "regular"}


def _binary(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # the cut may be inside a character
    except UnicodeDecodeError:
        return True
    return b"\0" in sample


def _lfs_batch(hub: Hub, request: Request, prefix: str, repo: str) -> Answer:
    kind = SINGULAR.get(prefix.rstrip("/"), "model")
    if request.content_type != "application/vnd.git-lfs+json":
        raise HttpError(400, "Expected Content-Type application/vnd.git-lfs+json.")
    asked = body_of(request, {"operation": str, "objects": list}, {"transfers": list, "hash_algo": str, "ref": dict})
    found = hub.writable(request, kind, repo, by_pull_request="ref" not in asked)
    if asked["operation"] != "upload" or asked.get("hash_algo", "sha256") != "sha256":
        raise HttpError(400, "Only uploads of objects by sha256 are possible here.")
    if "ref" in asked:
        found.at(checked(asked["ref"], {"name": str})["name"])
    objects = [_actions(hub, found, checked(each, {"oid": str, "size": int})) for each in asked["objects"]]
    return Answer(200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"})


def _actions(hub: Hub, repo: Repo, wanted: dict[str, Any]) -> dict[str, Any]:
    """What to do to upload an object; nothing where it is there."""
    if not re.fullmatch(r"[0-9a-f]{64}", wanted["oid"]) or wanted["size"] < 0:
        raise HttpError(400, f"Not an LFS object: {wanted['oid'][:80]!r}")
    if wanted["oid"] in repo.lfs:
        return wanted
    signature = secrets.token_hex(16)
    hub.signatures.add(signature)
    place = f"{repo.key}/{wanted['oid']}"
    verify = f"{hub.page(repo)}.git/info/lfs/objects/verify"
    upload = {"href": f"{hub.storage_url}/{place}?signature={signature}", "header": {}}
    return wanted | {"authenticated": True, "actions": {"upload": upload, "verify": {"href": verify, "header": {}}}}


def _store(hub: Hub, request: Request, key: str, oid: str) -> Answer:
    """The storage's upload: the link is the permission, a token besides it is one too many."""
    if "authorization" in request.headers:
        hub.surprises.append(f"a token reached the storage: {request.method} {request.path}")
        raise HttpError(400, "Only one auth mechanism allowed")
    if request.query.get("signature", [""])[0] not in hub.signatures:
        raise HttpError(403, "SignatureDoesNotMatch")
    if not request.body:
        raise HttpError(501, "NotImplemented")
    _by_key(hub, key).arriving[oid] = request.body
    return Answer(200, b"", {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})


def _by_key(hub: Hub, key: str) -> Repo:
    found = [repo for repo in hub.store.repos.values() if repo.key == key]
    if not found:
        raise HttpError(404, "NoSuchKey")
    return found[0]


def _lfs_verify(hub: Hub, request: Request, prefix: str, repo: str) -> Answer:
    found = hub.writable(request, SINGULAR.get(prefix.rstrip("/"), "model"), repo, by_pull_request=True)
    asked = body_of(request, {"oid": str, "size": int})
    content = found.arriving.get(asked["oid"])
    if content is None:
        raise HttpError(404, f"LFS object {asked['oid']} was not uploaded")
    if len(content) != asked["size"] or hashlib.sha256(content).hexdigest() != asked["oid"]:
        raise HttpError(400, f"lfs-verify: the content of {asked['oid']} has another size or sha256")
    found.lfs[asked["oid"]] = found.arriving.pop(asked["oid"])
    return Answer(200, {})


# Commits


def _commit(hub: Hub, request: Request, kind: str, repo: str, rev: str) -> Answer:
    by_pull_request = request.flag("create_pr")
    found = hub.writable(request, SINGULAR[kind], repo, by_pull_request=by_pull_request)
    user = hub.writer(request)
    if request.content_type != "application/x-ndjson":
        raise HttpError(400, f"Expected Content-Type application/x-ndjson, not {request.content_type!r}.")
    header, operations = _lines(found, request.body)
    with found.lock:
        ref = found.movable(rev)
        if by_pull_request and not ref.startswith("refs/heads/"):
            raise StoreError(404, f"Invalid rev id: {rev}", "RevisionNotFound")
        base, parent = found.at(ref), header.get("parentCommit")
        if parent is not None and by_pull_request:
            base = found.at(parent)
        elif parent is not None and not base.sha.startswith(parent):
            raise HttpError(412, _STALE)
        files = apply(base.files, operations)
        _check_readme(found, operations, files)
        number = max(found.pull_requests, default=0) + 1
        if by_pull_request:
            ref = f"refs/pr/{number}"
        new = found.add_commit(ref, files, user.name, header["summary"], header.get("description", ""), base.sha)
    if found.kind == "space" and ref == "refs/heads/main":
        committed(hub, found)
    page = hub.page(found)
    told = {"success": True, "commitOid": new.sha, "commitUrl": f"{page}/commit/{new.sha}", "hookOutput": ""}
    if by_pull_request:
        told["pullRequestUrl"] = f"{page}/discussions/{number}"
    return Answer(200, told)


def _lines(repo: Repo, body: bytes) -> tuple[dict[str, Any], list[Operation]]:
    """The header and the operations of a commit's ndjson."""
    try:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    except ValueError:
        raise HttpError(400, "A line of the commit is not valid JSON.") from None
    lines = [checked(line, {"key": str, "value": dict}) for line in lines]
    if not lines or lines[0]["key"] != "header" or any(line["key"] == "header" for line in lines[1:]):
        raise HttpError(400, "Add one line with the key `header`, before all others")
    header = checked(lines[0]["value"], {"summary": str}, {"description": str, "parentCommit": str})
    if not header["summary"].strip():
        raise HttpError(400, 'Invalid input at "summary": it is empty.')
    if not re.fullmatch(r"[0-9a-f]{7,40}", header.get("parentCommit", "0" * 40)):
        raise HttpError(400, 'Invalid input at "parentCommit": it is no commit.')
    if len(lines) == 1:
        raise HttpError(400, "Add a line with the key `lfsFile`, `file` or `deletedFile`")
    return header, [_operation(repo, line["key"], line["value"]) for line in lines[1:]]


def _operation(repo: Repo, key: str, value: dict[str, Any]) -> Operation:
    if key in ("deletedFile", "deletedFolder"):
        path = checked(value, {"path": str})["path"].removesuffix("/")
        _check_path(path)
        return Operation("delete", path)
    if key == "file":
        value = checked(value, {"path": str, "content": str}, {"encoding": str})
        _check_path(value["path"])
        return Operation("add", value["path"], File(_regular(value)))
    if key == "lfsFile":
        value = checked(value, {"path": str, "algo": str, "oid": str}, {"size": int})
        _check_path(value["path"])
        content = repo.lfs.get(value["oid"])
        if value["algo"] != "sha256" or content is None or value.get("size", len(content)) != len(content):
            raise HttpError(400, _DANGLING.format(value["path"]))
        return Operation("add", value["path"], File.pointer(value["oid"], len(content)))
    raise HttpError(400, f"Unknown key {key!r}: a line is a header, file, lfsFile, deletedFile or deletedFolder")


def _regular(value: dict[str, Any]) -> bytes:
    if value.get("encoding", "utf-8") == "utf-8":
        content = value["content"].encode()
    elif value["encoding"] == "base64":
        try:
            content = base64.b64decode(value["content"], validate=True)
        except binascii.Error:
            raise HttpError(400, f"The content of {value['path']} is not base64.") from None
    else:
        raise HttpError(400, 'Invalid input at "encoding": expected one of utf-8, base64.')
    if len(content) > _LARGE:
        said = "Your push was rejected because it contains files larger than 10 MiB. Offending files: - "
        raise HttpError(400, said + value["path"])
    return content


def _check_readme(repo: Repo, operations: list[Operation], files: dict[str, File]) -> None:
    """The hook that refuses a README whose metadata the Hub does not accept."""
    if any(each.action == "add" and each.path == "README.md" for each in operations) and "README.md" in files:
        errors, _ = judge(repo.content(files["README.md"]).decode(errors="replace"), repo.kind)
        if errors:
            said = "".join(f"\n- Error: {error}" for error in errors)
            raise HttpError(400, f"Your push was rejected during YAML metadata verification:{said}")


# Listings


def _info(hub: Hub, request: Request, kind: str, repo: str, rev: str = "main") -> Answer:
    found = hub.repo(request, SINGULAR[kind], repo)
    at = found.at(rev)
    siblings = [
        {"rfilename": path} | (_blob(file) if request.flag("blobs") else {}) for path, file in at.files.items()
    ]
    card = _card(found, at)
    told: dict[str, Any] = {
        "_id": found.key,
        "id": found.id,
        "author": found.namespace,
        "sha": at.sha,
        "lastModified": at.date.strftime(_TIME),
        "createdAt": found.created.strftime(_TIME),
        "private": found.private,
        "gated": found.gated,
        "disabled": False,
        "likes": 0,
        "tags": _tags(found, at, card),
        "cardData": card,
        "siblings": siblings,
        "usedStorage": sum(file.size for file in at.files.values()),
    }
    told |= _of_kind(hub, found, at, card)
    wanted = request.query.get("expand", []) + request.query.get("expand[]", [])
    if wanted:
        told = {name: value for name, value in told.items() if name in ("_id", "id", *wanted)}
    return Answer(200, told)


def _blob(file: File) -> dict[str, Any]:
    told: dict[str, Any] = {"blobId": file.oid, "size": file.size}
    if file.lfs_sha256 is not None:
        told["lfs"] = {"sha256": file.lfs_sha256, "size": file.size, "pointerSize": len(file.data)}
    return told


def _card(repo: Repo, at: Commit) -> dict[str, Any] | None:
    if "README.md" not in at.files:
        return None
    text = repo.content(at.files["README.md"]).decode(errors="replace")
    return None if judge(text, repo.kind)[0] else metadata(text) or None


def _library(at: Commit, card: dict[str, Any]) -> str | None:
    by_file = {"model_index.json": "diffusers", "config.json": "transformers"}
    return card.get("library_name") or next((name for file, name in by_file.items() if file in at.files), None)


def _of_kind(hub: Hub, repo: Repo, at: Commit, card: dict[str, Any] | None) -> dict[str, Any]:
    """What the answer says of this kind of repository alone."""
    card = card or {}
    if repo.kind == "space":
        state = runtime(hub, repo)
        told: dict[str, Any] = {"sdk": state.sdk, "subdomain": repo.id.replace("/", "-").lower(), "host": state.host}
        return told | {"runtime": state.said(), "models": [], "datasets": []}
    told = {"downloads": 0}
    if repo.kind == "model":
        told |= {"modelId": repo.id, "library_name": _library(at, card), "pipeline_tag": card.get("pipeline_tag")}
        told |= {"model-index": card.get("model-index"), "spaces": [], "config": _config(repo, at)}
    return {name: value for name, value in told.items() if value is not None}


def _config(repo: Repo, at: Commit) -> dict[str, Any] | None:
    if "config.json" not in at.files:
        return None
    try:
        read = json.loads(repo.content(at.files["config.json"]))
    except ValueError:
        return {}
    return {name: read[name] for name in ("architectures", "model_type") if name in read}


def _tags(repo: Repo, at: Commit, card: dict[str, Any] | None) -> list[str]:
    card = card or {}
    tags = [_library(at, card)] if repo.kind == "model" else [card.get("sdk")]
    tags += ["safetensors"] if any(path.endswith(".safetensors") for path in at.files) else []
    tags += _listed(card.get("tags")) + _listed(card.get("language"))
    tags += [f"dataset:{name}" for name in _listed(card.get("datasets"))]
    tags += [f"base_model:{name}" for name in _listed(card.get("base_model"))]
    tags += [f"license:{name}" for name in _listed(card.get("license"))]
    return [tag for tag in dict.fromkeys([*tags, card.get("pipeline_tag"), "region:us"]) if tag]


def _listed(value: Any) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _tree(hub: Hub, request: Request, kind: str, repo: str, rev: str, path: str = "") -> Answer:
    found = hub.repo(request, SINGULAR[kind], repo)
    at = found.at(rev)
    if path and path not in at.trees:
        raise HttpError(404, f'{path} does not exist on "{rev}"', "EntryNotFound")
    below = f"{path}/" if path else ""
    names = [name for name in (*at.trees, *at.files) if name.startswith(below) and name not in ("", path)]
    if not request.flag("recursive"):
        names = [name for name in names if "/" not in name.removeprefix(below)]
    return paged(hub, request, [_entry(found, at, name, request.flag("expand")) for name in sorted(names)])


def _entry(repo: Repo, at: Commit, path: str, expand: bool) -> dict[str, Any]:
    file = at.files.get(path)
    told: dict[str, Any] = {"type": "directory", "oid": at.trees.get(path), "size": 0, "path": path}
    if file is not None:
        told = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
        if file.lfs_sha256 is not None:
            told["lfs"] = {"oid": file.lfs_sha256, "size": file.size, "pointerSize": len(file.data)}
    if expand:
        last = repo.last_change(path, at)
        told["lastCommit"] = {"id": last.sha, "title": last.title, "date": last.date.strftime(_TIME)}
    return told


def _paths_info(hub: Hub, request: Request, kind: str, repo: str, rev: str) -> Answer:
    found = hub.repo(request, SINGULAR[kind], repo)
    if request.content_type == "application/x-www-form-urlencoded":
        form = parse_qs(request.body.decode(), keep_blank_values=True)
        checked(form, {"paths": list}, {"expand": list})
        paths, expand = form["paths"], form.get("expand", ["false"])[-1] == "true"
    else:
        asked = body_of(request, {"paths": list}, {"expand": bool})
        paths, expand = asked["paths"], asked.get("expand", False)
    at = found.at(rev)
    there = [path for path in paths if path in at.files or (path and path in at.trees)]
    return Answer(200, [_entry(found, at, path, expand) for path in there])


def _commits(hub: Hub, request: Request, kind: str, repo: str, rev: str) -> Answer:
    found = hub.repo(request, SINGULAR[kind], repo)
    history = [
        {
            "id": commit.sha,
            "title": commit.title,
            "message": commit.message,
            "authors": [{"user": commit.author, "avatar": ""}],
            "date": commit.date.strftime(_TIME),
        }
        for commit in found.log(rev)
    ]
    answer = paged(hub, request, history)
    answer.headers["X-Total-Count"] = str(len(history))
    return answer


OF_REPOS = table(
    ("POST", "/api/{kind}/{repo}/preupload/{rev}", _preupload),
    ("POST", "/{prefix}{repo}.git/info/lfs/objects/batch", _lfs_batch),
    ("POST", "/{prefix}{repo}.git/info/lfs/objects/verify", _lfs_verify),
    ("POST", "/api/{kind}/{repo}/commit/{rev}", _commit),
    ("GET", "/api/{kind}/{repo}/revision/{rev}", _info),
    ("GET", "/api/{kind}/{repo}/tree/{rev}", _tree),
    ("GET", "/api/{kind}/{repo}/tree/{rev}/{path}", _tree),
    ("POST", "/api/{kind}/{repo}/paths-info/{rev}", _paths_info),
    ("GET", "/api/{kind}/{repo}/commits/{rev}", _commits),
)
LAST = table(("GET", "/api/{kind}/{repo}", _info))
OF_STORAGE = table(("PUT", "/{key}/{oid}", _store))
