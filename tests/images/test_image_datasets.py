from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets import Image as ImageFeature
from PIL import Image

from hfloop.errors import UserError
from hfloop.images.hub_datasets import DatasetImages, load_hub_images, load_saved_images

GRAY = np.random.default_rng(0).integers(0, 256, size=(6, 5, 7), dtype=np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """datasets keeps its Arrow files here instead of the user's cache."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


def dataset(images=GRAY, labels=None):
    rows = [image if image is None or isinstance(image, dict) else png(image) for image in images]
    columns, features = {"picture": rows}, {"picture": ImageFeature()}
    if labels is not None:
        columns["digit"], features["digit"] = labels, ClassLabel(num_classes=10)
    return Dataset.from_dict(columns, features=Features(features))


def error_of(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ------------------------------------------------------------------ rows


def test_rows_are_images_with_labels():
    images = DatasetImages(dataset(labels=[3, 1, 4, 1, 5, 9]), "set")
    assert (images.name, len(images), images.shape, images.column) == ("set", 6, (1, 5, 7), "picture")
    assert (images.labels.dtype, images.labels.tolist()) == (np.int64, [3, 1, 4, 1, 5, 9])
    np.testing.assert_array_equal(images.read(range(6))[:, 0], GRAY)
    assert images.class_names == [str(digit) for digit in range(10)]
    np.testing.assert_array_equal(images.read(np.array([5, 0, 0, 2]))[:, 0], GRAY[[5, 0, 0, 2]])
    assert images.read([]).shape == (0, 1, 5, 7)


def test_a_format_set_before_does_not_matter():
    images = DatasetImages(dataset(labels=[3, 1, 4, 1, 5, 9]).with_format("numpy", columns=["digit"]), "set")
    assert images.labels.tolist() == [3, 1, 4, 1, 5, 9]
    np.testing.assert_array_equal(images.read([1])[0, 0], GRAY[1])


def test_images_kept_as_paths_are_read(tmp_path):
    Image.fromarray(GRAY[0]).save(tmp_path / "a.png")
    images = DatasetImages(dataset([{"bytes": None, "path": str(tmp_path / "a.png")}]), "set")
    np.testing.assert_array_equal(images.read([0])[0, 0], GRAY[0])
    (tmp_path / "a.png").unlink()
    assert error_of(images.read, [0]) == "set, row 1 cannot be read: No such file or directory."


def test_two_columns_of_classes_are_no_labels():
    both = dataset(labels=[0] * 6).add_column("odd", [0] * 6, feature=ClassLabel(num_classes=2))
    images = DatasetImages(both, "set")
    assert (images.labels, images.class_names) == (None, None)


@pytest.mark.parametrize("missing", [None, -1])
def test_missing_classes_are_said(caplog, missing):
    with caplog.at_level(logging.WARNING):
        images = DatasetImages(dataset(labels=[3, 1, 4, missing, 5, 9]), "set")
    assert (images.labels, images.class_names) == (None, None)
    assert caplog.messages == ["set: some of its images have no class in `digit`, so no classes are used"]


def test_the_fingerprint_follows_the_content_alone(tmp_path):
    fingerprint = DatasetImages(dataset(), "a").fingerprint
    reordered = dataset(GRAY[::-1]).select([5, 4, 3, 2, 1, 0])  # another history, the same rows
    assert reordered._fingerprint != dataset()._fingerprint
    assert DatasetImages(reordered, "b").fingerprint == fingerprint
    dataset().save_to_disk(tmp_path / "saved")
    assert load_saved_images("c", tmp_path / "saved", None, False).fingerprint == fingerprint
    assert DatasetImages(dataset(GRAY[::-1]), "d").fingerprint != fingerprint


# ------------------------------------------------------------------ what is refused


def test_a_dataset_without_one_column_of_images_is_refused():
    text = Dataset.from_dict(
        {"text": ["a"], "n": [1]}, features=Features({"text": Value("string"), "n": Value("int8")})
    )
    assert error_of(DatasetImages, text, "set") == (
        "set has no column of images (feature `Image`): its columns are `text`, `n`."
    )
    two = dataset().add_column("mask", [png(image) for image in GRAY], feature=ImageFeature())
    assert error_of(DatasetImages, two, "set") == (
        "set has several columns of images (`picture`, `mask`): save a copy that keeps one of them."
    )


def test_an_empty_split_is_refused():
    assert error_of(DatasetImages, dataset([]), "set") == "set holds no images: its split is empty."


def test_a_row_of_another_size_is_named():
    assert error_of(DatasetImages, dataset([GRAY[0], GRAY[1].T]), "set").startswith(
        "set, row 1 is 7×5 gray, but set, row 2 is 5×7 gray: bring all images"
    )


def test_a_row_that_cannot_be_decoded_is_named_or_left_out(caplog):
    broken = dataset([GRAY[0], {"bytes": b"not found", "path": None}, GRAY[2], None], labels=[1, 2, 3, 4])
    assert error_of(DatasetImages, broken, "set").startswith("set, row 2 cannot be decoded (no image format")
    images = DatasetImages(broken, "set", skip_corrupt=True)
    np.testing.assert_array_equal(images.read([0, 1])[:, 0], GRAY[[0, 2]])
    assert images.labels.tolist() == [1, 3]
    assert caplog.messages == ["set: left out 2 of 4 images that cannot be decoded: set, row 2, set, row 4"]


def test_a_row_without_an_image_is_named():
    assert error_of(DatasetImages, dataset([GRAY[0], None]), "set").startswith("set, row 2 holds no image: remove")


# ------------------------------------------------------------------ saved on this machine


def test_a_saved_split_is_found(tmp_path):
    DatasetDict(train=dataset(), test=dataset(GRAY[:2])).save_to_disk(tmp_path / "two")
    DatasetDict(train=dataset()).save_to_disk(tmp_path / "one")
    dataset().save_to_disk(tmp_path / "none")
    assert len(load_saved_images("s", tmp_path / "two", "test", False)) == 2
    assert len(load_saved_images("s", tmp_path / "one", None, False)) == 6
    assert len(load_saved_images("s", tmp_path / "none", None, False)) == 6
    assert error_of(load_saved_images, "s", tmp_path / "two", None, False) == (
        "s holds the splits `train`, `test`: name one of them, as in `s:train`."
    )
    assert error_of(load_saved_images, "s:tset", tmp_path / "two", "tset", False) == (
        "s:tset: there is no split `tset`; there are `train`, `test`."
    )
    assert error_of(load_saved_images, "s:test", tmp_path / "none", "test", False) == (
        f"s:test: {tmp_path / 'none'} holds a single split: name it without `:test`."
    )


@pytest.mark.parametrize("damage", ["data-00000-of-00001.arrow", "state.json", "dataset_info.json"])
def test_a_damaged_saved_dataset_is_one_sentence(tmp_path, damage):
    dataset().save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / damage).write_bytes(b"{")
    assert error_of(load_saved_images, "s", tmp_path / "saved", None, False).startswith("s cannot be loaded: ")
    (tmp_path / "saved" / damage).unlink()
    assert error_of(load_saved_images, "s", tmp_path / "saved", None, False).startswith("s cannot be ")


# ------------------------------------------------------------------ the Hub


def test_offline_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert error_of(load_hub_images, "datasets/user/name", "user/name", None, False) == (
        "datasets/user/name: the Hub cannot be reached (HF_HUB_OFFLINE is set); name a local folder or file instead."
    )


def test_a_dataset_of_files_is_loaded_split_by_split(tmp_path):
    """The Hub's datasets are mostly parquet files; a folder of them takes the same way."""
    files = tmp_path / "files"
    files.mkdir()
    for split, count in (("train", 6), ("test", 2)):
        dataset(GRAY[:count], labels=[3, 1, 4, 1, 5, 9][:count]).to_parquet(files / f"{split}.parquet")
    images = load_hub_images("datasets/u/n:train", str(files), "train", False)
    np.testing.assert_array_equal(images.read(range(6))[:, 0], GRAY)
    assert images.labels.tolist() == [3, 1, 4, 1, 5, 9]
    assert error_of(load_hub_images, "datasets/u/n", str(files), None, False) == (
        "datasets/u/n holds the splits `train`, `test`: name one of them, as in `datasets/u/n:train`."
    )


def test_a_dataset_that_cannot_be_found_is_one_sentence(tmp_path):
    missing = str(tmp_path / "none")
    assert error_of(load_hub_images, "datasets/u/n", missing, None, False).startswith("datasets/u/n cannot be found: ")
