"""A GAN of fully connected layers for small images (Goodfellow et al. 2014, arXiv:1406.2661).

This file stands alone, so that a published model can carry it beside its weights. Range of `class_labels`: 0 to
`num_classes` - 1, which the networks do not check, as looking at the values would make the host wait for the device;
the pipeline checks them on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn.utils import parametrizations

IMAGE_SIZES = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64)  # powers of two times 4, 5, 6 or 7


class MLPGenerator(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases define config_name
    """Latents to images through four hidden layers with batch normalisation and ReLU, then tanh.

    The weights start as torch's linear layers do.

    Args:
        image_size: edge of the square images in pixels: 8 to 64, a power of two times 4, 5, 6 or 7.
        channels: 1 (gray) or 3 (colour).
        latent_dim: numbers in a latent vector.
        base_channels: width of the first hidden layer; the others are 2, 4 and 8 times as wide.
        num_classes: how many classes the images have; None for a network that knows none.
        conditioning: `concat` appends the class to the latents as a one-hot vector (Mirza & Osindero 2014);
            `projection` learns the gains and biases of batch normalisation for each class (Miyato & Koyama 2018).

    Raises:
        ValueError: an argument is none of these.
    """

    @register_to_config
    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        latent_dim: int = 64,
        base_channels: int = 128,
        num_classes: int | None = None,
        conditioning: str = "concat",
    ) -> None:
        super().__init__()
        _check_positive(latent_dim=latent_dim, base_channels=base_channels)
        _check_images_and_classes(image_size, channels, num_classes, conditioning)
        self.num_classes = num_classes
        self.num_appended = (num_classes or 0) if conditioning == "concat" else 0
        norm_classes = num_classes if conditioning == "projection" else None
        self.image_shape = (channels, image_size, image_size)
        widths = [latent_dim + self.num_appended, *(base_channels * k for k in (1, 2, 4, 8))]
        self.hidden = nn.ModuleList(nn.Linear(*pair, bias=False) for pair in pairwise(widths))
        self.norms = nn.ModuleList(_BatchNorm(width, norm_classes) for width in widths[1:])
        self.to_pixels = nn.Linear(widths[-1], channels * image_size * image_size)

    def forward(self, latents: torch.Tensor, class_labels: torch.Tensor | None = None) -> torch.Tensor:
        """Images of shape (n, channels, image_size, image_size) in [-1, 1], float32.

        Args:
            latents: (n, latent_dim), standard normal.
            class_labels: (n,) int64, for a network with classes only.

        Raises:
            ValueError: `class_labels` are missing, not wanted, or not one for each latent vector.
        """
        _check_labels(class_labels, self.num_classes, len(latents))
        features = latents
        if class_labels is not None and self.num_appended:
            features = torch.cat([features, _one_hot(class_labels, self.num_appended, features.dtype)], dim=1)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            features = F.relu(norm(layer(features), class_labels))
        return torch.tanh(self.to_pixels(features).float()).unflatten(1, self.image_shape)


class MLPDiscriminator(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases define config_name
    """Images to one logit each through three hidden layers with LeakyReLU of slope 0.2; no batch normalisation.

    The weights start as torch's linear layers do.

    Args:
        image_size: edge of the square images in pixels: 8 to 64, a power of two times 4, 5, 6 or 7.
        channels: 1 (gray) or 3 (colour).
        base_channels: width of the last hidden layer; those before it are 4 and 2 times as wide.
        spectral_norm: divide each weight by its largest singular value in every forward pass (Miyato et al. 2018).
        num_classes: how many classes the images have; None for a network that knows none.
        conditioning: `concat` appends the class to the pixels as a one-hot vector (Mirza & Osindero 2014);
            `projection` adds the inner product of the class's embedding and the features (Miyato & Koyama 2018).

    Raises:
        ValueError: an argument is none of these.
    """

    @register_to_config
    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        base_channels: int = 128,
        spectral_norm: bool = False,
        num_classes: int | None = None,
        conditioning: str = "concat",
    ) -> None:
        super().__init__()
        _check_positive(base_channels=base_channels)
        _check_images_and_classes(image_size, channels, num_classes, conditioning)
        self.num_classes = num_classes
        self.num_appended = (num_classes or 0) if conditioning == "concat" else 0
        num_inputs = channels * image_size * image_size + self.num_appended
        widths = [num_inputs, *(base_channels * k for k in (4, 2, 1))]
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.to_logit = nn.Linear(base_channels, 1)
        self.class_embedding = None
        if num_classes is not None and conditioning == "projection":
            self.class_embedding = nn.Embedding(num_classes, base_channels)
        if spectral_norm:
            _normalise_spectrally(self.modules())

    def forward(self, images: torch.Tensor, class_labels: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of shape (n,), float32; larger is more like a real image.

        Args:
            images: (n, channels, image_size, image_size) in [-1, 1].
            class_labels: (n,) int64, for a network with classes only.

        Raises:
            ValueError: `class_labels` are missing, not wanted, or not one for each image.
        """
        _check_labels(class_labels, self.num_classes, len(images))
        features = images.flatten(1)
        if class_labels is not None and self.num_appended:
            features = torch.cat([features, _one_hot(class_labels, self.num_appended, features.dtype)], dim=1)
        for layer in self.hidden:
            features = F.leaky_relu(layer(features), 0.2)
        logits = self.to_logit(features).squeeze(1).float()
        if self.class_embedding is not None:
            logits = logits + (self.class_embedding(class_labels) * features).float().sum(dim=1)
        return logits


