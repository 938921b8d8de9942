"""What `hfloop evaluate` does with a generator; returns what is to be printed."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from hfloop.errors import UserError
from hfloop.gan.evaluation import MOST_IMAGES, measure
from hfloop.gan.measuring import comparison_of, real_images
from hfloop.hub.source import folder_of
from hfloop.images.source import ImageSource
from hfloop.metrics.commands import warnings
from hfloop.metrics.features import default_extractor
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
    images = real_images(data, train_data, cut_seed, skip_corrupt=skip_corrupt)
    like_these = images.test if images.train is None else images.train
    comparison = comparison_of(
        folder,
        model,
        images,
        num_images=num_images or recorded.num_images or min(len(like_these), MOST_IMAGES),
        extractor=extractor or recorded.extractor or default_extractor(images.test),
        seed=recorded.seed if seed is None else seed,
        batch_size=batch_size,
        allow_small=allow_small,
    )
    for warning in warnings("fd", comparison):
        logger.warning("Warning: %s", warning)
    report = measure(comparison)
    same = _same_images(recorded, images.test, images.train)
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
