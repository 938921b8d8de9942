"""Ask a published generator again what its release says of it: the samples, and the figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from diffusers.models.modeling_utils import ModelMixin
from PIL import Image

from hfloop import __version__
from hfloop.errors import UserError, first_line
from hfloop.gan.data import facts_of_images, name_of
from hfloop.gan.evaluation import measure as measure_comparison
from hfloop.gan.export import code_files, pipeline_index
from hfloop.gan.measuring import RealImages, comparison_of, real_images
from hfloop.gan.pictures import GRID_ROWS, image_grid
from hfloop.gan.pipelines import load_network, read_object
from hfloop.gan.release import (
    PATH_IMAGES,
    described,
    example_of,
    generator_facts,
    limits,
    path_images,
    sample_images,
)
from hfloop.hub.family import Measured
from hfloop.hub.metadata import as_said
from hfloop.hub.recorded import natural, reading_record
from hfloop.images.generated import INDEX_FILE
from hfloop.images.sources import hub_dataset_id, without_split

SAMPLES, PATHS_BETWEEN = "samples.png", "interpolation.png"
_NOT_DRAWN_AGAIN = ("curves.png", "training.webp")
_MEAN_TOLERANCE = 0.0015  # of a mean brightness that is printed to a thousandth
_NUMBER = re.compile(r"\d+\.?\d*")
_LEVELS = 2  # of 255, that a pixel may differ by where another processor rounds otherwise


def probe(folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
    """See :meth:`hfloop.hub.family.Family.probe`."""
    seed = _recorded(provenance, name).seed
    networks = {
        part: load_network(folder / part, name)
        for part in ("generator", "discriminator")
        if part == "generator" or (folder / part).exists()
    }
    said = list(_network_differences(networks, provenance))
    samples = sample_images(folder, seed, name)
    made = {
        SAMPLES: image_grid(samples, len(samples) // GRID_ROWS),
        PATHS_BETWEEN: image_grid(path_images(folder, seed, name), PATH_IMAGES),
    }
    for file, picture in made.items():
        said += _picture_differences(folder / file, picture, seed)
    said += _code_differences(folder, networks, provenance)
    with reading_record(name, "what the model makes, and of what classes"):
        said += _example_differences(networks["generator"], provenance["example"])
        said += _index_differences(folder, networks["generator"], provenance["data"]["class_names"])
        if (shape := provenance["data"]["shape"]) != list(samples.shape[1:]):
            said.append(f"the images are of the shape {list(samples.shape[1:])}, and {as_said(shape)} was recorded")
    return said


def _network_differences(networks: dict[str, ModelMixin], provenance: dict[str, Any]) -> Iterator[str]:
    """What the networks show otherwise than `hfloop.json` says it."""
    found = generator_facts(networks["generator"])
    if "discriminator" in networks:
        found["discriminator"] = described(networks["discriminator"])
    elif provenance.get("discriminator"):
        yield f"the discriminator is missing, and {as_said(provenance['discriminator'])} was recorded"
    for part, facts in found.items():
        if facts != provenance.get(part):
            yield f"the {part} is {facts}, and {as_said(provenance.get(part))} was recorded"


def _picture_differences(path: Path, picture: Image.Image, seed: int) -> Iterator[str]:
    """What is not as in a picture when the generator makes it again."""
    made = np.asarray(picture)
    try:
        with Image.open(path) as kept:
            shown = np.asarray(kept)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # as Pillow says of files
        yield f"{path.name} cannot be read ({first_line(error)})"
        return
    if shown.shape != made.shape:
        yield f"{path.name} is of the shape {shown.shape}, and what the model makes of seed {seed} {made.shape}"
        return
    largest = int(np.abs(shown.astype(np.int16) - made).max())
    if largest > _LEVELS:
        yield (
            f"{path.name} is not what the model makes of seed {seed}: pixels differ by up to {largest} levels of 255"
        )


def _code_differences(folder: Path, networks: dict[str, ModelMixin], provenance: dict[str, Any]) -> Iterator[str]:
    """What is not the code that hfloop publishes with such networks; it is read and never run."""
    own = code_files(networks)
    for file in provenance["sha256"]:
        if file.lower().endswith(".py") and file not in own and (folder / file).exists():
            yield f"{file} is code, and hfloop publishes none of this name with such a model: take it away"
    for file, source in own.items():
        if not (folder / file).is_file():
            yield f"{file} is missing"
        elif _is_of_this_version(provenance) and (folder / file).read_bytes() != source.read_bytes():
            yield f"{file} is not the code of hfloop {__version__}"
    for part in networks:
        if "auto_map" in read_object(folder / part / "config.json", part):
            yield f"`auto_map` in {part}/config.json names code, and no network of hfloop has any: take it out"


def _example_differences(generator: ModelMixin, recorded: dict[str, Any]) -> Iterator[str]:
    """What the card's snippets print otherwise than it was recorded, but for the last digit."""
    found = example_of(generator)
    if found["class_labels"] != recorded["class_labels"]:
        labels = f"{found['class_labels']}, and {as_said(recorded['class_labels'])} was recorded"
        yield f"the classes of the example are {labels}"
    texts = [found["output"], str(recorded["output"])]
    words, others = ("".join(_NUMBER.sub("#", text).split()) for text in texts)
    numbers, recorded_numbers = ([float(number) for number in _NUMBER.findall(text)] for text in texts)
    if words != others or not np.allclose(numbers, recorded_numbers, rtol=0, atol=_MEAN_TOLERANCE):
        yield f"the example prints {found['output']}, and {as_said(recorded['output'])} was recorded"


