"""A pipeline that makes images with the generator of a GAN.

This file stands alone, so that a published model can carry it beside its weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers.models.modeling_utils import ModelMixin
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image


class GANPipeline(DiffusionPipeline):
    """Makes images from noise with a generator, in one step.

    Args:
        generator: maps latents (n, latent_dim) and, where its config has `num_classes`, class labels (n,) to images
            (n, channels, height, width) in [-1, 1].
        id2label: the names of the classes by their numbers, for people to read.
    """

    generator: ModelMixin

    def __init__(self, generator: ModelMixin, id2label: dict | None = None) -> None:
        super().__init__()
        self.register_modules(generator=generator)
        self.register_to_config(id2label=id2label)
        self.id2label = {int(number): name for number, name in (id2label or {}).items()}  # JSON's keys are strings

    @torch.no_grad()
    def __call__(
        self,
        num_images: int = 1,
        class_labels: int | list[int] | torch.Tensor | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple:
        """Make images; the generator network computes in evaluation mode.

        Args:
            num_images: how many, at least 1; all of them in one batch.
            class_labels: for a generator with classes only: one for all images, or one for each; default: all classes
                in turn, 0, 1, 2 and so on, until there are enough.
            generator: where the latents' random numbers come from: one torch.Generator, or one for each image;
                default: torch's global one. One on the CPU draws there, and so the same numbers for every device.
            latents: (num_images, latent_dim) instead of random ones.
            output_type: `pil` for a list of images (mode L if gray, else RGB), `np` for float32 of shape (num_images,
                height, width, channels) from 0 to 1, `pt` for a tensor of shape (num_images, channels, height, width)
                from 0 to 1.
            return_dict: False for the tuple `(images,)`.

        Returns:
            An output with the attribute `images`.

        Raises:
            ValueError: an argument is of the wrong shape, number, kind or range.
        """
        if num_images < 1:
            raise ValueError(f"num_images must be at least 1, not {num_images}.")
        if output_type not in ("pil", "np", "pt"):
            raise ValueError(f"output_type must be 'pil', 'np' or 'pt', not {output_type!r}.")
        labels = self._checked_labels(class_labels, num_images)
        if latents is None:
            latents = self._draw_latents(num_images, generator)
        expected = (num_images, self.generator.config.latent_dim)
        if tuple(latents.shape) != expected:
            raise ValueError(f"latents must have the shape {expected}, not {tuple(latents.shape)}.")
        images = self._images(latents, labels)
        output = _converted(images, output_type)
        return ImagePipelineOutput(images=output) if return_dict else (output,)

    def _checked_labels(self, class_labels: int | list[int] | torch.Tensor | None, count: int) -> torch.Tensor | None:
        """One label for each image, on the CPU, where looking at their values makes no device wait."""
        num_classes = self.generator.config.num_classes
        if num_classes is None:
            if class_labels is not None:
                raise ValueError("class_labels must be left out, as this generator knows no classes.")
            return None
        if class_labels is None:
            return torch.arange(count) % num_classes
        try:
            labels = torch.as_tensor(class_labels, device="cpu")
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(f"class_labels must be whole numbers, not {class_labels!r}.") from None
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise ValueError(f"class_labels must be whole numbers, not {labels.dtype}.")
        if labels.ndim == 0:
            labels = labels.expand(count)
        if labels.shape != (count,):
            raise ValueError(
                f"class_labels must be one number or {count}, one for each image, not of shape {tuple(labels.shape)}."
            )
        wrong = labels[(labels < 0) | (labels >= num_classes)]
        if len(wrong):
            raise ValueError(f"class_labels must lie from 0 to {num_classes - 1}, but {int(wrong[0])} is among them.")
        return labels.to(torch.int64)

    def _draw_latents(self, count: int, generator: torch.Generator | list[torch.Generator] | None) -> torch.Tensor:
        if isinstance(generator, list) and len(generator) != count:
            raise ValueError(f"generator must be one or {count}, one for each image, not {len(generator)}.")
        shape = (count, self.generator.config.latent_dim)
        return randn_tensor(shape, generator, device=self._execution_device, dtype=torch.float32)

    def _images(self, latents: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """float32 of shape (n, channels, height, width), from 0 to 1; the network's mode stays as it was."""
        device = self._execution_device
        was_training = self.generator.training
        self.generator.eval()
        try:
            images = self.generator(
                latents.to(device, self.generator.dtype), None if labels is None else labels.to(device)
            )
        finally:
            self.generator.train(was_training)
        return (images.float() / 2 + 0.5).clamp(0, 1)


def _converted(images: torch.Tensor, output_type: str) -> Any:
    if output_type == "pt":
        return images
    fractions = images.permute(0, 2, 3, 1).cpu().numpy()
    if output_type == "np":
        return fractions
    pixels = (fractions * 255).round().astype(np.uint8)
    return [Image.fromarray(each[:, :, 0] if each.shape[2] == 1 else each) for each in pixels]
