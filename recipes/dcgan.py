"""Train a GAN of convolutions on images, by the rules with which they first trained at all.

Radford et al. 2015: the generator doubles the edge with transposed convolutions, batch normalisation and ReLU, and
ends in tanh; the discriminator halves it with strided convolutions, batch normalisation (not on its first layer) and
LeakyReLU of slope 0.2; weights start from N(0, 0.02); Adam's beta1 is 0.5. A transposed convolution can leave a
checkerboard on what it draws (Odena et al. 2016): `--upsample resize` enlarges first and convolves then.

accelerate launch recipes/dcgan.py
accelerate launch recipes/dcgan.py --config recipes/configs/dcgan-mnist.yaml
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch.optim import Adam

from hfloop.config import option
from hfloop.gan.batches import TrainingImages
from hfloop.gan.config import GanConfig
from hfloop.gan.engine import Game, Rules
from hfloop.gan.losses import OBJECTIVES
from hfloop.gan.monitor import Monitor
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator, DCGANGenerator
from hfloop.gan.release import Method
from hfloop.recipe import recipe_main
from hfloop.run import Run

METHOD = Method(
    name="DCGAN",
    summary="A deep convolutional GAN with batch normalisation in both networks and the non-saturating loss.",
    paper="Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
    url="https://arxiv.org/abs/1511.06434",
    citation="""@article{radford2015dcgan,
  title   = {Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks},
  author  = {Radford, Alec and Metz, Luke and Chintala, Soumith},
  journal = {arXiv preprint arXiv:1511.06434},
  year    = {2015}
}""",
)


@dataclass
class DCGANConfig(GanConfig):
    """Train a deep convolutional GAN (Radford et al. 2015) on images."""

    upsample: Literal["transposed", "resize"] = option(
        "transposed", "how the generator doubles the edge: transposed, as in the paper, or resize: no checkerboard"
    )


def main(config: DCGANConfig) -> None:
    run = Run(config, recipe="dcgan")
    data = config.load_data()
    run.announce(data.summary(), data.fingerprint)

    generator = DCGANGenerator(
        **data.network_arguments(),
        latent_dim=config.latent_dim,
        base_channels=config.base_channels,
        upsample=config.upsample,
    )
    discriminator = DCGANDiscriminator(**data.network_arguments(), base_channels=config.base_channels, norm="batch")
    betas = (config.adam_beta1, config.adam_beta2)
    rules = Rules(OBJECTIVES["non_saturating"])

    images = TrainingImages(data.train, run.accelerator.device, config.seed)
    monitor = Monitor(run, data, images, rules)
    game = Game(
        run,
        images,
        generator=generator,
        discriminator=discriminator,
        generator_optimizer=Adam(generator.parameters(), config.generator_learning_rate, betas, fused=True),
        discriminator_optimizer=Adam(
            discriminator.parameters(), config.discriminator_learning_rate, betas, fused=True
        ),
        rules=rules,
        ema_decay=config.ema_decay,
        checkpoint=(monitor,),
    )
    for step in run.steps(game.total_steps, on_row=monitor.listen):
        game.step(step)
        monitor.look(game, step)
    run.finish(monitor.conclude(game, METHOD))


if __name__ == "__main__":
    recipe_main(main, DCGANConfig)