def _index_differences(folder: Path, generator: ModelMixin, class_names: list[str] | None) -> Iterator[str]:
    """What model_index.json says otherwise than hfloop writes it of such a generator."""
    made = pipeline_index(generator, None if class_names is None else dict(enumerate(class_names)))
    found = read_object(folder / INDEX_FILE, INDEX_FILE)
    for key in sorted((made.keys() | found.keys()) - {"_diffusers_version"}):
        if made.get(key) != found.get(key):
            other, own = (as_said(index.get(key)) for index in (found, made))
            yield f"`{key}` in {INDEX_FILE} is {other}, and {own} of this generator"


def _is_of_this_version(provenance: dict[str, Any]) -> bool:
    return provenance["hfloop_version"] == __version__


def unchecked(provenance: dict[str, Any]) -> list[str]:
    """See :meth:`hfloop.hub.family.Family.unchecked`."""
    said = [f"not drawn again: {', '.join(name for name in _NOT_DRAWN_AGAIN if name in provenance['sha256'])}"]
    if not _is_of_this_version(provenance):
        version = as_said(provenance["hfloop_version"])
        said.append(f"code not compared: it is of hfloop {version}, and this is hfloop {__version__}")
    return said


def measure(folder: Path, name: str, provenance: dict[str, Any], data: str | None, train_data: str | None) -> Measured:
    """See :meth:`hfloop.hub.family.Family.measure`."""
    recorded = _recorded(provenance, name)
    images = recorded.images(data, train_data, name)
    comparison = comparison_of(
        folder,
        name,
        images,
        num_images=recorded.num_images,
        extractor=recorded.extractor,
        seed=recorded.seed,
        allow_small=True,
    )
    report = measure_comparison(comparison).to_dict()
    assert images.train is not None  # a release names both
    found = facts_of_images(images.train, images.test)
    if data is None and train_data is None:
        found |= recorded.names()
    with reading_record(name, "what its data is"):
        said = {key: deepcopy(provenance["data"][key]) for key in found}
        for split in said["splits"].values():
            split.pop("source", None)
        if not _is_of_this_version(provenance):  # it may say the limits in other words
            return Measured(report, {"data": found}, {"data": said})
        follows = list(limits(provenance["data"], report))
        return Measured(report, {"data": found, "limits": follows}, {"data": said, "limits": provenance["limits"]})


