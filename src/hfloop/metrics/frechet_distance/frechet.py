"""The Fréchet distance between Gaussians fitted to features, its standard error, and its limit for endless samples.

    FD = |μ₁ − μ₂|² + Tr S₁ + Tr S₂ − 2 Tr (S₁ S₂)^½

Dowson and Landau 1982 (the distance);
Heusel et al. 2017, https://arxiv.org/abs/1706.08500 (on features of Inception: FID).

The last trace is the nuclear norm of F₁ᵀF₂ for any factors S = F Fᵀ. That form is symmetric, needs no square root of a
product that is not symmetric, loses no digits where covariances are singular (a root of an eigenvalue that should be 0
turns a rounding error of 1e-16 into 1e-8), and its factors are computed once for a reference that is used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

Array = npt.NDArray[np.float64]
Progress = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True)
class FeatureStatistics:
    """The Gaussian fitted to a set of features.

    Attributes:
        n: how many images it was fitted to, at least 2.
        mean: shape (dimension,).
        factor: F of shape (dimension, rank) with F Fᵀ = the unbiased covariance (divided by n − 1).
    """

    n: int
    mean: Array
    factor: Array

    @classmethod
    def of(cls, features: npt.ArrayLike) -> FeatureStatistics:
        """Fit to features of shape (images, dimension).

        Raises:
            ValueError: there are fewer than two images, or a feature is not finite.
        """
        points = feature_matrix(features)
        n, dimension = points.shape
        mean = points.mean(axis=0)
        centred = points - mean
        if n <= dimension:
            return cls(n, mean, centred.T / np.sqrt(n - 1))
        return cls.from_covariance(n, mean, centred.T @ centred / (n - 1))

    @classmethod
    def from_covariance(cls, n: int, mean: Array, covariance: Array) -> FeatureStatistics:
        """From an unbiased covariance of shape (dimension, dimension), factored by Cholesky's method with pivots.

        The rank is at most n − 1: what a sample of n images cannot span is rounding noise, and is left out.
        """
        packed, pivots, rank, _ = lapack.dpstrf(covariance, lower=1)
        rank = min(rank, n - 1)
        factor = np.empty((len(mean), rank))
        factor[pivots - 1] = np.tril(packed)[:, :rank]
        return cls(n, mean, factor)

    def without(self, features: npt.ArrayLike) -> FeatureStatistics:
        """The statistics of the other images when these, shape (images, dimension), are taken out."""
        gone = FeatureStatistics.of(features)
        n = self.n - gone.n
        mean = (self.n * self.mean - gone.n * gone.mean) / n
        shift = gone.mean - mean
        scatter = (self.n - 1) * self.factor @ self.factor.T - (gone.n - 1) * gone.factor @ gone.factor.T
        scatter -= np.outer(shift, shift) * (n * gone.n / self.n)
        return FeatureStatistics.from_covariance(n, mean, scatter / (n - 1))

    @property
    def dimension(self) -> int:
        """How many features an image has."""
        return len(self.mean)

    @property
    def total_variance(self) -> float:
        """Tr S, the sum of the features' variances."""
        return float((self.factor**2).sum())


def feature_matrix(features: npt.ArrayLike) -> Array:
    """`features` as float64 of shape (images, dimension).

    Raises:
        ValueError: they are not a matrix of at least two rows, or hold NaN or infinity.
    """
    points = np.asarray(features, dtype=np.float64)
    if points.ndim != 2 or len(points) < 2:
        raise ValueError(f"features must have the shape (images, dimension) with 2 or more images, not {points.shape}")
    with np.errstate(over="ignore"):
        total = np.square(points).sum()
    if not np.isfinite(total):
        raise ValueError("features hold NaN or infinity, or are too large to be squared")
    return points


def frechet_distance(real: FeatureStatistics, fake: FeatureStatistics) -> float:
    """The Fréchet distance in float64, symmetric in its arguments; 0 where it is less than its rounding error.

    Raises:
        ValueError: the two have features of different dimensions.
    """
    if real.dimension != fake.dimension:
        raise ValueError(f"features of {real.dimension} and of {fake.dimension} dimensions cannot be compared")
    shift = real.mean - fake.mean
    overlap = np.linalg.svd(real.factor.T @ fake.factor, compute_uv=False).sum()
    variance = real.total_variance + fake.total_variance
    distance = float(shift @ shift + variance - 2 * overlap)
    rounding = np.finfo(np.float64).eps * real.dimension * variance
    return distance if distance > rounding else 0.0


