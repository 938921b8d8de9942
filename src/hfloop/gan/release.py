"""The release of a GAN: what diffusers and hfloop load, with figures, pictures and a card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers.models.modeling_utils import ModelMixin

from hfloop.gan.data import GanData
from hfloop.gan.evaluation import GanReport
from hfloop.gan.export import baked, write_generator
from hfloop.gan.family import GanFamily
from hfloop.gan.latents import image_generators, interpolation_path, sample_latents
from hfloop.gan.pictures import GRID_ROWS, animation, grid_columns, image_grid, training_curves
from hfloop.gan.pipelines import GANPipeline, open_pipeline
from hfloop.hub.family import Family
from hfloop.images.arrays import uint8_pixels
from hfloop.images.generated import GeneratedImages
from hfloop.images.source import Pixels
from hfloop.release import Release

PATHS, PATH_IMAGES = 5, 10  # rows and columns of interpolation.png
SMALL_DATA = 10_000  # training images
FEW_TEST_IMAGES = 1_000
NEAR_NOISE = 0.25  # of the noise's Fréchet distance
BELOW_REAL = 0.1  # how far precision or recall must lie under the reals' to be spoken of
OFTEN_AS_ASKED = 0.97


@dataclass(frozen=True)
class Method:
    """What a recipe follows, for the card.

    Attributes:
        name: short, such as `DCGAN`.
        summary: one sentence.
        paper: its title.
        citation: BibTeX.
        url: of the paper.
    """

    name: str
    summary: str
    paper: str
    citation: str
    url: str


@dataclass(frozen=True)
class GanRelease(Release):
    """A trained GAN with everything a reader of its card should know.

    Attributes:
        generator: as it is shipped: the averaged weights of the best step.
        discriminator: its opponent.
        report: figures measured with this very generator.
        data: what it learned from and was measured against.
        method: what the recipe follows.
        rows: of the run's metrics.jsonl; see :func:`hfloop.gan.pictures.training_curves`.
        best_step: the step of the evaluation whose weights are shipped.
        images_seen: real images that the discriminator saw up to that step.
        frames: sample grids of the run, oldest first, at least one.
        alarms: sentences that were said during training.
    """

    family: ClassVar[Family] = GanFamily()
    libraries: ClassVar[tuple[str, ...]] = (
        "torch",
        "diffusers",
        "accelerate",
        "safetensors",
        "huggingface-hub",
        "numpy",
        "scipy",
        "pillow",
    )

    generator: ModelMixin
    discriminator: ModelMixin
    report: GanReport
    data: GanData
    method: Method
    rows: Sequence[Mapping[str, Any]]
    best_step: int
    images_seen: int
    frames: Sequence[Path]
    alarms: Sequence[str]

    def save_model(self, folder: Path) -> None:
        """model_index.json, pipeline.py, and both networks with their source files."""
        write_generator(folder, self.generator, id2label=self.data.id2label, discriminator=self.discriminator)

    def save_pictures(self, folder: Path) -> None:
        """Samples and paths between latents, made by the pipeline in `folder`; curves, and the grids of the run."""
        seed = self.report.to_dict()["seed"]
        columns = grid_columns(self.generator.config.num_classes)
        image_grid(sample_images(folder, seed), columns).save(folder / "samples.png")
        image_grid(path_images(folder, seed), PATH_IMAGES).save(folder / "interpolation.png")
        training_curves(self.rows, self.best_step, folder / "curves.png")
        animation(self.frames, folder / "training.webp")

    def facts(self) -> dict[str, Any]:
        """Figures, data, method, networks, and a real example of the model's output."""
        data, report = self.data.facts(), self.report.to_dict()
        return {
            "family": "image-generation",
            "method": asdict(self.method),
            **generator_facts(self.generator),
            "discriminator": described(self.discriminator),
            "best_step": self.best_step,
            "images_seen": self.images_seen,
            "curve": [
                {name: row[name] for name in ("step", "images", "frechet_distance")}
                for row in self.rows
                if "frechet_distance" in row
            ],
            "data": data,
            "report": report,
            "alarms": list(self.alarms),
            "limits": list(limits(data, report)),
            "example": example_of(baked(self.generator)),
        }


def generator_facts(generator: ModelMixin) -> dict[str, Any]:
    """What `hfloop.json` says of a generator and anyone who loads it can see."""
    config = generator.config
    return {
        "generator": described(generator),
        "latent_dim": config.latent_dim,
        "num_classes": config.num_classes,
        "samples": {"rows": GRID_ROWS, "columns": grid_columns(config.num_classes)},
    }


def example_of(generator: ModelMixin) -> dict[str, Any]:
    """What each of the card's three snippets prints, printed by the code that they show."""
    num_classes = generator.config.num_classes
    labels = None if num_classes is None else [number % num_classes for number in range(4)]
    pipe: Any = GANPipeline(generator)
    noise = [torch.Generator().manual_seed(number) for number in range(4)]
    images = pipe(4, class_labels=labels, generator=noise, output_type="np").images
    return {"class_labels": labels, "output": f"{images.shape} {images.mean(axis=(1, 2, 3)).round(3)}"}


