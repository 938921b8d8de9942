from __future__ import annotations

import json

import datasets
import huggingface_hub
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hfloop.errors import UserError
from hfloop.images import sources
from hfloop.images.folders import FolderImages
from hfloop.images.hub_datasets import DatasetImages
from hfloop.images.source import ArrayImages
from hfloop.images.sources import SubsetImages, load_digits, load_images

GRAY = np.random.default_rng(0).integers(0, 256, size=(6, 5, 7), dtype=np.uint8)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def save(folder, images=GRAY):
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")


def save_dataset(folder):
    rows = datasets.Dataset.from_dict({"image": [Image.fromarray(image) for image in GRAY]})
    datasets.DatasetDict(train=rows, test=rows.select([0, 1])).save_to_disk(folder)


def error_of(name, **options):
    with pytest.raises(UserError) as caught:
        load_images(name, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ------------------------------------------------------------------ digits


def test_digits_fill_the_levels():
    images = load_images("digits")
    assert (len(images), images.shape, images.name) == (1797, (1, 8, 8), "digits")
    assert images.labels[:4].tolist() == [0, 1, 2, 3]
    assert np.unique(images.read(range(1797))).tolist() == np.round(np.arange(17) * 255 / 16).tolist()


def test_digits_are_split_once_and_for_all():
    train, test = load_images("digits:train"), load_images("digits:test")
    assert (len(train), len(test)) == (1437, 360)
    assert set(np.bincount(test.labels)) <= {35, 36, 37}  # a fifth of each digit
    rows = {image.tobytes() for image in load_digits().pixels}
    parts = [{image.tobytes() for image in part.read(range(len(part)))} for part in (train, test)]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == rows
    assert test.fingerprint == "72236f3e8c3553a70f34ce15ba644f4d316b161ef66a36134749f6e30376ecd3"


def test_digits_have_no_other_split():
    assert error_of("digits:dev") == "digits:dev: there is no split `dev` of the digits; there are `train` and `test`."


def test_a_folder_called_digits_is_reached_by_its_path(here):
    save(here / "digits")
    assert len(load_images("./digits")) == 6
    assert len(load_images("digits")) == 1797


# ------------------------------------------------------------------ what a name is


def test_a_folder_of_images(here):
    save(here / "pictures")
    images = load_images("pictures")
    assert isinstance(images, FolderImages)
    assert images.name == "pictures"


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_file_of_arrays(here, name):
    np.save("a.npy", GRAY)
    np.savez("a.npz", images=GRAY)
    images = load_images(name)
    assert isinstance(images, ArrayImages)
    assert images.name == name
    np.testing.assert_array_equal(images.read([2])[0, 0], GRAY[2])


def test_a_saved_dataset_with_its_split(here):
    save_dataset(here / "saved")
    images = load_images("saved:test")
    assert isinstance(images, DatasetImages)
    assert (len(images), images.name) == (2, "saved:test")
    assert error_of("saved") == "saved holds the splits `train`, `test`: name one of them, as in `saved:train`."


def test_a_colon_may_belong_to_a_path(here):
    save(here / "a:b")
    assert len(load_images("a:b")) == 6


def test_a_dataset_of_the_hub(monkeypatch):
    rows = datasets.Dataset.from_dict({"image": [Image.fromarray(image) for image in GRAY]})
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda name: {"user/name": ["train", "test"]}[name])
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: {"train": rows, "test": rows.select([4])}[split])
    images = load_images("datasets/user/name:test")
    np.testing.assert_array_equal(images.read([0])[0, 0], GRAY[4])
    assert images.name == "datasets/user/name:test"
    assert error_of("datasets/user/name").startswith("datasets/user/name holds the splits `train`, `test`: name one")


def test_skip_corrupt_reaches_folders_and_datasets(here, caplog):
    save(here / "pictures")
    (here / "pictures" / "2.png").write_bytes(b"")
    assert "--skip_corrupt" in error_of("pictures")
    assert len(load_images("pictures", skip_corrupt=True)) == 5
    assert len(caplog.records) == 1


def test_a_release_of_the_hub_is_downloaded_without_code(here, monkeypatch):
    (here / "cached").mkdir()
    asked = {}

    def snapshot_download(self, name, **options):
        asked.update(options, name=name)
        return str(here / "cached")

    monkeypatch.setattr(huggingface_hub.HfApi, "snapshot_download", snapshot_download)
    assert error_of("user/gan-v1.0") == (
        "user/gan-v1.0 holds no generator that diffusers can load: it has no model_index.json."
    )
    (here / "cached" / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline"}))
    assert error_of("user/gan-v1.0") == (
        "user/gan-v1.0 is a generator: say how many images to generate with --num_images."
    )
    assert asked["name"] == "user/gan-v1.0"
    assert {"*.json", "*.safetensors"} <= set(asked["allow_patterns"])
    assert not {"*.py", "*.bin", "*.pkl", "*"} & set(asked["allow_patterns"])


# ------------------------------------------------------------------ what is not there


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pictrues", " (did you mean `pictures`?)"),
        ("./pictrues", " (did you mean `pictures`?)"),
        ("pictures/0.pgn", " (did you mean `0.png`?)"),
        ("pictures/dogs", ""),
        ("nowhere/train.npz", ""),
        ("/no/such/folder", ""),
        ("../none", ""),
        ("two words", ""),
    ],
)
def test_a_missing_path_is_called_so(here, name, hint):
    save(here / "pictures")
    assert error_of(name) == f"there is no file or folder {name}{hint}."


