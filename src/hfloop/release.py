"""Release: the folder that is, byte for byte, the repository that goes to the Hub."""

from __future__ import annotations

import json
import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from hfloop import __version__
from hfloop.files import new_folder, sha256_of_file

PROVENANCE_FILE = "hfloop.json"
CARD_FILE = "README.md"


class Release(ABC):
    """What a recipe made and measured; each model family knows how its folder looks.

    Attributes:
        libraries: the distributions whose versions a result depends on, in the order in which a card names them.
    """

    libraries: ClassVar[tuple[str, ...]] = ("torch", "accelerate", "safetensors", "huggingface-hub", "numpy")

    @abstractmethod
    def save_model(self, folder: Path) -> None:
        """Write the files that `from_pretrained` reads."""

    @abstractmethod
    def save_pictures(self, folder: Path) -> None:
        """Draw what people would rather look at."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What is known of the data and the figures measured on these very weights, ready for JSON."""

    @abstractmethod
    def save_card(self, folder: Path, provenance: dict[str, Any]) -> None:
        """Write README.md and .eval_results/ from what `hfloop.json` holds, so that they cannot disagree."""


def write_release(folder: Path, release: Release, run: dict[str, Any]) -> dict[str, Any]:
    """Write a complete release folder, or nothing.

    Args:
        folder: takes its place only when every file is written and synced.
        release: the model, its figures and its data.
        run: the run's own provenance: recipe, configuration, hardware, time.

    Returns:
        What `hfloop.json` holds: versions, the run, the family's facts, and the sha256 of every file but itself and
        the card, which is rendered from it.
    """
    with new_folder(folder) as partial:
        release.save_model(partial)
        release.save_pictures(partial)
        provenance = {
            "hfloop_version": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **run,
            "versions": library_versions(release.libraries),
            **release.facts(),
            "sha256": {
                path.relative_to(partial).as_posix(): sha256_of_file(path)
                for path in sorted(partial.rglob("*"))
                if path.is_file()
            },
        }
        text = json.dumps(provenance, indent=2, ensure_ascii=False, allow_nan=False)
        (partial / PROVENANCE_FILE).write_text(text + "\n", encoding="utf-8")
        release.save_card(partial, provenance)
        for path in partial.rglob("*"):
            if path.is_file():
                path.chmod(0o644)  # safetensors writes files that only their owner can read
    return provenance


def library_versions(libraries: Sequence[str]) -> dict[str, str]:
    """Python's version and those of the libraries, by the names of their distributions."""
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
