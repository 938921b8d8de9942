"""The small classifier whose pooled activations are the features of `digits-v1`, `mnist-v1` and `fashion-v1`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SmallClassifier(nn.Module):
    """A residual network for small gray images; its features are the averages over space of all its stages.

    A Fréchet distance needs features that move with every kind of degradation. The last stage sees what the image
    shows; the earlier ones see noise, blur and compression, to which a good classifier grows blind. Each feature is
    standardised by batch normalisation and multiplied by its stage's weight, which says how much the stage counts
    against the others; the class scores are a linear map of all of them, so that training forms all of them.

    Args:
        image_size: height and width that the network sees, in pixels.
        classes: how many classes.
        widths: the channels of each stage; each stage after the first halves the resolution.
        blocks: the residual blocks of each stage.
        stage_weights: what the standardised features of each stage are multiplied by.
        pixel_mean: mean of the training images' pixels, for pixels between 0 and 1.
        pixel_std: their standard deviation.
    """

    feature_weights: Tensor
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        *,
        image_size: int,
        classes: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        stage_weights: Sequence[float],
        pixel_mean: float,
        pixel_std: float,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.register_buffer(
            "pixel_mean", torch.tensor(pixel_mean)
        )  # buffers, so that the weights' sha256 covers them
        self.register_buffer("pixel_std", torch.tensor(pixel_std))
        self.stem = normalised_convolution(1, widths[0])
        entries = [widths[0], *widths[:-1]]
        self.stages = nn.ModuleList(
            Stage(entry, width, count, halve=number > 0)
            for number, (entry, width, count) in enumerate(zip(entries, widths, blocks, strict=True))
        )
        weights = torch.tensor(stage_weights).repeat_interleave(torch.tensor(widths))
        self.register_buffer("feature_weights", weights)
        self.standardise = nn.BatchNorm1d(sum(widths), affine=False)
        self.head = nn.Linear(sum(widths), classes)

    def features(self, pixels: Tensor) -> Tensor:
        """Features of shape (n, sum of the widths) for gray pixels (n, 1, size, size) in [0, 255]."""
        return self._standardised(pixels) * self.feature_weights

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits of shape (n, classes) for gray pixels (n, 1, size, size) in [0, 255]."""
        return self.head(self._standardised(pixels))

    def _standardised(self, pixels: Tensor) -> Tensor:
        """The averages over space of every stage, standardised over the course of training."""
        hidden = F.silu(self.stem((pixels / 255 - self.pixel_mean) / self.pixel_std))
        pooled = []
        for stage in self.stages:
            hidden = stage(hidden)
            pooled.append(hidden.float().mean(dim=(2, 3)))
        return self.standardise(torch.cat(pooled, dim=1))


class Stage(nn.Module):
    """Residual blocks of one resolution, after a halving of the resolution and a change of width where asked for."""

    def __init__(self, entry: int, width: int, blocks: int, *, halve: bool) -> None:
        super().__init__()
        self.entry = normalised_convolution(entry, width, stride=2) if halve else nn.Identity()
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))

    def forward(self, hidden: Tensor) -> Tensor:
        return self.blocks(self.entry(hidden))


class Block(nn.Module):
    """Two normalised convolutions around which the input is carried (He et al. 2016); SiLU leaves no unit dead."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = normalised_convolution(width, width)
        self.second = normalised_convolution(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return F.silu(hidden + self.second(F.silu(self.first(hidden))))


def normalised_convolution(entry: int, width: int, stride: int = 1) -> nn.Sequential:
    """A 3×3 convolution followed by batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(entry, width, kernel_size=3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width)
    )
