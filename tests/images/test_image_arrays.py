from __future__ import annotations

import gzip
import pickle
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.images.arrays import load_array_file, uint8_pixels

GRAY = np.random.default_rng(0).integers(0, 256, size=(6, 5, 7), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, size=(6, 5, 7, 3), dtype=np.uint8)


def npy(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    return tmp_path / "a.npy"


def npz(tmp_path, **arrays):
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


def idx(array, magic=None):
    header = struct.pack(f">I{array.ndim}I", magic or {3: 2051, 1: 2049}[array.ndim], *array.shape)
    return header + array.tobytes()


def mnist(tmp_path, images, labels=None):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(images)
    if labels is not None:
        (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels)
    return tmp_path / "t10k-images-idx3-ubyte"


def error_of(path):
    with pytest.raises(UserError) as caught:
        load_array_file(path, "set")
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{path.parent}/", "")


# ------------------------------------------------------------------ NumPy


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GRAY, GRAY[:, None]),
        (GRAY[:, None], GRAY[:, None]),
        (GRAY[..., None], GRAY[:, None]),
        (COLOUR, COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR.transpose(0, 3, 1, 2)),
        (np.asfortranarray(COLOUR), COLOUR.transpose(0, 3, 1, 2)),
    ],
    ids=["NHW", "N1HW", "NHW1", "NHWC", "NCHW", "column-major"],
)
def test_every_plain_layout_is_recognised(tmp_path, array, expected):
    images = load_array_file(npy(tmp_path, array), "set")
    assert (images.name, images.shape, images.labels) == ("set", expected.shape[1:], None)
    np.testing.assert_array_equal(images.read(range(6)), expected)
    np.testing.assert_array_equal(images.read([5, 0, 5]), expected[[5, 0, 5]])


@pytest.mark.parametrize("key", ["images", "arr_0", "whatever"])
def test_an_archive_holds_images_and_labels(tmp_path, key):
    images = load_array_file(npz(tmp_path, **{key: GRAY, "labels": np.arange(6, dtype=np.uint8)}), "set")
    np.testing.assert_array_equal(images.pixels[:, 0], GRAY)
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_images_go_before_other_arrays(tmp_path):
    images = load_array_file(npz(tmp_path, images=GRAY, arr_0=COLOUR, more=COLOUR), "set")
    np.testing.assert_array_equal(images.pixels[:, 0], GRAY)
    assert images.labels is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fractions_become_bytes_and_back(dtype):
    levels = np.arange(256)
    np.testing.assert_array_equal(uint8_pixels((levels / 255).astype(dtype), "x"), levels)


@given(st.floats(0, 1, width=32))
def test_a_fraction_is_rounded_to_the_nearest_level(fraction):
    level = uint8_pixels(np.array([fraction], dtype=np.float32), "x")[0]
    assert abs(float(level) - fraction * 255) <= 0.5 + 1e-4


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.full((2, 3, 3), 2.0) - np.arange(3) - 1,
            "a.npy holds fractions from -1 to 1, but they must lie from 0 to 1: save (x + 1) / 2.",
        ),
        (
            np.full((2, 3, 3), 127.5) * np.arange(3),
            "a.npy holds fractions from 0 to 255, but they must lie from 0 to 1: save them as uint8 from 0 to 255.",
        ),
        (np.full((2, 3, 3), np.nan), "a.npy holds NaN or infinite values: fractions must lie from 0 to 1."),
        (np.full((2, 3, 3), np.inf), "a.npy holds NaN or infinite values: fractions must lie from 0 to 1."),
        (
            GRAY.astype(np.int64),
            "a.npy is of the type int64: save uint8 from 0 to 255, or floats from 0 to 1.",
        ),
        (GRAY > 3, "a.npy is of the type bool: save uint8 from 0 to 255, or floats from 0 to 1."),
        (np.full((2, 3, 3), "x"), "a.npy is of the type <U1: save uint8 from 0 to 255, or floats from 0 to 1."),
        (GRAY[:0], "a.npy is empty (shape (0, 5, 7)): it must hold at least one image of one pixel."),
        (GRAY[:, :0], "a.npy is empty (shape (6, 0, 7)): it must hold at least one image of one pixel."),
        (GRAY[0], "a.npy has the shape (5, 7), which is not that of images: save it as (images, height, width) for"),
        (GRAY[None, None], "a.npy has the shape (1, 1, 6, 5, 7), which is not that of images"),
        (COLOUR[..., :2], "a.npy has the shape (6, 5, 7, 2), in which neither end is 1 or 3 channels: save it as"),
        (np.zeros((2, 4, 8, 8), np.uint8), "a.npy has the shape (2, 4, 8, 8), in which neither end is 1 or 3"),
        (np.zeros((2, 3, 8, 3), np.uint8), "a.npy has the shape (2, 3, 8, 3), in which both the second and the last"),
        (np.zeros((2, 1, 8, 3), np.uint8), "a.npy has the shape (2, 1, 8, 3), in which both the second and the last"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, array, message):
    assert error_of(npy(tmp_path, array)).startswith(message)


