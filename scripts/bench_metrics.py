"""Measure the metrics for generators against other libraries: time, error on closed forms, agreement, memory.

    python -m scripts.bench_metrics distance --dimension 2048 --rounds 3
    python -m scripts.bench_metrics neighbours --images 10000 --dimension 512

`distance` lets four ways to the Fréchet distance take turns on the same covariances: ours with a reference that was
factored before, torchmetrics' function, torch-fidelity's formula (eigenvalues of the product) and pytorch-fid's
(SciPy's matrix square root). Then each computes cases whose answer is known in closed form, and all of them the same
ordinary case.

`neighbours` measures precision, recall, density and coverage and the peak memory of its process, beside the usual way
that holds all distances at once.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hfloop.metrics.frechet_distance.frechet import FeatureStatistics, frechet_distance
from hfloop.metrics.prdc.manifold import manifold_scores

Array = npt.NDArray[np.float64]
KIB_PER_GIB = 1 << 20
NEAREST_K = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    distance_parser = commands.add_parser("distance", help="the Fréchet distance against three other ways to it")
    distance_parser.add_argument("--dimension", type=int, default=2048)
    distance_parser.add_argument("--rounds", type=int, default=3)
    neighbours_parser = commands.add_parser("neighbours", help="time and peak memory of precision and recall")
    neighbours_parser.add_argument("--images", type=int, default=10_000, help="of each of the two sets")
    neighbours_parser.add_argument("--dimension", type=int, default=512)
    neighbours_parser.add_argument("--way", choices=["hfloop", "usual"], help=argparse.SUPPRESS)  # one turn
    arguments = parser.parse_args()
    if arguments.command == "distance":
        distance(arguments.dimension, arguments.rounds)
    elif arguments.way:
        print(json.dumps(neighbours_turn(arguments.way, arguments.images, arguments.dimension)))
    else:
        neighbours(arguments.images, arguments.dimension)


# ---------------------------------------------------------------------------------------------------- distance


@dataclass(frozen=True)
class Gaussian:
    """Mean of shape (dimension,), covariance of shape (dimension, dimension), from n images."""

    n: int
    mean: Array
    covariance: Array


@dataclass(frozen=True)
class Case:
    """Two Gaussians and the distance between them, where it is known in closed form."""

    name: str
    real: Gaussian
    fake: Gaussian
    expected: float | None


Way = Callable[[Gaussian], float]


def distance(dimension: int, rounds: int) -> None:
    """Print the time of each way, and its error on closed forms."""
    ordinary = ordinary_case(dimension)
    seconds: dict[str, list[float]] = {}
    print(f"seconds for a distance at dimension {dimension}, {rounds} rounds in turn:")
    for way in ways(closed_forms(8)[0].real).values():
        way(closed_forms(8)[0].fake)  # what a library does on its first call is not timed
    for number in range(rounds):
        for name, way in ways(ordinary.real).items():
            start = time.perf_counter()
            way(ordinary.fake)
            seconds.setdefault(name, []).append(time.perf_counter() - start)
        print(f"  round {number + 1}: " + ", ".join(f"{name} {times[-1]:.2f}" for name, times in seconds.items()))
    ours = statistics.median(seconds["hfloop"])
    for name, times in seconds.items():
        print(f"  {name:<16} median {statistics.median(times):7.2f} s, {statistics.median(times) / ours:5.1f} x ours")
    print("\nerror on closed forms, relative to the total variance:")
    for case in closed_forms(min(dimension, 512)):
        scale = float(np.trace(case.real.covariance) + np.trace(case.fake.covariance))
        assert case.expected is not None
        found = {name: abs(way(case.fake) - case.expected) / scale for name, way in ways(case.real).items()}
        print(f"  {case.name:<58}" + ", ".join(f"{name} {error:.0e}" for name, error in found.items()))
    print("\nagreement on an ordinary case, relative to ours:")
    found = {name: way(ordinary.fake) for name, way in ways(ordinary.real).items()}
    print("  " + ", ".join(f"{name} {abs(value / found['hfloop'] - 1):.0e}" for name, value in found.items()))


def ways(real: Gaussian) -> dict[str, Way]:
    """The ways to the distance from `real`, each with what it prepares of a reference done."""
    reference = FeatureStatistics.from_covariance(real.n, real.mean, real.covariance)
    return {
        "hfloop": lambda fake: frechet_distance(
            reference, FeatureStatistics.from_covariance(fake.n, fake.mean, fake.covariance)
        ),
        "torchmetrics": lambda fake: by_torchmetrics(real, fake),
        "torch-fidelity": lambda fake: by_eigenvalues(real, fake),
        "scipy sqrtm": lambda fake: by_square_root(real, fake),
    }


def by_torchmetrics(real: Gaussian, fake: Gaussian) -> float:
    import torch
    from torchmetrics.image.fid import _compute_fid

    matrices = (real.mean, real.covariance, fake.mean, fake.covariance)
    return float(_compute_fid(*(torch.from_numpy(matrix) for matrix in matrices)))


def by_eigenvalues(real: Gaussian, fake: Gaussian) -> float:
    """torch-fidelity 0.4, metric_fid.py: roots of the eigenvalues of a product that is not symmetric."""
    eigenvalues = np.linalg.eigvals(real.covariance.dot(fake.covariance)).astype("complex128")
    return around(real, fake, float(np.sqrt(eigenvalues).real.sum()))


def by_square_root(real: Gaussian, fake: Gaussian) -> float:
    """pytorch-fid 0.3, fid_score.py: the trace of SciPy's matrix square root, with its guard for singular products."""
    from scipy.linalg import sqrtm

    root = sqrtm(real.covariance.dot(fake.covariance))
    if not np.isfinite(root).all():
        offset = np.eye(len(real.mean)) * 1e-6
        root = sqrtm((real.covariance + offset).dot(fake.covariance + offset))
    return around(real, fake, float(np.trace(root).real))


