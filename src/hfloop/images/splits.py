"""Hold out a part of a set of images so that no image stands on both sides, and find images that do."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from hfloop.images.cache import decoded_pixels
from hfloop.images.source import ImageSource
from hfloop.images.sources import SubsetImages


def hold_out(images: ImageSource, count: int, seed: int) -> tuple[SubsetImages, SubsetImages]:
    """The set without `count` images that the seed draws, and these; each class gives its share.

    Images with the same pixels stay on one side, and every class keeps an image in the first: fewer than `count` are
    drawn where that leaves no choice.

    Args:
        images: the set.
        count: how many to draw, 0 to the number of images.
        seed: of the draw, 0 or more.
    """
    classes = np.zeros(len(images), dtype=np.int64) if images.labels is None else images.labels
    places: dict[bytes, list[int]] = {}
    for place, digest in enumerate(_digests(images)):
        places.setdefault(digest, []).append(place)
    groups = list(places.values())  # of equal images
    left = _shares(np.bincount(classes), count).tolist()
    drawn = np.zeros(len(images), dtype=bool)
    for number in np.random.default_rng(seed).permutation(len(groups)).tolist():
        group = groups[number]
        image_class = classes[group[0]]
        if len(group) <= left[image_class]:
            left[image_class] -= len(group)
            drawn[group] = True
    return SubsetImages(images, np.flatnonzero(~drawn)), SubsetImages(images, np.flatnonzero(drawn))


def count_shared(images: ImageSource, others: ImageSource) -> int:
    """How many of `images` have the same pixels as one of `others`."""
    known = set(_digests(others))
    return sum(digest in known for digest in _digests(images))


def _digests(images: ImageSource) -> list[bytes]:
    return [hashlib.sha256(image).digest() for image in np.ascontiguousarray(decoded_pixels(images))]


def _shares(class_sizes: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """`count` divided among classes in proportion to their sizes, by largest remainders; less than all of any."""
    exact = class_sizes * count / class_sizes.sum()
    shares = np.floor(exact).astype(np.int64)
    largest = np.argsort(shares - exact, kind="stable")[: count - shares.sum()]
    shares[largest] += 1
    return np.minimum(shares, np.maximum(class_sizes - 1, 0))
