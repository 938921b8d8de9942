"""What every set of images offers: how many there are, their shape, the pixels of any of them, a fingerprint."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # (images, channels, height, width), 0 to 255


class ImageSource(ABC):
    """A set of images of one shape, read by index, so that a set larger than the memory can be measured.

    Attributes:
        name: what the user called it, for messages and protocols.
        shape: (channels, height, width) in pixels; 1 channel is gray, 3 are red, green and blue.
        labels: the class of each image, int64 of shape (images,), or None where the set has no classes.
        class_names: what the set calls its classes, by number, or None where they are numbers only.
    """

    name: str
    shape: tuple[int, int, int]
    labels: npt.NDArray[np.int64] | None = None
    class_names: list[str] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """How many images there are."""

    @abstractmethod
    def read(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        """The images at `indices`, in that order: uint8 of shape (len(indices), channels, height, width).

        Raises:
            UserError: an image cannot be read, or is not of the set's shape.
        """

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hex sha256 of what the set holds; sets with equal fingerprints hold equal images in equal order."""


class ArrayImages(ImageSource):
    """Images that lie in memory as one array.

    Args:
        pixels: uint8 of shape (images, channels, height, width), with 1 or 3 channels and at least one image.
        name: what to call the set.
        labels: int64 of shape (images,), or None.
    """

    def __init__(self, pixels: Pixels, name: str, labels: npt.NDArray[np.int64] | None = None) -> None:
        self.pixels = pixels
        self.name = name
        self.shape = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
        self.labels = labels

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        return self.pixels[np.asarray(indices, dtype=np.int64)]

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"uint8 {self.pixels.shape}\n".encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.hexdigest()
