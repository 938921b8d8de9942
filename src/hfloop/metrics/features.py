"""Feature extractors: the networks through whose eyes generated images are compared with real ones.

A figure holds for one extractor alone: the extractor's name is part of every metric's name, and figures of different
extractors never compare.
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfloop.errors import UserError, nearest
from hfloop.files import sha256_of_file
from hfloop.images.source import ImageSource

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "extractors"
INCEPTION = "inception"
_DIGITS_PIXELS = 16  # digits-v1 was made for 8, mnist-v1 for 28
_LUMA = (0.299, 0.587, 0.114)  # red, green and blue in ITU-R BT.601


class FeatureExtractor(ABC):
    """A frozen network that turns images into feature vectors, in float32 whatever the caller's precision is.

    Attributes:
        name: part of the name of every figure measured with it.
        dimension: length of a feature vector.
        sha256: of the weights and whatever else decides what the network does with pixels.
        image_pipeline: one sentence on what happens to an image before the network sees it.
        dtype: of the computation.
        classes: the names of the classes it tells apart, or None if it is no classifier.
        device: where the network is.
    """

    name: str
    dimension: int
    sha256: str
    image_pipeline: str
    dtype: str = "float32"
    classes: tuple[str, ...] | None = None
    device: torch.device

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: uint8 of shape (n, 1 or 3, height, width); 1 channel is gray, 3 are red, green and blue.

        Returns:
            float32 of shape (n, dimension), on the extractor's device.

        Raises:
            UserError: `images` is of another type or shape.
        """
        check_images(images)
        with _plain_inference(self.device):
            return self._features(images.to(self.device))

    def probabilities(self, images: Tensor) -> Tensor:
        """Class probabilities of images (n, 1 or 3, height, width): float32 of shape (n, number of classes).

        Raises:
            UserError: the extractor is no classifier, or `images` is of another type or shape.
        """
        if self.classes is None:
            raise UserError(
                f"the extractor {self.name} is no classifier; name one for class probabilities, such as mnist-v1."
            )
        check_images(images)
        with _plain_inference(self.device):
            return self._logits(images.to(self.device)).softmax(dim=1)

    @abstractmethod
    def _features(self, images: Tensor) -> Tensor:
        """The features of uint8 images (n, 1 or 3, height, width) on the extractor's device."""

    @abstractmethod
    def _logits(self, images: Tensor) -> Tensor:
        """The logits of uint8 images on the extractor's device; called of classifiers only."""


class ClassifierExtractor(FeatureExtractor):
    """A small classifier in a folder that `scripts/train_feature_extractor.py` wrote.

    Args:
        folder: holds config.json and model.safetensors.
        name: the extractor's name.
        device: where to compute.

    Raises:
        UserError: the weights are not those that config.json was written with.
    """

    def __init__(self, folder: Path, name: str, device: torch.device | str = "cpu") -> None:
        from safetensors.torch import load_file

        from hfloop.metrics.classifier import SmallClassifier

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = folder / "model.safetensors"
        self.sha256 = sha256_of_file(weights)
        if self.sha256 != config["sha256"]:
            raise UserError(
                f"{weights} has sha256 {self.sha256}, not {config['sha256']} as config.json says; reinstall hfloop."
            )
        self.name = name
        self.device = torch.device(device)
        self.classes = tuple(config["classes"])
        self.dimension = sum(config["widths"])
        self.network = SmallClassifier(
            image_size=config["image_size"],
            classes=len(self.classes),
            widths=config["widths"],
            blocks=config["blocks"],
            stage_weights=config["stage_weights"],
            pixel_mean=config["pixel_mean"],
            pixel_std=config["pixel_std"],
        )
        self.network.load_state_dict(load_file(weights))
        self.network.eval().requires_grad_(False)
        self.network.to(self.device)
        size = config["image_size"]
        self.image_pipeline = (
            f"colour to luma (ITU-R BT.601), sizes other than {size}×{size} resized to it (PyTorch, bilinear with "
            f"antialiasing, in float32), divided by 255, less {config['pixel_mean']}, divided by {config['pixel_std']}"
        )

    def _features(self, images: Tensor) -> Tensor:
        return self.network.features(self._pixels(images))

    def _logits(self, images: Tensor) -> Tensor:
        return self.network(self._pixels(images))

    def _pixels(self, images: Tensor) -> Tensor:
        size = self.network.image_size
        return resized(as_gray(images.float()), (size, size))


