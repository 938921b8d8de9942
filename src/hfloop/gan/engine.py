"""The game between a generator and a discriminator: one engine for every kind of GAN.

What distinguishes the kinds stands in `Rules` (objective, penalty, turns) and in their networks and optimizers; how a
step is played does not differ. All draws of a step are functions of (seed, step) for the batch of all processes
together, of which each process takes its share: several processes learn what one would, as far as each image is looked
at by itself. Batch normalisation does not: each process normalises by its own share, and learns something near.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from hfloop.averaging import weight_average
from hfloop.gan.batches import Batch, TrainingImages
from hfloop.gan.config import GanConfig
from hfloop.gan.diagnostics import sample_diversity
from hfloop.gan.losses import Objective
from hfloop.gan.penalties import clip_weights
from hfloop.run import Run, step_seed

_CHANNELS_LAST_FROM = 16  # pixels a side; below, turning the batches round costs more than the convolutions gain

Penalty = Callable[[nn.Module, Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""Called with D, real and fake images, ε of shape (images,) evenly from [0, 1], and class labels or None; weighted."""


@dataclass(frozen=True)
class Rules:
    """What a kind of GAN plays by.

    Attributes:
        objective: the losses of both.
        penalty: added to the discriminator's loss; it needs a discriminator without batch normalisation.
        n_critic: turns of the discriminator before each turn of the generator, each on fresh images.
        clip_value: bound of the discriminator's weights after each of its turns, or None.
    """

    objective: Objective
    penalty: Penalty | None = None
    n_critic: int = 1
    clip_value: float | None = None


def images_per_step(run: Run, rules: Rules) -> int:
    """Real images that a step of all processes together shows to D."""
    return run.config.per_device_train_batch_size * run.accelerator.num_processes * rules.n_critic


