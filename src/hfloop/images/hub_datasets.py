"""Datasets of the Hub, or saved by `datasets` on this machine, as sets of images."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from hfloop.errors import UserError, one_line
from hfloop.images.encoded import CorruptImage, EncodedImages

if TYPE_CHECKING:
    from datasets import Dataset

_SAVED_FILES = ("dataset_dict.json", "dataset_info.json", "state.json")

logger = logging.getLogger(__name__)


class DatasetImages(EncodedImages):
    """The images of a dataset's only `Image` column, with the classes of its only `ClassLabel` column, if any.

    The fingerprint covers the encoded bytes of every row in order, so it does not change with `datasets`' own
    fingerprint, which follows the history of a dataset and not what it holds; nothing is decoded for it.

    Args:
        dataset: one split.
        name: what to call the set.
        skip_corrupt: leave out what cannot be decoded, as :class:`EncodedImages` says.

    Raises:
        UserError: the dataset is empty, has no image column or several, or as :class:`EncodedImages` says.
    """

    def __init__(self, dataset: Dataset, name: str, skip_corrupt: bool = False) -> None:
        import datasets

        self.column = _image_column(dataset, name)
        if not len(dataset):
            raise UserError(f"{name} holds no images: its split is empty.")
        encoded = dataset.with_format(None).select_columns(self.column)
        self._encoded = encoded.cast_column(self.column, datasets.Image(decode=False))
        labels, self.class_names = _classes(dataset, name)
        super().__init__(name, len(dataset), labels, skip_corrupt)

    def encoded(self, row: int) -> BinaryIO:
        image = self._encoded[row][self.column]
        if image is None:
            raise CorruptImage(f"{self.where(row)} holds no image: remove the row, or pass --skip_corrupt.")
        return Path(image["path"]).open("rb") if image["bytes"] is None else io.BytesIO(image["bytes"])

    def where(self, row: int) -> str:
        return f"{self.name}, row {row + 1}"

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for row in self._rows.tolist():
            with self.encoded(row) as stream:
                digest.update(hashlib.sha256(stream.read()).digest())
        return digest.hexdigest()


def load_hub_images(name: str, dataset_id: str, split: str | None, skip_corrupt: bool) -> DatasetImages:
    """A split of a dataset on the Hub; `split` may be left out where there is only one.

    Raises:
        UserError: there is no such dataset or split, no network, or as :class:`DatasetImages` says.
    """
    import datasets

    with _said_as_user_errors(name):
        splits = datasets.get_dataset_split_names(dataset_id)
    chosen = _chosen_split(name, splits, split)
    with _said_as_user_errors(name):
        dataset = datasets.load_dataset(dataset_id, split=chosen)
    return DatasetImages(dataset, name, skip_corrupt)


def is_saved_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    return any((folder / file).is_file() for file in _SAVED_FILES)


def load_saved_images(name: str, folder: Path, split: str | None, skip_corrupt: bool) -> DatasetImages:
    """A folder that `save_to_disk` wrote; `split` is for one that holds several.

    Raises:
        UserError: the folder is damaged, has no such split, or as :class:`DatasetImages` says.
    """
    import datasets

    with _said_as_user_errors(name):
        saved = datasets.load_from_disk(str(folder))
    if isinstance(saved, datasets.DatasetDict):
        saved = saved[_chosen_split(name, list(saved), split)]
    elif split is not None:
        raise UserError(f"{name}: {folder} holds a single split: name it without `:{split}`.")
    return DatasetImages(saved, name, skip_corrupt)


def _chosen_split(name: str, splits: list[str], split: str | None) -> str:
    listed = ", ".join(f"`{each}`" for each in splits)
    if split is None and len(splits) != 1:
        raise UserError(f"{name} holds the splits {listed}: name one of them, as in `{name}:{splits[0]}`.")
    if split is not None and split not in splits:
        raise UserError(f"{name}: there is no split `{split}`; there are {listed}.")
    return split or splits[0]


def _image_column(dataset: Dataset, name: str) -> str:
    import datasets

    columns = [column for column, feature in dataset.features.items() if isinstance(feature, datasets.Image)]
    if len(columns) == 1:
        return columns[0]
    if not columns:
        found = ", ".join(f"`{column}`" for column in dataset.column_names)
        raise UserError(f"{name} has no column of images (feature `Image`): its columns are {found}.")
    listed = ", ".join(f"`{column}`" for column in columns)
    raise UserError(f"{name} has several columns of images ({listed}): save a copy that keeps one of them.")


def _classes(dataset: Dataset, name: str) -> tuple[npt.NDArray[np.int64] | None, list[str] | None]:
    """The class of each row, and the classes' names."""
    import datasets

    columns = [column for column, feature in dataset.features.items() if isinstance(feature, datasets.ClassLabel)]
    if len(columns) != 1:
        return None, None
    values = dataset.with_format(None)[columns[0]][:]
    if any(value is None or value < 0 for value in values):
        logger.warning("%s: some of its images have no class in `%s`, so no classes are used", name, columns[0])
        return None, None
    return np.asarray(values, dtype=np.int64), list(dataset.features[columns[0]].names)


@contextmanager
def _said_as_user_errors(name: str) -> Iterator[None]:
    """Turn what `datasets` raises for a dataset that cannot be had into one sentence."""
    import datasets
    from huggingface_hub import constants

    try:
        yield
    except ConnectionError as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "is there a network?"
        raise UserError(f"{name}: the Hub cannot be reached ({why}); name a local folder or file instead.") from error
    except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError) as error:
        raise UserError(f"{name} cannot be found: {one_line(error)}.") from error
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"{name} cannot be loaded: {one_line(error)}.") from error
