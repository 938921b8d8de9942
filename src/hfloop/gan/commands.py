"""What `hfloop evaluate` does with a generator; returns what is to be printed."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from hfloop.errors import UserError
from hfloop.gan.data import cut_test_set
from hfloop.gan.evaluation import MOST_IMAGES, measure
from hfloop.gan.pipelines import open_pipeline
from hfloop.hub.source import folder_of
from hfloop.images.generated import GeneratedImages
from hfloop.images.source import ImageSource
from hfloop.images.sources import is_generator, load_images
from hfloop.metrics.commands import require_enough, shape_in_words, warnings
from hfloop.metrics.comparison import Comparison
from hfloop.metrics.features import default_extractor, load_extractor
from hfloop.plain import speak_plainly
from hfloop.release import PROVENANCE_FILE

logger = logging.getLogger(__name__)


def evaluate(
    model: str,
    data: str | None,
    *,
    train_data: str | None,
    num_images: int | None,
    extractor: str | None,
    seed: int | None,
    batch_size: int,
    allow_small: bool,
    skip_corrupt: bool,
    as_json: bool,
) -> str:
    """Measure the images that a release makes against real ones, with every metric.

    What is not named is as in the release's own figures, so that the same images give these again; whether these are
    the same images is said.

    Args:
        model: a release's folder or Hub id.
        data: the real images, see :func:`hfloop.images.sources.load_images`; None for a release whose test set was
            cut from its training data: that set, cut again from `train_data`.
        train_data: those that the model learned from, for the floor of every figure; None: a part of `data`.
        num_images: how many images to make; None without figures of the release's own: as many as there are training
            images, else as there are real ones, at most 10,000.
        extractor: see :func:`hfloop.metrics.features.load_extractor`; None without figures of the release's own: for
            gray images one of digits.
        seed: of every random choice but the cut, which has the seed of the run; None without figures of the
            release's own: 0.
        batch_size: images that go through the extractor at a time.
        allow_small: measure no more images than features, too.
        skip_corrupt: leave out real images that cannot be read.
        as_json: JSON for programs instead of lines for people.

    Raises:
        UserError: no real images are named; the release, the images or the extractor cannot be read; the real images
            are of another size, of classes that the model does not know, or too few.
    """
    speak_plainly()
    folder = folder_of(model)
    recorded = _recorded(folder, model)
    cut_seed = _cut_seed(model, train_data, recorded) if data is None else None
    named = {
        flag: _real_images(flag, name, skip_corrupt=skip_corrupt)
        for flag, name in (("--data", data), ("--train_data", train_data))
        if name is not None
    }
    count = num_images or recorded.num_images or min(len(named.get("--train_data", named["--data"])), MOST_IMAGES)
    seed = recorded.seed if seed is None else seed
    fake = GeneratedImages(folder, count, seed, model, open_pipeline)
    for flag, images in named.items():
        _require_same_kind(flag, images, fake)
    train: ImageSource | None
    if cut_seed is None:
        real, train = named["--data"], named.get("--train_data")
    else:
        train, real = cut_test_set(named["--train_data"], cut_seed)
        named = {"the test set of": real, "the training set of": train}
    comparison = Comparison(
        real=real,
        fake=fake,
        extractor=load_extractor(
            extractor or recorded.extractor or default_extractor(real), "cuda" if torch.cuda.is_available() else "cpu"
        ),
        seed=seed,
        batch_size=batch_size,
        floor=train,
    )
    for role, images in [*named.items(), ("MODEL", fake)]:
        require_enough(role, images, comparison.extractor, allow_small=allow_small)
    for warning in warnings("fd", comparison):
        logger.warning("Warning: %s", warning)
    report = measure(comparison)
    same = _same_images(recorded, real, train)
    if as_json:
        return json.dumps({**report.to_dict(), "same_images": same}, indent=2, ensure_ascii=False)
    return report.table() if same is None else f"{report.table()}\n{_told(same)}"


@dataclass(frozen=True)
class _Recorded:
    """How a release's own figures were measured.

    Attributes:
        num_images: how many images were made.
        extractor: what saw them.
        seed: of every random choice.
        fingerprints: of the `test` and the `train` images; None where the release has no figures of its own.
        cut_seed: of the test set, where it was cut from the training data; None where both were named.
    """

    num_images: int | None = None
    extractor: str | None = None
    seed: int = 0
    fingerprints: dict[str, str] | None = None
    cut_seed: int | None = None


def _recorded(folder: Path, name: str) -> _Recorded:
    """What hfloop.json says of its figures; nothing where a release has none, since others made it.

    Raises:
        UserError: it cannot be read.
    """
    path = folder / PROVENANCE_FILE
    if not path.exists():
        return _Recorded()
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        report, data = facts["report"], facts["data"]
        return _Recorded(
            num_images=int(report["images"]["generated"]),
            extractor=str(report["extractor"]),
            seed=int(report["seed"]),
            fingerprints={name: str(data["splits"][name]["sha256"]) for name in ("test", "train")},
            cut_seed=None if data.get("cut_from") is None else int(facts["config"]["seed"]),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{name}: its {PROVENANCE_FILE} does not say how its figures were measured ({type(error).__name__}): "
            "download the release again, or delete that file."
        ) from error


def _cut_seed(model: str, train_data: str | None, recorded: _Recorded) -> int:
    """The seed that cuts a release's test set from its training data again.

    Raises:
        UserError: `train_data` is not named, or the release has no test set of this kind.
    """
    if train_data is None:
        raise UserError(
            f"name the real images to measure {model} against: with --data, or, if its test set was cut from its "
            "training data, with --train_data alone what both were cut from."
        )
    if recorded.cut_seed is None:
        raise UserError(
            f"{model} records no test set that was cut from its training data: name the real images to measure it "
            "against with --data."
        )
    return recorded.cut_seed


def _same_images(recorded: _Recorded, real: ImageSource, train: ImageSource | None) -> dict[str, bool | None] | None:
    """Whether the `test` and `train` images are those of the release's own figures; None where it has none."""
    if recorded.fingerprints is None:
        return None
    return {
        "test": real.fingerprint == recorded.fingerprints["test"],
        "train": None if train is None else train.fingerprint == recorded.fingerprints["train"],
    }


