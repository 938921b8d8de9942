"""Measure a generator: every metric with its floor and its ceiling, and the classes that a classifier recognises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from diffusers.models.modeling_utils import ModelMixin

from hfloop.gan.export import write_generator
from hfloop.gan.pipelines import open_pipeline
from hfloop.images.generated import GeneratedImages
from hfloop.images.source import ImageSource
from hfloop.metrics.comparison import Comparison, Report
from hfloop.metrics.extraction import Features
from hfloop.metrics.features import FeatureExtractor
from hfloop.metrics.results import Measurement, readable

if TYPE_CHECKING:
    from hfloop.gan.data import GanData

MOST_IMAGES = 10_000  # generated where no number is named
TRAINING_IMAGES, HELD_OUT = "training images", "held-out real images"
_FEWEST_RECOGNISED = 0.5  # of the real images, below which a classifier has nothing to say about generated ones


@dataclass(frozen=True)
class BoundedFigure:
    """A figure of the generated images and, where they are measured, its bounds.

    Attributes:
        generated: of the generated images.
        floor: of real images in their place.
        ceiling: of uniform noise in their place.
    """

    generated: Measurement
    floor: Measurement | None
    ceiling: Measurement | None

    @property
    def name(self) -> str:
        """The metric's name without the extractor's."""
        return self.generated.metric.partition("/")[0]

    def to_dict(self) -> dict[str, Any]:
        """All three with their protocols, ready for JSON."""
        return {
            "metric": self.generated.metric,
            "generated": self.generated.to_dict(),
            "floor": self.floor and self.floor.to_dict(),
            "ceiling": self.ceiling and self.ceiling.to_dict(),
        }


@dataclass(frozen=True)
class ClassFigures:
    """The classes that the extractor, as a classifier, recognises in images.

    Attributes:
        names: of the classes, as the extractor has them.
        shares: of each class among the `generated` and the `real` images; each sums to 1.
        mean_confidence: mean probability of the recognised class, of the `generated` and the `real` images.
        asked_class_share: how often the class that was asked of the generator is recognised; None if none was.
        label_share: how often the label of a real image is recognised, which is what the former can reach.
    """

    names: list[str]
    shares: dict[str, list[float]]
    mean_confidence: dict[str, float]
    asked_class_share: float | None
    label_share: float


@dataclass(frozen=True)
class GanReport:
    """What is known of a generator's images; every figure is measured against the same real images.

    Attributes:
        figures: see :meth:`to_dict` for their order.
        classes: None where the extractor does not know the classes of the real images.
        floor: what the floor of each figure is measured with, in words.
        names: what the `generated`, the `real` and the `floor` images are called.
        real_images: how many real images there are.
        real_fingerprint: their sha256.
    """

    figures: tuple[BoundedFigure, ...]
    classes: ClassFigures | None
    floor: str
    names: dict[str, str]
    real_images: int
    real_fingerprint: str

    def to_dict(self) -> dict[str, Any]:
        """Everything but names, ready for JSON.

        The figures come in the order frechet_distance, frechet_distance_infinity (of enough images), kernel_distance,
        precision, recall, density, coverage, inception_score (of an extractor that is a classifier).
        """
        first = self.figures[0].generated.protocol
        return {
            "extractor": first.extractor,
            "extractor_sha256": first.extractor_sha256,
            "seed": first.seed,
            "images": self._counts(),
            "floor": self.floor,
            "figures": [figure.to_dict() for figure in self.figures],
            "classes": self.classes and asdict(self.classes),
        }

    def table(self) -> str:
        """For people: each figure between its bounds, the classes, and the protocol."""
        extractor = self.figures[0].generated.protocol.extractor
        rows = [["", "generated", self.floor, "noise"]]
        rows += [
            [figure.name, _value(figure.generated), _value(figure.floor), _value(figure.ceiling)]
            for figure in self.figures
        ]
        lines = [f"{self.names['generated']} against {self.names['real']}, as {extractor} sees them", ""]
        lines += _aligned(rows)
        if self.classes:
            lines += ["", *_class_lines(self.classes, extractor)]
        return "\n".join([*lines, "", *self._protocol()])

    def _counts(self) -> dict[str, int]:
        first = self.figures[0]
        assert first.floor and first.ceiling  # the first figure always has both
        return {
            "generated": first.generated.protocol.n_fake,
            "real": self.real_images,
            "floor": first.floor.protocol.n_fake,
            "noise": first.ceiling.protocol.n_fake,
        }

    def _protocol(self) -> list[str]:
        counts, first = self._counts(), self.figures[0]
        assert first.floor
        protocol, floor = first.generated.protocol, first.floor.protocol
        against = "" if floor.n_real == self.real_images else f", against the other {floor.n_real:,}"
        kinds: dict[str, list[str]] = {}
        for figure in self.figures:
            kinds.setdefault(figure.generated.uncertainty_kind, []).append(figure.name)
        return [
            *(f"± of {', '.join(names)}: {kind}" for kind, names in kinds.items()),
            f"generated: {counts['generated']:,} images of {self.names['generated']}, "
            f"sha256 {protocol.fake_fingerprint[:12]}…",
            f"real: {counts['real']:,} images of {self.names['real']}, sha256 {self.real_fingerprint[:12]}…",
            f"{self.floor}: {counts['floor']:,} of {self.names['floor']}, "
            f"sha256 {floor.fake_fingerprint[:12]}…{against}",
            f"noise: {counts['noise']:,} images of uniform noise",
            f"features: {protocol.extractor}, {protocol.dimension} of {protocol.dtype}, "
            f"sha256 {protocol.extractor_sha256[:12]}…",
            f"images before them: {protocol.image_pipeline}",
            f"seed {protocol.seed}",
            "Compare these figures with others of the same extractor, real images and counts only.",
        ]


def evaluate_generator(generator: ModelMixin, data: GanData, *, seed: int, num_images: int | None = None) -> GanReport:
    """Measure a generator against the test images, with the training images as the floor.

    It is measured as a release of it would be, from a folder, so that `hfloop evaluate` gives the same figures.

    Args:
        generator: one of :mod:`hfloop.gan.networks`.
        data: what it learned from.
        seed: of the noise that images are made from, and of every choice of the metrics.
        num_images: how many to generate; default: as many as there are training images, at most 10,000.

    Raises:
        UserError: an image cannot be read, or the generator makes NaN.
    """
    count = num_images or min(len(data.train), MOST_IMAGES)
    with TemporaryDirectory(prefix="hfloop-") as folder:
        write_generator(Path(folder), generator, id2label=data.id2label)
        fake = GeneratedImages(Path(folder), count, seed, "the generator", open_pipeline)
        return measure_images(fake, data.test, floor=data.train, extractor=data.extractor, seed=seed)


def measure_images(
    fake: ImageSource, real: ImageSource, *, floor: ImageSource | None, extractor: FeatureExtractor, seed: int
) -> GanReport:
    """Measure generated images with every metric; see :func:`measure`.

    Args:
        fake: the generated images; their labels, if they have any, are the classes that were asked for.
        real: what they are compared with.
        floor: real images that are put in the generated ones' place; None: a part of `real` is held out.
        extractor: makes the features.
        seed: of every choice of the metrics.
    """
    return measure(Comparison(real=real, fake=fake, extractor=extractor, seed=seed, floor=floor))


def measure(comparison: Comparison) -> GanReport:
    """Measure generated images with every metric that there is with the extractor.

    Raises:
        UserError: an image cannot be read, or its features are not finite.
    """
    reports = comparison.every_metric()
    floor = comparison.floor
    return GanReport(
        figures=tuple(figure for report in reports for figure in _bounded(report)),
        classes=_class_figures(comparison),
        floor=HELD_OUT if floor is None else TRAINING_IMAGES,
        names={
            "generated": comparison.fake.name,
            "real": comparison.real.name,
            "floor": "the real images" if floor is None else floor.name,
        },
        real_images=len(comparison.real),
        real_fingerprint=comparison.real.fingerprint,
    )


def _bounded(report: Report) -> list[BoundedFigure]:
    """The figures of the generated images with their bounds; FD∞ is not measured of these."""
    floors, ceilings = ({figure.metric: figure for figure in bound} for bound in (report.real, report.noise))
    return [
        BoundedFigure(figure, floors.get(figure.metric), ceilings.get(figure.metric)) for figure in report.generated
    ]


def _class_figures(comparison: Comparison) -> ClassFigures | None:
    """What the extractor recognises; None where the classes of the real images are not its own."""
    names, labels = comparison.extractor.classes, comparison.real.labels
    if names is None or labels is None or not np.array_equal(np.unique(labels), np.arange(len(names))):
        return None
    probabilities = {"generated": comparison.seen_fake.probabilities, "real": comparison.seen_real.probabilities}
    recognised = {name: each.argmax(axis=1) for name, each in probabilities.items()}
    label_share = _share_of_equal(recognised["real"], labels)
    if label_share < _FEWEST_RECOGNISED:
        return None
    asked = comparison.fake.labels
    return ClassFigures(
        names=list(names),
        shares={
            name: (np.bincount(each, minlength=len(names)) / len(each)).tolist() for name, each in recognised.items()
        },
        mean_confidence={name: _mean_confidence(each) for name, each in probabilities.items()},
        asked_class_share=None if asked is None else _share_of_equal(recognised["generated"], asked),
        label_share=label_share,
    )


def _share_of_equal(recognised: npt.NDArray[np.int64], expected: npt.NDArray[np.int64]) -> float:
    return float((recognised == expected).mean())


def _mean_confidence(probabilities: Features) -> float:
    return float(probabilities.max(axis=1).mean(dtype=np.float64))


def _class_lines(classes: ClassFigures, extractor: str) -> list[str]:
    """A row for each class, and a sentence for each of the other figures."""
    rows = [["class", "generated", "real"]]
    rows += [
        [name, f"{generated:.1%}", f"{real:.1%}"]
        for name, generated, real in zip(
            classes.names, classes.shares["generated"], classes.shares["real"], strict=True
        )
    ]
    confidence = classes.mean_confidence
    lines = [
        *_aligned(rows),
        f"{extractor} is sure of generated images to {confidence['generated']:.1%}, of real ones to "
        f"{confidence['real']:.1%} on average.",
    ]
    if classes.asked_class_share is not None:
        lines.append(
            f"It recognises the class that was asked for in {classes.asked_class_share:.1%} of generated images, and "
            f"the label of {classes.label_share:.1%} of real ones."
        )
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text in columns, the first to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _value(figure: Measurement | None) -> str:
    return "—" if figure is None else f"{readable(figure.value)} ± {readable(figure.uncertainty)}"
