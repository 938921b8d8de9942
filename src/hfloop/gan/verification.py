"""Ask a published generator again what its release says of it: the samples, and the figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hfloop.errors import UserError, first_line
from hfloop.gan.evaluation import measure as measure_comparison
from hfloop.gan.measuring import RealImages, comparison_of, real_images
from hfloop.gan.pictures import GRID_ROWS, image_grid
from hfloop.gan.pipelines import load_network
from hfloop.gan.release import described, sample_images
from hfloop.hub.recorded import natural, reading_record
from hfloop.images.sources import without_split

SAMPLES = "samples.png"
_LEVELS = 2  # of 255, that a pixel may differ by where another processor rounds otherwise


def probe(folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
    """See :meth:`hfloop.hub.family.Family.probe`."""
    recorded = _recorded(provenance, name)
    said = []
    for part in ("generator", "discriminator"):
        if part == "generator" or (folder / part).exists():
            found = described(load_network(folder / part, name))
            if found != provenance.get(part):
                said.append(f"the {part} is {found}, and {provenance.get(part)} was recorded")
    return [*said, *_sample_differences(folder, name, recorded.seed)]


def _sample_differences(folder: Path, name: str, seed: int) -> list[str]:
    """What is not as in samples.png when the generator makes these images again."""
    pixels = sample_images(folder, seed, name)
    made = np.asarray(image_grid(pixels, len(pixels) // GRID_ROWS))
    try:
        with Image.open(folder / SAMPLES) as picture:
            shown = np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # as Pillow says of files
        return [f"{SAMPLES} cannot be read ({first_line(error)})"]
    if shown.shape != made.shape:
        return [f"{SAMPLES} is of the shape {shown.shape}, and what the model makes of seed {seed} {made.shape}"]
    largest = int(np.abs(shown.astype(np.int16) - made).max())
    if largest <= _LEVELS:
        return []
    return [f"{SAMPLES} is not what the model makes of seed {seed}: pixels differ by up to {largest} levels of 255"]


def measure(
    folder: Path, name: str, provenance: dict[str, Any], data: str | None, train_data: str | None
) -> dict[str, Any]:
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
    return measure_comparison(comparison).to_dict()


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
