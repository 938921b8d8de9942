"""Show what each metric sees: worsen real images step by step, measure every step, draw the curves.

    python -m scripts.show_metrics train-images-idx3-ubyte.gz t10k-images-idx3-ubyte.gz --extractor mnist-v1 \\
        --picture docs/images/metrics-mnist.png

The first set is the reference; images of the second, with labels, are worsened. Every row measures the same number of
images, so that no figure moves by its sample count. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from hfloop.errors import UserError, exit_on_user_error
from hfloop.images.noise import NoiseImages
from hfloop.images.source import ArrayImages, ImageSource, Pixels
from hfloop.images.sources import SubsetImages, load_images
from hfloop.metrics.comparison import Features
from hfloop.metrics.extraction import extract_all
from hfloop.metrics.features import FeatureExtractor, load_extractor
from hfloop.metrics.frechet_distance.frechet import FeatureStatistics, frechet_distance
from hfloop.metrics.inception_score.divergence import inception_score
from hfloop.metrics.kernel_distance.kernel import kernel_distance
from hfloop.metrics.prdc.manifold import manifold_scores

NOISE_SIGMAS = (8, 16, 32, 64, 96)  # of 255
BLUR_SIGMAS = (0.5, 0.75, 1.0, 1.5, 2.0)  # pixels
JPEG_QUALITIES = (95, 75, 50, 25, 10)
REMOVED_CLASSES = (1, 2, 5)
COLUMNS = ("FD", "KID", "precision", "recall", "density", "coverage", "IS")


@dataclass(frozen=True)
class Row:
    """One step of one worsening, and its figures in the order of COLUMNS."""

    kind: str
    step: str
    figures: tuple[float, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", help="real images; see `hfloop metrics --help`")
    parser.add_argument("images", help="other real images, with labels")
    parser.add_argument("--extractor", required=True)
    parser.add_argument("--num_images", type=int, default=5000, help="in every row")
    parser.add_argument("--neighbours", type=int, default=10_000, help="of the reference, for precision and recall")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    extractor = load_extractor(arguments.extractor)
    reference, images = load_images(arguments.reference), load_images(arguments.images)
    measure = Measure(extractor, reference, arguments.neighbours, arguments.seed)
    rows = [
        Row(kind, step, measure(worse)) for kind, step, worse in worsened(images, arguments.num_images, arguments.seed)
    ]
    print(f"{extractor.name}: {arguments.num_images:,} images of {images.name} against {len(reference):,} of ", end="")
    print(f"{reference.name}; precision to coverage against {measure.n_neighbours:,} of them\n")
    print(table(rows))
    if arguments.picture:
        draw(rows, arguments.picture)
    if not grows_at_every_step(rows):
        sys.exit(1)


class Measure:
    """All metrics of a set of images against one reference."""

    def __init__(self, extractor: FeatureExtractor, reference: ImageSource, neighbours: int, seed: int) -> None:
        self.extractor = extractor
        self.seed = seed
        self.features = self._features(reference)
        self.statistics = FeatureStatistics.of(self.features)
        chosen = np.random.default_rng(seed).permutation(len(reference))[:neighbours]
        self.neighbours = self.features[chosen]
        self.n_neighbours = len(chosen)

    def __call__(self, images: ImageSource) -> tuple[float, ...]:
        features = self._features(images)
        manifold = manifold_scores(self.neighbours, features)
        probabilities = extract_all(self.extractor.probabilities, images, batch_size=500, what="classes")
        return (
            frechet_distance(self.statistics, FeatureStatistics.of(features)),
            kernel_distance(self.features, features, seed=self.seed).value,
            manifold.precision.value,
            manifold.recall.value,
            manifold.density.value,
            manifold.coverage.value,
            inception_score(probabilities, seed=self.seed).value,
        )

    def _features(self, images: ImageSource) -> Features:
        return extract_all(self.extractor, images, batch_size=500, what="features")


def worsened(images: ImageSource, n: int, seed: int) -> Iterator[tuple[str, str, ImageSource]]:
    """(kind, step, `n` images) from untouched ones to pure noise."""
    assert images.labels is not None
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:n])
    pixels = images.read(chosen)
    yield "real", "untouched", ArrayImages(pixels, "real")
    for sigma in NOISE_SIGMAS:
        yield "noise σ (of 255)", str(sigma), ArrayImages(with_noise(pixels, sigma, seed), "noisy")
    for radius in BLUR_SIGMAS:
        yield "blur σ (pixels)", str(radius), ArrayImages(blurred(pixels, radius), "blurred")
    for quality in JPEG_QUALITIES:
        yield "JPEG quality", str(quality), ArrayImages(compressed(pixels, quality), "compressed")
    for count in REMOVED_CLASSES:
        left = np.flatnonzero(images.labels < images.labels.max() + 1 - count)
        if len(left) < n:
            raise UserError(
                f"without {count} classes {images.name} has {len(left)} images: give --num_images {len(left)}."
            )
        yield "classes removed", str(count), SubsetImages(images, np.random.default_rng(seed).permutation(left)[:n])
    yield "pure noise", "uniform", NoiseImages(n, images.shape, seed)


def with_noise(pixels: Pixels, sigma: float, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, sigma, size=pixels.shape)
    return as_uint8(pixels + noise)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    return as_uint8(gaussian_filter(pixels.astype(np.float64), (0, 0, sigma, sigma)))


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Each image written as JPEG and read again; gray or colour."""

    def through_jpeg(image: Pixels) -> Pixels:
        stream = io.BytesIO()
        channels_last = np.moveaxis(image, 0, -1).squeeze()
        Image.fromarray(channels_last).save(stream, "JPEG", quality=quality)
        decoded = np.asarray(Image.open(stream))
        return decoded[None] if decoded.ndim == 2 else np.moveaxis(decoded, -1, 0)

    return np.stack([through_jpeg(image) for image in pixels])


