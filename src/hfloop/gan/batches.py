"""The images that a GAN learns from: the whole set on the device as uint8, in an order that the seed decides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hfloop.images.cache import decoded_pixels
from hfloop.images.source import ImageSource
from hfloop.run import step_seed


@dataclass(frozen=True)
class Batch:
    """Real images as networks want them.

    Attributes:
        images: float32 of shape (images, channels, height, width), from -1 to 1.
        class_labels: int64 of shape (images,), or None where the set has no classes.
    """

    images: Tensor
    class_labels: Tensor | None


class TrainingImages:
    """A set of images, decoded once, in an endless sequence of epochs.

    Each epoch is the whole set in an order drawn from (seed, epoch). Nothing remembers where one is: what comes at a
    place of the sequence depends on the place alone, so a resumed run, or one with other processes, sees the same.

    Args:
        source: the images.
        device: where to keep them.
        seed: of the order.

    Raises:
        UserError: an image cannot be read.
    """

    def __init__(self, source: ImageSource, device: torch.device, seed: int) -> None:
        self.source = source
        self.seed = seed
        self.pixels = torch.tensor(decoded_pixels(source), device=device)  # uint8 (images, channels, height, width)
        labels = source.labels
        self.labels = None if labels is None else torch.from_numpy(labels).to(device)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, first: int, count: int) -> Batch:
        """The images at the places `first` to `first + count` of the sequence."""
        chosen = []
        while count:
            epoch, place = divmod(first, len(self))
            part = self._epoch_order(epoch)[place : place + count]
            chosen.append(part)
            first, count = first + len(part), count - len(part)
        indices = torch.cat(chosen)
        images = self.pixels[indices].float().div_(127.5).sub_(1)
        return Batch(images, None if self.labels is None else self.labels[indices])

    def _epoch_order(self, epoch: int) -> Tensor:
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(step_seed(self.seed, epoch, 0))
            self._order = epoch, torch.randperm(len(self), generator=generator).to(self.pixels.device)
        return self._order[1]
