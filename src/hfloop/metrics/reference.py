"""The real images' side of a Fréchet distance, measured once and kept in a cache.

A cache file is found by everything that its contents depend on, so that a stale one is never used; one that is cut
short or altered is measured anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hfloop.metrics.frechet_distance.frechet import FeatureStatistics

logger = logging.getLogger(__name__)

_LAYOUT = 1  # raised when what a file holds changes its meaning


@dataclass(frozen=True)
class FrechetReference:
    """Statistics of a set of real images, and of the same set divided, for the distance of real against real.

    Attributes:
        whole: of all the images.
        rest: of all but the held-out ones.
        held_out: features of the held-out ones, float32 of shape (images, dimension).
    """

    whole: FeatureStatistics
    rest: FeatureStatistics
    held_out: npt.NDArray[np.float32]


def cached_reference(key: dict[str, str | int], measure: Callable[[], FrechetReference]) -> FrechetReference:
    """The reference that `key` describes: from the cache, or else from `measure`, and then kept.

    Args:
        key: everything that the reference depends on: images, extractor, split.
        measure: makes it where the cache has none.
    """
    identity = json.dumps({**key, "layout": _LAYOUT}, sort_keys=True)
    path = _cache_folder() / f"{hashlib.sha256(identity.encode()).hexdigest()}.safetensors"
    reference = _read(path, identity)
    if reference is None:
        reference = measure()
        _write(path, identity, reference)
    return reference


def _cache_folder() -> Path:
    """Beside the Hub's own cache; the environment variables HF_HOME and HF_ASSETS_CACHE move it."""
    from huggingface_hub import cached_assets_path, constants

    return cached_assets_path(
        "hfloop", namespace="metrics", subfolder="frechet-references", assets_dir=constants.HF_ASSETS_CACHE
    )


def _read(path: Path, identity: str) -> FrechetReference | None:
    """What `path` holds; None where there is no such file, or a damaged one."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
        if metadata.get("identity") != identity or metadata.get("sha256") != _digest(tensors):
            raise ValueError("its contents are not what its name says")
        return FrechetReference(
            whole=FeatureStatistics(int(metadata["n_whole"]), tensors["whole_mean"], tensors["whole_factor"]),
            rest=FeatureStatistics(int(metadata["n_rest"]), tensors["rest_mean"], tensors["rest_factor"]),
            held_out=tensors["held_out"],
        )
    except (SafetensorError, ValueError, KeyError) as error:
        logger.warning("The cached reference statistics %s are damaged (%s): measuring them anew.", path, error)
        return None


def _write(path: Path, identity: str, reference: FrechetReference) -> None:
    tensors: dict[str, np.ndarray] = {
        "whole_mean": reference.whole.mean,
        "whole_factor": np.ascontiguousarray(reference.whole.factor),
        "rest_mean": reference.rest.mean,
        "rest_factor": np.ascontiguousarray(reference.rest.factor),
        "held_out": reference.held_out,
    }
    metadata = {
        "identity": identity,
        "sha256": _digest(tensors),
        "n_whole": str(reference.whole.n),
        "n_rest": str(reference.rest.n),
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata=metadata)
        partial.replace(path)
    except (OSError, SafetensorError) as error:  # the figure does not need the cache: go on without
        partial.unlink(missing_ok=True)
        logger.warning("The reference statistics could not be kept in %s: %s.", path.parent, error)


def _digest(tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()
