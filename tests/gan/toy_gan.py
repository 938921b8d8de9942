"""Train a small GAN on the digits and save its weights: a script for processes of their own.

python toy_gan.py FLAGS [--kind KIND]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from hfloop.config import RecipeConfig, option
from hfloop.gan.batches import TrainingImages
from hfloop.gan.engine import Game, Rules
from hfloop.gan.losses import OBJECTIVES
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator, DCGANGenerator
from hfloop.gan.networks.modeling_hfloop_resnet_gan import ResNetDiscriminator, ResNetGenerator
from hfloop.gan.penalties import gradient_penalty, zero_centred_penalty
from hfloop.images.sources import load_images
from hfloop.recipe import recipe_main
from hfloop.run import Run

EPS = 1e-6  # some gradients are 0 but for rounding (a relativistic loss does not feel D's last bias): Adam's usual
# 1e-8 would make whole steps of them, in another direction with every number of processes


@dataclass
class ToyGanConfig(RecipeConfig):
    """Train a toy GAN."""

    kind: str = option("wgan_gp", "a key of RULES")
    generator_learning_rate: float = option(1e-3, "of the generator")
    discriminator_learning_rate: float = option(1e-3, "of the discriminator")


def r1_and_r2(discriminator, real, fake, epsilon, labels):
    """Both zero-centred penalties."""
    return zero_centred_penalty(discriminator, real, labels) + zero_centred_penalty(discriminator, fake, labels)


def ten_times_gradient_penalty(discriminator, real, fake, epsilon, labels):
    """Weighted as Gulrajani et al. 2017 do."""
    return 10 * gradient_penalty(discriminator, real, fake, epsilon, labels)


def full_precision_penalty(discriminator, real, fake, epsilon, labels):
    """The gradient penalty, which fails if any convolution computes in another type than float32."""
    types = set()
    hooks = [
        each.register_forward_hook(lambda module, inputs, output: types.add(output.dtype))
        for each in discriminator.modules()
        if isinstance(each, torch.nn.Conv2d)
    ]
    penalty = gradient_penalty(discriminator, real, fake, epsilon, labels)
    for hook in hooks:
        hook.remove()
    assert types == {torch.float32}, types
    return penalty


RULES = {
    "full_precision": partial(Rules, OBJECTIVES["wasserstein"], penalty=full_precision_penalty),
    "wgan_gp": partial(Rules, OBJECTIVES["wasserstein"], penalty=ten_times_gradient_penalty, n_critic=2),
    "wgan_clip": partial(Rules, OBJECTIVES["wasserstein"], n_critic=2, clip_value=0.01),
    "r3gan": partial(Rules, OBJECTIVES["relativistic"], penalty=r1_and_r2),
    "dcgan": partial(Rules, OBJECTIVES["non_saturating"]),
}


def main(config: ToyGanConfig) -> None:
    run = Run(config, recipe="toy-gan")
    images = TrainingImages(load_images("digits:train"), run.accelerator.device, config.seed)
    if config.kind == "dcgan":
        generator = DCGANGenerator(image_size=8, latent_dim=8, base_channels=4, num_classes=10)
        discriminator = DCGANDiscriminator(image_size=8, base_channels=4, num_classes=10)
    else:
        generator = ResNetGenerator(image_size=8, latent_dim=8, base_channels=4, norm="none")
        discriminator = ResNetDiscriminator(image_size=8, base_channels=4, spectral_norm=config.kind == "r3gan")
    run.announce(images.source.name, images.source.fingerprint)
    game = Game(
        run,
        images,
        generator=generator,
        discriminator=discriminator,
        generator_optimizer=torch.optim.Adam(
            generator.parameters(), config.generator_learning_rate, betas=(0.0, 0.9), eps=EPS
        ),
        discriminator_optimizer=torch.optim.Adam(
            discriminator.parameters(), config.discriminator_learning_rate, betas=(0.0, 0.9), eps=EPS
        ),
        rules=RULES[config.kind](),
        ema_decay=0.9,
    )
    for step in run.steps(config.max_train_steps or 10):
        game.step(step)
        for network in (game.generator, game.discriminator):  # a gradient left over would be added to the next turn's
            assert all(parameter.grad is None for parameter in network.parameters())
    if run.accelerator.is_main_process:
        unwrap = run.accelerator.unwrap_model
        networks = {"generator": game.generator, "discriminator": game.discriminator}
        weights = {name: unwrap(network).state_dict() for name, network in networks.items()}
        optimizers = [game._generator_optimizer.state_dict(), game._discriminator_optimizer.state_dict()]
        everything = {**weights, "average": game.average.state_dict(), "optimizers": optimizers}
        torch.save(everything, Path(run.output_dir) / "everything.pt")


if __name__ == "__main__":
    recipe_main(main, ToyGanConfig)
