from __future__ import annotations

import logging

import datasets
import numpy as np
import PIL
import pytest
import safetensors.numpy
from PIL import Image

from hfloop import array_cache
from hfloop.errors import UserError
from hfloop.images.cache import CACHE, DecodedImages, decoded_pixels
from hfloop.images.encoded import EncodedImages
from hfloop.images.folders import FolderImages
from hfloop.images.hub_datasets import DatasetImages
from hfloop.images.noise import NoiseImages
from hfloop.images.source import ArrayImages
from hfloop.images.sources import SubsetImages

GRAY = np.random.default_rng(0).integers(0, 256, size=(6, 5, 7), dtype=np.uint8)


@pytest.fixture(autouse=True)
def assets(tmp_path, monkeypatch):
    """Cache files go here instead of the user's cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "assets"


@pytest.fixture
def decoded(monkeypatch):
    """The rows that were decoded, as they are."""
    rows, decode = [], EncodedImages._decoded

    def counted(images, row):
        rows.append(row)
        return decode(images, row)

    monkeypatch.setattr(EncodedImages, "_decoded", counted)
    return rows


@pytest.fixture
def folder(tmp_path):
    """Six images in two class folders."""
    for number, image in enumerate(GRAY):
        path = tmp_path / "pictures" / "ab"[number // 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "pictures"


def opened(folder, **options):
    return FolderImages(folder, "set", **options)


def files():
    return sorted(path.name for path in CACHE.folder.iterdir())


# ------------------------------------------------------------------ what is kept


def test_a_folder_is_decoded_once(folder, decoded):
    first, again = decoded_pixels(opened(folder)), decoded_pixels(opened(folder))
    assert decoded == list(range(6))
    assert (first.dtype, again.dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(first[:, 0], GRAY)
    np.testing.assert_array_equal(again, first)
    assert len(files()) == 1


def test_a_dataset_is_decoded_once(decoded):
    rows = datasets.Dataset.from_dict({"image": [Image.fromarray(image) for image in GRAY]})
    for _ in range(2):
        np.testing.assert_array_equal(decoded_pixels(DatasetImages(rows, "set"))[:, 0], GRAY)
    assert decoded == list(range(6))


def test_more_images_than_are_read_at_a_time_keep_their_order(folder, monkeypatch):
    monkeypatch.setattr("hfloop.images.cache._READ_AT_A_TIME", 4)
    np.testing.assert_array_equal(decoded_pixels(opened(folder))[:, 0], GRAY)


def test_parts_of_a_folder_share_its_file(folder, decoded):
    parts = [SubsetImages(opened(folder), np.array(indices)) for indices in ([4, 1], [0, 2, 5])]
    np.testing.assert_array_equal(decoded_pixels(parts[0])[:, 0], GRAY[[4, 1]])
    np.testing.assert_array_equal(decoded_pixels(parts[1])[:, 0], GRAY[[0, 2, 5]])
    assert decoded == list(range(6))


def test_what_lies_in_memory_is_neither_copied_nor_kept(assets):
    images = ArrayImages(GRAY[:, None], "set")
    assert decoded_pixels(images) is images.pixels
    np.testing.assert_array_equal(decoded_pixels(SubsetImages(images, np.array([3, 0])))[:, 0], GRAY[[3, 0]])
    noise = NoiseImages(3, (1, 2, 2), seed=0)
    np.testing.assert_array_equal(decoded_pixels(noise), noise.read(range(3)))
    assert not assets.exists()


@pytest.mark.parametrize("changed", ["image", "name", "pillow", "layout", "skipped"])
def test_pixels_of_anything_else_are_not_used(folder, changed, monkeypatch, decoded):
    decoded_pixels(opened(folder))
    decoded.clear()
    expected = GRAY.copy()
    if changed == "image":
        expected[2] = 7
        Image.fromarray(expected[2]).save(folder / "a" / "2.png")
    elif changed == "name":
        (folder / "b" / "3.png").rename(folder / "b" / "9.png")
        expected = GRAY[[0, 1, 2, 4, 5, 3]]
    elif changed == "pillow":
        monkeypatch.setattr(PIL, "__version__", "1.1.7")
    elif changed == "layout":
        monkeypatch.setattr("hfloop.images.cache.CACHE", array_cache.ArrayCache("images", "decoded", "it", layout=99))
    elif changed == "skipped":
        (folder / "a" / "1.png").write_bytes(b"")
        expected = np.delete(GRAY, 1, axis=0)
    pixels = decoded_pixels(opened(folder, skip_corrupt=changed == "skipped"))
    np.testing.assert_array_equal(pixels[:, 0], expected)
    assert len(decoded) == len(expected)


def test_decoded_images_are_the_set_itself_in_memory(folder, decoded):
    source = opened(folder)
    images = DecodedImages(source)
    assert (images.name, images.shape, images.fingerprint) == ("set", (1, 5, 7), source.fingerprint)
    assert (images.labels.tolist(), images.class_names) == ([0, 0, 0, 1, 1, 1], ["a", "b"])
    decoded.clear()
    np.testing.assert_array_equal(images.read([5, 2])[:, 0], GRAY[[5, 2]])
    assert decoded_pixels(images) is images.pixels
    assert decoded == []


# ------------------------------------------------------------------ what can go wrong


def damage_cut_short(file):
    file.write_bytes(file.read_bytes()[:-10])


def damage_header(file):
    file.write_bytes(b"\xff" * 40)


def damage_altered(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def damage_reshaped(file):
    content = file.read_bytes()
    assert content.count(b"[6,1,5,7]") == 1
    file.write_bytes(content.replace(b"[6,1,5,7]", b"[6,1,7,5]"))


@pytest.mark.parametrize("damage", [damage_cut_short, damage_header, damage_altered, damage_reshaped])
def test_a_damaged_file_is_decoded_anew_and_replaced(folder, damage, decoded, caplog):
    decoded_pixels(opened(folder))
    (file,) = CACHE.folder.iterdir()
    damage(file)
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        np.testing.assert_array_equal(decoded_pixels(opened(folder))[:, 0], GRAY)
    (message,) = caplog.messages
    assert message.startswith(f"Warning: the cached decoded images in {file} are damaged (")
    assert message.endswith("): making them anew.")
    np.testing.assert_array_equal(decoded_pixels(opened(folder))[:, 0], GRAY)
    assert (len(decoded), len(caplog.messages), files()) == (12, 1, [file.name])


def test_a_file_under_another_ones_name_is_not_used(folder, caplog):
    decoded_pixels(opened(folder))
    (other,) = CACHE.folder.iterdir()
    Image.fromarray(GRAY[0]).save(folder / "a" / "2.png")
    decoded_pixels(opened(folder))
    (own,) = set(CACHE.folder.iterdir()) - {other}
    other.replace(own)
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        np.testing.assert_array_equal(decoded_pixels(opened(folder))[2, 0], GRAY[0])
    assert "its contents are not what its name says" in caplog.text


@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/nowhere"])
def test_a_cache_that_cannot_be_there_costs_no_image(folder, place, caplog, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", place)
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        np.testing.assert_array_equal(decoded_pixels(opened(folder))[:, 0], GRAY)
    assert caplog.messages[0].startswith("Warning: the cache of decoded images cannot be used: ")


@pytest.mark.parametrize("refusal", [OSError(28, "No space left on device"), safetensors.SafetensorError("no space")])
def test_a_full_disk_costs_no_image_and_keeps_no_part(folder, refusal, caplog, monkeypatch):
    monkeypatch.setattr(array_cache, "save_file", half_written(refusal))
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        np.testing.assert_array_equal(decoded_pixels(opened(folder))[:, 0], GRAY)
    assert caplog.messages == [f"Warning: the decoded images could not be kept in {CACHE.folder}: {refusal}."]
    assert files() == []


def test_an_interruption_keeps_no_part(folder, monkeypatch):
    monkeypatch.setattr(array_cache, "save_file", half_written(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        decoded_pixels(opened(folder))
    assert files() == []


def half_written(refusal):
    """safetensors' `save_file`, which gets to the middle of the file."""

    def save_file(tensors, path, metadata):
        content = safetensors.numpy.save(tensors, metadata)
        path.write_bytes(content[: len(content) // 2])
        raise refusal

    return save_file


def test_a_set_that_cannot_be_decoded_is_not_kept(folder):
    path = folder / "b" / "4.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"/b/4\.png cannot be decoded .*--skip_corrupt\.$"):
        decoded_pixels(opened(folder))
    assert files() == []
    assert len(decoded_pixels(opened(folder, skip_corrupt=True))) == 5


def test_others_may_read_the_file(folder):
    decoded_pixels(opened(folder))
    (file,) = CACHE.folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o644