def standard_error(real: FeatureStatistics, features: npt.ArrayLike) -> float:
    """How far the distance would scatter for other samples of as many fakes, `real` taken as given.

    The delta method: the distance moves with a fake image x by its influence
    2 (μ₂ − μ₁)·c + |c|² − cᵀTc, where c = x − μ₂ and T = F₁ (F₁ᵀS₂F₁)^−½ F₁ᵀ transports the fakes' Gaussian to the
    reals' (the gradient of the distance: Bhatia, Jain and Lim 2019, https://arxiv.org/abs/1712.01504, §3). The
    standard deviation of the influence over the root of n is the standard error. Images must outnumber the dimensions
    by far for it to hold.

    Args:
        real: the reference.
        features: of the fakes, shape (images, dimension).
    """
    points = feature_matrix(features)
    fake = FeatureStatistics.of(points)
    U, overlaps, _ = np.linalg.svd(real.factor.T @ fake.factor, full_matrices=False)
    kept = overlaps > overlaps.max(initial=0.0) * np.finfo(np.float64).eps * max(U.shape)
    centred = points - fake.mean  # (images, dimension)
    transported = centred @ (real.factor @ (U[:, kept] / np.sqrt(overlaps[kept])))  # |row|² = cᵀTc
    influence = 2 * centred @ (fake.mean - real.mean) + (centred**2).sum(axis=1) - (transported**2).sum(axis=1)
    return float(influence.std(ddof=1) / np.sqrt(len(points)))


@dataclass(frozen=True)
class Extrapolation:
    """The distance as a function of the number of fakes n, fitted by a + b/n.

    Attributes:
        value: a, the distance for endless samples. It can be below 0 by its uncertainty.
        uncertainty: standard error of the fit's a, from how the points scatter around the line.
        sizes: numbers of fakes at which the distance was measured, descending.
        distances: the mean distances there.
    """

    value: float
    uncertainty: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def smallest_extrapolation(dimension: int) -> int:
    """How many fakes :func:`extrapolate` wants: below it the distance is no straight line in 1/n."""
    return 10 * dimension


def extrapolate(
    real: FeatureStatistics,
    features: npt.ArrayLike,
    *,
    seed: int,
    most_parts: int = 5,
    progress: Progress = iter,
) -> Extrapolation:
    """FD∞, the distance that endless fakes would have (Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023).

    The fakes are divided at random into 1, 2, …, `most_parts` equal parts; the mean distance of the parts is that of
    n, n/2, … fakes, and the line through these over 1/n is followed to 1/n = 0. Each division uses every fake once, so
    that what makes one part's distance high makes another's low: single random subsets scatter several times as much.
    The reference's own sample count is not extrapolated.

    Args:
        real: the reference.
        features: of the fakes, shape (images, dimension).
        seed: of the divisions.
        most_parts: the most parts to divide into, at least 4, for the fit to have an error.
        progress: wraps what is worked through, as tqdm does.

    Raises:
        ValueError: there are fewer fakes than :func:`smallest_extrapolation` says.
    """
    points = feature_matrix(features)
    if len(points) < smallest_extrapolation(real.dimension):
        raise ValueError(
            f"{len(points)} images are too few to extrapolate at dimension {real.dimension}: "
            f"at least {smallest_extrapolation(real.dimension)} are needed"
        )
    generator = np.random.default_rng(seed)
    divisions = [np.array_split(generator.permutation(len(points)), parts) for parts in range(1, most_parts + 1)]
    every_part = [indices for division in divisions for indices in division]
    measured = iter(
        [frechet_distance(real, FeatureStatistics.of(points[every_part[i]])) for i in progress(range(len(every_part)))]
    )
    distances = [float(np.mean([next(measured) for _ in division])) for division in divisions]
    sizes = [len(points) / len(division) for division in divisions]
    (_, value), covariance = np.polyfit(1 / np.array(sizes), distances, deg=1, cov=True)
    return Extrapolation(
        value=float(value),
        uncertainty=float(np.sqrt(covariance[1, 1])),
        sizes=tuple(int(size) for size in sizes),
        distances=tuple(distances),
    )
