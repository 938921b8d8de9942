"""The images of one run: what is learned from, what is held out, and everything said about where they came from."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hfloop.errors import UserError
from hfloop.gan.networks import image_sizes
from hfloop.images.cache import DecodedImages, decoded_pixels
from hfloop.images.encoded import describe
from hfloop.images.source import ImageSource
from hfloop.images.sources import hub_dataset_id, is_generator, load_images, without_split
from hfloop.images.splits import count_shared, hold_out
from hfloop.metrics.features import FeatureExtractor, default_extractor, load_extractor

_TEST_SHARE = 0.2
_MOST_TEST_IMAGES = 10_000
_FEW_IMAGES = 1_000  # to learn from
_NAMES_SHOWN = 10


@dataclass(frozen=True)
class GanData:
    """Images to learn from and to measure on, in memory, and the network that measures.

    Attributes:
        train: what is learned from; the checkpoint is chosen by the distance to these.
        test: held out; the final figures are against these.
        extractor: turns images into the features that are compared.
        warnings: what makes figures on these images less than they seem.
        name: what the data is called on a card: a file's or folder's name, a Hub id, or "digits".
        sources: what `train` and `test` were read from, or that they were cut from one set.
        hub_id: of the training data, if it is a data set of the Hub.
        cut_from: what the set is called that :func:`cut_test_set` divided into `train` and `test`; None where both
            were named.
    """

    train: ImageSource
    test: ImageSource
    extractor: FeatureExtractor
    warnings: tuple[str, ...]
    name: str
    sources: dict[str, str]
    hub_id: str | None = None
    cut_from: str | None = None

    @property
    def num_classes(self) -> int | None:
        """How many classes the training images have, or None."""
        return class_count(self.train)

    @property
    def id2label(self) -> dict[int, str] | None:
        """The names of the classes, the numbers as text where they have none."""
        return None if self.num_classes is None else dict(enumerate(_class_names(self.train, self.num_classes)))

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 over the images and labels of both sets."""
        digest = hashlib.sha256()
        for images in (self.train, self.test):
            labels = None if images.labels is None else images.labels.tolist()
            digest.update(json.dumps([images.fingerprint, labels]).encode() + b"\n")
        return digest.hexdigest()

    def network_arguments(self) -> dict[str, int]:
        """What every network needs to know of the images."""
        return {"image_size": self.train.shape[1], "channels": self.train.shape[0]}

    def summary(self) -> str:
        """The data in a few lines for people."""
        lines = [f"data: {self.name}"]
        for split, images in (("train", self.train), ("test", self.test)):
            lines.append(f"  {split:<10} {len(images):>6,} images   {self.sources[split]}")
        lines.append(f"  size       {describe(self.train.shape)}")
        if self.id2label is not None:
            lines.append(f"  classes    {len(self.id2label)}: {_listed(list(self.id2label.values()))}")
        lines.append(f"  extractor  {self.extractor.name}, {self.extractor.dimension:,} features")
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)])

    def facts(self) -> dict[str, Any]:
        """Counts, classes and fingerprints for `hfloop.json`; no path of this machine."""
        facts = facts_of_images(self.train, self.test)
        return {
            "name": self.name,
            "hub_id": self.hub_id,
            **facts,
            "splits": {split: {**each, "source": self.sources[split]} for split, each in facts["splits"].items()},
            "cut_from": self.cut_from,
            "warnings": list(self.warnings),
        }


def facts_of_images(train: ImageSource, test: ImageSource) -> dict[str, Any]:
    """Shape, classes, counts and fingerprints of what is learned from and what is measured on."""
    num_classes = class_count(train)
    return {
        "shape": list(train.shape),
        "num_classes": num_classes,
        "class_names": None if num_classes is None else _class_names(train, num_classes),
        "splits": {
            split: {"images": len(images), "sha256": images.fingerprint}
            for split, images in (("train", train), ("test", test))
        },
    }


