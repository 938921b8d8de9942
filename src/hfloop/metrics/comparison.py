"""Measure generated images against real ones, and in the same run both bounds of the figure.

One bound is what a perfect generator would get: real images in the generated ones' place, either of another set or
some of the reals, held out, against the others. The other is what pure noise gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hfloop.images.noise import NoiseImages
from hfloop.images.source import ImageSource
from hfloop.images.sources import SubsetImages
from hfloop.metrics.extraction import Features, SeenImages, progress_bar
from hfloop.metrics.features import FeatureExtractor
from hfloop.metrics.frechet_distance.frechet import (
    FeatureStatistics,
    extrapolate,
    frechet_distance,
    smallest_extrapolation,
    standard_error,
)
from hfloop.metrics.inception_score.divergence import inception_score
from hfloop.metrics.kernel_distance.kernel import kernel_distance
from hfloop.metrics.prdc.manifold import manifold_scores
from hfloop.metrics.reference import reference_statistics
from hfloop.metrics.results import Measurement, Protocol


@dataclass(frozen=True)
class Report:
    """What one metric says of generated images, and of what bounds them; each figure with its own protocol.

    Attributes:
        generated: the figures of the generated images.
        real: the same figures of real images in the generated ones' place.
        noise: the same figures of uniform noise in their place.
    """

    generated: tuple[Measurement, ...]
    real: tuple[Measurement, ...]
    noise: tuple[Measurement, ...]

    def to_dict(self) -> dict[str, Any]:
        """All figures with their protocols, ready for JSON."""
        return {
            "generated": [figure.to_dict() for figure in self.generated],
            "real_against_real": [figure.to_dict() for figure in self.real],
            "noise_against_real": [figure.to_dict() for figure in self.noise],
        }


@dataclass(frozen=True)
class _Figure:
    """A figure before its protocol is put to it; see :class:`Measurement`."""

    name: str
    value: float
    uncertainty: float
    uncertainty_kind: str
    parameters: dict[str, int | float]


@dataclass(frozen=True)
class Comparison:
    """The sets of images that a metric compares, and the extractor that it sees them through.

    What was extracted for one metric is kept for the others.

    Args:
        real: the real images, at least 12.
        fake: the generated ones, at least 10.
        extractor: makes the features.
        seed: of the images that are held out, the noise, and the metric's own random choices.
        batch_size: images that go through the extractor at a time.
        floor: real images of another set, such as the training images, of which as many as there are fakes, chosen by
            the seed, are put in the fakes' place; None: a part of `real` is held out and measured against the rest.
    """

    real: ImageSource
    fake: ImageSource
    extractor: FeatureExtractor
    seed: int = 0
    batch_size: int = 256
    floor: ImageSource | None = None

    def every_metric(self) -> tuple[Report, ...]:
        """All metrics that there are with this extractor, with one reading of each set of images."""
        for seen in (self.seen_real, self.seen_fake, self._seen_bound, self._seen_noise):
            seen.look()
        reports = self.frechet_distance(), self.kernel_distance(), self.precision_recall()
        return reports if self.extractor.classes is None else (*reports, self.inception_score())

    def frechet_distance(self) -> Report:
        """The Fréchet distance and, where there are fakes enough, its limit FD∞ for endless ones."""
        reference = reference_statistics(
            self.real, self.extractor, self.batch_size, features=self.seen_real.kept_features
        )
        fake, bound = self.seen_fake.features, self._seen_bound.features
        (distance,) = _frechet(reference, fake)
        return self._report(
            generated=[distance, *_frechet_limit(reference, fake, distance, self.seed)],
            real=_frechet(reference.without(bound) if self.floor is None else reference, bound),
            noise=_frechet(reference, self._seen_noise.features),
        )

    def kernel_distance(self) -> Report:
        """The kernel distance (KID)."""
        return self._against_features(partial(_kernel, seed=self.seed))

    def precision_recall(self) -> Report:
        """Precision, recall, density and coverage."""
        return self._against_features(_manifold)

    def inception_score(self) -> Report:
        """The inception score, which looks at no reals: its bounds are the scores of reals and of noise.

        Raises:
            UserError: the extractor knows no classes.
        """
        return self._report(
            generated=_inception(self.seen_fake.probabilities, self.seed),
            real=_inception(self._seen_bound.probabilities, self.seed),
            noise=_inception(self._seen_noise.probabilities, self.seed),
            looks_at_real=False,
        )

    @cached_property
    def seen_real(self) -> SeenImages:
        """All real images, as the extractor sees them."""
        return self._seen(self.real, "real")

    @cached_property
    def seen_fake(self) -> SeenImages:
        """The generated images, as the extractor sees them."""
        return self._seen(self.fake, "generated")

    @cached_property
    def _seen_bound(self) -> SeenImages:
        """The real images in the generated ones' place."""
        if self.floor is None:
            return self._seen(SubsetImages(self.real, self._held_out_indices), "held-out real")
        if len(self.floor) <= len(self.fake):
            return self._seen(self.floor, "more real")
        return self._seen(SubsetImages(self.floor, self._chosen(self.floor, len(self.fake))), "more real")

    @cached_property
    def _seen_noise(self) -> SeenImages:
        return self._seen(NoiseImages(len(self.fake), self.fake.shape, self.seed), "noise")

    def _seen(self, images: ImageSource, role: str) -> SeenImages:
        return SeenImages(images, self.extractor, self.batch_size, role)

    def _chosen(self, images: ImageSource, n: int) -> npt.NDArray[np.int64]:
        """The numbers of `n` images, chosen by the seed; ascending."""
        return np.sort(np.random.default_rng(self.seed).permutation(len(images))[:n])

    @cached_property
    def _held_out_indices(self) -> npt.NDArray[np.int64]:
        """As many of the reals as there are fakes, but no more than half."""
        return self._chosen(self.real, min(len(self.fake), len(self.real) // 2))

    @cached_property
    def _rest_indices(self) -> npt.NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self.real)), self._held_out_indices)

    def _against_features(self, figures: Callable[[Features, Features], list[_Figure]]) -> Report:
        """A metric that wants all features of both sets at once."""
        real = self.seen_real.features
        bound = (
            (real[self._rest_indices], real[self._held_out_indices])
            if self.floor is None
            else (real, self._seen_bound.features)
        )
        return self._report(
            generated=figures(real, self.seen_fake.features),
            real=figures(*bound),
            noise=figures(real, self._seen_noise.features),
        )

    def _report(
        self, *, generated: list[_Figure], real: list[_Figure], noise: list[_Figure], looks_at_real: bool = True
    ) -> Report:
        """Put its protocol to each figure."""
        rest = SubsetImages(self.real, self._rest_indices) if self.floor is None else self.real
        return Report(
            generated=self._measurements(generated, self.fake, self.real if looks_at_real else None),
            real=self._measurements(real, self._seen_bound.images, rest if looks_at_real else None),
            noise=self._measurements(noise, self._seen_noise.images, self.real if looks_at_real else None),
        )

    def _measurements(
        self, figures: list[_Figure], images: ImageSource, reference: ImageSource | None
    ) -> tuple[Measurement, ...]:
        extractor = self.extractor
        protocol = Protocol(
            extractor=extractor.name,
            extractor_sha256=extractor.sha256,
            dimension=extractor.dimension,
            dtype=extractor.dtype,
            image_pipeline=extractor.image_pipeline,
            n_real=len(reference) if reference is not None else 0,
            n_fake=len(images),
            reference_fingerprint=reference.fingerprint if reference is not None else None,
            fake_fingerprint=images.fingerprint,
            seed=self.seed,
        )
        return tuple(
            Measurement(
                metric=f"{figure.name}/{extractor.name}",
                value=figure.value,
                uncertainty=figure.uncertainty,
                uncertainty_kind=figure.uncertainty_kind,
                protocol=protocol,
                parameters=figure.parameters,
            )
            for figure in figures
        )


