"""Latents z, the noise that images are made from: drawn, truncated, and joined by paths.

Latents are float32 of shape (images, latent_dim) on the CPU, where the same seed gives the same numbers on every
machine; whoever uses them moves them to a device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from hfloop.errors import UserError
from hfloop.images.generated import noise_seed

LEAST_TRUNCATION = 0.01  # below it each component takes hundreds of draws, and all images are one
_LEAST_ANGLE = 1e-6  # radians, in float64; closer to 0 or π the plane of two float32 vectors is rounding error


def image_generators(seed: int, indices: Iterable[int]) -> list[Generator]:
    """One generator of random numbers for each image, a function of `seed` and the image's index alone.

    They are those of `images.generated.GeneratedImages`: a pipeline that gets them makes the images of that set.

    Args:
        seed: 0 or more.
        indices: which images of the endless sequence of this seed, each 0 or more.
    """
    return [Generator().manual_seed(noise_seed(seed, index)) for index in indices]


def sample_latents(generators: Sequence[Generator], latent_dim: int) -> Tensor:
    """Standard normal latents of shape (len(generators), latent_dim), row i from generator i.

    The numbers are those of `diffusers.utils.torch_utils.randn_tensor` with the same list of generators.
    """
    return torch.stack([torch.randn(latent_dim, generator=generator) for generator in generators])


def sample_truncated_latents(generators: Sequence[Generator], latent_dim: int, threshold: float) -> Tensor:
    """Latents whose components beyond ±`threshold` are drawn again until they are within (Brock et al. 2019, §3.1).

    Components that are within are those of `sample_latents`. A lower threshold trades variety for fidelity.

    Args:
        generators: one for each image.
        latent_dim: components of a latent.
        threshold: 0.01 or more; 0.5 to 2 are usual.

    Returns:
        Shape (len(generators), latent_dim), all values in [−threshold, threshold].

    Raises:
        UserError: `threshold` is below 0.01.
    """
    if not threshold >= LEAST_TRUNCATION:
        raise UserError(
            f"the truncation {threshold} is too small: give one of {LEAST_TRUNCATION} or more, such as 1.0, or none."
        )
    latents = sample_latents(generators, latent_dim)
    for latent, generator in zip(latents, generators, strict=True):
        while beyond := int((outside := latent.abs() > threshold).sum()):
            latent[outside] = torch.randn(beyond, generator=generator)
    return latents


def slerp(start: Tensor, end: Tensor, t: Tensor | float) -> Tensor:
    """Spherical interpolation: (sin((1 − t)Ω)·start + sin(tΩ)·end) / sin Ω, Ω the angle between the two.

    A straight line between normal latents crosses the middle, where hardly any latent lies; an arc does not (Shoemake
    1985; White 2016 for latents). Nearly parallel vectors are joined by the straight line. Between nearly opposite
    ones every arc is as short as any other; the one taken turns towards the axis along which `start` is smallest, and
    the length changes linearly.

    Args:
        start: shape (…, latent_dim).
        end: shape (…, latent_dim).
        t: 0 (start) to 1 (end); a number, or shape (…), which broadcasts with the others.

    Returns:
        Shape (…, latent_dim), in the type of `start`; computed in float64.
    """
    a, b = start.double(), end.double()
    t = torch.as_tensor(t, dtype=torch.float64, device=a.device).unsqueeze(-1)
    u, v = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
    angle = 2 * torch.atan2(_length(u - v), _length(u + v))  # exact near 0 and π, where an arc cosine is not
    line = (1 - t) * a + t * b
    arc = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    half_turn = ((1 - t) * _length(a) + t * _length(b)) * ((math.pi * t).cos() * u + (math.pi * t).sin() * _beside(u))
    path = torch.where(angle < _LEAST_ANGLE, line, torch.where(math.pi - angle < _LEAST_ANGLE, half_turn, arc))
    return path.to(start.dtype)


def interpolation_path(anchors: Tensor, steps_between: int, closed: bool = False) -> Tensor:
    """A path through all anchors in turn, by `slerp`, in equal steps from each to the next.

    Args:
        anchors: shape (k, latent_dim), k at least 1.
        steps_between: steps from one anchor to the next, at least 1; 1 gives the anchors alone.
        closed: whether the path returns from the last anchor to the first, so that its frames can be shown in a loop:
            the first anchor is not repeated at the end.

    Returns:
        Shape (frames, latent_dim), with `(k - 1) * steps_between + 1` frames, or `k * steps_between` of a closed path;
        frame `j * steps_between` is anchor j.

    Raises:
        UserError: `steps_between` is below 1.
    """
    if steps_between < 1:
        raise UserError(f"a path takes 1 step or more from one latent to the next, not {steps_between}.")
    ends = anchors.roll(-1, dims=0)
    t = torch.arange(steps_between, device=anchors.device) / steps_between
    frames = slerp(anchors.unsqueeze(1), ends.unsqueeze(1), t).flatten(0, 1)
    return frames if closed else frames[: (len(anchors) - 1) * steps_between + 1]


def _length(vectors: Tensor) -> Tensor:
    return vectors.norm(dim=-1, keepdim=True)


def _beside(directions: Tensor) -> Tensor:
    """A unit vector at right angles to each, towards the axis along which it is smallest; 0 in one dimension."""
    axis = F.one_hot(directions.abs().argmin(dim=-1), directions.shape[-1]).to(directions.dtype)
    return F.normalize(axis - (axis * directions).sum(dim=-1, keepdim=True) * directions, dim=-1)