def load_extractor(name: str, device: torch.device | str = "cpu") -> FeatureExtractor:
    """The feature extractor of that name, ready on `device`.

    Args:
        name: a shipped one (`digits-v1`, `mnist-v1`, `fashion-v1`); `inception`, with the weights of the original FID
            (Heusel et al. 2017); or a vision model that transformers knows: a folder, or a Hub id such as
            `facebook/dinov2-base`.
        device: where to compute.

    Raises:
        UserError: there is no such extractor, or what it needs is not there.
    """
    shipped = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    if name in shipped:
        return ClassifierExtractor(SHIPPED / name, name, device)
    if name == INCEPTION:
        from hfloop.metrics.inception import InceptionExtractor

        return InceptionExtractor(device)
    if not name or ("/" not in name and not Path(name).exists()):
        raise UserError(
            f"there is no feature extractor {name}{nearest(name, [*shipped, INCEPTION])}; there are "
            f"{', '.join(shipped)}, {INCEPTION}, and any vision model by folder or Hub id (`user/name`)."
        )
    from hfloop.metrics.backbones import BackboneExtractor

    return BackboneExtractor(name, device)


def default_extractor(images: ImageSource) -> str:
    """The extractor of digits of about this size; a warning says so.

    Raises:
        UserError: the images are in colour, which digits are not.
    """
    channels, height, width = images.shape
    if channels > 1:
        raise UserError(
            f"{images.name} is in colour: name an --extractor, such as inception or the Hub's facebook/dinov2-base."
        )
    name = "digits-v1" if max(height, width) <= _DIGITS_PIXELS else "mnist-v1"
    logger.warning("Warning: no --extractor is named, so it is %s, which is made for handwritten digits.", name)
    return name


def check_images(images: Tensor) -> None:
    """Refuse what is not uint8 of shape (n, 1 or 3, height, width) with one sentence."""
    if images.dtype != torch.uint8:
        raise UserError(f"images must be uint8, from 0 to 255, not {str(images.dtype).removeprefix('torch.')}.")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise UserError(f"images must have the shape (n, 1 or 3, height, width), not {tuple(images.shape)}.")


def as_gray(pixels: Tensor) -> Tensor:
    """float32 pixels (n, 1 or 3, height, width) as luma (n, 1, height, width), ITU-R BT.601."""
    if pixels.shape[1] == 1:
        return pixels
    return (pixels * pixels.new_tensor(_LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)


def as_colour(pixels: Tensor) -> Tensor:
    """Pixels (n, 1 or 3, height, width) with three channels; a gray one is repeated."""
    return pixels.expand(-1, 3, -1, -1)


def resized(pixels: Tensor, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """float32 pixels (n, channels, height, width) in [0, 255] at `size`, (height, width); untouched if they have it.

    Without antialiasing, shrinking folds fine detail into patterns that are in no image (Parmar et al. 2022).
    """
    if pixels.shape[-2:] == size:
        return pixels
    enlarged = F.interpolate(pixels, size=size, mode=mode, align_corners=False, antialias=True)
    return enlarged.clamp(0, 255)  # bicubic overshoots


@contextmanager
def _plain_inference(device: torch.device) -> Iterator[None]:
    """No gradients, and float32 throughout: no autocast, no TensorFloat-32, no bfloat16 products."""
    backends: Any = torch.backends  # its typing lags behind
    switches = (backends.cudnn.conv, backends.cuda.matmul, backends.mkldnn.conv, backends.mkldnn.matmul)
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = "none"  # what it inherited it shall inherit again
            if switch.fp32_precision != precision:
                switch.fp32_precision = precision
