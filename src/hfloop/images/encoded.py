"""Images kept as encoded files (PNG, JPEG, …): checked by their headers at opening, decoded when they are read."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from hfloop.errors import UserError
from hfloop.images.source import ImageSource, Pixels

_CHANNELS = {"1": 1, "L": 1, "RGB": 3, "P": 3}  # of Pillow's modes
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)  # what Pillow raises on bad files
_NAMES_SHOWN = 5

logger = logging.getLogger(__name__)


class CorruptImage(UserError):
    """An image that cannot be decoded."""


class EncodedImages(ImageSource):
    """A set of encoded images of one size and one number of channels.

    A row is the number of an encoded image, an index that of an image of the set; with `skip_corrupt` the two differ.
    Orientation tags of cameras are not followed: the pixels come as they are stored.

    Args:
        name: what to call the set.
        num_rows: how many encoded images there are, at least one.
        labels: int64 of shape (num_rows,), or None.
        skip_corrupt: decode every image at opening and leave out those that cannot be decoded, with one warning.

    Raises:
        UserError: an image cannot be decoded, is of a mode other than 8-bit gray, RGB or palette, or differs from
            the first in size or channels.
    """

    def __init__(self, name: str, num_rows: int, labels: npt.NDArray[np.int64] | None, skip_corrupt: bool) -> None:
        self.name = name
        self._rows = np.arange(num_rows)
        if skip_corrupt:
            self._rows = self._sound_rows()
        self.shape = self._common_shape()
        self.labels = labels if labels is None else labels[self._rows]

    @abstractmethod
    def encoded(self, row: int) -> BinaryIO:
        """The bytes of an encoded image, opened for reading."""

    @abstractmethod
    def where(self, row: int) -> str:
        """Where an encoded image stands, for messages."""

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        rows = self._rows[np.asarray(indices, dtype=np.int64)]
        pixels = np.empty((len(rows), *self.shape), dtype=np.uint8)
        for place, row in enumerate(rows.tolist()):  # threads would make images of these sizes slower, not faster
            pixels[place] = self._decoded(row)
        return pixels

    @contextmanager
    def _opened(self, row: int) -> Iterator[ImageFile.ImageFile]:
        """The image with its header read; what Pillow raises inside the block says that the image is damaged."""
        where = self.where(row)
        try:
            stream = self.encoded(row)
        except OSError as error:
            raise UserError(f"{where} cannot be read: {error.strerror}.") from error
        try:
            with stream, Image.open(stream) as image:
                yield image
        except UnidentifiedImageError as error:
            raise _corrupt(where, "no image format is recognised") from error
        except _DAMAGE as error:
            raise _corrupt(where, str(error).strip().rstrip(".")) from error

    def _decoded(self, row: int) -> Pixels:
        with self._opened(row) as image:
            shape = _shape(image, self.where(row))
            mode = "L" if shape[0] == 1 else "RGB"
            pixels = np.asarray(image.convert(mode)).reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1)
        if shape != self.shape:
            raise UserError(
                f"{self.where(row)} was {describe(self.shape)} and is now {describe(shape)}: do not change the images "
                "while they are being read."
            )
        return pixels

    def _header_shape(self, row: int) -> tuple[int, int, int]:
        with self._opened(row) as image:
            return _shape(image, self.where(row))

    def _common_shape(self) -> tuple[int, int, int]:
        rows = self._rows.tolist()
        first = self._header_shape(rows[0])
        for row in rows[1:]:
            shape = self._header_shape(row)
            if shape != first:
                raise UserError(
                    f"{self.where(rows[0])} is {describe(first)}, but {self.where(row)} is {describe(shape)}: bring "
                    "all images of a set to one size and to the same channels."
                )
        return first

    def _is_sound(self, row: int) -> bool:
        try:
            with self._opened(row) as image:
                image.load()
        except CorruptImage:
            return False
        return True

    def _sound_rows(self) -> npt.NDArray[np.int64]:
        sound = np.array([self._is_sound(row) for row in self._rows.tolist()])
        if not sound.any():
            raise UserError(f"{self.name}: none of its {len(sound)} images can be decoded; make the set again.")
        if not sound.all():
            corrupt = np.flatnonzero(~sound)
            names = ", ".join(self.where(row) for row in corrupt[:_NAMES_SHOWN].tolist())
            more = ", …" if len(corrupt) > _NAMES_SHOWN else ""
            logger.warning(
                "%s: left out %d of %d images that cannot be decoded: %s%s",
                self.name,
                len(corrupt),
                len(sound),
                names,
                more,
            )
        return np.flatnonzero(sound)


def describe(shape: tuple[int, int, int]) -> str:
    """A shape (channels, height, width) in words: `28×28 gray`, width first."""
    channels, height, width = shape
    return f"{width}×{height} {'gray' if channels == 1 else 'colour'}"


def _corrupt(where: str, reason: str) -> CorruptImage:
    return CorruptImage(
        f"{where} cannot be decoded ({reason}): replace or remove it, or leave such images out with --skip_corrupt."
    )


def _shape(image: ImageFile.ImageFile, where: str) -> tuple[int, int, int]:
    """(channels, height, width) by the header alone.

    Raises:
        UserError: the image has a mode that would lose something as 8-bit gray or RGB, or several frames.
    """
    mode = image.mode
    if mode.upper() in ("RGBA", "LA", "PA") or "transparency" in image.info:
        raise UserError(f"{where} has transparency (mode {mode}): save it without, as 8-bit gray or RGB.")
    if mode not in _CHANNELS:
        raise UserError(f"{where} has the mode {mode}: save it as 8-bit gray or RGB.")
    if any(";16" in str(tile.args) for tile in image.tile):  # Pillow would drop the lower byte of 16-bit RGB silently
        raise UserError(f"{where} has 16 bits a channel (mode {mode}): save it as 8-bit gray or RGB.")
    if getattr(image, "is_animated", False) and image.format != "MPO":  # a camera's second picture is a preview
        raise UserError(f"{where} holds several frames: save each as an image of its own.")
    return _CHANNELS[mode], image.height, image.width
