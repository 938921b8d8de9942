"""Train the first GAN on images: two networks of fully connected layers, one that makes and one that judges.

Goodfellow et al. 2014 let a generator G turn noise into images while a discriminator D learns to tell them from real
ones: D minimises the cross-entropy of its verdicts, and G maximises the chance that D takes its images to be real, the
"non-saturating" form, whose gradient is steep where D is sure. Where both are right, G's images are distributed as the
real ones are, and D can only guess. Of the original this keeps the game and the fully connected layers; batch
normalisation in G and LeakyReLU in D came later and make it train in minutes.

accelerate launch recipes/gan.py
accelerate launch recipes/gan.py --config recipes/configs/gan-mnist.yaml
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
from hfloop.gan.networks.modeling_hfloop_mlp_gan import MLPDiscriminator, MLPGenerator
from hfloop.gan.release import Method
from hfloop.recipe import recipe_main
from hfloop.run import Run

METHOD = Method(
    name="GAN",
    summary="A generative adversarial network of fully connected layers with the non-saturating loss.",
    paper="Generative Adversarial Nets",
    url="https://arxiv.org/abs/1406.2661",
    citation="""@inproceedings{goodfellow2014gan,
  title     = {Generative Adversarial Nets},
  author    = {Goodfellow, Ian and Pouget-Abadie, Jean and Mirza, Mehdi and Xu, Bing and Warde-Farley, David and
               Ozair, Sherjil and Courville, Aaron and Bengio, Yoshua},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {27},
  year      = {2014}
}""",
)


@dataclass
class MLPGanConfig(GanConfig):
    """Train a GAN of fully connected layers (Goodfellow et al. 2014) on images."""

    base_channels: int = option(64, "width of the narrowest layer of each network")
    generator_learning_rate: float = option(5e-4, "Adam's, of the generator")
    discriminator_learning_rate: float = option(5e-4, "Adam's, of the discriminator")


def main(config: MLPGanConfig) -> None:
    run = Run(config, recipe="gan")
    data = config.load_data()
    run.announce(data.summary(), data.fingerprint)

    generator = MLPGenerator(
        **data.network_arguments(), latent_dim=config.latent_dim, base_channels=config.base_channels
    )
    discriminator = MLPDiscriminator(**data.network_arguments(), base_channels=config.base_channels)
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
    recipe_main(main, MLPGanConfig)