def test_an_empty_name_is_not_the_folder_one_is_in(here):
    save(here / "pictures")
    assert error_of("").startswith("the name of a set of images is empty: give a folder")


def test_a_split_of_what_has_none_is_refused(here):
    save(here / "pictures")
    np.save("a.npy", GRAY)
    assert error_of("pictures:test") == "pictures:test: pictures has no splits, name it without `:test`."
    assert error_of("a.npy:test") == "a.npy:test: a.npy has no splits, name it without `:test`."


def test_a_missing_path_with_a_split_is_named_without_it(here):
    save_dataset(here / "saved")
    assert error_of("svaed:train") == "there is no file or folder svaed (did you mean `saved`?)."


@pytest.mark.parametrize("name", ["datasets/mnist", "datasets/a/b/c", "datasets/", "datasets/../x"])
def test_what_is_no_dataset_id_is_called_so(name):
    assert error_of(name) == (
        f"{name} is no dataset of the Hub: write `datasets/USER/NAME` or `datasets/USER/NAME:SPLIT`."
    )


def test_a_folder_does_not_pass_for_a_dataset_of_the_hub(here):
    save(here / "user" / "name")
    assert error_of("datasets/user/name") == (
        "datasets/user/name: a folder user/name stands in the way here: name it ./user/name, or rename it."
    )


def test_the_hub_offline_is_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert error_of("datasets/user/name:test").startswith("datasets/user/name:test: the Hub cannot be reached (HF_")
    assert error_of("user/name").startswith("user/name is no folder here, and the Hub cannot be reached (or HF_HUB_")


# ------------------------------------------------------------------ subsets


def test_num_images_draws_a_subset_by_the_seed():
    digits = load_images("digits")
    some = load_images("digits", num_images=50, seed=1)
    assert isinstance(some, SubsetImages)
    assert (len(some), some.shape, some.name) == (50, (1, 8, 8), "digits")
    assert (np.diff(some.indices) > 0).all()
    np.testing.assert_array_equal(some.read(range(50)), digits.read(some.indices))
    np.testing.assert_array_equal(some.labels, digits.labels[some.indices])
    assert load_images("digits", num_images=50, seed=1).fingerprint == some.fingerprint
    assert load_images("digits", num_images=50, seed=2).fingerprint != some.fingerprint
    assert load_images("digits", num_images=49, seed=1).fingerprint != some.fingerprint


def test_all_images_are_the_set_itself():
    assert load_images("digits", num_images=1797).fingerprint == load_images("digits").fingerprint


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data())
def test_a_subset_is_read_by_its_own_indices(chosen, data):
    parent = ArrayImages(GRAY[:, None], "set", np.arange(6))
    subset = SubsetImages(parent, np.array(chosen, dtype=np.int64))
    indices = data.draw(st.lists(st.integers(0, len(chosen) - 1), max_size=8))
    np.testing.assert_array_equal(subset.read(indices)[:, 0], GRAY[np.array(chosen)[indices]])


def test_a_subset_has_the_names_of_its_parents_classes(here):
    for name in ("cat", "ant"):
        save(here / "pets" / name)
    assert load_images("pets", num_images=3).class_names == ["ant", "cat"]
    assert load_images("digits").class_names is None


def test_a_subset_follows_what_its_parent_holds():
    first, second = (ArrayImages(pixels[:, None], "set") for pixels in (GRAY, GRAY[::-1]))
    fingerprints = {SubsetImages(parent, np.array([0, 1])).fingerprint for parent in (first, second)}
    assert len(fingerprints) == 2
    assert SubsetImages(first, np.array([0])).labels is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_images": 1798}, "digits has 1797 images, fewer than --num_images 1798."),
        ({"num_images": 0}, "--num_images must be at least 1, not 0."),
        ({"num_images": 5, "seed": -1}, "--seed must be 0 or more, not -1."),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, message):
    assert error_of("digits", **options) == message


def test_a_generator_is_known_by_its_name(here):
    for folder in ("gan", "digits"):
        (here / folder).mkdir()
        (here / folder / "model_index.json").write_text("{}")
    save(here / "a" / "pictures")
    save_dataset(here / "saved")
    for name in ("gan", "./gan", "./digits", "user/gan-v1.0", "user/name:train"):
        assert sources.is_generator(name), name
    real = ("digits", "digits:test", "a/pictures", "saved", "saved:train", "datasets/user/name:train", "a/none", "x")
    for name in real:
        assert not sources.is_generator(name), name


def test_a_dataset_of_the_hub_is_known_by_its_name(here):
    save(here / "datasets" / "a")
    save_dataset(here / "datasets" / "b")
    assert sources.hub_dataset_id("datasets/user/name") == "user/name"
    assert sources.hub_dataset_id("datasets/user/name:train") == "user/name"
    for name in ("datasets/a", "datasets/b:train", "user/name", "digits:train", "a.npz"):
        assert sources.hub_dataset_id(name) is None, name


def test_suffixes_of_files_are_no_hub_ids():
    assert not sources._looks_like_a_path("user/gan-v1.0")
    assert sources._looks_like_a_path("user/gan.npz")
