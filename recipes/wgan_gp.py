"""Train a Wasserstein GAN: the critic estimates how far the generated images are from the real ones.

Arjovsky et al. 2017 let the discriminator, now a critic with an unbounded score, maximise the difference of its mean
scores of real and of generated images. If no slope of the critic exceeds 1, that is the earth mover's distance between
the two distributions, which tells the generator where to go even when they do not overlap. The critic learns several
turns for each of the generator's. They bounded the slope by clipping the weights (`--lipschitz clip`, with RMSprop);
Gulrajani et al. 2017 found that this wastes the critic's capacity and instead penalise, in points between real and
generated images, a gradient whose norm is not 1 (`--lipschitz gp`, with Adam). The penalty looks at each image by
itself, so the critic has no batch normalisation.

accelerate launch recipes/wgan_gp.py
accelerate launch recipes/wgan_gp.py --config recipes/configs/wgan_gp-mnist.yaml
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.optim import Adam, Optimizer, RMSprop

from hfloop.config import option
from hfloop.errors import UserError
from hfloop.gan.batches import TrainingImages
from hfloop.gan.config import GanConfig
from hfloop.gan.engine import Game, Rules
from hfloop.gan.losses import OBJECTIVES
from hfloop.gan.monitor import Monitor
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator, DCGANGenerator
from hfloop.gan.penalties import gradient_penalty
from hfloop.gan.release import Method
from hfloop.recipe import recipe_main
from hfloop.run import Run

METHODS = {
    "gp": Method(
        name="WGAN-GP",
        summary="A Wasserstein GAN whose critic is kept smooth by a gradient penalty.",
        paper="Improved Training of Wasserstein GANs",
        url="https://arxiv.org/abs/1704.00028",
        citation="""@inproceedings{gulrajani2017improved,
  title     = {Improved Training of {W}asserstein {GAN}s},
  author    = {Gulrajani, Ishaan and Ahmed, Faruk and Arjovsky, Martin and Dumoulin, Vincent and Courville, Aaron},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {30},
  year      = {2017}
}""",
    ),
    "clip": Method(
        name="WGAN",
        summary="A Wasserstein GAN whose critic is kept smooth by clipping its weights.",
        paper="Wasserstein Generative Adversarial Networks",
        url="https://arxiv.org/abs/1701.07875",
        citation="""@inproceedings{arjovsky2017wasserstein,
  title     = {{W}asserstein Generative Adversarial Networks},
  author    = {Arjovsky, Martin and Chintala, Soumith and Bottou, L{\\'e}on},
  booktitle = {International Conference on Machine Learning},
  pages     = {214--223},
  year      = {2017}
}""",
    ),
}


@dataclass
class WGanConfig(GanConfig):
    """Train a Wasserstein GAN (Arjovsky et al. 2017, Gulrajani et al. 2017) on images."""

    lipschitz: Literal["gp", "clip"] = option(
        "gp", "what keeps the critic smooth: gp, a gradient penalty and Adam, or clip, clipped weights and RMSprop"
    )
    gradient_penalty_weight: float = option(10.0, "the paper's lambda")
    clip_value: float = option(0.01, "bound of the critic's weights")
    n_critic: int = option(2, "turns of the critic before each of the generator; the papers: 5")
    generator_learning_rate: float = option(5e-4, "the optimizer's, of the generator")
    discriminator_learning_rate: float = option(1e-3, "the optimizer's, of the critic")
    adam_beta1: float = option(0.0, "Adam's decay of the mean gradient, of both")
    adam_beta2: float = option(0.9, "Adam's decay of the mean squared gradient, of both")

    def validate(self) -> None:
        super().validate()
        self.require("n_critic", at_least=1)
        self.require("gradient_penalty_weight clip_value", at_least=0)
        if self.lipschitz == "gp" and self.clip_value != WGanConfig.clip_value:
            raise UserError("--clip_value is for --lipschitz clip; beside a gradient penalty nothing is clipped.")
        if self.lipschitz == "clip" and self.gradient_penalty_weight != WGanConfig.gradient_penalty_weight:
            raise UserError("--gradient_penalty_weight is for --lipschitz gp; clipped weights have no penalty.")
        if self.lipschitz == "clip" and (self.adam_beta1, self.adam_beta2) != (
            WGanConfig.adam_beta1,
            WGanConfig.adam_beta2,
        ):
            raise UserError("--adam_beta1 and --adam_beta2 are for --lipschitz gp; beside clipping RMSprop is used.")


def main(config: WGanConfig) -> None:
    run = Run(config, recipe="wgan_gp")
    data = config.load_data()
    run.announce(data.summary(), data.fingerprint)

    generator = DCGANGenerator(
        **data.network_arguments(), latent_dim=config.latent_dim, base_channels=config.base_channels
    )
    critic = DCGANDiscriminator(
        **data.network_arguments(),
        base_channels=config.base_channels,
        norm="none" if config.lipschitz == "gp" else "batch",
    )

    def penalty(critic: nn.Module, real: Tensor, fake: Tensor, epsilon: Tensor, labels: Tensor | None) -> Tensor:
        return config.gradient_penalty_weight * gradient_penalty(critic, real, fake, epsilon, labels)

    if config.lipschitz == "gp":
        rules = Rules(OBJECTIVES["wasserstein"], penalty=penalty, n_critic=config.n_critic)
    else:
        rules = Rules(OBJECTIVES["wasserstein"], clip_value=config.clip_value, n_critic=config.n_critic)

    images = TrainingImages(data.train, run.accelerator.device, config.seed)
    monitor = Monitor(run, data, images, rules)
    game = Game(
        run,
        images,
        generator=generator,
        discriminator=critic,
        generator_optimizer=optimizer(config, generator, config.generator_learning_rate),
        discriminator_optimizer=optimizer(config, critic, config.discriminator_learning_rate),
        rules=rules,
        ema_decay=config.ema_decay,
        checkpoint=(monitor,),
    )
    for step in run.steps(game.total_steps, on_row=monitor.listen):
        game.step(step)
        monitor.look(game, step)
    run.finish(monitor.conclude(game, METHODS[config.lipschitz]))


def optimizer(config: WGanConfig, network: nn.Module, learning_rate: float) -> Optimizer:
    """Adam beside the penalty; RMSprop beside clipping, where momentum is unstable (Arjovsky et al. 2017, §4)."""
    if config.lipschitz == "clip":
        return RMSprop(network.parameters(), learning_rate)
    return Adam(network.parameters(), learning_rate, (config.adam_beta1, config.adam_beta2), fused=True)


if __name__ == "__main__":
    recipe_main(main, WGanConfig)