def around(real: Gaussian, fake: Gaussian, overlap: float) -> float:
    shift = real.mean - fake.mean
    return float(shift @ shift + np.trace(real.covariance) + np.trace(fake.covariance) - 2 * overlap)


def ordinary_case(dimension: int) -> Case:
    """Statistics of rectified features with a falling spectrum, from five times as many images as features."""
    real, fake = (rectified(seed, 5 * dimension, dimension) for seed in (1, 2))
    return Case("ordinary", fit(real), fit(fake), None)


def closed_forms(dimension: int) -> list[Case]:
    """Cases with a known answer: well conditioned, badly conditioned, and of fewer images than features."""
    generator = np.random.default_rng(0)
    zero = np.zeros(dimension)
    full = fit(rectified(1, 5 * dimension, dimension)).covariance
    scaled = Case(
        "S2 = 2 S1",
        Gaussian(10**6, zero, full),
        Gaussian(10**6, zero, 2 * full),
        float((1 - np.sqrt(2)) ** 2 * np.trace(full)),
    )
    variances = 10 ** generator.uniform(-8, 0, size=(2, dimension))
    rotation, _ = np.linalg.qr(generator.normal(size=(dimension, dimension)))
    turned = [rotation @ np.diag(variance) @ rotation.T for variance in variances]
    commuting = Case(
        "variances from 1e-8 to 1 along common axes",
        Gaussian(10**6, zero, (turned[0] + turned[0].T) / 2),
        Gaussian(10**6, zero, (turned[1] + turned[1].T) / 2),
        float(((np.sqrt(variances[0]) - np.sqrt(variances[1])) ** 2).sum()),
    )
    few = fit(rectified(3, dimension // 4, dimension))
    equal = Case("equal sets of a quarter as many images as features", few, few, 0.0)
    halves = [np.zeros((dimension // 4, dimension)) for _ in range(2)]
    halves[0][:, : dimension // 2] = generator.normal(size=(dimension // 4, dimension // 2))
    halves[1][:, dimension // 2 :] = generator.normal(size=(dimension // 4, dimension - dimension // 2))
    real, fake = (fit(half @ rotation) for half in halves)
    apart = Case("a quarter as many images, varying in disjoint directions", real, fake, around(real, fake, 0.0))
    return [scaled, commuting, equal, apart]


def rectified(seed: int, n: int, dimension: int) -> Array:
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimension, dimension)) * np.exp(-np.arange(dimension) / (dimension / 8))
    return np.maximum(generator.normal(size=(n, dimension)) @ mixing / np.sqrt(dimension), 0)


def fit(points: Array) -> Gaussian:
    return Gaussian(len(points), points.mean(axis=0), np.cov(points, rowvar=False))


# -------------------------------------------------------------------------------------------------- neighbours


def neighbours(images: int, dimension: int) -> None:
    """Print time and peak memory of ours and of the usual way, each in a process of its own."""
    print(f"precision, recall, density and coverage of {images:,} against {images:,} images at dimension {dimension}:")
    for way in ("hfloop", "usual"):
        line = [sys.executable, "-m", "scripts.bench_metrics", "neighbours", "--way", way]
        turn = subprocess.run(
            [*line, "--images", str(images), "--dimension", str(dimension)], check=True, capture_output=True, text=True
        )
        found = json.loads(turn.stdout)
        scores = ", ".join(f"{name} {value:.4f}" for name, value in found["scores"].items())
        print(f"  {way:<7} {found['seconds']:6.1f} s, peak {found['peak_gib']:5.2f} GiB: {scores}")


def neighbours_turn(way: str, images: int, dimension: int) -> dict[str, object]:
    generator = np.random.default_rng(0)
    real = generator.normal(size=(images, dimension)).astype(np.float32)
    fake = 0.95 * generator.normal(size=(images, dimension)).astype(np.float32)
    start = time.perf_counter()
    scores = ours_neighbours(real, fake) if way == "hfloop" else usual_neighbours(real, fake)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_GIB
    return {"seconds": seconds, "peak_gib": peak, "scores": scores}


def ours_neighbours(real: npt.NDArray[np.float32], fake: npt.NDArray[np.float32]) -> dict[str, float]:
    scores = manifold_scores(real, fake, nearest_k=NEAREST_K)
    return {name: getattr(scores, name).value for name in ("precision", "recall", "density", "coverage")}


def usual_neighbours(real: npt.NDArray[np.float32], fake: npt.NDArray[np.float32]) -> dict[str, float]:
    """clovaai/generative-evaluation-prdc 0.2: all distances of both sets and between them at once."""
    from sklearn.metrics import pairwise_distances

    def radii(points: npt.NDArray[np.float32]) -> Array:
        distances = pairwise_distances(points, points, metric="euclidean")
        return np.partition(distances, NEAREST_K, axis=-1)[:, NEAREST_K]

    real_radii, fake_radii = radii(real), radii(fake)
    between = pairwise_distances(real, fake, metric="euclidean")
    return {
        "precision": float((between < real_radii[:, None]).any(axis=0).mean()),
        "recall": float((between < fake_radii[None]).any(axis=1).mean()),
        "density": float((between < real_radii[:, None]).sum(axis=0).mean() / NEAREST_K),
        "coverage": float((between.min(axis=1) < real_radii).mean()),
    }


if __name__ == "__main__":
    main()
