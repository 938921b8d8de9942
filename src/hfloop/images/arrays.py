"""Files that hold images as arrays: NumPy's `.npy` and `.npz`, and the IDX files of MNIST and its kin."""

from __future__ import annotations

import gzip
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfloop.errors import UserError
from hfloop.images.source import ArrayImages, Pixels

_GZIP_MAGIC = b"\x1f\x8b"
_IDX_IMAGES = 2051  # an array of unsigned bytes with three dimensions
_IDX_LABELS = 2049  # …with one
_DAMAGE = (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)  # NumPy's, zip's
_MEND_LAYOUT = "save it as (images, height, width) for gray or (images, height, width, 3) for colour"


def load_array_file(path: Path, name: str) -> ArrayImages:
    """The images of a `.npz`, `.npy` or IDX file (plain or gzipped), with labels where it has them.

    A `.npz` file holds them as `images`, as `arr_0` or as its only array, and may hold `labels`. An IDX file is known
    by its magic number; its labels are read from the file beside it whose name has `labels-idx1` instead of
    `images-idx3`, if there is one. Pickled objects are never read.

    Raises:
        UserError: the file is of another kind, damaged, empty, or its array is not images.
    """
    try:
        return _numpy_images(path, name) if path.suffix.lower() in (".npz", ".npy") else _idx_images(path, name)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise UserError(f"{path} does not fit into the memory: {error}.") from error


def uint8_pixels(fractions: npt.NDArray[np.floating], where: str) -> Pixels:
    """Values from 0 to 1 as uint8 from 0 to 255, rounded, as a saved PNG has them.

    Raises:
        UserError: a value is not a number or lies outside of 0 to 1.
    """
    low, high = float(fractions.min()), float(fractions.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UserError(f"{where} holds NaN or infinite values: fractions must lie from 0 to 1.")
    if low < 0 or high > 1:
        mend = "save (x + 1) / 2" if low >= -1 and high <= 1 else "save them as uint8 from 0 to 255"
        raise UserError(
            f"{where} holds fractions from {low:.4g} to {high:.4g}, but they must lie from 0 to 1: {mend}."
        )
    at_least_single = fractions.astype(np.promote_types(fractions.dtype, np.float32), copy=False)
    return (at_least_single * 255).round().astype(np.uint8)


def _numpy_images(path: Path, name: str) -> ArrayImages:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return ArrayImages(_pixels(loaded, str(path)), name)
        with loaded as archive:
            key = _image_key(path, archive.files)
            images = _pixels(archive[key], f"{path}, array `{key}`")
            return ArrayImages(images, name, _archived_labels(path, archive, len(images)))
    except _DAMAGE as error:
        if "Object arrays" in str(error):
            raise UserError(
                f"{path} holds pickled objects, which can run code and are never loaded: save a plain uint8 array."
            ) from error
        raise UserError(f"{path} is damaged or no file of NumPy: save or download it again.") from error


def _image_key(path: Path, keys: list[str]) -> str:
    named = [key for key in ("images", "arr_0") if key in keys]
    others = [key for key in keys if key != "labels"]
    if not named and len(others) != 1:
        found = f"several arrays ({', '.join(f'`{key}`' for key in others)})" if others else "no array of images"
        raise UserError(f"{path} holds {found}: call the one with the images `images`.")
    return (named or others)[0]


def _archived_labels(path: Path, archive: np.lib.npyio.NpzFile, count: int) -> npt.NDArray[np.int64] | None:
    if "labels" not in archive.files:
        return None
    labels = archive["labels"]
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise UserError(
            f"{path}, array `labels`: is {labels.dtype} of shape {labels.shape}, but must be {count} whole numbers, "
            "one for each image."
        )
    labels = labels.astype(np.int64)
    if labels.min() < 0:
        raise UserError(f"{path}, array `labels`: holds {labels.min()}, but classes are numbered from 0 on.")
    return labels


def _pixels(array: npt.NDArray, where: str) -> Pixels:
    """An array of images as uint8 of shape (images, channels, height, width)."""
    if array.size == 0:
        raise UserError(f"{where} is empty (shape {array.shape}): it must hold at least one image of one pixel.")
    images = _channels_first(array, where)
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if images.dtype.kind == "f":
        return np.ascontiguousarray(uint8_pixels(images, where))
    raise UserError(f"{where} is of the type {array.dtype}: save uint8 from 0 to 255, or floats from 0 to 1.")


def _channels_first(array: npt.NDArray, where: str) -> npt.NDArray:
    shape = array.shape
    if array.ndim == 3:
        return array[:, None]
    if array.ndim != 4:
        raise UserError(f"{where} has the shape {shape}, which is not that of images: {_MEND_LAYOUT}.")
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first and last:
        raise UserError(
            f"{where} has the shape {shape}, in which both the second and the last number can be the channels: "
            "save gray images as (images, height, width), colour ones as a folder of PNG files."
        )
    if not first and not last:
        raise UserError(f"{where} has the shape {shape}, in which neither end is 1 or 3 channels: {_MEND_LAYOUT}.")
    return array if first else array.transpose(0, 3, 1, 2)


def _idx_images(path: Path, name: str) -> ArrayImages:
    content = _unzipped(path)
    magic = _magic(content)
    if magic == _IDX_LABELS:
        raise UserError(f"{path} holds labels: name the file with the images (`images-idx3`).")
    if magic != _IDX_IMAGES:
        raise UserError(
            f"{path} is no set of images that hfloop reads: name a folder of images, an .npz, .npy or IDX file (the "
            f"magic number of IDX images is {_IDX_IMAGES})."
        )
    images = _idx_array(path, content, num_dimensions=3)
    return ArrayImages(_pixels(images, str(path)), name, _idx_labels(path, len(images)))


def _idx_labels(path: Path, count: int) -> npt.NDArray[np.int64] | None:
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if beside == path or not beside.is_file():
        return None
    content = _unzipped(beside)
    if _magic(content) != _IDX_LABELS:
        raise UserError(f"{beside} is no IDX file of labels (magic number {_IDX_LABELS}): download it again.")
    labels = _idx_array(beside, content, num_dimensions=1)
    if len(labels) != count:
        raise UserError(f"{beside} holds {len(labels)} labels, but {path} {count} images: take a pair that belongs.")
    return labels.astype(np.int64)


def _unzipped(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged or cut short, it cannot be unzipped: download it again.") from error


def _magic(content: bytes) -> int:
    return int.from_bytes(content[:4], "big")


def _idx_array(path: Path, content: bytes, num_dimensions: int) -> npt.NDArray[np.uint8]:
    start = 4 + 4 * num_dimensions
    if len(content) < start:
        raise UserError(f"{path} is cut short in its header: download it again.")
    shape = struct.unpack(f">{num_dimensions}I", content[4:start])
    expected, found = int(np.prod(shape, dtype=object)), len(content) - start
    if found != expected:
        raise UserError(
            f"{path} is damaged: its header promises {expected} values {shape}, but it holds {found}; download it "
            "again."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