def class_count(images: ImageSource) -> int | None:
    """How many classes images have, by the largest label; None where they have no labels."""
    return None if images.labels is None else int(images.labels.max()) + 1


def load_data(
    train_data: str | None,
    test_data: str | None,
    *,
    extractor: str | None,
    skip_corrupt: bool,
    seed: int,
    conditional: bool = False,
) -> GanData:
    """Read the images of a run, and hold out a test set where none is given.

    Without `train_data` these are scikit-learn's digits with their own split. Without `test_data` the test set is
    held out by :func:`cut_test_set`.

    Args:
        train_data: see :func:`hfloop.images.sources.load_images`; no generator.
        test_data: the same.
        extractor: see :func:`hfloop.metrics.features.load_extractor`; None for gray images takes one of digits.
        skip_corrupt: leave out images that cannot be decoded.
        seed: of the images that are held out.
        conditional: whether the model is to know classes.

    Raises:
        UserError: images cannot be read, are of a size that no network takes, have no classes for a model that needs
            them or classes that do not fit, or are too few for the extractor.
    """
    if train_data is None and test_data is not None:
        raise UserError("--test_data is given and --train_data is missing: name the training images.")
    if train_data in (None, "digits") and test_data is None:
        train_data, test_data, extractor = "digits:train", "digits:test", extractor or "digits-v1"
    images = _opened("--train_data", str(train_data), skip_corrupt)
    _require_a_size_of_the_networks(images)
    _require_fitting_classes(images, conditional=conditional)
    given = None if test_data is None else _opened("--test_data", test_data, skip_corrupt)
    if given is not None:
        _require_alike(given, images)
    measuring = load_extractor(extractor or default_extractor(images), "cuda" if torch.cuda.is_available() else "cpu")
    train: ImageSource
    test: ImageSource
    if given is None:
        train, test = cut_test_set(images, seed)
        cut_from = _told(images.name)
        sources = dict.fromkeys(("train", "test"), f"cut from {cut_from}, equal images together")
    else:
        train, test = DecodedImages(images), DecodedImages(given)
        cut_from = None
        sources = {"train": _told(images.name), "test": _told(given.name)}
    _require_variety(train)
    _require_enough(train, "training", "--train_data", measuring)
    _require_enough(test, "test", "--train_data" if given is None else "--test_data", measuring)
    return GanData(
        train=train,
        test=test,
        extractor=measuring,
        warnings=tuple(_warnings(train, test, None if extractor else measuring.name)),
        name=name_of(images.name),
        sources=sources,
        hub_id=hub_dataset_id(images.name),
        cut_from=cut_from,
    )


def cut_test_set(images: ImageSource, seed: int) -> tuple[ImageSource, ImageSource]:
    """Divide a set into what is learned from and a test set: a fifth of the images, at most 10,000.

    The seed draws the test set with the same share of every class, and equal images stay on one side; the same images
    and seed give the same sets again.

    Raises:
        UserError: an image cannot be read.
    """
    count = min(int(len(images) * _TEST_SHARE), _MOST_TEST_IMAGES)
    return hold_out(DecodedImages(images), count, seed)


def _opened(flag: str, name: str, skip_corrupt: bool) -> ImageSource:
    if is_generator(name):
        if Path(name).exists():
            raise UserError(f"{flag} {name} is a generator: name real images.")
        raise UserError(f"{flag} {name} is no file or folder here: write datasets/{name} if the Hub has it.")
    return load_images(name, skip_corrupt=skip_corrupt)


def _require_a_size_of_the_networks(images: ImageSource) -> None:
    _, height, width = images.shape
    if height != width or height not in image_sizes():
        sizes = ", ".join(map(str, image_sizes()))
        raise UserError(
            f"{images.name} is {describe(images.shape)}, but the networks take squares of {sizes} pixels: resize the "
            "images to one of these first."
        )


