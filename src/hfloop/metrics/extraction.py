"""Turn a set of images into features, batch by batch, with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from hfloop.errors import UserError
from hfloop.images.source import ImageSource
from hfloop.metrics.features import FeatureExtractor

Features = npt.NDArray[np.float32]  # (images, dimension)


def extract(
    network: Callable[[Tensor], Tensor], source: ImageSource, *, batch_size: int, what: str
) -> Iterator[Tensor]:
    """What `network` makes of each batch of images, on its device, in the set's order.

    Args:
        network: takes uint8 of shape (images, channels, height, width); an extractor, or its `probabilities`.
        source: the images.
        batch_size: images at a time.
        what: the set's role, for the progress bar.

    Raises:
        UserError: an image cannot be read, or the network makes NaN or infinity of it.
    """
    with progress_bar(len(source), what, "images") as bar:
        for start in range(0, len(source), batch_size):
            indices = np.arange(start, min(start + batch_size, len(source)))
            features = network(torch.from_numpy(source.read(indices)))
            finite = torch.isfinite(features).all(dim=1)
            if not finite.all():
                first = start + int((~finite).nonzero()[0])
                raise UserError(
                    f"the features of image {first} of {source.name} are NaN or infinite: "
                    "the extractor's weights are broken, or it cannot take such images; name another --extractor."
                )
            yield features
            bar.update(len(indices))


def extract_all(network: Callable[[Tensor], Tensor], source: ImageSource, *, batch_size: int, what: str) -> Features:
    """All of :func:`extract` as one float32 array of shape (images, dimension) in main memory."""
    return torch.cat([batch.cpu() for batch in extract(network, source, batch_size=batch_size, what=what)]).numpy()


class SeenImages:
    """A set of images as an extractor sees it; what was extracted once is kept in main memory.

    Args:
        images: the set.
        extractor: makes features, and class probabilities if it is a classifier.
        batch_size: images that go through the extractor at a time.
        role: of the set, for progress bars.
    """

    def __init__(self, images: ImageSource, extractor: FeatureExtractor, batch_size: int, role: str) -> None:
        self.images = images
        self._extractor = extractor
        self._batch_size = batch_size
        self._role = role

    @cached_property
    def features(self) -> Features:
        """float32 of shape (images, dimension)."""
        return self._extract(self._extractor, "features")

    @cached_property
    def probabilities(self) -> Features:
        """float32 of shape (images, classes).

        Raises:
            UserError: the extractor is no classifier.
        """
        return self._extract(self._extractor.probabilities, "classes")

    @property
    def kept_features(self) -> Features | None:
        """The features if they have been extracted already."""
        return self.__dict__.get("features")

    def look(self) -> None:
        """Extract all that the extractor has to say with one reading of the images, which may be slow to make."""
        if self._extractor.classes is None:
            self.features  # noqa: B018 (kept from here on)
            return
        both = self._extract(self._features_and_probabilities, "features and classes")
        self.features, self.probabilities = np.split(both, [self._extractor.dimension], axis=1)

    def _features_and_probabilities(self, images: Tensor) -> Tensor:
        return torch.cat([self._extractor(images), self._extractor.probabilities(images)], dim=1)

    def _extract(self, network: Callable[[Tensor], Tensor], what: str) -> Features:
        return extract_all(network, self.images, batch_size=self._batch_size, what=f"{what} of {self._role} images")


def progress_bar(total: int, what: str, unit: str) -> tqdm:
    """A bar on stderr that vanishes when it is done, and is not there at all where stderr is no terminal."""
    return tqdm(total=total, desc=what, unit=f" {unit}", leave=False, disable=not sys.stderr.isatty())
