"""What every GAN recipe can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from accelerate import PartialState

from hfloop.config import RecipeConfig, option
from hfloop.errors import UserError
from hfloop.gan.data import GanData, load_data


@dataclass
class GanConfig(RecipeConfig):
    """Train a GAN on images."""

    family: ClassVar[str] = "image-generation"
    train_data: str | None = option(
        None,
        "images to learn from: a folder, an IDX, .npz or .npy file, datasets/USER/NAME[:split]; "
        "default: scikit-learn's handwritten digits",
    )
    test_data: str | None = option(
        None, "images to measure against, which are not learned from; default: a fifth of the others is held out"
    )
    skip_corrupt: bool = option(False, "leave out images that cannot be read")
    extractor: str | None = option(
        None, "what sees the images when they are measured, as in `hfloop metrics`; default: one for gray digits"
    )
    num_train_epochs: int = option(140, "passes of the discriminator over the training images")
    per_device_train_batch_size: int = option(64, "real images of a turn, per process")
    latent_dim: int = option(64, "numbers in a latent vector")
    base_channels: int = option(32, "width of the networks")
    generator_learning_rate: float = option(1e-3, "Adam's, of the generator")
    discriminator_learning_rate: float = option(1e-3, "Adam's, of the discriminator")
    adam_beta1: float = option(0.5, "Adam's decay of the mean gradient, of both")
    adam_beta2: float = option(0.999, "Adam's decay of the mean squared gradient, of both")
    ema_decay: float = option(0.995, "of the moving average of the generator, which is what is measured and released")
    eval_steps: int | None = option(
        None, "steps between two sample grids with their Fréchet distance; default: a tenth of the run"
    )
    checkpointing_steps: int = option(1000, "save a checkpoint every this many steps")
    logging_steps: int = option(50, "steps between two rows of metrics.jsonl")

    def validate(self) -> None:
        super().validate()
        self.require("num_train_epochs latent_dim base_channels eval_steps", at_least=1)
        self.require("per_device_train_batch_size", at_least=2)  # one image has no variance to normalise by
        self.require("generator_learning_rate discriminator_learning_rate", at_least=0)
        for name in ("adam_beta1", "adam_beta2", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:  # at 1 nothing new would count
                raise UserError(f"--{name} must be at least 0 and below 1, not {getattr(self, name)}.")
        if self.mixed_precision == "fp16":
            raise UserError("--mixed_precision fp16 overflows in GANs' gradients: take bf16, no or auto.")

    def load_data(self, *, conditional: bool = False) -> GanData:
        """The images that this configuration names; see :func:`hfloop.gan.data.load_data`.

        Raises:
            UserError: also where a batch of all processes together would hold an image twice.
        """
        data = load_data(
            self.train_data,
            self.test_data,
            extractor=self.extractor,
            skip_corrupt=self.skip_corrupt,
            seed=self.seed,
            conditional=conditional,
        )
        batch_size = self.per_device_train_batch_size * PartialState().num_processes
        if batch_size > len(data.train):
            raise UserError(
                f"{data.train.name} has {len(data.train):,} images to learn from, fewer than the {batch_size:,} of a "
                "step: give a smaller --per_device_train_batch_size."
            )
        return data
