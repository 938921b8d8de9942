from __future__ import annotations

import json
import logging
import struct

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from hfloop.errors import UserError
from hfloop.gan.batches import TrainingImages
from hfloop.gan.data import load_data
from hfloop.images.encoded import EncodedImages
from hfloop.images.sources import load_images

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.integers(0, 256, size=(1000, 8, 8), dtype=np.uint8)
TEST = RANDOM.integers(0, 256, size=(200, 8, 8), dtype=np.uint8)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder to work in, with the caches below it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "caches" / "assets"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "caches" / "datasets")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def npz(path, images=TRAIN, **more):
    np.savez(path, images=images, **more)
    return str(path)


def pngs(folder, images):
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:04d}.png")
    return str(folder)


def loaded(train=None, test=None, *, extractor="digits-v1", seed=42, **options):
    options = {"skip_corrupt": False, **options}
    return load_data(train, test, extractor=extractor, seed=seed, **options)


def error_of(*names, **options):
    with pytest.raises(UserError) as caught:
        loaded(*names, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def pixels_of(images):
    return images.read(range(len(images)))


# ------------------------------------------------------------------ which images


def test_the_digits_are_the_default(caplog):
    data = loaded(extractor=None)
    assert data.train.fingerprint == load_images("digits:train").fingerprint
    assert data.test.fingerprint == load_images("digits:test").fingerprint
    assert (data.name, data.hub_id, data.warnings, data.extractor.name) == ("digits", None, (), "digits-v1")
    assert data.network_arguments() == {"image_size": 8, "channels": 1}
    assert (data.num_classes, data.id2label) == (10, {number: str(number) for number in range(10)})
    assert caplog.messages == []  # that digits are measured as digits is no surprise
    assert loaded("digits", extractor=None).fingerprint == data.fingerprint


def test_the_summary_says_what_there_is():
    assert loaded().summary().splitlines() == [
        "data: digits",
        "  train       1,437 images   digits:train",
        "  test          360 images   digits:test",
        "  size       8×8 gray",
        "  classes    10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "  extractor  digits-v1, 64 features",
    ]


def test_a_given_test_set_is_the_test_set(here):
    data = loaded(npz(here / "a.npz"), npz(here / "b.npz", TEST))
    np.testing.assert_array_equal(pixels_of(data.train)[:, 0], TRAIN)
    np.testing.assert_array_equal(pixels_of(data.test)[:, 0], TEST)
    assert data.sources == {"train": "a.npz", "test": "b.npz"}
    assert (data.num_classes, data.id2label, data.warnings) == (None, None, ())
    assert "classes" not in data.summary()


def test_a_fifth_is_held_out_by_the_seed(here):
    name = npz(here / "a.npz", labels=np.arange(1000) % 10)
    data = loaded(name)
    assert (len(data.train), len(data.test)) == (800, 200)
    assert np.bincount(data.train.labels).tolist() == [80] * 10
    parts = [{image.tobytes() for image in pixels_of(images)} for images in (data.train, data.test)]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == {image.tobytes() for image in TRAIN}
    assert loaded(name).fingerprint == data.fingerprint
    assert loaded(name, seed=43).fingerprint != data.fingerprint


def test_no_more_than_ten_thousand_are_held_out(here):
    assert len(loaded(npz(here / "a.npz", RANDOM.integers(0, 256, (50_100, 8, 8), dtype=np.uint8))).test) == 10_000


def test_equal_images_are_held_out_together(here):
    data = loaded(npz(here / "a.npz", np.concatenate([TRAIN, TRAIN[::-1]])))
    assert (len(data.train), len(data.test), data.warnings) == (1600, 400, ())


def test_a_folder_is_decoded_once_for_everything(here, monkeypatch):
    name, decode, rows = pngs(here / "pictures", TRAIN[:600]), EncodedImages._decoded, []
    monkeypatch.setattr(EncodedImages, "_decoded", lambda images, row: (rows.append(row), decode(images, row))[1])
    data = loaded(name)
    images = TrainingImages(data.train, torch.device("cpu"), seed=0)
    assert {image.numpy().tobytes() for image in images.pixels} == {image.tobytes() for image in pixels_of(data.train)}
    assert loaded(name).fingerprint == data.fingerprint
    assert rows == list(range(600))


def test_what_is_measured_later_is_the_same_set(here):
    name = pngs(here / "pictures", TEST)
    assert loaded(npz(here / "a.npz"), name).test.fingerprint == load_images(name).fingerprint


@pytest.mark.parametrize("change", ["images", "labels", "test"])
def test_the_fingerprint_follows_images_and_labels(here, change):
    labels = np.arange(1000) % 3
    first = loaded(npz(here / "a.npz", labels=labels), npz(here / "b.npz", TEST, labels=labels[:200])).fingerprint
    again = loaded(npz(here / "c.npz", labels=labels), npz(here / "d.npz", TEST, labels=labels[:200])).fingerprint
    assert first == again
    train, test = TRAIN.copy(), TEST.copy()
    if change == "images":
        train[5, 5, 5] ^= 1
    elif change == "test":
        test[5, 5, 5] ^= 1
    elif change == "labels":
        labels = np.roll(labels, 1)
    other = loaded(npz(here / "c.npz", train, labels=labels), npz(here / "d.npz", test, labels=labels[:200]))
    assert other.fingerprint != first


# ------------------------------------------------------------------ names and facts


def test_folders_name_the_classes(here):
    for name, part in (("cat", TRAIN[:150]), ("ant", TRAIN[150:400])):
        pngs(here / "pets" / name, part)
    data = loaded("pets", conditional=True)
    assert (data.num_classes, data.id2label) == (2, {0: "ant", 1: "cat"})
    assert np.bincount(data.train.labels).tolist() == [200, 120]
    assert "  classes    2: ant, cat" in data.summary()
    assert data.facts()["class_names"] == ["ant", "cat"]


def test_the_summary_shows_the_first_of_many_classes(here):
    data = loaded(npz(here / "a.npz", labels=np.arange(1000) % 12))
    assert "  classes    12: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …" in data.summary()


def test_facts_are_json_without_paths_of_this_machine(here):
    data = loaded(npz(here / "a.npz", labels=np.arange(1000) % 2), npz(here / "b.npz", TRAIN[:100]))
    facts = json.loads(json.dumps(data.facts()))
    assert facts == {
        "name": "a.npz",
        "hub_id": None,
        "shape": [1, 8, 8],
        "num_classes": 2,
        "class_names": ["0", "1"],
        "splits": {
            "train": {"images": 1000, "source": "a.npz", "sha256": data.train.fingerprint},
            "test": {"images": 100, "source": "b.npz", "sha256": data.test.fingerprint},
        },
        "cut_from": None,
        "warnings": ["100 of 100 test images are training images too, so the figures flatter"],
    }
    held_out = loaded(npz(here / "a.npz"))
    assert held_out.sources["test"] == "cut from a.npz, equal images together"
    assert held_out.facts()["cut_from"] == "a.npz"
    for told in (data, held_out):
        assert str(here.parent) not in json.dumps(told.facts()) + told.summary()


def test_a_data_set_of_the_hub_keeps_its_id(monkeypatch):
    rows = datasets.Dataset.from_dict(
        {"image": [Image.fromarray(image) for image in TRAIN[:300]], "kind": [0, 2, 1] * 100},
        features=datasets.Features({"image": datasets.Image(), "kind": datasets.ClassLabel(names=["a", "b", "c"])}),
    )
    parts = {"train": rows.select(range(200)), "test": rows.select(range(200, 300))}
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda name: list(parts))
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: parts[split])
    data = loaded("datasets/user/name:train", "datasets/user/name:test")
    assert (data.name, data.hub_id, data.id2label) == ("user/name", "user/name", {0: "a", 1: "b", 2: "c"})
    assert data.sources == {"train": "datasets/user/name:train", "test": "datasets/user/name:test"}


