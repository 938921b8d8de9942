"""A residual GAN for small images (SNGAN, Miyato et al. 2018, arXiv:1802.05957).

This file stands alone, so that a published model can carry it beside its weights. Range of `class_labels`: 0 to
`num_classes` - 1, which the networks do not check, as looking at the values would make the host wait for the device;
the pipeline checks them on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn.utils import parametrizations

IMAGE_SIZES = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64)  # powers of two times 4, 5, 6 or 7


class ResNetGenerator(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases define config_name
    """Latents to images: projected to a few pixels a side, then doubled by residual blocks.

    The first features have 4 to 7 pixels a side, of images below 16 pixels 2 or 3.

    Weights start as in the paper: Xavier-uniform, those of residual branches √2 times as large. Without
    normalisation, each branch starts at 0 instead (Fixup, Zhang et al. 2019, as in R3GAN, Huang et al. 2024).

    Args:
        image_size: edge of the square images in pixels: 8 to 64, a power of two times 4, 5, 6 or 7.
        channels: 1 (gray) or 3 (colour).
        latent_dim: numbers in a latent vector.
        base_channels: feature maps of every block.
        norm: `batch`, batch normalisation before each activation, or `none`.
        num_classes: how many classes the images have; None for a network that knows none.
        conditioning: `concat` appends the class to the latents as a one-hot vector (Mirza & Osindero 2014);
            `projection` learns the gains and biases of batch normalisation for each class (Miyato & Koyama 2018).

    Raises:
        ValueError: an argument is none of these, or `projection` has no batch normalisation to work on.
    """

    @register_to_config
    def __init__(
        self,
        image_size: int = 32,
        channels: int = 1,
        latent_dim: int = 128,
        base_channels: int = 256,
        norm: str = "batch",
        num_classes: int | None = None,
        conditioning: str = "concat",
    ) -> None:
        super().__init__()
        _check_positive(latent_dim=latent_dim, base_channels=base_channels)
        _check_images_and_classes(image_size, channels, num_classes, conditioning)
        if norm not in ("batch", "none"):
            raise ValueError(f"norm must be 'batch' or 'none', not {norm!r}.")
        if norm == "none" and num_classes is not None and conditioning == "projection":
            raise ValueError(
                "conditioning 'projection' acts on batch normalisation: take 'concat' beside norm 'none'."
            )
        num_doublings = _num_doublings(image_size)
        edge = image_size // 2**num_doublings
        self.num_classes = num_classes
        self.num_appended = (num_classes or 0) if conditioning == "concat" else 0
        norm_classes = num_classes if conditioning == "projection" else None
        num_inputs = latent_dim + self.num_appended
        self.first_shape = (base_channels, edge, edge)
        self.project = nn.Linear(num_inputs, base_channels * edge * edge)
        self.blocks = nn.ModuleList(_UpBlock(base_channels, norm, norm_classes) for _ in range(num_doublings))
        self.last_norm = nn.BatchNorm2d(base_channels) if norm == "batch" else nn.Identity()
        self.to_pixels = nn.Conv2d(base_channels, channels, 3, padding=1)
        self.apply(_initialise)

    def forward(self, latents: torch.Tensor, class_labels: torch.Tensor | None = None) -> torch.Tensor:
        """Images of shape (n, channels, image_size, image_size) in [-1, 1], float32.

        Args:
            latents: (n, latent_dim), standard normal.
            class_labels: (n,) int64, for a network with classes only.

        Raises:
            ValueError: `class_labels` are missing, not wanted, or not one for each latent vector.
        """
        _check_labels(class_labels, self.num_classes, len(latents))
        if class_labels is not None and self.num_appended:
            latents = torch.cat([latents, _one_hot(class_labels, self.num_appended, latents.dtype)], dim=1)
        features = self.project(latents).unflatten(1, self.first_shape)
        for block in self.blocks:
            features = block(features, class_labels)
        return torch.tanh(self.to_pixels(F.relu(self.last_norm(features))).float())


class ResNetDiscriminator(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases define config_name
    """Images to one logit each: residual blocks of one width with LeakyReLU of slope 0.2, summed over the positions.

    As in the paper's network for 32 pixels, blocks halve the edge until it is 8 to 14 pixels (4 to 6 for images of 8
    and 12), and two more keep it. Weights start as in the paper: Xavier-uniform, those of residual branches √2 times
    as large. No layer looks at more than one image.

    Args:
        image_size: edge of the square images in pixels: 8 to 64, a power of two times 4, 5, 6 or 7.
        channels: 1 (gray) or 3 (colour).
        base_channels: feature maps of every block.
        spectral_norm: divide each weight by its largest singular value in every forward pass.
        num_classes: how many classes the images have; None for a network that knows none.
        conditioning: `concat` appends the class to the images as one-hot planes (Mirza & Osindero 2014);
            `projection` adds the inner product of the class's embedding and the features (Miyato & Koyama 2018).

    Raises:
        ValueError: an argument is none of these.
    """

    @register_to_config
    def __init__(
        self,
        image_size: int = 32,
        channels: int = 1,
        base_channels: int = 128,
        spectral_norm: bool = True,
        num_classes: int | None = None,
        conditioning: str = "concat",
    ) -> None:
        super().__init__()
        _check_positive(base_channels=base_channels)
        _check_images_and_classes(image_size, channels, num_classes, conditioning)
        num_halvings = _num_doublings(image_size) - 1
        self.num_classes = num_classes
        self.num_appended = (num_classes or 0) if conditioning == "concat" else 0
        num_planes = channels + self.num_appended
        self.blocks = nn.ModuleList(
            [
                _DownBlock(num_planes, base_channels, halves=True, activates_first=False),
                *(_DownBlock(base_channels, base_channels, halves=True) for _ in range(num_halvings - 1)),
                *(_DownBlock(base_channels, base_channels, halves=False) for _ in range(2)),
            ]
        )
        self.to_logit = nn.Linear(base_channels, 1)
        self.class_embedding = None
        if num_classes is not None and conditioning == "projection":
            self.class_embedding = nn.Embedding(num_classes, base_channels)
        self.apply(_initialise)
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
        features = images
        if class_labels is not None and self.num_appended:
            planes = _one_hot(class_labels, self.num_appended, images.dtype)[:, :, None, None]
            features = torch.cat([images, planes.expand(-1, -1, *images.shape[2:])], dim=1)
        for block in self.blocks:
            features = block(features)
        summed = F.leaky_relu(features.float(), 0.2).sum(dim=(2, 3))
        logits = self.to_logit(summed).squeeze(1).float()
        if self.class_embedding is not None:
            logits = logits + (self.class_embedding(class_labels) * summed).float().sum(dim=1)
        return logits


class _UpBlock(nn.Module):
    """A residual block that doubles the edge of its feature maps."""

    def __init__(self, width: int, norm: str, num_classes: int | None) -> None:
        super().__init__()
        self.norm1 = _BatchNorm(width, num_classes) if norm == "batch" else _NoNorm()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = _BatchNorm(width, num_classes) if norm == "batch" else _NoNorm()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(width, width, 1)

    def forward(self, features: torch.Tensor, class_labels: torch.Tensor | None) -> torch.Tensor:
        branch = F.interpolate(F.relu(self.norm1(features, class_labels)), scale_factor=2)
        branch = self.conv2(F.relu(self.norm2(self.conv1(branch), class_labels)))
        return branch + F.interpolate(self.shortcut(features), scale_factor=2)  # 1x1, so the order does not matter


class _DownBlock(nn.Module):
    """A residual block that halves the edge of its feature maps, or keeps it."""

    def __init__(self, in_channels: int, width: int, *, halves: bool, activates_first: bool = True) -> None:
        super().__init__()
        self.halves = halves
        self.activates_first = activates_first
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, width, 1) if halves or in_channels != width else None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        branch = F.leaky_relu(features, 0.2) if self.activates_first else features
        branch = self.conv2(F.leaky_relu(self.conv1(branch), 0.2))
        if self.halves:
            branch, features = F.avg_pool2d(branch, 2), F.avg_pool2d(features, 2)
        return branch + (features if self.shortcut is None else self.shortcut(features))


class _BatchNorm(nn.Module):
    """Batch normalisation of each feature map with a learned gain and bias, or with one pair for each class."""

    def __init__(self, num_features: int, num_classes: int | None) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, affine=num_classes is None)
        self.gains_and_biases = nn.Embedding(num_classes, 2 * num_features) if num_classes is not None else None

    def forward(self, features: torch.Tensor, class_labels: torch.Tensor | None) -> torch.Tensor:
        features = self.norm(features)
        if self.gains_and_biases is None:
            return features
        gains, biases = self.gains_and_biases(class_labels)[:, :, None, None].chunk(2, dim=1)
        return features * gains + biases


class _NoNorm(nn.Module):
    """In the place of :class:`_BatchNorm`."""

    def forward(self, features: torch.Tensor, class_labels: torch.Tensor | None) -> torch.Tensor:
        return features


def _initialise(module: nn.Module) -> None:
    """For `apply`, which comes to a block after its layers."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.constant_(module.bias, 0.0)
    elif isinstance(module, nn.Embedding):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, (_UpBlock, _DownBlock)):
        for conv in (module.conv1, module.conv2):
            nn.init.xavier_uniform_(conv.weight, math.sqrt(2))
        if isinstance(module, _UpBlock) and isinstance(module.norm2, _NoNorm):
            nn.init.constant_(module.conv2.weight, 0.0)
    elif isinstance(module, _BatchNorm) and module.gains_and_biases is not None:
        gains, biases = module.gains_and_biases.weight.detach().chunk(2, dim=1)
        nn.init.constant_(gains, 1.0)
        nn.init.constant_(biases, 0.0)


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


def _num_doublings(image_size: int) -> int:
    """How often an edge of 4 to 7 pixels is doubled; twice at least, so that 8 pixels begin with 2, and 12 with 3."""
    doublings = 0
    while image_size >= 8:
        image_size //= 2
        doublings += 1
    return max(2, doublings)


def _one_hot(class_labels: torch.Tensor, num_classes: int, dtype: torch.dtype) -> torch.Tensor:
    return F.one_hot(class_labels, num_classes).to(dtype)


def _normalise_spectrally(modules: Iterable[nn.Module]) -> None:
    for module in list(modules):
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
            parametrizations.spectral_norm(module)
