"""The kernel distance (KID): the squared maximum mean discrepancy of two sets of features under a cubic kernel.

    MMD² = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y),   k(x, y) = (x·y / dimension + 1)³

without the pairs of an image with itself, which makes it unbiased: its expectation does not depend on how many images
there are, and it can be below 0. Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Progress = Callable[[Sequence[int]], Iterable[int]]

SUBSET_SIZE = 1000


@dataclass(frozen=True)
class KernelDistance:
    """The distance over random subsets.

    Attributes:
        value: mean over the subsets.
        uncertainty: standard deviation over the subsets. They share images, so it describes one subset of this size,
            and is no standard error of the mean.
        n_subsets: how many subsets of each set were drawn.
        subset_size: images in each.
    """

    value: float
    uncertainty: float
    n_subsets: int
    subset_size: int


def kernel_distance(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    seed: int,
    n_subsets: int = 100,
    subset_size: int = SUBSET_SIZE,
    progress: Progress = iter,
) -> KernelDistance:
    """KID over `n_subsets` pairs of random subsets, each without repetition.

    Args:
        real: features of shape (images, dimension).
        fake: features of shape (images, dimension); the sets need not be equally large.
        seed: of the choice of the subsets.
        n_subsets: how many to draw, at least 2.
        subset_size: images in a subset, at least 2; half the smaller set where that is less, for subsets to differ.
        progress: wraps what is worked through, as tqdm does.

    Raises:
        ValueError: the features are no matrices of one dimension with 4 or more images, or are not finite; or there
            are fewer than 2 subsets or images in one.
    """
    if min(n_subsets, subset_size) < 2:
        raise ValueError(f"n_subsets and subset_size must be 2 or more, not {n_subsets} and {subset_size}")
    X, Y = feature_matrix(real), feature_matrix(fake)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"features of {X.shape[1]} and of {Y.shape[1]} dimensions cannot be compared")
    size = min(subset_size, len(X) // 2, len(Y) // 2)
    generator = np.random.default_rng(seed)
    distances = [
        squared_discrepancy(
            X[generator.choice(len(X), size, replace=False)], Y[generator.choice(len(Y), size, replace=False)]
        )
        for _ in progress(range(n_subsets))
    ]
    return KernelDistance(
        value=float(np.mean(distances)),
        uncertainty=float(np.std(distances, ddof=1)),
        n_subsets=n_subsets,
        subset_size=size,
    )


def squared_discrepancy(X: Array, Y: Array) -> float:
    """The unbiased estimate of MMD² from features of shape (images, dimension)."""
    return _mean_of_pairs(X) + _mean_of_pairs(Y) - 2 * float(_kernel(X, Y).mean())


def feature_matrix(features: npt.ArrayLike) -> Array:
    """`features` as float64 of shape (images, dimension).

    Raises:
        ValueError: they are not a matrix of at least four rows, or hold NaN or infinity.
    """
    points = np.asarray(features, dtype=np.float64)
    if points.ndim != 2 or len(points) < 4:
        raise ValueError(f"features must have the shape (images, dimension) with 4 or more images, not {points.shape}")
    with np.errstate(over="ignore"):
        total = np.square(points).sum()
    if not np.isfinite(total):
        raise ValueError("features hold NaN or infinity, or are too large to be squared")
    return points


def _mean_of_pairs(X: Array) -> float:
    """The mean kernel over pairs of different images."""
    similarity = _kernel(X, X)
    return float((similarity.sum() - np.trace(similarity)) / (len(X) * (len(X) - 1)))


def _kernel(X: Array, Y: Array) -> Array:
    similarity = X @ Y.T
    similarity /= X.shape[1]
    similarity += 1
    return similarity * similarity * similarity