def sample_images(folder: Path, seed: int, name: str | None = None) -> Pixels:
    """The first images that the release in `folder` makes of this seed, for eight rows of `grid_columns`.

    Of a generator that knows classes each column is one of them. Messages call the release `name`, or as its folder.
    """
    pipeline: Any = open_pipeline(folder, name or str(folder))
    num_classes = pipeline.generator.config.num_classes
    columns = grid_columns(num_classes)
    stride = num_classes or columns  # image i is of class i modulo their number
    images = GeneratedImages(folder, GRID_ROWS * stride, seed, open_pipeline=lambda *_: pipeline)
    return images.read([row * stride + column for row in range(GRID_ROWS) for column in range(columns)])


def path_images(folder: Path, seed: int, name: str | None = None) -> Pixels:
    """What lies between pairs of latents of this seed, as the release in `folder` makes it: five paths of ten images.

    Of a generator that knows classes each path keeps to one, in turn. Messages call the release `name`, or as its
    folder.
    """
    pipeline: Any = open_pipeline(folder, name or str(folder))
    config = pipeline.generator.config
    anchors = sample_latents(image_generators(seed, range(2 * PATHS)), config.latent_dim)
    paths = [interpolation_path(anchors[2 * path : 2 * path + 2], PATH_IMAGES - 1) for path in range(PATHS)]
    num_classes = config.num_classes
    labels = None if num_classes is None else [row % num_classes for row in range(PATHS) for _ in range(PATH_IMAGES)]
    values = pipeline(PATHS * PATH_IMAGES, class_labels=labels, latents=torch.cat(paths), output_type="np").images
    return np.ascontiguousarray(uint8_pixels(values, str(folder)).transpose(0, 3, 1, 2))


def limits(data: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[str]:
    """What a user must know about this data and these figures, each a sentence that holds for them.

    Args:
        data: `GanData.facts()`.
        report: `GanReport.to_dict()`.
    """
    _, height, width = data["shape"]
    train, test = (data["splits"][name]["images"] for name in ("train", "test"))
    yield f"Makes images of {height} × {width} pixels, and no others."
    if train < SMALL_DATA:
        yield f"Learned from {train:,} images only; what these do not show was not learned."
    yield "Whether it repeats single training images was not tested: a model of private images is private."
    yield from _limits_of_quality({figure["metric"].partition("/")[0]: figure for figure in report["figures"]})
    if report["classes"] is not None:
        yield from _limits_of_classes(report["classes"], report["extractor"])
    if test < FEW_TEST_IMAGES:
        yield f"The figures are measured against {test:,} held-out images only, and would be others against others."
    published = "" if report["extractor"] == "inception" else ", and never with a published FID, which is Inception's"
    yield (
        f"Figures of {report['extractor']} compare with those of the same extractor, real images and counts "
        f"alone{published}."
    )


def _limits_of_quality(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    distance, floor, ceiling = _values(figures["frechet_distance"])
    if ceiling is not None and distance > NEAR_NOISE * ceiling:
        yield (
            f"The Fréchet distance is {100 * distance / ceiling:.0f} % of that of pure noise: the images look little "
            "like the data."
        )
    elif floor is not None and distance > 2 * floor:
        yield (
            f"The Fréchet distance is {distance:.4g}, that of real images in their place {floor:.4g}: the generated "
            "ones can be told from real ones."
        )
    meanings = {
        "precision": "of the generated images look like none of the data",
        "recall": "of the data looks like none of the generated images",
    }
    for name, what in meanings.items():
        value, floor, _ = _values(figures[name])
        if floor is not None and value < floor - BELOW_REAL:
            share = f"{100 * (1 - value):.0f} % {what}"
            yield f"{name.capitalize()} is {value:.2g}, that of real images {floor:.2g}: {share}."


def _limits_of_classes(classes: Mapping[str, Any], extractor: str) -> Iterator[str]:
    shares = zip(classes["names"], classes["shares"]["generated"], classes["shares"]["real"], strict=True)
    rare = [name for name, generated, real in shares if generated < real / 2]
    if rare:
        yield f"Classes made less than half as often as the data has them, as {extractor} judges: {', '.join(rare)}."
    asked = classes["asked_class_share"]
    if asked is not None and asked < OFTEN_AS_ASKED:
        yield (
            f"Only {100 * asked:.1f} % of the images show the class that was asked for, as {extractor} judges, which "
            f"finds the right one in {100 * classes['label_share']:.1f} % of real images."
        )


def _values(figure: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    floor, ceiling = (figure[bound] and figure[bound]["value"] for bound in ("floor", "ceiling"))
    return figure["generated"]["value"], floor, ceiling


def described(network: ModelMixin) -> dict[str, Any]:
    """The class of a network, the file that it is published in, and its size."""
    return {
        "class": type(network).__name__,
        "module": type(network).__module__.rpartition(".")[2],
        "parameters": network.num_parameters(),
    }