def _require_fitting_classes(images: ImageSource, *, conditional: bool) -> None:
    if conditional and images.labels is None:
        raise UserError(
            f"{images.name} has no class labels, which this recipe needs: put the images into one folder per class, "
            "with none beside these folders, an array `labels` into the .npz, an IDX file of labels beside that of "
            "the images, or take a recipe without classes."
        )
    if images.labels is not None and images.labels.max() >= len(images):
        raise UserError(
            f"{images.name} has the class label {images.labels.max()}, but only {len(images):,} images: number the "
            "classes from 0 on without gaps."
        )


def _require_alike(test: ImageSource, train: ImageSource) -> None:
    """Refuse test images of another shape than the training images, or of classes that these do not have."""
    if test.shape != train.shape:
        raise UserError(
            f"{test.name} is {describe(test.shape)}, but {train.name} is {describe(train.shape)}: bring test and "
            "training images to one size and to the same channels."
        )
    if train.labels is None or test.labels is None:
        return
    if train.class_names and test.class_names and train.class_names != test.class_names:
        raise UserError(
            f"{test.name} has the classes {_listed(test.class_names)}, but {train.name} {_listed(train.class_names)}: "
            "give both the same classes in the same order."
        )
    if test.labels.max() > train.labels.max():
        raise UserError(
            f"{test.name} has the class label {test.labels.max()}, which is out of range: those of {train.name} go "
            f"from 0 to {train.labels.max()}; leave such images out, or add training images of the class."
        )


def _require_variety(train: ImageSource) -> None:
    pixels = decoded_pixels(train)
    if (pixels == pixels[0]).all():
        raise UserError(
            f"{train.name}: all {len(train):,} training images are the same one, which nothing can be learned from: "
            "name other images."
        )


def _require_enough(images: ImageSource, part: str, flag: str, extractor: FeatureExtractor) -> None:
    """Refuse sets whose Fréchet distance would mostly be sample count."""
    if len(images) <= extractor.dimension:
        is_cut = (part, flag) == ("test", "--train_data")
        fewest = math.ceil((extractor.dimension + 1) / (_TEST_SHARE if is_cut else 1))
        raise UserError(
            f"{images.name} gives {len(images):,} {part} images, no more than {extractor.name} has features "
            f"({extractor.dimension:,}): give a {flag} of {fewest:,} images or more, or an --extractor with fewer "
            "features."
        )


def _warnings(train: ImageSource, test: ImageSource, extractor_by_default: str | None) -> Iterator[str]:
    """What makes figures on these images less than they seem."""
    if extractor_by_default:
        yield f"no --extractor was named, so it is {extractor_by_default}, which is made for handwritten digits"
    if shared := count_shared(test, train):
        yield f"{shared:,} of {len(test):,} test images are training images too, so the figures flatter"
    if len(train) < _FEW_IMAGES:
        yield (
            f"{len(train):,} training images are few, a discriminator soon knows them by heart: take {_FEW_IMAGES:,} "
            "or more"
        )
    if train.labels is not None:
        counts = np.bincount(train.labels, minlength=len(train.class_names or []))
        names = _class_names(train, len(counts))
        if absent := [name for name, count in zip(names, counts, strict=True) if count == 0]:
            yield f"classes that no training image has: {_listed(absent)}"


def _class_names(images: ImageSource, num_classes: int) -> list[str]:
    return (images.class_names or [str(number) for number in range(num_classes)])[:num_classes]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")


def _told(name: str) -> str:
    """What a set may be called in public: a dataset's id as it is, of a path the last part."""
    return name if hub_dataset_id(name) else Path(name).resolve().name


def name_of(name: str) -> str:
    """The same without a split; files as MNIST's, which are all named alike, are called by their folder."""
    if re.search(r"-idx\d-ubyte(\.gz)?$", name):
        return Path(name).resolve().parent.name
    return hub_dataset_id(name) or _told(name if Path(name).exists() else without_split(name)[0])
