"""Find the images that a user names: bundled digits, a file, a folder, a dataset of the Hub, a generator's release."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hfloop.errors import UserError, nearest
from hfloop.hub.source import downloaded
from hfloop.images.arrays import load_array_file
from hfloop.images.folders import IMAGE_SUFFIXES, FolderImages
from hfloop.images.generated import INDEX_FILE, GeneratedImages, is_release
from hfloop.images.hub_datasets import is_saved_dataset, load_hub_images, load_saved_images
from hfloop.images.source import ArrayImages, ImageSource, Pixels

if TYPE_CHECKING:
    from hfloop.images.generated import OpenPipeline

DIGITS_SPLITS = ("train", "test")
_DIGITS_TEST_SHARE = 0.2
_DATASETS_PREFIX = "datasets/"  # of a dataset's page on the Hub
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_FILE_SUFFIXES = (*IMAGE_SUFFIXES, ".npz", ".npy", ".gz", ".zip", ".tar", ".parquet", ".json", ".safetensors")


def load_images(
    name: str,
    *,
    num_images: int | None = None,
    seed: int = 0,
    skip_corrupt: bool = False,
    open_pipeline: OpenPipeline | None = None,
) -> ImageSource:
    """Open a set of images by its name.

    | name | what it is |
    |---|---|
    | `digits`, `digits:train`, `digits:test` | scikit-learn's handwritten digits: see :func:`load_digits` |
    | a folder with `model_index.json` | a generator's release: see :class:`GeneratedImages` |
    | a folder that `save_to_disk` wrote, `FOLDER:SPLIT` | a dataset: see :class:`DatasetImages` |
    | another folder | image files: see :class:`FolderImages` |
    | a file | `.npz`, `.npy` or IDX: see :func:`load_array_file` |
    | `datasets/USER/NAME`, `datasets/USER/NAME:SPLIT` | a dataset of the Hub |
    | `USER/NAME` | a generator's release on the Hub |

    Args:
        num_images: for a generator, how many images it makes; otherwise a random subset of that many, in the order
            of the set. Default: all images.
        seed: of the generator's noise or of the subset.
        skip_corrupt: leave out images of folders and datasets that cannot be decoded, with one warning.
        open_pipeline: loads a generator's release; default: see :class:`GeneratedImages`.

    Raises:
        UserError: there is no such set, it cannot be read, or it has fewer images than `num_images`.
    """
    if not name:
        raise UserError("the name of a set of images is empty: give a folder, a file, `digits` or a Hub id.")
    if num_images is not None and num_images < 1:
        raise UserError(f"--num_images must be at least 1, not {num_images}.")
    if seed < 0:
        raise UserError(f"--seed must be 0 or more, not {seed}.")
    path = Path(name)
    stem, split = without_split(name)
    if stem == "digits":
        images: ImageSource = load_digits(split, name)
    elif is_release(path):
        return GeneratedImages(path, _required(num_images, name), seed, name, open_pipeline)
    elif is_saved_dataset(path):
        images = load_saved_images(name, path, None, skip_corrupt)
    elif path.is_dir():
        images = FolderImages(path, name, skip_corrupt)
    elif path.exists():
        images = load_array_file(path, name)
    elif is_saved_dataset(Path(stem)):
        images = load_saved_images(name, Path(stem), split, skip_corrupt)
    elif stem.startswith(_DATASETS_PREFIX):
        images = load_hub_images(name, _dataset_id(stem), split, skip_corrupt)
    elif Path(stem).exists():
        raise UserError(f"{name}: {stem} has no splits, name it without `:{split}`.")
    elif _looks_like_a_path(stem):
        raise _missing(stem)
    else:
        return GeneratedImages(_downloaded_release(name), _required(num_images, name), seed, name, open_pipeline)
    return _subset(images, num_images, seed)


def is_generator(name: str) -> bool:
    """Whether :func:`load_images` takes a name for a generator's release, here or on the Hub."""
    stem, _ = without_split(name)
    if stem == "digits":
        return False
    if Path(name).exists():
        return is_release(Path(name))
    return not (stem.startswith(_DATASETS_PREFIX) or Path(stem).exists() or _looks_like_a_path(stem))


