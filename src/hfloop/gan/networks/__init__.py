"""The networks of the GAN recipes: diffusers models, in files that are published beside the weights.

Such a file needs torch and diffusers alone, so the few helpers that the files have in common are in each of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from hfloop.errors import UserError, nearest

if TYPE_CHECKING:
    from diffusers.models.modeling_utils import ModelMixin

MODULES = {
    "MLPGenerator": "modeling_hfloop_mlp_gan",
    "MLPDiscriminator": "modeling_hfloop_mlp_gan",
    "DCGANGenerator": "modeling_hfloop_dcgan",
    "DCGANDiscriminator": "modeling_hfloop_dcgan",
    "ResNetGenerator": "modeling_hfloop_resnet_gan",
    "ResNetDiscriminator": "modeling_hfloop_resnet_gan",
}


def network_class(name: str) -> type[ModelMixin]:
    """The network of that class name, such as `DCGANGenerator`.

    Raises:
        UserError: hfloop has no such network.
    """
    if name not in MODULES:
        raise UserError(f"hfloop has no network {name}{nearest(name, MODULES)}: it has {', '.join(MODULES)}.")
    return getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)


def image_sizes() -> tuple[int, ...]:
    """The edges in pixels of the square images that the networks take; all networks take the same."""
    from hfloop.gan.networks.modeling_hfloop_dcgan import IMAGE_SIZES

    return IMAGE_SIZES