class Game:
    """A generator and a discriminator at their game.

    Both networks are diffusers models of `gan.networks`; a generator whose config has `num_classes` is shown the class
    labels of the real images beside it, and so is the discriminator.

    Attributes:
        run: where it takes place.
        generator: G, prepared for the run's device and processes.
        discriminator: D, likewise.
        average: follows G's weights, buffers included; what is evaluated and released.

    Args:
        run: where it takes place; its config is a `GanConfig`.
        images: what D sees as real.
        generator: G.
        discriminator: D.
        generator_optimizer: of G's parameters.
        discriminator_optimizer: of D's.
        rules: what is played.
        ema_decay: of the average, in [0, 1).
        checkpoint: further objects that belong into each checkpoint.
    """

    def __init__(
        self,
        run: Run,
        images: TrainingImages,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        generator_optimizer: Optimizer,
        discriminator_optimizer: Optimizer,
        rules: Rules,
        ema_decay: float,
        checkpoint: tuple[Any, ...] = (),
    ) -> None:
        self.run, self._accelerator, self._images, self.rules = run, run.accelerator, images, rules
        self._share = run.config.per_device_train_batch_size  # images of a turn in this process
        self._batch = self._share * self._accelerator.num_processes
        self._latent_dim: int = generator.config.latent_dim  # type: ignore[union-attr,assignment]  # ConfigMixin's
        self._is_conditional = generator.config.num_classes is not None  # type: ignore[union-attr]
        self._sees_each_image_alone = not any(isinstance(each, _BatchNorm) for each in discriminator.modules())
        image_size: int = generator.config.image_size  # type: ignore[union-attr,assignment]
        self._layout = torch.channels_last if image_size >= _CHANNELS_LAST_FROM else torch.contiguous_format
        for network in (generator, discriminator):
            network.to(memory_format=self._layout)  # type: ignore[call-overload]  # torch has it, its stub not
        self.average = weight_average(generator.to(self._accelerator.device), ema_decay)
        self.generator, self.discriminator, self._generator_optimizer, self._discriminator_optimizer = run.prepare(
            generator,
            discriminator,
            generator_optimizer,
            discriminator_optimizer,
            checkpoint=(self.average, *checkpoint),
        )
        # accelerate's own autocast inside `forward` would reach into the penalties, which must be float32
        self._bare_generator, self._bare_discriminator = (
            self._accelerator.unwrap_model(network, keep_fp32_wrapper=False)
            for network in (self.generator, self.discriminator)
        )

    @property
    def total_steps(self) -> int:
        """Steps in which D sees every real image `num_train_epochs` times, the last step a whole one; or fewer.

        `max_train_steps` can make it fewer.
        """
        config: GanConfig = self.run.config  # type: ignore[assignment]  # a GAN's run has a GAN's configuration
        steps = math.ceil(config.num_train_epochs * len(self._images) / images_per_step(self.run, self.rules))
        return min(steps, config.max_train_steps or steps)

    def step(self, step: int) -> None:
        """Play step `step`: `n_critic` turns of D, one of G, one update of the average.

        G is judged by the images of D's last turn, which D has learned from meanwhile: G makes them once.
        """
        self.generator.train()
        self.discriminator.train()
        for turn in range(self.rules.n_critic):
            real, random = self._real_share(step, turn), self._random(step, turn)
            is_last = turn + 1 == self.rules.n_critic
            with torch.set_grad_enabled(is_last), self._accelerator.autocast():
                make = self.generator if is_last else self._bare_generator
                fake = make(self._latents(random), real.class_labels)
            self._discriminator_turn(real, fake.detach(), random)
            self.run.count("images", self._share)
        self._generator_turn(real, fake)
        self.average.update_parameters(self._bare_generator)

    def _discriminator_turn(self, real: Batch, fake: Tensor, random: torch.Generator) -> None:
        labels = real.class_labels
        with self._accelerator.autocast():
            real_logits, fake_logits = self._judged(real.images, fake, labels)
        loss = self.rules.objective.discriminator(real_logits, fake_logits)
        self.run.means["discriminator_loss"].add(loss.detach() * self._share, self._share)
        if self.rules.penalty is not None:
            epsilon = self._mine(torch.rand(self._batch, generator=random, device=random.device))
            penalty = self.rules.penalty(self.discriminator, real.images, fake, epsilon, labels)
            self.run.means["penalty"].add(penalty.detach() * self._share, self._share)
            loss = loss + penalty
        self._learn(self._discriminator_optimizer, loss, self._bare_discriminator, "discriminator")
        if self.rules.clip_value is not None:
            clip_weights(self._bare_discriminator, self.rules.clip_value)

    def _generator_turn(self, real: Batch, fake: Tensor) -> None:
        objective, labels = self.rules.objective, real.class_labels
        self._bare_discriminator.requires_grad_(False)  # nothing of G's loss may reach D's gradients
        with self._accelerator.autocast():
            fake_logits = self._bare_discriminator(fake, labels)
            real_logits = (self._bare_discriminator(real.images, labels),) if objective.relativistic else ()
        loss = objective.generator(fake_logits, *real_logits)
        self.run.means["sample_diversity"].add(sample_diversity(fake) * self._share, self._share)
        self.run.means["generator_loss"].add(loss.detach() * self._share, self._share)
        self._learn(self._generator_optimizer, loss, self._bare_generator, "generator")
        self._bare_discriminator.requires_grad_(True)

    def _judged(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """D's logits of both: in one pass where images do not influence each other, else apart, as the papers do."""
        if not self._sees_each_image_alone:
            return self.discriminator(real, labels), self.discriminator(fake, labels)
        twice = None if labels is None else torch.cat([labels, labels])
        real_logits, fake_logits = self.discriminator(torch.cat([real, fake]), twice).chunk(2)
        return real_logits, fake_logits

    def _learn(self, optimizer: Optimizer, loss: Tensor, network: nn.Module, name: str) -> None:
        self._accelerator.backward(loss)
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        self.run.means[f"{name}_gradient_norm"].add(get_total_norm(gradients), 1)
        optimizer.step()
        optimizer.zero_grad()

    def _real_share(self, step: int, turn: int) -> Batch:
        first = (step * self.rules.n_critic + turn) * self._batch + self._accelerator.process_index * self._share
        batch = self._images.batch(first, self._share)
        images = batch.images.contiguous(memory_format=self._layout)
        return Batch(images, batch.class_labels if self._is_conditional else None)

    def _random(self, step: int, turn: int) -> torch.Generator:
        """The random numbers of a turn, the same in every process."""
        seed = step_seed(self.run.config.seed, step * self.rules.n_critic + turn, 0)
        return torch.Generator(self._accelerator.device).manual_seed(seed)

    def _latents(self, random: torch.Generator) -> Tensor:
        return self._mine(torch.randn(self._batch, self._latent_dim, generator=random, device=random.device))

    def _mine(self, whole: Tensor) -> Tensor:
        """This process's share of what was drawn for all."""
        return whole[self._accelerator.process_index * self._share :][: self._share]
