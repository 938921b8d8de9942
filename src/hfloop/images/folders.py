"""Folders of image files, with classes where the files lie in class subfolders."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from hfloop.errors import UserError
from hfloop.files import sha256_of_file
from hfloop.images.encoded import EncodedImages

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm")


class FolderImages(EncodedImages):
    """The image files below a folder, in the order of their relative paths; hidden files are left out.

    Where every file lies in a subfolder directly below the folder, the subfolders' sorted names are the classes and
    the labels their indices; otherwise there are none. The fingerprint covers the relative paths and the files' bytes.

    Args:
        folder: where to look.
        name: what to call the set.
        skip_corrupt: leave out what cannot be decoded, as :class:`EncodedImages` says.

    Raises:
        UserError: there is no image file, or as :class:`EncodedImages` says.
    """

    def __init__(self, folder: Path, name: str, skip_corrupt: bool = False) -> None:
        self.folder = folder
        self.paths = _image_files(folder)
        if not self.paths:
            raise UserError(
                f"{name} holds no images: none of its files ends in {', '.join(IMAGE_SUFFIXES)} (hidden ones aside)."
            )
        labels, self.class_names = _classes(self.paths)
        super().__init__(name, len(self.paths), labels, skip_corrupt)

    def encoded(self, row: int) -> BinaryIO:
        return (self.folder / self.paths[row]).open("rb")

    def where(self, row: int) -> str:
        return str(self.folder / self.paths[row])

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for row in self._rows.tolist():
            path = self.paths[row]
            digest.update(f"{path.as_posix()}\0{sha256_of_file(self.folder / path)}\n".encode())
        return digest.hexdigest()


def _image_files(folder: Path) -> list[Path]:
    """The image files' paths relative to `folder`, sorted as text with `/` so that every system has one order."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    shown = (path for path in paths if not any(part.startswith(".") for part in path.parts))
    # a link to nowhere is an image that cannot be read, not one that was never there
    return sorted((path for path in shown if not (folder / path).is_dir()), key=Path.as_posix)


def _classes(paths: list[Path]) -> tuple[npt.NDArray[np.int64] | None, list[str] | None]:
    """The class of each path, and the classes' names."""
    if any(len(path.parts) != 2 for path in paths):
        return None, None
    names, labels = np.unique([path.parts[0] for path in paths], return_inverse=True)
    return labels.astype(np.int64), names.tolist()
