"""Measure a release's generator against real images: what `hfloop evaluate` and `hfloop verify` have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from hfloop.errors import UserError
from hfloop.gan.data import cut_test_set
from hfloop.gan.pipelines import open_pipeline
from hfloop.images.generated import GeneratedImages
from hfloop.images.source import ImageSource
from hfloop.images.sources import is_generator, load_images
from hfloop.metrics.commands import require_enough, shape_in_words
from hfloop.metrics.comparison import Comparison
from hfloop.metrics.features import load_extractor


@dataclass(frozen=True)
class RealImages:
    """What generated images are measured against.

    Attributes:
        test: what they are compared with.
        train: what the generator learned from, for the floor of every figure; None: a part of `test`.
        roles: the same sets by what messages put before their names.
    """

    test: ImageSource
    train: ImageSource | None
    roles: dict[str, ImageSource]


def real_images(data: str | None, train_data: str | None, cut_seed: int | None, *, skip_corrupt: bool) -> RealImages:
    """Open the sets that a user names.

    Args:
        data: the real images, see :func:`hfloop.images.sources.load_images`; None: a part of `train_data`.
        train_data: what the model learned from, or None.
        cut_seed: of the cut; None where `data` is named.
        skip_corrupt: leave out images that cannot be read.

    Raises:
        UserError: one of the sets cannot be read, or is a generator.
    """
    named = {
        flag: _opened(flag, name, skip_corrupt=skip_corrupt)
        for flag, name in (("--data", data), ("--train_data", train_data))
        if name is not None
    }
    if cut_seed is None:
        return RealImages(named["--data"], named.get("--train_data"), named)
    train, test = cut_test_set(named["--train_data"], cut_seed)
    return RealImages(test, train, {"the test set of": test, "the training set of": train})


def comparison_of(
    folder: Path,
    name: str,
    images: RealImages,
    *,
    num_images: int,
    extractor: str,
    seed: int,
    batch_size: int = 256,
    allow_small: bool,
) -> Comparison:
    """The images that a release makes beside real ones, ready to be measured.

    Args:
        folder: the release.
        name: what to call it in messages.
        images: the real ones.
        num_images: how many to make.
        extractor: see :func:`hfloop.metrics.features.load_extractor`.
        seed: of the noise and of every choice of the metrics.
        batch_size: images that go through the extractor at a time.
        allow_small: even of no more images than features.

    Raises:
        UserError: the release or the extractor cannot be read; the real images are of another size, of classes that
            the model does not know, or too few.
    """
    fake = GeneratedImages(folder, num_images, seed, name, open_pipeline)
    for role, real in images.roles.items():
        _require_same_kind(role, real, fake)
    comparison = Comparison(
        real=images.test,
        fake=fake,
        extractor=load_extractor(extractor, "cuda" if torch.cuda.is_available() else "cpu"),
        seed=seed,
        batch_size=batch_size,
        floor=images.train,
    )
    for role, each in [*images.roles.items(), ("MODEL", fake)]:
        require_enough(role, each, comparison.extractor, allow_small=allow_small)
    return comparison


def _opened(flag: str, name: str, *, skip_corrupt: bool) -> ImageSource:
    if name and is_generator(name):
        raise UserError(
            f"{flag} {name} is taken for a generator: name real images, those of a dataset of the Hub as "
            "datasets/USER/NAME:SPLIT."
        )
    return load_images(name, skip_corrupt=skip_corrupt)


def _require_same_kind(role: str, images: ImageSource, fake: GeneratedImages) -> None:
    """Refuse real images that the model cannot make the like of.

    Raises:
        UserError: they are of another shape, or of classes that the model does not know.
    """
    if images.shape != fake.shape:
        raise UserError(
            f"{role} {images.name} holds images of {shape_in_words(images)} (channels × height × width), and "
            f"{fake.name} makes {shape_in_words(fake)}: name images of the size that it makes."
        )
    if fake.num_classes is None or images.labels is None or not len(images):
        return
    if images.labels.max() >= fake.num_classes:
        raise UserError(
            f"{role} {images.name} has images of class {images.labels.max()}, and {fake.name} knows the classes 0 to "
            f"{fake.num_classes - 1} only: name images of the classes that it learned from."
        )
