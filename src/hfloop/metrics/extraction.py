"""Turn a set of images into features, batch by batch, with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hfloop.errors import UserError
from hfloop.images.source import ImageSource


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


def extract_all(network: Callable[[Tensor], Tensor], source: ImageSource, *, batch_size: int, what: str) -> np.ndarray:
    """All of :func:`extract` as one float32 array of shape (images, dimension) in main memory."""
    return torch.cat([batch.cpu() for batch in extract(network, source, batch_size=batch_size, what=what)]).numpy()


def progress_bar(total: int, what: str, unit: str) -> tqdm:
    """A bar on stderr that vanishes when it is done, and is not there at all where stderr is no terminal."""
    return tqdm(total=total, desc=what, unit=f" {unit}", leave=False, disable=not sys.stderr.isatty())