def test_a_saved_data_set_is_called_by_its_folder(here):
    rows = datasets.Dataset.from_dict({"image": [Image.fromarray(image) for image in TRAIN[:200]]})
    datasets.DatasetDict(train=rows, test=rows).save_to_disk(here / "saved")
    data = loaded(f"{here}/saved:train", f"{here}/saved:test")
    assert (data.name, data.hub_id) == ("saved", None)
    assert data.sources == {"train": "saved:train", "test": "saved:test"}


# ------------------------------------------------------------------ warnings


def test_few_images_are_warned_of(here):
    few = "999 training images are few, a discriminator soon knows them by heart: take 1,000 or more"
    data = loaded(npz(here / "a.npz", TRAIN[:999]), npz(here / "b.npz", TEST))
    assert data.warnings == (few,)
    assert data.summary().endswith(f"\n  warning: {few}")


def test_test_images_that_are_learned_from_are_counted(here):
    test = np.concatenate([TEST, TRAIN[:3], TRAIN[:1]])
    assert loaded(npz(here / "a.npz"), npz(here / "b.npz", test)).warnings == (
        "4 of 204 test images are training images too, so the figures flatter",
    )


def test_classes_without_an_image_are_named(here):
    data = loaded(npz(here / "a.npz", labels=np.arange(1000) % 2 * 3), npz(here / "b.npz", TEST))
    assert data.warnings == ("classes that no training image has: 1, 2",)
    assert data.num_classes == 4


