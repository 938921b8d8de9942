"""A release of a tiny untrained GAN, with an invented course of training; and figures for cards to show."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from hfloop.gan.data import GanData, load_data
from hfloop.gan.evaluation import evaluate_generator
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator, DCGANGenerator
from hfloop.gan.pictures import image_grid
from hfloop.gan.release import GanRelease, Method
from hfloop.release import write_release

METHOD = Method(
    name="DCGAN",
    summary="Convolutions with batch normalisation in both networks.",
    paper="Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
    citation="@article{radford2015unsupervised,\n  author = {Radford, Alec and others},\n  year = {2015}\n}",
    url="https://arxiv.org/abs/1511.06434",
)
RUN = {
    "recipe": "dcgan",
    "config": {"seed": 42, "learning_rate": 0.01, "train_data": None, "skip_corrupt": False},
    "non_default": ["learning_rate"],
    "steps": 60,
    "training_seconds": 12.3,
    "hardware": {"device": "A processor", "processes": 1, "threads": 1, "mixed_precision": "no"},
}
LOGGED = [
    {
        "step": step,
        "discriminator_loss": 1.4 - step / 100,
        "generator_loss": 0.7 + step / 80,
        "discriminator_gradient_norm": 2.0 + step % 3,
        "generator_gradient_norm": 1.0 + step % 2,
        "images_per_second": 900.0,
        "sample_diversity": 0.3,
    }
    for step in range(10, 61, 10)
]
EVALUATED = [
    {"step": 20, "images": 1280, "frechet_distance": 90.0},
    {"step": 40, "images": 2560, "frechet_distance": 30.0},
    {"step": 60, "images": 3840, "frechet_distance": 45.0},
]
KINDS = {
    "frechet_distance": "standard error over the images, the reference taken as given",
    "kernel_distance": "standard deviation over the subsets",
    "precision": "standard error over the images, the neighbourhoods taken as given",
    "recall": "standard error over the images, the neighbourhoods taken as given",
}
FIGURES = {  # generated, floor, ceiling, each with its uncertainty
    "frechet_distance": [(30.12345, 1.23456), (4.5, 0.1), (1234.5, 7.0)],
    "kernel_distance": [(0.012345, 0.00054), (-0.0002, 0.0003), (0.9, 0.01)],
    "precision": [(0.6, 0.02), (0.85, 0.01), (0.0, 0.0)],
    "recall": [(0.5, 0.02), (0.8, 0.01), (0.0, 0.0)],
}


def report_facts(extractor="digits-v1"):
    """What a report could say, with figures that tests can rely on."""

    def measured(name, value, uncertainty):
        return {
            "metric": f"{name}/{extractor}",
            "value": value,
            "uncertainty": uncertainty,
            "uncertainty_kind": KINDS[name],
        }

    names = [str(number) for number in range(10)]
    return {
        "extractor": extractor,
        "extractor_sha256": "ab" * 32,
        "seed": 42,
        "images": {"generated": 1437, "real": 360, "floor": 1437, "noise": 1437},
        "floor": "training images",
        "figures": [
            {
                "metric": f"{name}/{extractor}",
                **{
                    side: measured(name, *pair)
                    for side, pair in zip(("generated", "floor", "ceiling"), pairs, strict=True)
                },
            }
            for name, pairs in FIGURES.items()
        ],
        "classes": {
            "names": names,
            "shares": {"generated": [0.19, 0.01, *[0.1] * 8], "real": [0.1] * 10},
            "mean_confidence": {"generated": 0.91234, "real": 0.98765},
            "asked_class_share": None,
            "label_share": 0.99721,
        },
    }


@cache
def digits() -> GanData:
    """The digits, with the extractor that is made for them."""
    return load_data(None, None, extractor=None, skip_corrupt=False, seed=42)


def small_networks(num_classes=None):
    """A generator whose batch statistics are not a new network's, and a discriminator with spectral norm."""
    torch.manual_seed(0)
    generator = DCGANGenerator(image_size=8, latent_dim=6, base_channels=4, num_classes=num_classes)
    discriminator = DCGANDiscriminator(image_size=8, base_channels=4, num_classes=num_classes, norm="spectral")
    for parameter in generator.parameters():
        parameter.data *= 15  # images that differ: new ones are gray
    generator(torch.randn(64, 6), None if num_classes is None else torch.arange(64) % num_classes)
    return generator, discriminator


def small_release(frames_folder, num_classes=None):
    """A release of them as a recipe would hand it over, before anything is written."""
    generator, discriminator = small_networks(num_classes)
    frames = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 1, 8, 8), dtype=np.uint8)
        frames.append(frames_folder / f"step-{number}.png")
        image_grid(pixels, 8).save(frames[-1])
    return GanRelease(
        generator=generator,
        discriminator=discriminator,
        report=evaluate_generator(generator, digits(), seed=42, num_images=160),
        data=digits(),
        method=METHOD,
        rows=sorted([*LOGGED, *EVALUATED], key=lambda row: row["step"]),
        best_step=40,
        images_seen=2560,
        frames=frames,
        alarms=["after 640 images the discriminator is dead"],
    )


def written(folder, release):
    """The release's folder, and what its hfloop.json holds."""
    return write_release(folder, release, RUN)
