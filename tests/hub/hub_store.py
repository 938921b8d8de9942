"""What a local Hub keeps: repositories as immutable git commits, LFS objects, branches, tags and pull requests."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

SINGULAR = {"models": "model", "datasets": "dataset", "spaces": "space"}
URL_PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}
_KEPT_WITH_LFS = """
*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack *.npy *.npz *.onnx *.ot
*.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz
*.zip *.zst *tfevents*
"""


def git_oid(kind: str, content: bytes) -> str:
    """The sha1 that git gives an object of this kind (`blob`, `tree` or `commit`)."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


def sha256_hex(content: bytes) -> str:
    """The name of an LFS object."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class File:
    """A blob as a commit holds it; `data` is the pointer of a file that is kept with git LFS."""

    data: bytes
    lfs_sha256: str | None = None
    lfs_size: int = 0

    @property
    def oid(self) -> str:
        return git_oid("blob", self.data)

    @property
    def size(self) -> int:
        return len(self.data) if self.lfs_sha256 is None else self.lfs_size

    @classmethod
    def pointer(cls, sha256: str, size: int) -> File:
        """The small file that git holds in the place of an LFS object."""
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return cls(text.encode(), sha256, size)


@dataclass(frozen=True)
class Commit:
    """One commit; `files` is everything the repository holds at it."""

    sha: str
    parent: str | None
    title: str
    message: str
    author: str
    date: datetime
    files: Mapping[str, File]
    trees: Mapping[str, str]  # folder -> oid of its git tree, "" for the root


class StoreError(Exception):
    """Something that the Hub answers with an error; see :mod:`hub_server` for how."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass
class Repo:
    """A repository: commits that never change, and references to them that do."""

    kind: str
    id: str
    private: bool = False
    gated: str | bool = False
    granted: set[str] = field(default_factory=set)  # users who may read it although it is gated
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pull_requests: dict[int, str] = field(default_factory=dict)
    lfs: dict[str, bytes] = field(default_factory=dict)  # uploaded and verified
    arriving: dict[str, bytes] = field(default_factory=dict)  # uploaded, not yet verified
    lock: threading.RLock = field(default_factory=threading.RLock)
    key: str = field(default_factory=lambda: secrets.token_hex(12))  # stays when the repository is renamed

    @property
    def namespace(self) -> str:
        return self.id.split("/")[0]

    @property
    def head(self) -> str:
        return self.branches["main"]

    @property
    def history(self) -> list[Commit]:
        """The commits of `main`, oldest first."""
        return self.log("main")[::-1]

    def log(self, revision: str) -> list[Commit]:
        """The commits a revision reaches, newest first."""
        found = [self.at(revision)]
        while found[-1].parent is not None:
            found.append(self.commits[found[-1].parent])
        return found

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """Every file at a revision with its content, LFS objects in full."""
        return {path: self.content(file) for path, file in self.at(revision).files.items()}

    def content(self, file: File) -> bytes:
        return file.data if file.lfs_sha256 is None else self.lfs[file.lfs_sha256]

    @property
    def refs(self) -> dict[str, str]:
        """Every reference by its full name."""
        return (
            {f"refs/heads/{name}": sha for name, sha in self.branches.items()}
            | {f"refs/tags/{name}": sha for name, sha in self.tags.items()}
            | {f"refs/pr/{number}": sha for number, sha in self.pull_requests.items()}
        )

    def at(self, revision: str) -> Commit:
        """The commit of a branch, a tag, a full reference or a sha, which seven digits may stand for.

        Raises:
            StoreError: 404, there is no such revision.
        """
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.refs:
                return self.commits[self.refs[name]]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            matches = [commit for sha, commit in self.commits.items() if sha.startswith(revision)]
            if len(matches) == 1:
                return matches[0]
        raise StoreError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def movable(self, revision: str) -> str:
        """The full name of a branch or pull request, which a commit can move; a tag or a sha is none.

        Raises:
            StoreError: 404, there is no such reference.
        """
        for name in (f"refs/heads/{revision}", revision):
            if name in self.refs and not name.startswith("refs/tags/"):
                return name
        raise StoreError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def last_change(self, path: str, commit: Commit) -> Commit:
        """The newest commit up to `commit` that changed a file or anything in a folder."""

        def seen(at: Commit) -> str | None:
            return at.files[path].oid if path in at.files else at.trees.get(path)

        while commit.parent is not None and seen(self.commits[commit.parent]) == seen(commit):
            commit = self.commits[commit.parent]
        return commit

    def add_commit(
        self, ref: str | None, files: Mapping[str, File], author: str, title: str, message: str, parent: str | None
    ) -> Commit:
        """Write a commit and move `ref` (or, without one, nothing) to it."""
        for file in files.values():
            if file.lfs_sha256 is not None and len(self.lfs.get(file.lfs_sha256, b"")) != file.lfs_size:
                raise ValueError("an LFS pointer without its object")
        trees = _trees(files)
        date = datetime.now(UTC).replace(microsecond=0)
        who = f"{author} <{author}@users.noreply.huggingface.co> {int(date.timestamp())} +0000"
        lines = [f"tree {trees['']}", *([f"parent {parent}"] if parent else []), f"author {who}", f"committer {who}"]
        text = f"{title}\n\n{message}" if message else title
        sha = git_oid("commit", ("\n".join(lines) + f"\n\n{text}\n").encode())
        commit = Commit(sha, parent, title, message, author, date, dict(sorted(files.items())), trees)
        self.commits[sha] = commit
        if ref is not None:
            self.point(ref, sha)
        return commit

    def point(self, ref: str, sha: str) -> None:
        """Move a reference, given by its full name, or make it."""
        kind, name = ref.removeprefix("refs/").split("/", 1)
        if kind == "pr":
            self.pull_requests[int(name)] = sha
        else:
            {"heads": self.branches, "tags": self.tags}[kind][name] = sha