def as_uint8(values: np.ndarray) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def table(rows: list[Row]) -> str:
    lines = ["| | | " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * len(COLUMNS)]
    for row in rows:
        fd, kid, *shares, score = row.figures
        cells = [f"{fd:.4g}", f"{kid:.3g}", *(f"{share:.3f}" for share in shares), f"{score:.2f}"]
        lines.append(f"| {row.kind} | {row.step} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def grows_at_every_step(rows: list[Row]) -> bool:
    """Whether every step of every worsening raised the distance; says it of each."""
    real, all_grow = rows[0].figures[0], True
    print()
    for kind in dict.fromkeys(row.kind for row in rows[1:]):
        distances = [real, *(row.figures[0] for row in rows if row.kind == kind)]
        grows = all(before < after for before, after in pairwise(distances))
        print(f"{kind}: FD {'grows at every step' if grows else 'DOES NOT grow at every step'}")
        all_grow = all_grow and grows
    return all_grow


def draw(rows: list[Row], path: Path) -> None:
    """A panel per worsening: the distance above, precision and recall below."""
    from matplotlib.figure import Figure

    real, noise = rows[0], rows[-1]
    kinds = [kind for kind in dict.fromkeys(row.kind for row in rows) if kind not in (real.kind, noise.kind)]
    figure = Figure(figsize=(3.1 * len(kinds), 5.2), layout="constrained")
    axes = figure.subplots(2, len(kinds), sharey="row", sharex="col", squeeze=False)
    for column, kind in enumerate(kinds):
        steps = [real, *(row for row in rows if row.kind == kind)]
        names = ["none", *(row.step for row in steps[1:])]
        distance, shares = axes[0][column], axes[1][column]
        distance.plot(names, [row.figures[0] for row in steps], "o-", color="#c2410c")
        distance.axhline(noise.figures[0], color="#78716c", linestyle=":", linewidth=1)
        distance.set_yscale("log")
        for share, colour in (("precision", "#1d4ed8"), ("recall", "#15803d")):
            index = COLUMNS.index(share)
            shares.plot(names, [row.figures[index] for row in steps], "o-", color=colour, label=share)
        shares.set_ylim(-0.03, 1.03)
        shares.set_xlabel(kind)
        for axis in (distance, shares):
            axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("Fréchet distance")
    axes[0][0].annotate("pure noise", (0, noise.figures[0]), xytext=(0, -11), textcoords="offset points", fontsize=8)
    axes[1][0].set_ylabel("share of images")
    axes[1][0].legend(frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    exit_on_user_error(main)
