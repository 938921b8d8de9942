"""Train a GAN as one would today: a loss that resists collapse, two penalties, plain residual networks.

Huang et al. 2024 ("R3GAN") drop the tricks that GANs had gathered and start from what can be proven. The relativistic
loss asks of each real image to look more real than the generated one beside it, and has no local minima where a part
of the data is left out (Sun et al. 2020); the penalties R1 on real and R2 on generated images hold the discriminator's
gradient down, without which training need not converge. Nothing is normalised anywhere: the generator's residual
branches start at zero instead, and Adam's beta1 is 0.

Every image is judged by itself, so several processes learn what one would: their weights differ by rounding alone.

accelerate launch recipes/r3gan.py
accelerate launch recipes/r3gan.py --config recipes/configs/r3gan-mnist.yaml
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.optim import Adam

from hfloop.config import option
from hfloop.gan.batches import TrainingImages
from hfloop.gan.config import GanConfig
from hfloop.gan.engine import Game, Rules
from hfloop.gan.losses import OBJECTIVES
from hfloop.gan.monitor import Monitor
from hfloop.gan.networks.modeling_hfloop_resnet_gan import ResNetDiscriminator, ResNetGenerator
from hfloop.gan.penalties import zero_centred_penalty
from hfloop.gan.release import Method
from hfloop.recipe import recipe_main
from hfloop.run import Run

METHOD = Method(
    name="R3GAN",
    summary="A residual GAN without normalisation, with the relativistic loss and the penalties R1 and R2.",
    paper="The GAN is dead; long live the GAN! A Modern GAN Baseline",
    url="https://arxiv.org/abs/2501.05441",
    citation="""@inproceedings{huang2024r3gan,
  title     = {The {GAN} is dead; long live the {GAN}! {A} Modern {GAN} Baseline},
  author    = {Huang, Yiwen and Gokaslan, Aaron and Kuleshov, Volodymyr and Tompkin, James},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {37},
  year      = {2024}
}""",
)

ADAM_EPS = 1e-5  # the loss does not feel D's last bias; at Adam's usual 1e-8 its rounding errors would become steps


@dataclass
class R3GanConfig(GanConfig):
    """Train a residual GAN with the relativistic loss and two gradient penalties (Huang et al. 2024) on images."""

    base_channels: int = option(16, "feature maps of every block")
    penalty_weight: float = option(0.3, "the paper's gamma, of R1 and of R2; larger images want more")
    adam_beta1: float = option(0.0, "Adam's decay of the mean gradient, of both")
    adam_beta2: float = option(0.99, "Adam's decay of the mean squared gradient, of both")

    def validate(self) -> None:
        super().validate()
        self.require("penalty_weight", at_least=0)


def main(config: R3GanConfig) -> None:
    run = Run(config, recipe="r3gan")
    data = config.load_data()
    run.announce(data.summary(), data.fingerprint)

    generator = ResNetGenerator(
        **data.network_arguments(), latent_dim=config.latent_dim, base_channels=config.base_channels, norm="none"
    )
    discriminator = ResNetDiscriminator(
        **data.network_arguments(), base_channels=config.base_channels, spectral_norm=False
    )

    def r1_and_r2(discriminator: nn.Module, real: Tensor, fake: Tensor, _: Tensor, labels: Tensor | None) -> Tensor:
        both = zero_centred_penalty(discriminator, real, labels) + zero_centred_penalty(discriminator, fake, labels)
        return config.penalty_weight * both

    betas = (config.adam_beta1, config.adam_beta2)
    rules = Rules(OBJECTIVES["relativistic"], penalty=r1_and_r2)

    images = TrainingImages(data.train, run.accelerator.device, config.seed)
    monitor = Monitor(run, data, images, rules)
    game = Game(
        run,
        images,
        generator=generator,
        discriminator=discriminator,
        generator_optimizer=Adam(generator.parameters(), config.generator_learning_rate, betas, ADAM_EPS, fused=True),
        discriminator_optimizer=Adam(
            discriminator.parameters(), config.discriminator_learning_rate, betas, ADAM_EPS, fused=True
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
    recipe_main(main, R3GanConfig)