def hub_dataset_id(name: str) -> str | None:
    """The id of the Hub's dataset that :func:`load_images` reads for a name; None where it reads something else."""
    stem, _ = without_split(name)
    is_here = Path(name).exists() or Path(stem).exists()
    return stem.removeprefix(_DATASETS_PREFIX) if stem.startswith(_DATASETS_PREFIX) and not is_here else None


def load_digits(split: str | None = None, name: str = "digits") -> ArrayImages:
    """scikit-learn's 1,797 handwritten digits with labels: gray, 8×8, their 17 levels spread over 0 to 255.

    `train` and `test` are a fixed split, 80 % and 20 % of each digit, drawn by `train_test_split` with seed 0.

    Raises:
        UserError: `split` is neither of the two, nor None for all images.
    """
    from sklearn import datasets, model_selection

    digits = datasets.load_digits()
    pixels = np.round(digits.images * 255 / 16).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    if split is None:
        return ArrayImages(pixels, name, labels)
    if split not in DIGITS_SPLITS:
        raise UserError(f"{name}: there is no split `{split}` of the digits; there are `train` and `test`.")
    parts = model_selection.train_test_split(
        np.arange(len(pixels)), test_size=_DIGITS_TEST_SHARE, random_state=0, stratify=labels
    )
    chosen = np.sort(parts[DIGITS_SPLITS.index(split)])
    return ArrayImages(pixels[chosen], name, labels[chosen])


class SubsetImages(ImageSource):
    """Some images of another set.

    Args:
        parent: the set.
        indices: int64 of shape (images,): which of its images, in this order.
    """

    def __init__(self, parent: ImageSource, indices: npt.NDArray[np.int64]) -> None:
        self.parent = parent
        self.indices = indices
        self.name = parent.name
        self.shape = parent.shape
        self.labels = None if parent.labels is None else parent.labels[indices]
        self.class_names = parent.class_names

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        return self.parent.read(self.indices[np.asarray(indices, dtype=np.int64)])

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"subset of {self.parent.fingerprint}\n".encode())
        digest.update(self.indices.astype("<i8").tobytes())
        return digest.hexdigest()


def _subset(images: ImageSource, num_images: int | None, seed: int) -> ImageSource:
    if num_images is None or num_images == len(images):
        return images
    if num_images > len(images):
        raise UserError(f"{images.name} has {len(images)} images, fewer than --num_images {num_images}.")
    chosen = np.random.default_rng(seed).choice(len(images), size=num_images, replace=False)
    return SubsetImages(images, np.sort(chosen))


def without_split(name: str) -> tuple[str, str | None]:
    """A name before its last colon, and the split after it."""
    stem, colon, split = name.rpartition(":")
    return (stem, split) if colon else (name, None)


def _dataset_id(stem: str) -> str:
    hub_id = stem.removeprefix(_DATASETS_PREFIX)
    if not _HUB_ID.fullmatch(hub_id):
        raise UserError(f"{stem} is no dataset of the Hub: write `datasets/USER/NAME` or `datasets/USER/NAME:SPLIT`.")
    if Path(hub_id).exists():  # `datasets` would read it instead
        raise UserError(f"{stem}: a folder {hub_id} stands in the way here: name it ./{hub_id}, or rename it.")
    return hub_id


def _looks_like_a_path(name: str) -> bool:
    """Whether a name that is neither a file nor a folder was meant to be one, rather than a Hub id `user/name`."""
    path = Path(name)
    in_a_folder_here = "/" in name and path.parent.is_dir()
    return not _HUB_ID.fullmatch(name) or path.suffix.lower() in _FILE_SUFFIXES or in_a_folder_here


def _missing(name: str) -> UserError:
    path = Path(name)
    siblings = (each.name for each in path.parent.iterdir()) if path.parent.is_dir() else ()
    return UserError(f"there is no file or folder {name}{nearest(path.name, siblings)}.")


def _required(num_images: int | None, name: str) -> int:
    if num_images is None:
        raise UserError(f"{name} is a generator: say how many images to generate with --num_images.")
    return num_images


def _downloaded_release(hub_id: str) -> Path:
    folder = downloaded(hub_id)
    if not is_release(folder):
        raise UserError(f"{hub_id} holds no generator that diffusers can load: it has no {INDEX_FILE}.")
    return folder
