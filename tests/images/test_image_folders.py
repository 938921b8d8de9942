from __future__ import annotations

import logging
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hfloop.errors import UserError
from hfloop.images.encoded import describe
from hfloop.images.folders import FolderImages

GRAY = np.random.default_rng(0).integers(0, 256, size=(6, 5, 7), dtype=np.uint8)  # 7 wide, 5 high
COLOUR = np.random.default_rng(1).integers(0, 256, size=(3, 5, 7, 3), dtype=np.uint8)


def save(folder, images, suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:02d}{suffix}")
    return folder


def error_of(folder, **options):
    with pytest.raises(UserError) as caught:
        images = FolderImages(folder, "set", **options)
        images.read(range(len(images)))
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{folder}/", "")


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-40])


# ------------------------------------------------------------------ what is read


def test_gray_images_come_as_they_were_saved(tmp_path):
    images = FolderImages(save(tmp_path, GRAY), "set")
    assert (images.name, len(images), images.shape, images.labels) == ("set", 6, (1, 5, 7), None)
    assert images.read(range(6)).dtype == np.uint8
    np.testing.assert_array_equal(images.read(range(6)), GRAY[:, None])


def test_colour_images_have_their_channels_first(tmp_path):
    images = FolderImages(save(tmp_path, COLOUR, ".bmp"), "set")
    assert images.shape == (3, 5, 7)
    np.testing.assert_array_equal(images.read([2, 0]), COLOUR[[2, 0]].transpose(0, 3, 1, 2))


@given(indices=st.lists(st.integers(0, 5), max_size=12))
def test_any_indices_are_read_in_their_order(tmp_path_factory, indices):
    folder = tmp_path_factory.getbasetemp() / "any-order"
    if not folder.exists():
        save(folder, GRAY)
    np.testing.assert_array_equal(FolderImages(folder, "set").read(indices), GRAY[:, None][indices])


def test_black_and_white_is_gray_and_a_palette_is_colour(tmp_path):
    bits = GRAY[0] > 127
    Image.fromarray(bits).save(save(tmp_path / "bits", []) / "0.png")
    Image.fromarray(COLOUR[0]).quantize(256).save(save(tmp_path / "palette", []) / "0.png")
    np.testing.assert_array_equal(FolderImages(tmp_path / "bits", "b").read([0])[0, 0], bits * np.uint8(255))
    palette = FolderImages(tmp_path / "palette", "p").read([0])[0]
    np.testing.assert_array_equal(palette, COLOUR[0].transpose(2, 0, 1))  # 35 pixels need no more than 35 colours


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp", ".tif", ".pgm"])
def test_every_usual_format_is_read(tmp_path, suffix):
    images = FolderImages(save(tmp_path, np.full((2, 8, 8), 200, dtype=np.uint8), suffix), "set")
    assert abs(images.read([0, 1]).astype(int) - 200).max() <= 2


def test_hidden_and_other_files_are_no_images(tmp_path):
    save(tmp_path, GRAY)
    save(tmp_path / ".thumbnails", GRAY)
    (tmp_path / ".00.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.png").mkdir()
    assert len(FolderImages(tmp_path, "set")) == 6


def test_orientation_tags_are_not_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(GRAY[0]).save(tmp_path / "0.png", exif=exif)
    np.testing.assert_array_equal(FolderImages(tmp_path, "set").read([0])[0, 0], GRAY[0])


# ------------------------------------------------------------------ order, labels, fingerprint


def test_the_order_is_that_of_the_paths(tmp_path):
    for name, image in zip(("b.png", "a/z.png", "a.png", "a-b.png"), GRAY, strict=False):
        save((tmp_path / name).parent, [])
        Image.fromarray(image).save(tmp_path / name)
    images = FolderImages(tmp_path, "set")
    assert [path.as_posix() for path in images.paths] == ["a-b.png", "a.png", "a/z.png", "b.png"]
    np.testing.assert_array_equal(images.read(range(4))[:, 0], GRAY[[3, 2, 1, 0]])
    assert images.labels is None


def test_class_subfolders_give_labels(tmp_path):
    for name in ("dog", "cat", "bird"):
        save(tmp_path / name, GRAY[:2])
    images = FolderImages(tmp_path, "set")
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert images.class_names == ["bird", "cat", "dog"]


@pytest.mark.parametrize("stray", [".", "cat/deeper"])
def test_images_at_several_depths_have_no_labels(tmp_path, stray):
    save(tmp_path / "cat", GRAY[:2])
    save(tmp_path / stray, GRAY[3:])
    images = FolderImages(tmp_path, "set")
    assert (images.labels, images.class_names) == (None, None)


def test_the_fingerprint_follows_names_and_bytes_alone(tmp_path):
    def fingerprint(folder):
        return FolderImages(folder, folder.name).fingerprint

    first = fingerprint(save(tmp_path / "one", GRAY))
    assert fingerprint(save(tmp_path / "two", GRAY)) == first
    assert fingerprint(save(tmp_path / "other", GRAY[::-1])) != first
    (tmp_path / "two" / "00.png").rename(tmp_path / "two" / "0.png")
    assert fingerprint(tmp_path / "two") != first


# ------------------------------------------------------------------ what is refused


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert error_of(tmp_path).startswith("set holds no images: none of its files ends in .png, .jpg, .jpeg, .bmp,")


def test_two_sizes_are_refused(tmp_path):
    save(tmp_path, [*GRAY[:2], GRAY[2].T])
    assert error_of(tmp_path) == (
        "00.png is 7×5 gray, but 02.png is 5×7 gray: bring all images of a set to one size and to the same channels."
    )


