"""What `hfloop metrics` does: a metric, its bounds and its protocol for two sets of images; returns what to print."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hfloop.errors import UserError
from hfloop.images.generated import is_release
from hfloop.images.source import ImageSource
from hfloop.images.sources import load_images
from hfloop.metrics.comparison import Comparison, Report
from hfloop.metrics.features import FeatureExtractor, default_extractor, load_extractor
from hfloop.metrics.frechet_distance.frechet import smallest_extrapolation
from hfloop.metrics.kernel_distance.kernel import SUBSET_SIZE
from hfloop.metrics.results import Measurement, readable
from hfloop.plain import speak_plainly

if TYPE_CHECKING:
    from hfloop.images.generated import OpenPipeline

logger = logging.getLogger(__name__)

_WANTED = {"prdc": 1000, "is": 5000}  # images; see docs/metrics.md
_SMALLEST = 20  # images: the inception score wants 10 parts of 2, the neighbourhoods more than 5


def measure(
    metric: str,
    real: str,
    fake: str,
    *,
    extractor: str | None,
    num_images: int | None,
    batch_size: int,
    seed: int,
    allow_small: bool,
    skip_corrupt: bool,
    as_json: bool,
    open_pipeline: OpenPipeline,
) -> str:
    """Measure the images that `fake` names against those that `real` names.

    Args:
        metric: fd, kid, prdc or is.
        real: see :func:`hfloop.images.sources.load_images`.
        fake: the same, or a release that makes `num_images` images.
        extractor: see :func:`hfloop.metrics.features.load_extractor`; None for gray images takes one of digits.
        num_images: how many of the fakes to use, chosen or made by the seed; None for all.
        batch_size: images that go through the extractor at a time.
        seed: of every random choice.
        allow_small: measure a Fréchet distance of no more images than features, too.
        skip_corrupt: leave out images that cannot be read.
        as_json: JSON for programs instead of lines for people.
        open_pipeline: loads a release that makes images.

    Raises:
        UserError: the images or the extractor cannot be read, or there are too few images.
    """
    speak_plainly()
    if is_release(Path(real)):
        raise UserError(f"REAL {real} is a generator: name real images; only FAKE can be a release.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    real_images = load_images(real, skip_corrupt=skip_corrupt)
    comparison = Comparison(
        real=real_images,
        fake=load_images(
            fake, num_images=num_images, seed=seed, skip_corrupt=skip_corrupt, open_pipeline=open_pipeline
        ),
        extractor=load_extractor(extractor or default_extractor(real_images), device),
        seed=seed,
        batch_size=batch_size,
    )
    for role, images in (("REAL", comparison.real), ("FAKE", comparison.fake)):
        require_enough(role, images, comparison.extractor, allow_small=allow_small or metric != "fd")
    for warning in warnings(metric, comparison):
        logger.warning("Warning: %s", warning)
    compute: dict[str, Callable[[], Report]] = {
        "fd": comparison.frechet_distance,
        "kid": comparison.kernel_distance,
        "prdc": comparison.precision_recall,
        "is": comparison.inception_score,
    }
    report = compute[metric]()
    if as_json:
        return json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
    return "\n".join([*_figures(report), "", *_protocol(report, comparison)])


def require_enough(role: str, images: ImageSource, extractor: FeatureExtractor, *, allow_small: bool) -> None:
    """Refuse what no figure can be trusted of.

    Args:
        role: of the images on the command line.
        images: a set that is to be measured.
        extractor: what sees it.
        allow_small: even of no more images than features, which a Fréchet distance should not be.

    Raises:
        UserError: there are too few images.
    """
    if len(images) < _SMALLEST:
        raise UserError(f"{role} {images.name} has {len(images)} images: at least {_SMALLEST} are needed.")
    if len(images) <= extractor.dimension and not allow_small:
        raise UserError(
            f"{role} {images.name} has {len(images)} images, no more than {extractor.name} has features "
            f"({extractor.dimension}), so the distance would mostly be sample count: take more images or an "
            "extractor with fewer features, or give --allow_small to measure all the same."
        )


def warnings(metric: str, comparison: Comparison) -> Iterator[str]:
    """What one should know of a figure before one believes it.

    Args:
        metric: fd, kid, prdc or is.
        comparison: what is to be measured.
    """
    real, fake, dimension = comparison.real, comparison.fake, comparison.extractor.dimension
    fewest, enough = min(len(real), len(fake)), smallest_extrapolation(dimension)
    if real.fingerprint == fake.fingerprint:
        yield "REAL and FAKE are the same images."
    if comparison.floor is not None and comparison.floor.fingerprint == real.fingerprint:
        yield "the floor is of the very images that it is measured against, so it says nothing."
    if real.shape != fake.shape:
        yield (
            f"real images are {shape_in_words(real)} and generated ones {shape_in_words(fake)} (channels × height × "
            "width): the extractor brings both to its own size and colours, which can hide or add differences."
        )
    if metric == "fd" and len(fake) < enough:
        yield (
            f"{len(fake):,} generated images are few for {dimension} features, so much of the distance is sample "
            f"count; from {enough:,} on, FD∞ tells how much."
        )
    if metric == "fd" and len(real) < enough:
        yield (
            f"{len(real):,} real images are few for {dimension} features, so part of the distance is the accident of "
            f"which they are; take {enough:,} or more."
        )
    if metric == "fd" and fewest <= dimension:
        yield "with no more images than features the ± means nothing."
    if metric == "kid" and fewest < 2 * SUBSET_SIZE:
        yield (
            f"{fewest:,} images give subsets of {fewest // 2} instead of {SUBSET_SIZE:,}, so the ± is that of smaller "
            "subsets."
        )
    if fewest < _WANTED.get(metric, 0):
        yield (
            f"{fewest:,} images are few for this metric, whose figures move with the count: take "
            f"{_WANTED[metric]:,} or more of both."
        )
    if metric == "prdc" and len(real) != len(fake):
        yield (
            f"{len(real):,} real and {len(fake):,} generated images: balls shrink as images get more, so compare "
            "these figures only with others of the same counts."
        )
    if comparison.floor is not None and len(comparison.floor) < len(fake):
        yield (
            f"{len(comparison.floor):,} images of {comparison.floor.name} are fewer than the {len(fake):,} generated "
            "ones, so their figure is not what as many reals would get."
        )
    if comparison.floor is None and metric != "is" and len(real) // 2 < len(fake):
        yield (
            f"of {len(real):,} real images only half can be held out, fewer than the {len(fake):,} generated ones, so "
            "their figure is not what as many reals would get."
        )


def _figures(report: Report) -> list[str]:
    """The figures of the generated images, each above its bounds."""
    bounds = {figure.metric: figure for figure in report.real}, {figure.metric: figure for figure in report.noise}
    width = max(len(figure.metric) for figure in report.generated) + 2
    lines = []
    for figure in report.generated:
        lines.append(f"{figure.metric:<{width}}{_value(figure)}")
        lines += [
            f"{'  ' + name:<{width}}{_value(bound[figure.metric])}"
            for name, bound in zip(("held-out reals", "noise"), bounds, strict=True)
            if figure.metric in bound
        ]
    whole, *limit = report.generated
    if limit and whole.metric.startswith("frechet_distance/"):
        lines.append(f"{_share(whole, limit[0])} of the distance comes from the number of generated images.")
    return lines


def _share(distance: Measurement, limit: Measurement) -> str:
    """How much of a distance its limit for endless images does not have."""
    excess = distance.value - limit.value
    if excess <= 0:
        return "None"
    if limit.value <= 0:
        return "All"
    return f"{readable(excess)} ± {readable(limit.parameters['extrapolation_error'])} ({excess / distance.value:.0%})"


def _protocol(report: Report, comparison: Comparison) -> list[str]:
    figure, held_out = report.generated[0], report.real[0]
    protocol = figure.protocol
    parameters = ", ".join(f"{name} {value:,}" for name, value in figure.parameters.items())
    return [
        f"± is the {figure.uncertainty_kind}.",
        f"generated: {protocol.n_fake:,} images of {comparison.fake.name}, sha256 {protocol.fake_fingerprint[:12]}…",
        f"real: {len(comparison.real):,} images of {comparison.real.name}, sha256 {comparison.real.fingerprint[:12]}…",
        _held_out(held_out),
        f"noise: {report.noise[0].protocol.n_fake:,} images of uniform noise",
        f"features: {protocol.extractor}, {protocol.dimension} of {protocol.dtype}, "
        f"sha256 {protocol.extractor_sha256[:12]}…",
        f"images before them: {protocol.image_pipeline}",
        f"seed {protocol.seed}" + (f", {parameters}" if parameters else ""),
    ]


def _held_out(figure: Measurement) -> str:
    protocol = figure.protocol
    against = f", against the other {protocol.n_real:,}" if protocol.n_real else ""
    return f"held-out reals: {protocol.n_fake:,} of the real images{against}"


def _value(figure: Measurement) -> str:
    return f"{readable(figure.value):>10} ± {readable(figure.uncertainty)}"


def shape_in_words(images: ImageSource) -> str:
    """Channels × height × width."""
    return " × ".join(str(length) for length in images.shape)