def test_an_array_in_an_archive_is_named(tmp_path):
    assert error_of(npz(tmp_path, images=GRAY[:0])).startswith("a.npz, array `images` is empty (shape (0, 5, 7))")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GRAY, "y": GRAY}, "a.npz holds several arrays (`x`, `y`): call the one with the images `images`."),
        ({"labels": np.arange(6)}, "a.npz holds no array of images: call the one with the images `images`."),
        (
            {"images": GRAY, "labels": np.arange(5)},
            "a.npz, array `labels`: is int64 of shape (5,), but must be 6 whole numbers, one for each image.",
        ),
        (
            {"images": GRAY, "labels": np.eye(6)},
            "a.npz, array `labels`: is float64 of shape (6, 6), but must be 6 whole numbers, one for each image.",
        ),
        (
            {"images": GRAY, "labels": np.arange(6) / 2},
            "a.npz, array `labels`: is float64 of shape (6,), but must be 6 whole numbers, one for each image.",
        ),
        (
            {"images": GRAY, "labels": np.arange(6) - 2},
            "a.npz, array `labels`: holds -2, but classes are numbered from 0 on.",
        ),
    ],
)
def test_archives_with_the_wrong_arrays_are_refused(tmp_path, arrays, message):
    assert error_of(npz(tmp_path, **arrays)) == message


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickled_objects_are_never_loaded(tmp_path, name):
    objects = np.empty(2, dtype=object)
    objects[:] = Trap()
    if name == "a.npy":
        npy(tmp_path, objects)
    else:
        npz(tmp_path, images=objects)
    assert error_of(tmp_path / name) == (
        f"{name} holds pickled objects, which can run code and are never loaded: save a plain uint8 array."
    )


def test_a_bare_pickle_is_never_loaded(tmp_path):
    (tmp_path / "a.npy").write_bytes(pickle.dumps(Trap()))
    assert error_of(tmp_path / "a.npy") == "a.npy is damaged or no file of NumPy: save or download it again."


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("kept", [0, 1, 4, 30, 200, -1])
def test_a_file_cut_short_is_refused(tmp_path, name, kept):
    npy(tmp_path, COLOUR)
    npz(tmp_path, images=COLOUR)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:kept])
    assert error_of(path) == f"{name} is damaged or no file of NumPy: save or download it again."


def test_a_file_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / "a.npy").mkdir()
    assert error_of(tmp_path / "a.npy") == "a.npy cannot be read: Is a directory."


# ------------------------------------------------------------------ IDX


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_images_have_the_labels_beside_them(tmp_path, zipped):
    suffix, packed = (".gz", gzip.compress) if zipped else ("", bytes)
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(packed(idx(GRAY)))
    assert load_array_file(path, "set").labels is None
    (tmp_path / f"train-labels-idx1-ubyte{suffix}").write_bytes(packed(idx(np.arange(6, dtype=np.uint8))))
    images = load_array_file(path, "set")
    np.testing.assert_array_equal(images.read([4, 1])[:, 0], GRAY[[4, 1]])
    assert (images.shape, images.labels.dtype, images.labels.tolist()) == ((1, 5, 7), np.int64, [0, 1, 2, 3, 4, 5])


def test_idx_is_known_by_its_content(tmp_path):
    (tmp_path / "digits.bin").write_bytes(gzip.compress(idx(GRAY)))
    assert len(load_array_file(tmp_path / "digits.bin", "set")) == 6


def test_equal_pixels_have_equal_fingerprints_in_every_kind_of_file(tmp_path):
    paths = [npy(tmp_path, GRAY), npz(tmp_path, images=GRAY[..., None]), mnist(tmp_path, idx(GRAY))]
    assert len({load_array_file(path, str(path)).fingerprint for path in paths}) == 1
    assert load_array_file(npy(tmp_path, GRAY[::-1]), "x").fingerprint != load_array_file(paths[1], "x").fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(GRAY)[:-1], "is damaged: its header promises 210 values (6, 5, 7), but it holds 209; download it again."),
        (
            idx(GRAY) + b"x",
            "is damaged: its header promises 210 values (6, 5, 7), but it holds 211; download it again.",
        ),
        (idx(GRAY)[:9], "is cut short in its header: download it again."),
        (idx(GRAY[:0]), "is empty (shape (0, 5, 7)): it must hold at least one image of one pixel."),
        (idx(GRAY[0, 0]), "holds labels: name the file with the images (`images-idx3`)."),
        (
            idx(GRAY, magic=2052),
            "is no set of images that hfloop reads: name a folder of images, an .npz, .npy or IDX",
        ),
        (b"", "is no set of images that hfloop reads: name a folder of images"),
        (gzip.compress(idx(GRAY))[:-9], "is damaged or cut short, it cannot be unzipped: download it again."),
        (b"\x1f\x8b junk", "is damaged or cut short, it cannot be unzipped: download it again."),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, content, message):
    assert error_of(mnist(tmp_path, content)).startswith(f"t10k-images-idx3-ubyte {message}")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (idx(GRAY[0, 0, :5]), "t10k-labels-idx1-ubyte holds 5 labels, but t10k-images-idx3-ubyte 6 images: take"),
        (idx(GRAY), "t10k-labels-idx1-ubyte is no IDX file of labels (magic number 2049): download it again."),
        (idx(np.arange(6, dtype=np.uint8))[:-1], "t10k-labels-idx1-ubyte is damaged: its header promises 6 values"),
    ],
)
def test_labels_that_do_not_belong_are_refused(tmp_path, labels, message):
    assert error_of(mnist(tmp_path, idx(GRAY), labels)).startswith(message)


def test_damage_anywhere_is_one_sentence_or_does_no_harm(tmp_path):
    """Flip bytes at random: whatever the file then is, no other error comes out."""
    random = np.random.default_rng(0)
    paths = [npy(tmp_path, GRAY), npz(tmp_path, images=GRAY, labels=np.arange(6)), mnist(tmp_path, idx(GRAY))]
    refused = 0
    for path in paths:
        sound = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        for _ in range(60):
            broken = sound.copy()
            broken[random.integers(0, len(sound), size=3)] = random.integers(0, 256, size=3)
            path.write_bytes(broken.tobytes())
            try:
                load_array_file(path, "set")
            except UserError as error:
                assert re.match(re.escape(str(tmp_path)), str(error))
                refused += 1
    assert refused > 30
