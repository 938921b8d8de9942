"""Train a GAN whose discriminator is kept smooth by spectral normalisation.

A discriminator that may be arbitrarily steep gives the generator nothing to go by. Miyato et al. 2018 divide each of
its weights, as a matrix with a row for each output, by the largest singular value, found by one step of power
iteration a pass. That bounds how far a layer can stretch its input, at hardly any cost: a dense one not at all, a
convolution by the root of its kernel's positions at most. With it go the hinge loss, no batch normalisation in the
discriminator, and Adam with beta1 0. The released weights are divided once and for all, so that the networks load
without the normalisation.

accelerate launch recipes/sngan.py
accelerate launch recipes/sngan.py --config recipes/configs/sngan-mnist.yaml
"""

from __future__ import annotations

from dataclasses import dataclass

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
    name="SNGAN",
    summary="A convolutional GAN with a spectrally normalised discriminator and the hinge loss.",
    paper="Spectral Normalization for Generative Adversarial Networks",
    url="https://arxiv.org/abs/1802.05957",
    citation="""@inproceedings{miyato2018spectral,
  title     = {Spectral Normalization for Generative Adversarial Networks},
  author    = {Miyato, Takeru and Kataoka, Toshiki and Koyama, Masanori and Yoshida, Yuichi},
  booktitle = {International Conference on Learning Representations},
  year      = {2018}
}""",
)


@dataclass
class SNGanConfig(GanConfig):
    """Train a GAN with spectral normalisation (Miyato et al. 2018) on images."""

    n_critic: int = option(1, "turns of the discriminator before each of the generator")
    adam_beta1: float = option(0.0, "Adam's decay of the mean gradient, of both")
    adam_beta2: float = option(0.9, "Adam's decay of the mean squared gradient, of both")

    def validate(self) -> None:
        super().validate()
        self.require("n_critic", at_least=1)


def main(config: SNGanConfig) -> None:
    run = Run(config, recipe="sngan")
    data = config.load_data()
    run.announce(data.summary(), data.fingerprint)

    generator = DCGANGenerator(
        **data.network_arguments(),
        latent_dim=config.latent_dim,
        base_channels=config.base_channels,
        upsample="resize",
    )
    discriminator = DCGANDiscriminator(**data.network_arguments(), base_channels=config.base_channels, norm="spectral")
    betas = (config.adam_beta1, config.adam_beta2)
    rules = Rules(OBJECTIVES["hinge"], n_critic=config.n_critic)

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
    recipe_main(main, SNGanConfig)