def test_gray_among_colour_is_refused(tmp_path):
    save(tmp_path, [COLOUR[0], GRAY[0]])
    assert error_of(tmp_path).startswith("00.png is 7×5 colour, but 01.png is 7×5 gray: bring all images")


@pytest.mark.parametrize(
    ("mode", "name", "message"),
    [
        ("RGBA", "a.png", "a.png has transparency (mode RGBA): save it without, as 8-bit gray or RGB."),
        ("LA", "a.png", "a.png has transparency (mode LA): save it without, as 8-bit gray or RGB."),
        ("CMYK", "a.jpg", "a.jpg has the mode CMYK: save it as 8-bit gray or RGB."),
        ("I;16", "a.png", "a.png has the mode I;16: save it as 8-bit gray or RGB."),
        ("F", "a.tif", "a.tif has the mode F: save it as 8-bit gray or RGB."),
    ],
)
def test_modes_that_would_lose_something_are_refused(tmp_path, mode, name, message):
    Image.new(mode, (4, 4)).save(tmp_path / name)
    assert error_of(tmp_path) == message


def test_a_transparent_colour_is_transparency(tmp_path):
    Image.new("P", (4, 4)).save(tmp_path / "a.png", transparency=0)
    assert error_of(tmp_path).startswith("a.png has transparency (mode P)")


def test_colours_of_16_bits_are_refused(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))  # Pillow writes no such files
    pixel = chunk(b"IDAT", zlib.compress(bytes(7)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + pixel + chunk(b"IEND", b""))
    assert error_of(tmp_path) == "a.png has 16 bits a channel (mode RGB): save it as 8-bit gray or RGB."


def test_several_frames_are_refused(tmp_path):
    frames = [Image.fromarray(image) for image in GRAY]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    assert error_of(tmp_path) == "a.tif holds several frames: save each as an image of its own."


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_an_image_cut_short_is_named(tmp_path, suffix):
    save(tmp_path, np.random.default_rng(0).integers(0, 256, size=(2, 20, 20), dtype=np.uint8), suffix)
    cut_short(tmp_path / f"01{suffix}")
    message = error_of(tmp_path)
    assert message.startswith(f"01{suffix} cannot be decoded (")
    assert message.endswith("): replace or remove it, or leave such images out with --skip_corrupt.")


def test_a_file_that_is_no_image_is_named(tmp_path):
    save(tmp_path, GRAY)
    (tmp_path / "03.png").write_text("not found")
    assert error_of(tmp_path).startswith("03.png cannot be decoded (no image format is recognised): replace")


def test_a_file_that_changed_is_named(tmp_path):
    images = FolderImages(save(tmp_path, GRAY), "set")
    Image.fromarray(COLOUR[0]).save(tmp_path / "04.png")
    with pytest.raises(UserError, match=r"04.png was 7×5 gray and is now 7×5 colour: do not change"):
        images.read([4])


def test_a_file_that_went_is_named(tmp_path):
    images = FolderImages(save(tmp_path, GRAY), "set")
    (tmp_path / "04.png").unlink()
    with pytest.raises(UserError, match=r"04.png cannot be read: No such file or directory\.$"):
        images.read([4])


# ------------------------------------------------------------------ skip_corrupt


def test_corrupt_images_are_left_out_with_one_warning(tmp_path, caplog):
    save(tmp_path / "a", GRAY[:3])
    save(tmp_path / "b", GRAY[3:])
    cut_short(tmp_path / "a" / "01.png")
    (tmp_path / "b" / "02.png").write_text("not found")
    with caplog.at_level(logging.WARNING):
        images = FolderImages(tmp_path, "set", skip_corrupt=True)
    np.testing.assert_array_equal(images.read(range(len(images)))[:, 0], GRAY[[0, 2, 3, 4]])
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert [record.getMessage() for record in caplog.records] == [
        f"set: left out 2 of 6 images that cannot be decoded: {tmp_path}/a/01.png, {tmp_path}/b/02.png"
    ]


def test_skipping_equals_removing(tmp_path):
    save(tmp_path / "kept", GRAY)
    save(tmp_path / "broken", GRAY)
    (tmp_path / "kept" / "03.png").unlink()
    cut_short(tmp_path / "broken" / "03.png")
    kept = FolderImages(tmp_path / "kept", "set")
    assert FolderImages(tmp_path / "broken", "set", skip_corrupt=True).fingerprint == kept.fingerprint


def test_the_warning_names_only_the_first(tmp_path, caplog):
    for path in save(tmp_path, np.repeat(GRAY, 2, axis=0)).iterdir():
        if path.name > "01.png":
            path.write_bytes(b"")
    FolderImages(tmp_path, "set", skip_corrupt=True)
    assert caplog.messages[0].startswith("set: left out 10 of 12 images")
    assert caplog.messages[0].endswith("06.png, …")


def test_a_set_of_corrupt_images_alone_is_refused(tmp_path):
    (tmp_path / "0.png").write_bytes(b"")
    assert error_of(tmp_path, skip_corrupt=True) == "set: none of its 1 images can be decoded; make the set again."


def test_skipping_does_not_hide_a_wrong_size(tmp_path):
    save(tmp_path, [GRAY[0], GRAY[1].T])
    assert error_of(tmp_path, skip_corrupt=True).startswith("00.png is 7×5 gray, but 01.png is 5×7 gray")


def test_a_shape_in_words_has_the_width_first():
    assert describe((3, 5, 7)) == "7×5 colour"
