"""Arrays that took long to make, kept on disk.

A file is found by everything that its contents depend on, so that a stale one is never used; one that is cut short or
altered is made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

logger = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray]


@dataclass(frozen=True)
class ArrayCache:
    """A folder of safetensors files, below the Hub's own cache; HF_HOME and HF_ASSETS_CACHE move it.

    A cache that cannot be read or written costs time only: a warning says so.

    Attributes:
        namespace: the folder above.
        name: of the folder.
        what: is kept, for messages.
        layout: raised when what a file holds changes its meaning.
    """

    namespace: str
    name: str
    what: str
    layout: int

    @property
    def folder(self) -> Path:
        """Where the files lie; made if it is not there."""
        from huggingface_hub import cached_assets_path, constants

        return cached_assets_path(
            "hfloop", namespace=self.namespace, subfolder=self.name, assets_dir=constants.HF_ASSETS_CACHE
        )

    def fetch(self, key: Mapping[str, str | int], make: Callable[[], Arrays]) -> Arrays:
        """The arrays that `key` describes: from their file, or else from `make`, and then kept.

        Args:
            key: everything that the arrays depend on.
            make: makes them where the cache has none.
        """
        identity = json.dumps({**key, "layout": self.layout}, sort_keys=True)
        name = f"{hashlib.sha256(identity.encode()).hexdigest()}.safetensors"
        try:
            path = self.folder / name
            arrays = self._read(path, identity) if path.exists() else None
        except (OSError, ValueError) as error:
            logger.warning("Warning: the cache of %s cannot be used: %s.", self.what, error)
            return make()
        if arrays is None:
            arrays = make()
            self._write(path, identity, arrays)
        return arrays

    def _read(self, path: Path, identity: str) -> Arrays | None:
        """What `path` holds; None where it is damaged."""
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
            if metadata.get("identity") != identity or metadata.get("sha256") != _digest(arrays):
                raise ValueError("its contents are not what its name says")
        except (SafetensorError, ValueError) as error:
            logger.warning("Warning: the cached %s in %s are damaged (%s): making them anew.", self.what, path, error)
            return None
        return arrays

    def _write(self, path: Path, identity: str, arrays: Arrays) -> None:
        metadata = {"identity": identity, "sha256": _digest(arrays)}
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial, metadata)
            partial.chmod(0o644)  # a cache may be shared, and safetensors writes for its owner alone
            partial.replace(path)
        except (OSError, SafetensorError) as error:
            logger.warning("Warning: the %s could not be kept in %s: %s.", self.what, path.parent, error)
        finally:  # after Ctrl-C too
            if partial.exists():
                partial.unlink()


def _digest(arrays: Arrays) -> str:
    """Hex sha256 over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