def _frechet(reference: FeatureStatistics, features: Features) -> list[_Figure]:
    return [
        _Figure(
            name="frechet_distance",
            value=frechet_distance(reference, FeatureStatistics.of(features)),
            uncertainty=standard_error(reference, features),
            uncertainty_kind="standard error over the images, the reference taken as given",
            parameters={},
        )
    ]


def _frechet_limit(reference: FeatureStatistics, features: Features, distance: _Figure, seed: int) -> list[_Figure]:
    """FD∞ of features at this distance; nothing where there are too few images for it."""
    if len(features) < smallest_extrapolation(reference.dimension):
        return []
    limit = extrapolate(reference, features, seed=seed, progress=partial(_bar, what="distance at smaller counts"))
    return [
        _Figure(
            name="frechet_distance_infinity",
            value=limit.value,
            # The straight line's error and that of the images it was fitted to are independent of each other.
            uncertainty=math.hypot(limit.uncertainty, distance.uncertainty),
            uncertainty_kind="standard error of the extrapolation and over the images, the reference taken as given",
            parameters={"most_parts": len(limit.sizes), "extrapolation_error": limit.uncertainty},
        )
    ]


def _kernel(reference: Features, features: Features, *, seed: int) -> list[_Figure]:
    distance = kernel_distance(reference, features, seed=seed, progress=partial(_bar, what="kernel distance"))
    return [
        _Figure(
            name="kernel_distance",
            value=distance.value,
            uncertainty=distance.uncertainty,
            uncertainty_kind="standard deviation over the subsets",
            parameters={"n_subsets": distance.n_subsets, "subset_size": distance.subset_size},
        )
    ]


def _manifold(reference: Features, features: Features) -> list[_Figure]:
    scores = manifold_scores(reference, features, progress=partial(_bar, what="neighbours"))
    return [
        _Figure(
            name=name,
            value=share.value,
            uncertainty=share.uncertainty,
            uncertainty_kind="standard error over the images, the neighbourhoods taken as given",
            parameters={"nearest_k": scores.nearest_k},
        )
        for name, share in [
            ("precision", scores.precision),
            ("recall", scores.recall),
            ("density", scores.density),
            ("coverage", scores.coverage),
        ]
    ]


def _inception(probabilities: Features, seed: int) -> list[_Figure]:
    score = inception_score(probabilities, seed=seed)
    return [
        _Figure(
            name="inception_score",
            value=score.value,
            uncertainty=score.uncertainty,
            uncertainty_kind="standard deviation over the splits",
            parameters={"n_splits": score.n_splits},
        )
    ]


def _bar(steps: Sequence[int], what: str) -> Iterator[int]:
    with progress_bar(len(steps), what, "steps") as bar:
        for step in steps:
            yield step
            bar.update()