@dataclass(frozen=True)
class _Recorded:
    """How the figures were measured.

    Attributes:
        num_images: how many images were made.
        extractor: what saw them.
        seed: of every random choice.
        sources: what the `test` and the `train` images were read from.
        sha256: of both.
        cut_from: what both were cut from, or None.
        cut_seed: of that cut.
        skip_corrupt: whether images that cannot be read were left out.
    """

    num_images: int
    extractor: str
    seed: int
    sources: dict[str, str]
    sha256: dict[str, str]
    cut_from: str | None
    cut_seed: int
    skip_corrupt: bool

    def names(self) -> dict[str, str | None]:
        """What cards call the data, where hfloop finds it by its name."""
        source = self.cut_from or self.sources["train"]
        return {"name": name_of(source), "hub_id": hub_dataset_id(source)}

    def images(self, data: str | None, train_data: str | None, model: str) -> RealImages:
        """The images that the figures were measured on and the model learned from, read again.

        Args:
            data: what the user named; None where it is to be what was recorded.
            train_data: the same.
            model: what to call the release in messages.

        Raises:
            UserError: they must be named, cannot be read, or are others.
        """
        if self.cut_from is None:
            images = self._named(data, train_data, model)
        else:
            images = self._cut(self.cut_from, data, train_data, model)
        for split, found in (("test", images.test), ("train", images.train)):
            if found is not None and found.fingerprint != self.sha256[split]:
                raise UserError(
                    f"{found.name}: the {len(found):,} {split} images are not those that the figures were measured "
                    f"with (sha256 {found.fingerprint[:12]}…, recorded {self.sha256[split][:12]}…): name those."
                )
        return images

    def _named(self, data: str | None, train_data: str | None, model: str) -> RealImages:
        test = data or _by_name(self.sources["test"])
        train = train_data or _by_name(self.sources["train"])
        missing = [
            f"{self.sources[split]} with {flag}"
            for split, flag, name in (("test", "--data", test), ("train", "--train_data", train))
            if name is None
        ]
        if missing:
            raise UserError(
                f"{model} was measured on images that hfloop does not have: name {', and '.join(missing)}."
            )
        return real_images(test, train, None, skip_corrupt=self.skip_corrupt)

    def _cut(self, cut_from: str, data: str | None, train_data: str | None, model: str) -> RealImages:
        if data is not None and train_data is not None:
            raise UserError(
                f"{model} was measured on a part of {cut_from}, and learned from the rest: name that once, with "
                "--data."
            )
        whole = data or train_data or _by_name(cut_from)
        if whole is None:
            raise UserError(
                f"{model} was measured on a part of {cut_from}, which it did not learn from: name {cut_from} with "
                "--data."
            )
        return real_images(None, whole, self.cut_seed, skip_corrupt=self.skip_corrupt)


def _by_name(source: str) -> str | None:
    """The source, if its name means the same images everywhere; of a path only the last part is recorded."""
    return source if source.startswith("datasets/") or without_split(source)[0] == "digits" else None


def _recorded(provenance: dict[str, Any], name: str) -> _Recorded:
    with reading_record(name, "how its figures were measured"):
        report, data, config = provenance["report"], provenance["data"], provenance["config"]
        return _Recorded(
            num_images=natural(report["images"]["generated"]),
            extractor=str(report["extractor"]),
            seed=natural(report["seed"]),
            sources={split: str(data["splits"][split]["source"]) for split in ("test", "train")},
            sha256={split: str(data["splits"][split]["sha256"]) for split in ("test", "train")},
            cut_from=data["cut_from"],
            cut_seed=natural(config["seed"]),
            skip_corrupt=bool(config["skip_corrupt"]),
        )