class _BatchNorm(nn.Module):
    """Batch normalisation of each feature with a learned gain and bias, or with one pair for each class."""

    def __init__(self, num_features: int, num_classes: int | None) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(num_features, affine=num_classes is None)
        self.gains_and_biases = nn.Embedding(num_classes, 2 * num_features) if num_classes is not None else None
        if self.gains_and_biases is not None:
            gains, biases = self.gains_and_biases.weight.detach().chunk(2, dim=1)
            nn.init.constant_(gains, 1.0)
            nn.init.constant_(biases, 0.0)

    def forward(self, features: torch.Tensor, class_labels: torch.Tensor | None) -> torch.Tensor:
        features = self.norm(features)
        if self.gains_and_biases is None:
            return features
        gains, biases = self.gains_and_biases(class_labels).chunk(2, dim=1)
        return features * gains + biases


def _check_images_and_classes(image_size: int, channels: int, num_classes: int | None, conditioning: str) -> None:
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size must be one of {', '.join(map(str, IMAGE_SIZES))}, not {image_size!r}.")
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (gray) or 3 (colour), not {channels!r}.")
    if num_classes is not None:
        _check_positive(num_classes=num_classes)
    if conditioning not in ("concat", "projection"):
        raise ValueError(f"conditioning must be 'concat' or 'projection', not {conditioning!r}.")


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, not {number!r}.")


def _check_labels(class_labels: torch.Tensor | None, num_classes: int | None, count: int) -> None:
    if num_classes is None and class_labels is not None:
        raise ValueError("class_labels must be left out, as the network was made without num_classes.")
    if num_classes is not None and class_labels is None:
        raise ValueError(
            f"class_labels are missing: the network wants one of its {num_classes} classes for each image."
        )
    if class_labels is not None and (class_labels.shape != (count,) or class_labels.dtype != torch.int64):
        found = f"{class_labels.dtype} of shape {tuple(class_labels.shape)}"
        raise ValueError(f"class_labels must be torch.int64 of shape ({count},), not {found}.")


def _one_hot(class_labels: torch.Tensor, num_classes: int, dtype: torch.dtype) -> torch.Tensor:
    return F.one_hot(class_labels, num_classes).to(dtype)


def _normalise_spectrally(modules: Iterable[nn.Module]) -> None:
    for module in list(modules):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            parametrizations.spectral_norm(module)
