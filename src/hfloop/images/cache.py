"""The decoded pixels of a set of images, which a cache on disk keeps where they had to be decoded."""

from __future__ import annotations

import sys
from functools import cached_property

import numpy as np
import PIL
from tqdm import tqdm

from hfloop.array_cache import ArrayCache
from hfloop.images.encoded import EncodedImages
from hfloop.images.source import ArrayImages, ImageSource, Pixels
from hfloop.images.sources import SubsetImages

_READ_AT_A_TIME = 1000  # images
CACHE = ArrayCache("images", "decoded", what="decoded images", layout=1)


class DecodedImages(ArrayImages):
    """Another set with its pixels in memory; name, labels, class names and fingerprint stay that set's.

    Args:
        source: the set.

    Raises:
        UserError: an image cannot be read.
    """

    def __init__(self, source: ImageSource) -> None:
        super().__init__(decoded_pixels(source), source.name, source.labels)
        self.class_names = source.class_names
        self._source = source

    @cached_property
    def fingerprint(self) -> str:
        return self._source.fingerprint


def decoded_pixels(source: ImageSource) -> Pixels:
    """The pixels of all images of a set: uint8 of shape (images, channels, height, width).

    Encoded images are decoded once, then read from a cache on disk, which knows them by the set's fingerprint and
    Pillow's version. Images that lie in memory are not copied; do not write into the array.

    Raises:
        UserError: an image cannot be read.
    """
    if isinstance(source, ArrayImages):
        return source.pixels
    if isinstance(source, SubsetImages):
        return decoded_pixels(source.parent)[source.indices]
    if not isinstance(source, EncodedImages):
        return _read(source)
    key = {"images": source.fingerprint, "pillow": PIL.__version__}
    return CACHE.fetch(key, lambda: {"pixels": _read(source)})["pixels"]


def _read(source: ImageSource) -> Pixels:
    pixels = np.empty((len(source), *source.shape), dtype=np.uint8)
    with tqdm(total=len(source), desc="reading images", leave=False, disable=not sys.stderr.isatty()) as bar:
        for start in range(0, len(source), _READ_AT_A_TIME):
            indices = np.arange(start, min(start + _READ_AT_A_TIME, len(source)))
            pixels[indices] = source.read(indices)
            bar.update(len(indices))
    return pixels
