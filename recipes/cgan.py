"""Train a GAN that makes what it is asked for: both networks are shown the class of each image.

Mirza & Osindero 2014 show both networks the class as a one-hot vector: here it is appended to the generator's noise
and, as planes of ones and zeros, to the discriminator's image, which then judges whether an image is real and of that
class (`--conditioning concat`).
Miyato & Koyama 2018 found a stronger form: the discriminator adds the inner product of a learned vector of the class
and of its last features, and the generator learns the gains and biases of its batch normalisation for each class
(`--conditioning projection`). The labels come with the images: folders named by class, an IDX file beside the images,
`labels` in an .npz file, the label column of a data set. The networks are those of recipes/sngan.py, and so is the
loss: the first conditional GAN was of fully connected layers.

accelerate launch recipes/cgan.py
accelerate launch recipes/cgan.py --config recipes/configs/cgan-mnist.yaml
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

METHODS = {
    "concat": Method(
        name="CGAN",
        summary="A conditional GAN: both networks are shown the class, one-hot; hinge loss, spectral normalisation.",
        paper="Conditional Generative Adversarial Nets",
        url="https://arxiv.org/abs/1411.1784",
        citation="""@article{mirza2014conditional,
  title   = {Conditional Generative Adversarial Nets},
  author  = {Mirza, Mehdi and Osindero, Simon},
  journal = {arXiv preprint arXiv:1411.1784},
  year    = {2014}
}""",
    ),
    "projection": Method(
        name="cGAN with projection",
        summary="A conditional GAN: projection discriminator, conditional batch normalisation, hinge loss.",
        paper="cGANs with Projection Discriminator",
        url="https://arxiv.org/abs/1802.05637",
        citation="""@inproceedings{miyato2018cgans,
  title     = {c{GAN}s with Projection Discriminator},
  author    = {Miyato, Takeru and Koyama, Masanori},
  booktitle = {International Conference on Learning Representations},
  year      = {2018}
}""",
    ),
}


@dataclass
class ConditionalGanConfig(GanConfig):
    """Train a class-conditional GAN (Mirza & Osindero 2014, Miyato & Koyama 2018) on images with labels."""

    conditioning: Literal["concat", "projection"] = option(
        "concat", "how the networks are shown the class: concat, one-hot, or projection, as learned vectors"
    )


def main(config: ConditionalGanConfig) -> None:
    run = Run(config, recipe="cgan")
    data = config.load_data(conditional=True)
    run.announce(data.summary(), data.fingerprint)

    classes = {"num_classes": data.num_classes, "conditioning": config.conditioning}
    generator = DCGANGenerator(
        **data.network_arguments(),
        **classes,
        latent_dim=config.latent_dim,
        base_channels=config.base_channels,
        upsample="resize",
    )
    discriminator = DCGANDiscriminator(
        **data.network_arguments(), **classes, base_channels=config.base_channels, norm="spectral"
    )
    betas = (config.adam_beta1, config.adam_beta2)
    rules = Rules(OBJECTIVES["hinge"])

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
    run.finish(monitor.conclude(game, METHODS[config.conditioning]))


if __name__ == "__main__":
    recipe_main(main, ConditionalGanConfig)
