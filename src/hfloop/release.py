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
from hfloop.errors import UserError, one_line
from hfloop.files import new_folder, sha256_of_file, write_text
from hfloop.hub.card import results_text, whole_card
from hfloop.hub.family import Family, RenderedCard

PROVENANCE_FILE = "hfloop.json"
CARD_FILE = "README.md"
RESULTS_FILE = ".eval_results/hfloop.yaml"
RENDERED_FILES = (CARD_FILE, RESULTS_FILE)
"""Files that are rendered from `hfloop.json`, so that it records no sha256 of them."""

_TEXTS = ("family", "recipe", "created", "hfloop_version")  # what every hfloop.json says
_PICKLES = frozenset([".bin", ".ckpt", ".dill", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"])
_WEIGHTS = (".safetensors", ".index.json", ".h5", ".msgpack")
_TAKEN_BY_LOADERS = frozenset(["adapter_config.json", "added_tokens.json", "special_tokens_map.json"])


class Release(ABC):
    """What a recipe made and measured; each model family knows how its folder looks.

    Attributes:
        family: renders the card and loads the model again.
        libraries: the distributions whose versions a result depends on, in the order in which a card names them.
    """

    family: ClassVar[Family]
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
        write_card(partial, release.family.card(provenance, "."))
        for path in partial.rglob("*"):
            if path.is_file():
                path.chmod(0o644)  # safetensors writes files that only their owner can read
    return provenance


def may_be_loaded(file: str) -> bool:
    """Whether a loader may take a file beside a release for a part of it: weights, pickles, adapters, tokens."""
    name = file.rpartition("/")[2].lower()
    return name.endswith(_WEIGHTS) or name in _TAKEN_BY_LOADERS or is_pickle(name)


def is_pickle(name: str) -> bool:
    """Whether a file's name is one that pickles have."""
    return bool({suffix.lower() for suffix in Path(name).suffixes} & _PICKLES)


def write_card(folder: Path, card: RenderedCard) -> None:
    """Write README.md and .eval_results/hfloop.yaml of a release to which nobody has added anything."""
    (folder / RESULTS_FILE).parent.mkdir(exist_ok=True)
    write_text(folder / RESULTS_FILE, results_text(card))
    write_text(folder / CARD_FILE, whole_card(card))


def release_folder(path: Path) -> Path:
    """The release that a path stands for: the folder itself, or that of a run which has finished.

    Raises:
        UserError: it is neither.
    """
    if (path / PROVENANCE_FILE).is_file():
        return path
    if (path / "release" / PROVENANCE_FILE).is_file():
        return path / "release"
    if (path / "config.yaml").is_file():
        raise UserError(
            f"{path} is a run that has not finished: wait until it has, or, if it was stopped, continue it with its "
            f"recipe and --output_dir {path} --resume_from_checkpoint latest."
        )
    what = "holds no release" if path.is_dir() else "is no folder" if path.exists() else "does not exist"
    raise UserError(
        f"{path} {what}: name the folder that a recipe printed at its end, runs/NAME or runs/NAME/release."
    )


def read_provenance(folder: Path, name: str) -> dict[str, Any]:
    """What `hfloop.json` of a release holds.

    Args:
        folder: the release.
        name: what to call it in messages.

    Raises:
        UserError: there is no such file, or it does not describe a release whose files are plain names below it.
    """
    path = folder / PROVENANCE_FILE
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{name} is no release of hfloop: it has no {PROVENANCE_FILE}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{name}: its {PROVENANCE_FILE} cannot be read ({one_line(error)}).") from None
    described = isinstance(provenance, dict) and all(isinstance(provenance.get(key), str) for key in _TEXTS)
    if not described or not isinstance(provenance.get("sha256"), dict):
        raise UserError(
            f"{name}: its {PROVENANCE_FILE} does not describe a release: it lacks {', '.join(_TEXTS)} or sha256."
        )
    if not provenance["recipe"].isidentifier():  # it stands in the command that cards print
        raise UserError(f"{name}: its {PROVENANCE_FILE} names the recipe {provenance['recipe']!r}, which is no name.")
    for file, digest in provenance["sha256"].items():
        if not is_plain_name(file):
            raise UserError(f"{name}: its {PROVENANCE_FILE} names the file {file!r}, which can be part of none.")
        if not isinstance(digest, str):
            raise UserError(f"{name}: its {PROVENANCE_FILE} has no sha256 of {file}.")
    return provenance


def is_plain_name(file: str) -> bool:
    """Whether it names a visible file below a folder: parts between single slashes, none beginning with a dot."""
    parts = file.split("/")
    return "\\" not in file and "\0" not in file and all(part and not part.startswith(".") for part in parts)


def file_names(provenance: dict[str, Any]) -> list[str]:
    """Every file of a release, by its path below the folder, in order."""
    return sorted([*provenance["sha256"], PROVENANCE_FILE, *RENDERED_FILES])


def wrong_files(folder: Path, provenance: dict[str, Any]) -> list[str]:
    """A sentence for each file that is not as it was when the release was written: missing, altered, or foreign.

    Links count as foreign wherever they lead to, and so do pickles, which can run code when they are loaded, even if
    `hfloop.json` names them.
    """
    said = []
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    for file, path in found.items():
        if path.is_symlink():
            said.append(f"{file} is a link: put the file itself in its place, or take it away")
        elif path.is_dir():
            continue
        elif not path.is_file():
            said.append(f"{file} is no file that can be read as one: take it away")
        elif is_pickle(file):
            said.append(f"{file} may be a pickle, which can run code when it is loaded: take it away")
        elif file not in file_names(provenance):
            said.append(f"{file} is not part of the release: take it away")
        elif file in provenance["sha256"] and sha256_of_file(path) != provenance["sha256"][file]:
            said.append(
                f"{file} is not what was released, its sha256 is another than {PROVENANCE_FILE} records: put the "
                "released one back, or make the release again"
            )
    for file in file_names(provenance):
        if file not in found:
            mend = "`hfloop card` renders it" if file in RENDERED_FILES else "put it back, or make the release again"
            said.append(f"{file} is missing: {mend}")
    return said


def library_versions(libraries: Sequence[str]) -> dict[str, str]:
    """Python's version and those of the libraries, by the names of their distributions."""
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
