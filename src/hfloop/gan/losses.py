"""Objectives: what the discriminator D and the generator G minimise, as functions of D's logits alone.

Logits have shape (images,), are unbounded (no sigmoid) and higher where D takes an image to be real. All losses are
means over images, computed in float32 and to be minimised. Penalties are not part of them (see `penalties`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from hfloop.errors import UserError, nearest


@dataclass(frozen=True)
class Objective:
    """A pair of losses that D and G play against each other.

    Attributes:
        name: its key in `OBJECTIVES`.
        discriminator: called with `(real_logits, fake_logits)`; D's loss, a scalar.
        generator: called with `(fake_logits)`, or with `(fake_logits, real_logits)` if `relativistic`; G's loss, a
            scalar.
        relativistic: whether G's loss compares fake images with real ones, as many of each.
        undecided_loss: D's loss where D gives all images the same, best logit; D tells real from fake perfectly where
            its loss reaches 0. None where the loss has no lower bound.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[..., Tensor]
    undecided_loss: float | None
    relativistic: bool = False


def non_saturating_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E softplus(−D(x)) + E softplus(D(G(z))): the cross-entropy −E log σ(D(x)) − E log(1 − σ(D(G(z)))).

    Goodfellow et al. 2014, eq. 1.
    """
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def non_saturating_generator(fake_logits: Tensor) -> Tensor:
    """E softplus(−D(G(z))) = −E log σ(D(G(z))): steep where D is sure of the fakes (Goodfellow et al. 2014, §3)."""
    return F.softplus(-fake_logits.float()).mean()


def least_squares_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """½ E (D(x) − 1)² + ½ E D(G(z))² (Mao et al. 2017, eq. 2 with a = 0, b = 1)."""
    return ((real_logits.float() - 1).square().mean() + fake_logits.float().square().mean()) / 2


def least_squares_generator(fake_logits: Tensor) -> Tensor:
    """½ E (D(G(z)) − 1)² (Mao et al. 2017, eq. 2 with c = 1)."""
    return (fake_logits.float() - 1).square().mean() / 2


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E max(0, 1 − D(x)) + E max(0, 1 + D(G(z))) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1 - real_logits.float()).mean() + F.relu(1 + fake_logits.float()).mean()


def hinge_generator(fake_logits: Tensor) -> Tensor:
    """−E D(G(z)) (Lim & Ye 2017; Miyato et al. 2018, eq. 17)."""
    return -fake_logits.float().mean()


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E D(G(z)) − E D(x): minus the estimated distance, of a D kept Lipschitz by clipping or a penalty.

    Arjovsky et al. 2017, eq. 3.
    """
    return fake_logits.float().mean() - real_logits.float().mean()


def wasserstein_generator(fake_logits: Tensor) -> Tensor:
    """−E D(G(z)) (Arjovsky et al. 2017, algorithm 1)."""
    return -fake_logits.float().mean()


def relativistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E softplus(−(D(x) − D(G(z)))): each real image is to look more real than the fake one beside it.

    Jolicoeur-Martineau 2018 ("RSGAN"); with R1 and R2 the loss of R3GAN (Huang et al. 2024).
    """
    return F.softplus(fake_logits.float() - real_logits.float()).mean()


def relativistic_generator(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """E softplus(−(D(G(z)) − D(x))) (Jolicoeur-Martineau 2018)."""
    return F.softplus(real_logits.float() - fake_logits.float()).mean()


OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("non_saturating", non_saturating_discriminator, non_saturating_generator, 2 * math.log(2)),
        Objective("least_squares", least_squares_discriminator, least_squares_generator, 1 / 4),
        Objective("hinge", hinge_discriminator, hinge_generator, 2.0),
        Objective("wasserstein", wasserstein_discriminator, wasserstein_generator, None),
        Objective("relativistic", relativistic_discriminator, relativistic_generator, math.log(2), relativistic=True),
    )
}


def objective_named(name: str) -> Objective:
    """The objective of this name.

    Raises:
        UserError: there is none.
    """
    if name not in OBJECTIVES:
        listed = ", ".join(f"`{known}`" for known in OBJECTIVES)
        raise UserError(f"there is no objective `{name}`{nearest(name, OBJECTIVES)}: choose one of {listed}.")
    return OBJECTIVES[name]