def test_a_named_class_that_lost_all_its_images_is_named(here):
    for name, part in (("ant", TRAIN[:500]), ("cat", TRAIN[500:]), ("dog", TRAIN[:1])):
        pngs(here / "pets" / name, part)
    (here / "pets" / "dog" / "0000.png").write_bytes(b"")
    data = loaded("pets", npz(here / "b.npz", TEST), skip_corrupt=True)
    assert data.warnings == ("classes that no training image has: dog",)
    assert data.id2label == {0: "ant", 1: "cat"}


def test_an_extractor_of_digits_for_other_images_is_warned_of(here, caplog):
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        data = loaded(npz(here / "a.npz"), extractor=None)
    assert data.extractor.name == "digits-v1"
    assert "no --extractor is named, so it is digits-v1" in caplog.text
    assert data.warnings[0] == "no --extractor was named, so it is digits-v1, which is made for handwritten digits"


def test_files_that_are_all_named_alike_are_called_by_their_folder(here):
    (here / "roman").mkdir()
    header = struct.pack(">BBBBIII", 0, 0, 8, 3, len(TRAIN), 8, 8)
    (here / "roman" / "train-images-idx3-ubyte").write_bytes(header + TRAIN.tobytes())
    assert loaded("roman/train-images-idx3-ubyte").name == "roman"


# ------------------------------------------------------------------ what is refused


def test_a_test_set_alone_is_refused(here):
    assert error_of(None, npz(here / "b.npz")) == (
        "--test_data is given and --train_data is missing: name the training images."
    )


def test_a_missing_file_is_named(here):
    npz(here / "images.npz")
    assert error_of("imgaes.npz") == "there is no file or folder imgaes.npz (did you mean `images.npz`?)."
    assert error_of("images.npz", "tset.npz").startswith("there is no file or folder tset.npz")


def test_a_generator_is_no_data(here):
    (here / "gan").mkdir()
    (here / "gan" / "model_index.json").write_text("{}")
    assert error_of("gan") == "--train_data gan is a generator: name real images."
    assert error_of("digits:train", "gan") == "--test_data gan is a generator: name real images."


def test_a_hub_id_without_its_prefix_is_mended():
    assert error_of("user/name") == (
        "--train_data user/name is no file or folder here: write datasets/user/name if the Hub has it."
    )


def test_a_folder_without_images_is_refused(here):
    (here / "empty").mkdir()
    assert error_of("empty").startswith("empty holds no images: none of its files ends in .png, .jpg,")


def test_mixed_sizes_and_channels_are_refused(here):
    pngs(here / "sizes", [TRAIN[0], TRAIN[1, :4, :4]])
    assert error_of("sizes") == (
        "sizes/0000.png is 8×8 gray, but sizes/0001.png is 4×4 gray: bring all images of a set to one size and to "
        "the same channels."
    )
    pngs(here / "channels", [TRAIN[0], np.stack([TRAIN[0]] * 3, axis=-1)])
    assert error_of("channels").startswith("channels/0000.png is 8×8 gray, but channels/0001.png is 8×8 colour:")


def test_a_corrupt_image_is_named_or_left_out(here, caplog):
    pngs(here / "pictures", TRAIN[:600])
    broken = here / "pictures" / "0007.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    message = error_of("pictures")
    assert message.startswith("pictures/0007.png cannot be decoded (")
    assert message.endswith("): replace or remove it, or leave such images out with --skip_corrupt.")
    with caplog.at_level(logging.WARNING):
        data = loaded("pictures", skip_corrupt=True)
    assert len(data.train) + len(data.test) == 599
    assert "pictures: left out 1 of 600 images that cannot be decoded: pictures/0007.png" in caplog.messages