def _trees(files: Mapping[str, File]) -> dict[str, str]:
    """The oid of every folder's git tree; raises StoreError where a path is both a file and a folder."""
    children: dict[str, dict[str, str | None]] = {"": {}}
    for path, file in files.items():
        folder, _, name = path.rpartition("/")
        children.setdefault(folder, {})[name] = file.oid
        while folder:
            above, _, name = folder.rpartition("/")
            children.setdefault(above, {}).setdefault(name, None)
            folder = above
    oids: dict[str, str] = {}
    for folder in sorted(children, key=lambda name: -len(name.split("/")) if name else 0):
        entries = []
        for name, oid in children[folder].items():
            below = f"{folder}/{name}".lstrip("/")
            if below in children and below in files:
                raise StoreError(400, f"{below} cannot be a file and a folder at once.")
            mode, oid = ("100644", oid) if oid is not None else ("40000", oids[below])
            entries.append((name + ("/" if mode == "40000" else ""), f"{mode} {name}\0".encode() + bytes.fromhex(oid)))
        oids[folder] = git_oid("tree", b"".join(entry for _, entry in sorted(entries, key=lambda e: e[0].encode())))
    return oids


class Store:
    """All repositories of a Hub."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}  # by kind and lower-case id
        self.moved: dict[tuple[str, str], Repo] = {}
        self.lock = threading.RLock()

    def find(self, kind: str, repo_id: str) -> Repo | None:
        """The repository of this id, in any letter case, or that once had it."""
        place = (kind, repo_id.lower())
        with self.lock:
            return self.repos.get(place) or self.moved.get(place)

    def create(self, kind: str, repo_id: str, author: str, first_files: Mapping[str, bytes]) -> Repo:
        """A repository with its initial commit."""
        with self.lock:
            repo = Repo(kind, repo_id)
            files = {
                ".gitattributes": File(initial_attributes()),
                **{p: File(data) for p, data in first_files.items()},
            }
            repo.add_commit("refs/heads/main", files, author, "initial commit", "", None)
            self.repos[kind, repo_id.lower()] = repo
            self.moved.pop((kind, repo_id.lower()), None)
            return repo

    def delete(self, repo: Repo) -> None:
        with self.lock:
            del self.repos[repo.kind, repo.id.lower()]
            self.moved = {place: other for place, other in self.moved.items() if other is not repo}

    def move(self, repo: Repo, new_id: str) -> None:
        """Rename a repository; its old name leads to it from now on."""
        with self.lock:
            self.moved[repo.kind, repo.id.lower()] = self.repos.pop((repo.kind, repo.id.lower()))
            repo.id = new_id
            self.repos[repo.kind, new_id.lower()] = repo
            self.moved.pop((repo.kind, new_id.lower()), None)


def initial_attributes() -> bytes:
    """The .gitattributes that the Hub puts into a new repository."""
    return "".join(f"{pattern} {_LFS_ATTRIBUTES}\n" for pattern in _KEPT_WITH_LFS.split()).encode()


_LFS_ATTRIBUTES = "filter=lfs diff=lfs merge=lfs -text"


def kept_with_lfs(path: str, attributes: bytes) -> bool:
    """Whether .gitattributes says that a path is kept with git LFS; the last line that matches decides."""
    decided = False
    for line in attributes.decode(errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        pattern = words[0].replace("[[:space:]]", " ")
        if _matches(path, pattern):
            if "filter=lfs" in words:
                decided = True
            elif "-filter" in words or "!filter" in words:
                decided = False
    return decided


def with_lfs_paths(attributes: bytes, paths: Iterable[str]) -> bytes:
    """The attributes with a line for each path that must be kept with LFS and is not, as the Hub adds them."""
    for path in paths:
        if not kept_with_lfs(path, attributes):
            if attributes and not attributes.endswith(b"\n"):
                attributes += b"\n"
            attributes += f"{path.replace(' ', '[[:space:]]')} {_LFS_ATTRIBUTES}\n".encode()
    return attributes


def ignored(path: str, gitignore: str) -> bool:
    """Whether a .gitignore says that a path is left out; the last line that matches decides."""
    decided = False
    for line in gitignore.splitlines():
        pattern = line.rstrip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        above = path if not pattern.endswith("/") else path.rpartition("/")[0]
        pattern = pattern.rstrip("/")
        parts = above.split("/") if above else []
        if any(_matches("/".join(parts[: count + 1]), pattern) for count in range(len(parts))):
            decided = not wanted
    return decided


def _matches(path: str, pattern: str) -> bool:
    """gitattributes' and gitignore's patterns: without a slash they mean a name anywhere, `**` means any folders."""
    if "/" not in pattern.rstrip("/"):
        return fnmatchcase(path.rsplit("/", 1)[-1], pattern)
    pieces = re.split(r"(\*\*/|/\*\*|\*|\?)", pattern.removeprefix("/"))
    known = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(known.get(piece, re.escape(piece)) for piece in pieces), path) is not None


@dataclass(frozen=True)
class Operation:
    """One line of a commit: `add` with a file, or `delete` of a file or folder."""

    action: str
    path: str
    file: File | None = None


def apply(files: Mapping[str, File], operations: Iterable[Operation]) -> dict[str, File]:
    """The files after the operations, in their order; LFS files that .gitattributes does not know are added there.

    Raises:
        StoreError: 404, a file or folder to delete is not there.
    """
    after = dict(files)
    with_lfs = []
    for operation in operations:
        if operation.action == "add":
            assert operation.file is not None
            after[operation.path] = operation.file
            if operation.file.lfs_sha256 is not None:
                with_lfs.append(operation.path)
            continue
        gone = [path for path in after if path == operation.path or path.startswith(f"{operation.path}/")]
        if not gone:
            raise StoreError(404, f"A file with this name doesn't exist: {operation.path}", "EntryNotFound")
        for path in gone:
            del after[path]
    before = after.get(".gitattributes", File(b""))
    attributes = with_lfs_paths(before.data, [path for path in with_lfs if path in after])
    return after if attributes == before.data else {**after, ".gitattributes": replace(before, data=attributes)}
