"""What is sent, and what would change where it goes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from huggingface_hub import RepoFile

_KEPT_IN_MEMORY_BYTES = 16 << 20  # more than the Hub takes without LFS, which compares what arrives with its sha256


@dataclass(frozen=True)
class OutgoingFile:
    """A file as it is sent.

    Attributes:
        content: the bytes themselves, so that nothing can alter them any more, or the path of a large file.
        size: in bytes.
        sha256: of the content; the read-back compares what arrived with it.
    """

    content: bytes | Path
    size: int
    sha256: str

    @cached_property
    def git_oid(self) -> str:
        """The sha1 by which git knows the file, if it is not one for LFS."""
        content = self.content if isinstance(self.content, bytes) else self.content.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

    def is_at(self, remote: RepoFile | None) -> bool:
        """Whether the Hub holds this very file there."""
        if remote is None:
            return False
        if remote.lfs is not None:
            return remote.lfs.sha256 == self.sha256
        return remote.size == self.size and remote.blob_id == self.git_oid


def text_file(text: str) -> OutgoingFile:
    """A file that holds `text` as UTF-8."""
    content = text.encode()
    return OutgoingFile(content, len(content), hashlib.sha256(content).hexdigest())


def recorded_file(path: Path, sha256: str) -> OutgoingFile | None:
    """A file whose sha256 is known; None where a small one is not what it was any more."""
    size = path.stat().st_size
    if size > _KEPT_IN_MEMORY_BYTES:
        return OutgoingFile(path, size, sha256)
    content = path.read_bytes()
    return OutgoingFile(content, len(content), sha256) if hashlib.sha256(content).hexdigest() == sha256 else None


@dataclass(frozen=True)
class Plan:
    """What one commit makes of a repository.

    Attributes:
        outgoing: every file of the release, by its path.
        remote: what the Hub holds now.
        earlier: the files of the release that is there now; those that the new one lacks go.
    """

    outgoing: Mapping[str, OutgoingFile]
    remote: Mapping[str, RepoFile]
    earlier: frozenset[str] = frozenset()

    @cached_property
    def added(self) -> list[str]:
        """Files that the repository lacks."""
        return [name for name in self.outgoing if name not in self.remote]

    @cached_property
    def changed(self) -> list[str]:
        """Files that the repository has with another content."""
        return [
            name for name, file in self.outgoing.items() if name in self.remote and not file.is_at(self.remote[name])
        ]

    @cached_property
    def removed(self) -> list[str]:
        """Files of the earlier release that the new one lacks."""
        return sorted(self.earlier & self.remote.keys() - self.outgoing.keys())

    @cached_property
    def unchanged(self) -> list[str]:
        """Files that the repository holds already."""
        other = {*self.added, *self.changed}
        return [name for name in self.outgoing if name not in other]

    @cached_property
    def kept(self) -> list[str]:
        """Files that are none of a release: people's own, and the Hub's."""
        return sorted(self.remote.keys() - self.outgoing.keys() - set(self.removed))

    @property
    def sent(self) -> list[str]:
        """Files to upload."""
        return sorted([*self.added, *self.changed])

    def changes_nothing(self) -> bool:
        """Whether the repository holds this release already."""
        return not (self.added or self.changed or self.removed)

    def has_happened_to(self, remote: Mapping[str, RepoFile]) -> bool:
        """Whether a repository with these files is what this plan would make of it."""
        sent = all(file.is_at(remote.get(name)) for name, file in self.outgoing.items())
        return sent and not set(self.removed) & remote.keys()

    def told(self) -> str:
        """A line per file, sizes and names aligned, and their number."""
        rows = [
            *(("added", self.outgoing[name].size, name) for name in self.added),
            *(("changed", self.outgoing[name].size, name) for name in self.changed),
            *(("removed", self.remote[name].size, name) for name in self.removed),
            *(("unchanged", self.outgoing[name].size, name) for name in self.unchanged),
            *(("kept", self.remote[name].size, f"{name} (not of the release)") for name in self.kept),
        ]
        lines = [f"  {what:<9}  {human_size(size):>8}  {name}" for what, size, name in rows]
        upload = human_size(sum(self.outgoing[name].size for name in self.sent))
        counts = _counted(
            added=self.added, changed=self.changed, removed=self.removed, unchanged=self.unchanged, kept=self.kept
        )
        return "\n".join([*lines, f"{counts}; {upload} to upload"])


def human_size(size: int) -> str:
    """A number of bytes as people say it: `90.9 MB`."""
    number, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while number >= 999.95 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{size} B" if units[0] == "B" else f"{number:.1f} {units[0]}"


def _counted(**groups: Iterable[str]) -> str:
    return ", ".join(f"{len(list(names))} {what}" for what, names in groups.items() if names)