@pytest.mark.parametrize(
    ("height", "width", "found"), [(8, 12, "12×8 gray"), (9, 9, "9×9 gray"), (128, 128, "128×128 gray")]
)
def test_a_size_that_no_network_takes_is_refused(here, height, width, found):
    assert error_of(npz(here / "a.npz", np.zeros((3, height, width), dtype=np.uint8))) == (
        f"{here}/a.npz is {found}, but the networks take squares of 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64 "
        "pixels: resize the images to one of these first."
    )


def test_two_sets_of_two_shapes_are_refused(here):
    npz(here / "a.npz"), npz(here / "b.npz", np.zeros((200, 12, 12), dtype=np.uint8))
    assert error_of("a.npz", "b.npz") == (
        "b.npz is 12×12 gray, but a.npz is 8×8 gray: bring test and training images to one size and to the same "
        "channels."
    )
    assert error_of("a.npz", npz(here / "c.npz", np.zeros((200, 8, 8, 3), dtype=np.uint8))).endswith(
        "c.npz is 8×8 colour, but a.npz is 8×8 gray: bring test and training images to one size and to the same "
        "channels."
    )


def test_a_conditional_model_needs_labels(here):
    npz(here / "a.npz")
    assert error_of("a.npz", conditional=True) == (
        "a.npz has no class labels, which this recipe needs: put the images into one folder per class, with "
        "none beside these folders, an array "
        "`labels` into the .npz, an IDX file of labels beside that of the images, or take a recipe without classes."
    )
    assert loaded("a.npz").num_classes is None


def test_labels_far_beyond_the_images_are_refused(here):
    npz(here / "a.npz", labels=np.full(1000, 1000))
    assert error_of("a.npz") == (
        "a.npz has the class label 1000, but only 1,000 images: number the classes from 0 on without gaps."
    )


def test_a_negative_label_is_refused(here):
    npz(here / "a.npz", labels=np.arange(1000) % 3 - 1)
    assert error_of("a.npz") == "a.npz, array `labels`: holds -1, but classes are numbered from 0 on."


def test_a_test_label_that_is_not_learned_is_out_of_range(here):
    npz(here / "a.npz", labels=np.arange(1000) % 3), npz(here / "b.npz", TEST, labels=np.arange(200) % 4)
    assert error_of("a.npz", "b.npz") == (
        "b.npz has the class label 3, which is out of range: those of a.npz go from 0 to 2; leave such images out, or "
        "add training images of the class."
    )


def test_idx_labels_out_of_range_are_refused_too(here):
    def idx(array, magic):
        return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()

    for name, images, classes in (("train", TRAIN, 3), ("test", TEST, 5)):
        (here / f"{name}-images-idx3-ubyte").write_bytes(idx(images, 2051))
        labels = np.arange(len(images), dtype=np.uint8) % classes
        (here / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels, 2049))
    assert loaded("train-images-idx3-ubyte", conditional=True).num_classes == 3
    assert error_of("train-images-idx3-ubyte", "test-images-idx3-ubyte").startswith(
        "test-images-idx3-ubyte has the class label 4, which is out of range: those of train-images-idx3-ubyte go"
    )


def test_class_folders_that_differ_are_refused(here):
    for folder, names in (("train", ("ant", "cat")), ("test", ("cat", "dog"))):
        for name in names:
            pngs(here / folder / name, TRAIN[:2])
    assert error_of("train", "test") == (
        "test has the classes cat, dog, but train ant, cat: give both the same classes in the same order."
    )


def test_too_few_images_for_the_extractor_are_refused(here):
    npz(here / "a.npz"), npz(here / "b.npz", TEST[:64])
    assert error_of("a.npz", "b.npz") == (
        "b.npz gives 64 test images, no more than digits-v1 has features (64): give a --test_data of 65 images or "
        "more, or an --extractor with fewer features."
    )
    assert len(loaded("a.npz", npz(here / "c.npz", TEST[:65])).test) == 65
    assert error_of(npz(here / "d.npz", TRAIN[:300])).endswith(
        "d.npz gives 60 test images, no more than digits-v1 has features (64): give a --train_data of 325 images "
        "or more, or an --extractor with fewer features."
    )
    assert "gives 64 training images, no more than digits-v1" in error_of("b.npz", "c.npz")


def test_four_images_leave_none_to_hold_out(here):
    assert "gives 4 training images, no more than digits-v1" in error_of(npz(here / "a.npz", TRAIN[:4]))