def _told(same: dict[str, bool | None]) -> str:
    """What :func:`_same_images` found, in one line."""
    words = {True: "the same", False: "other", None: "no"}
    line = f"By sha256, beside the release's own figures: {words[same['test']]} real images, "
    line += f"{words[same['train']]} training images"
    return f"{line}." if all(same.values()) else f"{line}; what is measured on others need not agree."


def _real_images(flag: str, name: str, *, skip_corrupt: bool) -> ImageSource:
    if name and is_generator(name):
        raise UserError(
            f"{flag} {name} is taken for a generator: name real images, those of a dataset of the Hub as "
            "datasets/USER/NAME:SPLIT."
        )
    return load_images(name, skip_corrupt=skip_corrupt)


def _require_same_kind(flag: str, images: ImageSource, fake: GeneratedImages) -> None:
    """Refuse real images that the model cannot make the like of.

    Raises:
        UserError: they are of another shape, or of classes that the model does not know.
    """
    if images.shape != fake.shape:
        raise UserError(
            f"{flag} {images.name} holds images of {shape_in_words(images)} (channels × height × width), and "
            f"{fake.name} makes {shape_in_words(fake)}: name images of the size that it makes."
        )
    if fake.num_classes is None or images.labels is None:
        return
    if images.labels.max() >= fake.num_classes:
        raise UserError(
            f"{flag} {images.name} has images of class {images.labels.max()}, and {fake.name} knows the classes 0 to "
            f"{fake.num_classes - 1} only: name images of the classes that it learned from."
        )
