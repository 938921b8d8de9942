"""Precision, recall, density and coverage: how fakes and reals lie in each other's neighbourhoods.

An image's neighbourhood is the ball around its features that reaches to its k-th nearest neighbour in its own set.

    precision  the share of fakes inside some real's ball           (are the fakes real enough?)
    recall     the share of reals inside some fake's ball           (could the generator have made each real?)
    density    the mean number of reals' balls a fake is in, over k (like precision; one outlier's big ball weighs 1/k)
    coverage   the share of reals whose ball holds some fake        (like recall, with balls outliers cannot widen)

Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991 (precision, recall);
Naeem et al. 2020, https://arxiv.org/abs/2002.09797 (density, coverage).

A ball is closed: an image on its border is inside, as Kynkäänniemi define it. Naeem's code uses open balls. The two
differ only where distances are exactly equal, which happens for duplicates: k + 1 equal reals have balls of radius 0,
and a fake equal to them is inside the closed ball and outside the open one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Progress = Callable[[Sequence[int]], Iterable[int]]

_TILE_BYTES = 1 << 27  # of one block of distances: 50,000 × 50,000 of them would take 20 GB
_ROUNDING = 1e-13  # a squared distance below this share of the squared norms is a rounding error of their difference


@dataclass(frozen=True)
class Share:
    """A mean over images and its standard error, the other set's balls taken as given."""

    value: float
    uncertainty: float


@dataclass(frozen=True)
class ManifoldScores:
    """Each 0 to 1, density 0 or more."""

    precision: Share
    recall: Share
    density: Share
    coverage: Share
    nearest_k: int


def manifold_scores(
    real: npt.ArrayLike, fake: npt.ArrayLike, *, nearest_k: int = 5, progress: Progress = iter
) -> ManifoldScores:
    """Precision, recall, density and coverage in float64; the memory needed grows with images, not with their pairs.

    Args:
        real: features of shape (images, dimension).
        fake: features of shape (images, dimension).
        nearest_k: the neighbour that a ball reaches to, 1 or more.
        progress: wraps what is worked through, as tqdm does.

    Raises:
        ValueError: `nearest_k` is below 1, a set has no more images than that, the dimensions differ, or a feature is
            not finite.
    """
    if nearest_k < 1:
        raise ValueError(f"nearest_k must be 1 or more, not {nearest_k}")
    X, Y = feature_matrix(real, nearest_k), feature_matrix(fake, nearest_k)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"features of {X.shape[1]} and of {Y.shape[1]} dimensions cannot be compared")
    centre = np.rint(X.mean(axis=0))  # distances lose digits far from 0; whole numbers leave equal distances equal
    X, Y = X - centre, Y - centre
    real_radii, fake_radii = _squared_radii(X, nearest_k, progress), _squared_radii(Y, nearest_k, progress)
    balls_of_fake = np.zeros(len(Y), dtype=np.int64)
    recalled, covered = np.zeros(len(X), dtype=bool), np.zeros(len(X), dtype=bool)
    for rows, distances in _tiles(X, Y, progress):
        inside = distances <= real_radii[rows, None]
        balls_of_fake += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (distances <= fake_radii).any(axis=1)
    return ManifoldScores(
        precision=_share(balls_of_fake > 0),
        recall=_share(recalled),
        density=_share(balls_of_fake / nearest_k),
        coverage=_share(covered),
        nearest_k=nearest_k,
    )


def feature_matrix(features: npt.ArrayLike, nearest_k: int) -> Array:
    """`features` as float64 of shape (images, dimension).

    Raises:
        ValueError: they are not a matrix of more than `nearest_k` rows, or hold NaN or infinity.
    """
    points = np.asarray(features, dtype=np.float64)
    if points.ndim != 2 or len(points) <= nearest_k:
        raise ValueError(
            f"features must have the shape (images, dimension) with more than {nearest_k} images, not {points.shape}"
        )
    with np.errstate(over="ignore"):
        total = np.square(points).sum()
    if not np.isfinite(total):
        raise ValueError("features hold NaN or infinity, or are too large to be squared")
    return points


def _squared_radii(points: Array, nearest_k: int, progress: Progress) -> Array:
    """Each point's squared distance to its k-th nearest neighbour, the point itself not counted."""
    radii = np.empty(len(points))
    for rows, distances in _tiles(points, points, progress):
        distances.partition(nearest_k, axis=1)  # place 0 is the point itself
        radii[rows] = distances[:, nearest_k]
    return radii


def _tiles(X: Array, Y: Array, progress: Progress) -> Iterator[tuple[slice, Array]]:
    """Squared distances from X to Y, as many rows of X at a time as fit into a tile."""
    squared_X, squared_Y = (X**2).sum(axis=1), (Y**2).sum(axis=1)
    rows_per_tile = max(1, _TILE_BYTES // (8 * len(Y)))
    for start in progress(range(0, len(X), rows_per_tile)):
        rows = slice(start, start + rows_per_tile)
        norms = squared_X[rows, None] + squared_Y
        distances = X[rows] @ Y.T
        distances *= -2
        distances += norms
        norms *= _ROUNDING
        distances[distances < norms] = 0.0
        yield rows, distances


def _share(values: npt.NDArray[np.bool_] | Array) -> Share:
    return Share(float(values.mean()), float(values.std() / np.sqrt(len(values))))
