"""Writing files so that a reader finds the whole of them or nothing, and fingerprinting what was written."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 under a temporary name, then rename it to `path`."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name; when the block ends well it is synced to disk and takes `path`'s place.

    Whatever stood at `path` stays until the new folder is complete; when the block fails, the partial folder goes.
    """
    partial = path.with_name(f".{path.name}.partial")
    empty_folder(partial)
    try:
        yield partial
        sync_folder(partial)
    except BaseException:  # Ctrl-C too must leave no partial folder; the error goes on to whoever handles it
        shutil.rmtree(partial, ignore_errors=True)
        raise
    replace_folder(partial, path)


def empty_folder(path: Path) -> None:
    """Make `path` an empty folder, whatever stood there."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)


def replace_folder(partial: Path, path: Path) -> None:
    """Rename `partial` to `path`, taking the place of a folder that may stand there."""
    if path.exists():
        old = _set_aside(path)
        partial.rename(path)
        shutil.rmtree(old)
    else:
        partial.rename(path)
    _sync(path.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder so that a kill in the middle leaves none that looks whole: it is renamed first."""
    shutil.rmtree(_set_aside(path))


def sync_folder(folder: Path) -> None:
    """Flush every file below `folder` to disk, so that a rename after it cannot outrun its contents."""
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    _sync(folder)


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _set_aside(path: Path) -> Path:
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    return path.rename(old)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
