"""Statistics of real images, measured once and kept in a cache.

A cache file is found by everything that its contents depend on, so that a stale one is never used; one that is cut
short or altered is measured anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hfloop.metrics.frechet_distance.frechet import FeatureStatistics

logger = logging.getLogger(__name__)

_LAYOUT = 1  # raised when what a file holds changes its meaning


def cached_statistics(key: dict[str, str | int], measure: Callable[[], FeatureStatistics]) -> FeatureStatistics:
    """The statistics that `key` describes: from the cache, or else from `measure`, and then kept.

    A cache that cannot be read or written costs time only: a warning says so.

    Args:
        key: everything that the statistics depend on: the images, the extractor.
        measure: makes them where the cache has none.
    """
    identity = json.dumps({**key, "layout": _LAYOUT}, sort_keys=True)
    name = f"{hashlib.sha256(identity.encode()).hexdigest()}.safetensors"
    try:
        path = _cache_folder() / name
        statistics = _read(path, identity) if path.exists() else None
    except (OSError, ValueError) as error:
        logger.warning("Warning: the cache of reference statistics cannot be used: %s.", error)
        return measure()
    if statistics is None:
        statistics = measure()
        _write(path, identity, statistics)
    return statistics


def _cache_folder() -> Path:
    """Beside the Hub's own cache; the environment variables HF_HOME and HF_ASSETS_CACHE move it."""
    from huggingface_hub import cached_assets_path, constants

    return cached_assets_path(
        "hfloop", namespace="metrics", subfolder="reference-statistics", assets_dir=constants.HF_ASSETS_CACHE
    )


def _read(path: Path, identity: str) -> FeatureStatistics | None:
    """What `path` holds; None where it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
        if metadata.get("identity") != identity or metadata.get("sha256") != _digest(tensors):
            raise ValueError("its contents are not what its name says")
        return FeatureStatistics(int(metadata["n"]), tensors["mean"], tensors["factor"])
    except (SafetensorError, ValueError, KeyError) as error:
        logger.warning(
            "Warning: the cached reference statistics %s are damaged (%s): measuring them anew.", path, error
        )
        return None


def _write(path: Path, identity: str, statistics: FeatureStatistics) -> None:
    tensors = {"mean": statistics.mean, "factor": np.ascontiguousarray(statistics.factor)}
    metadata = {"identity": identity, "sha256": _digest(tensors), "n": str(statistics.n)}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata=metadata)
        partial.chmod(0o644)  # a cache may be shared, and safetensors writes for its owner alone
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        logger.warning("Warning: the reference statistics could not be kept in %s: %s.", path.parent, error)


def _digest(tensors: dict[str, npt.NDArray[np.float64]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()
