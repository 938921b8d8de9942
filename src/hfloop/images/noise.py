"""Images of pure noise: what a generator that has learned nothing makes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hfloop.images.source import ImageSource, Pixels


class NoiseImages(ImageSource):
    """Images whose every value is drawn evenly from 0 to 255; image i is a function of (seed, i).

    Args:
        n: how many.
        shape: (channels, height, width).
        seed: of the draws.
    """

    def __init__(self, n: int, shape: tuple[int, int, int], seed: int) -> None:
        self.name = "noise"
        self.shape = shape
        self._n = n
        self._seed = seed

    def __len__(self) -> int:
        return self._n

    def read(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        return np.stack([self._image(int(index)) for index in indices])

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"noise {self._n} {self.shape} {self._seed}".encode()).hexdigest()

    def _image(self, index: int) -> Pixels:
        return np.random.default_rng([self._seed, index]).integers(0, 256, self.shape, dtype=np.uint8)
