"""What keeps a discriminator smooth: penalties on its gradient with respect to the images, and weight clipping.

The penalties are computed in float32, whatever the caller's autocast, and can be differentiated again. Images have
shape (images, …), labels (images,). The discriminator is called as it is, wrapped for several processes or not, with
`(images)` or `(images, class_labels)`, and returns logits of shape (images,). It must treat each image by itself
(no batch normalisation): then the gradient of the sum of its logits holds each image's own gradient. And it must not
turn autocast on by itself, as a network does that `Accelerator.prepare` wrapped for mixed precision:
`accelerator.unwrap_model(discriminator, keep_fp32_wrapper=False)` takes that off it, in place, and
`accelerator.autocast()` around the other passes gives them their precision.

Penalties change slowly and cost two more passes; one may be added at every k-th step only, with k times its weight
("lazy regularisation", Karras et al. 2020, "StyleGAN2", §3.1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

_LEAST_SQUARED_NORM = 1e-12  # under the root, whose slope is infinite at 0


def gradient_penalty(
    discriminator: Callable[..., Tensor],
    real: Tensor,
    fake: Tensor,
    epsilon: Tensor,
    class_labels: Tensor | None = None,
) -> Tensor:
    """E (‖∇D(x̂)‖₂ − 1)² at x̂ = εx + (1 − ε)x̃ (Gulrajani et al. 2017, eq. 3); the caller multiplies by λ = 10.

    Args:
        discriminator: D, any callable on images.
        real: x, shape (images, …).
        fake: x̃, of the same shape; nothing flows back to the generator.
        epsilon: ε, shape (images,), drawn uniformly from [0, 1].
        class_labels: of both the real and the fake images, for a conditional D.

    Returns:
        A scalar, the mean over images of each image's penalty.
    """
    share = epsilon.float().view(-1, *[1] * (real.ndim - 1))
    between = share * real.float() + (1 - share) * fake.float()
    squared_norms = _squared_gradient_norms(discriminator, between, class_labels)
    return ((squared_norms + _LEAST_SQUARED_NORM).sqrt() - 1).square().mean()


def zero_centred_penalty(
    discriminator: Callable[..., Tensor], images: Tensor, class_labels: Tensor | None = None
) -> Tensor:
    """½ E ‖∇D(x)‖₂² (Mescheder et al. 2018, eq. 9): R1 on real images, R2 on fake ones.

    The ½ is in the value; the caller multiplies by γ.

    Args:
        discriminator: D, any callable on images.
        images: x, shape (images, …); nothing flows back to a generator.
        class_labels: of these images, for a conditional D.

    Returns:
        A scalar, the mean over images of each image's penalty.
    """
    return _squared_gradient_norms(discriminator, images, class_labels).mean() / 2


@torch.no_grad()
def clip_weights(discriminator: nn.Module, bound: float) -> None:
    """Clip every parameter to [−bound, bound], in place, after each update of D (Arjovsky et al. 2017: 0.01)."""
    for parameter in discriminator.parameters():
        parameter.clamp_(-bound, bound)


def _squared_gradient_norms(
    discriminator: Callable[..., Tensor], images: Tensor, class_labels: Tensor | None
) -> Tensor:
    """‖∇D(x)‖₂² over all pixels and channels of each image, shape (images,)."""
    images = images.detach().float().requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        logits = discriminator(images) if class_labels is None else discriminator(images, class_labels)
        (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return gradients.flatten(1).square().sum(dim=1)
