"""The deep convolutional GAN for small images (DCGAN, Radford et al. 2015, arXiv:1511.06434).

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


class DCGANGenerator(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases define config_name
    """Latents to images: projected to a few pixels a side, convolved, then doubled; batch normalisation and ReLU.

    The first features have 4 to 7 pixels a side, of images below 16 pixels 2 or 3. Images are smaller here than in the
    paper and are doubled less often; the 3x3 convolution before gives the networks back some of the depth.

    Weights start from N(0, 0.02), gains of batch normalisation from N(1, 0.02), biases at 0, as in the paper.

    Args:
        image_size: edge of the square images in pixels: 8 to 64, a power of two times 4, 5, 6 or 7.
        channels: 1 (gray) or 3 (colour).
        latent_dim: numbers in a latent vector.
        base_channels: feature maps before the last layer; every layer before it has twice those of the next.
        upsample: how an edge is doubled: `transposed`, a 4x4 transposed convolution of stride 2, or `resize`, nearest
            neighbours and a 3x3 convolution, which leaves no checkerboard (Odena et al. 2016).
        num_classes: how many classes the images have; None for a network that knows none.
        conditioning: `concat` appends the class to the latents as a one-hot vector (Mirza & Osindero 2014);
            `projection` learns the gains and biases of batch normalisation for each class (Miyato & Koyama 2018).

    Raises:
        ValueError: an argument is none of these.
    """

    @register_to_config
    def __init__(
        self,
        image_size: int = 32,
        channels: int = 1,
        latent_dim: int = 100,
        base_channels: int = 64,
        upsample: str = "transposed",
        num_classes: int | None = None,
        conditioning: str = "concat",
    ) -> None:
        super().__init__()
        _check_positive(latent_dim=latent_dim, base_channels=base_channels)
        _check_images_and_classes(image_size, channels, num_classes, conditioning)
        if upsample not in ("transposed", "resize"):
            raise ValueError(f"upsample must be 'transposed' or 'resize', not {upsample!r}.")
        num_doublings = _num_doublings(image_size)
        edge = image_size // 2**num_doublings
        self.num_classes = num_classes
        self.num_appended = (num_classes or 0) if conditioning == "concat" else 0
        norm_classes = num_classes if conditioning == "projection" else None
        widths = [base_channels * 2**k for k in reversed(range(num_doublings + 1))]
        num_inputs = latent_dim + self.num_appended
        self.first_shape = (widths[0], edge, edge)
        self.project = nn.Linear(num_inputs, widths[0] * edge * edge, bias=False)
        self.norms = nn.ModuleList(_BatchNorm(width, norm_classes) for width in widths)
        self.convolution = nn.Conv2d(widths[0], widths[1], 3, padding=1, bias=False)
        self.doublings = nn.ModuleList(
            _doubling(width, next_width, upsample, bias=False) for width, next_width in pairwise(widths[1:])
        )
        self.to_pixels = _doubling(widths[-1], channels, upsample, bias=True)
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
        features = F.relu(self.norms[0](features, class_labels))
        for layer, norm in zip([self.convolution, *self.doublings], self.norms[1:], strict=True):
            features = F.relu(norm(layer(features), class_labels))
        return torch.tanh(self.to_pixels(features).float())


class DCGANDiscriminator(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases define config_name
    """Images to one logit each: 4x4 convolutions of stride 2, one of 3x3, and a linear layer; LeakyReLU of slope 0.2.

    Weights start from N(0, 0.02), gains of batch normalisation from N(1, 0.02), biases at 0, as in the paper.

    Args:
        image_size: edge of the square images in pixels: 8 to 64, a power of two times 4, 5, 6 or 7.
        channels: 1 (gray) or 3 (colour).
        base_channels: feature maps after the first layer; every layer doubles them.
        norm: `batch`, batch normalisation in all layers but the first; `spectral`, each weight divided by its largest
            singular value (Miyato et al. 2018); `none`, as a critic with a gradient penalty needs it (Gulrajani et
            al. 2017).
        spectral_norm: whether that division happens in every forward pass; default: if `norm` is `spectral`. False
            beside `spectral` is for published networks, whose weights were divided once and for all.
        num_classes: how many classes the images have; None for a network that knows none.
        conditioning: `concat` appends the class to the images as one-hot planes (Mirza & Osindero 2014);
            `projection` adds the inner product of the class's embedding and the features, summed over the positions
            (Miyato & Koyama 2018).

    Raises:
        ValueError: an argument is none of these.
    """

    @register_to_config
    def __init__(
        self,
        image_size: int = 32,
        channels: int = 1,
        base_channels: int = 64,
        norm: str = "batch",
        spectral_norm: bool | None = None,
        num_classes: int | None = None,
        conditioning: str = "concat",
    ) -> None:
        super().__init__()
        _check_positive(base_channels=base_channels)
        _check_images_and_classes(image_size, channels, num_classes, conditioning)
        if norm not in ("batch", "spectral", "none"):
            raise ValueError(f"norm must be 'batch', 'spectral' or 'none', not {norm!r}.")
        if spectral_norm and norm != "spectral":
            raise ValueError(f"spectral_norm goes with norm 'spectral', not {norm!r}.")
        spectral_norm = norm == "spectral" if spectral_norm is None else spectral_norm
        self.register_to_config(spectral_norm=spectral_norm)
        num_halvings = _num_doublings(image_size)
        edge = image_size // 2**num_halvings
        self.num_classes = num_classes
        self.num_appended = (num_classes or 0) if conditioning == "concat" else 0
        num_planes = channels + self.num_appended
        widths = [num_planes, *(base_channels * 2**k for k in range(num_halvings + 1))]
        normalised = [norm == "batch" and layer > 0 for layer in range(num_halvings + 1)]
        self.halvings = nn.ModuleList(
            nn.Conv2d(width, next_width, 4, stride=2, padding=1, bias=not batch_norm)
            for width, next_width, batch_norm in zip(widths[:-2], widths[1:-1], normalised[:-1], strict=True)
        )
        self.convolution = nn.Conv2d(widths[-2], widths[-1], 3, padding=1, bias=not normalised[-1])
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) if batch_norm else nn.Identity()
            for width, batch_norm in zip(widths[1:], normalised, strict=True)
        )
        self.to_logit = nn.Linear(widths[-1] * edge * edge, 1)
        self.class_embedding = None
        if num_classes is not None and conditioning == "projection":
            self.class_embedding = nn.Embedding(num_classes, widths[-1])
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
        for layer, norm in zip([*self.halvings, self.convolution], self.norms, strict=True):
            features = F.leaky_relu(norm(layer(features)), 0.2)
        logits = self.to_logit(features.flatten(1)).squeeze(1).float()
        if self.class_embedding is not None:
            summed = features.float().sum(dim=(2, 3))
            logits = logits + (self.class_embedding(class_labels) * summed).float().sum(dim=1)
        return logits


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


def _doubling(in_channels: int, out_channels: int, upsample: str, *, bias: bool) -> nn.Module:
    """A layer that doubles the edge of its feature maps."""
    if upsample == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias))


def _initialise(module: nn.Module) -> None:
    """For `apply`, which comes to a module after its parts."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
    elif isinstance(module, _BatchNorm) and module.gains_and_biases is not None:
        gains, biases = module.gains_and_biases.weight.detach().chunk(2, dim=1)
        nn.init.normal_(gains, 1.0, 0.02)
        nn.init.constant_(biases, 0.0)
    bias = getattr(module, "bias", None)
    if bias is not None:
        nn.init.constant_(bias, 0.0)


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
