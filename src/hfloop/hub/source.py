"""Find a model that a user names: a folder on this machine, or a repository on the Hub."""

from __future__ import annotations

from pathlib import Path

from hfloop.errors import UserError

_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]  # never pickles, never code


def model_folder(name_or_path: str) -> Path:
    """The folder of a model; one on the Hub is downloaded into the Hub cache first.

    Args:
        name_or_path: a folder, or a Hub id such as `answerdotai/ModernBERT-base`.

    Raises:
        UserError: there is no such folder, no such repository, no right to read it, no network, or no weights in
            safetensors.
    """
    folder = folder_of(name_or_path)
    if not (folder / "config.json").is_file():
        raise UserError(f"{name_or_path} holds no transformers model: it has no config.json.")
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{name_or_path} has no weights in safetensors, and pickled ones, which can run code, are never loaded; "
            "name a model that has model.safetensors."
        )
    return folder


def folder_of(name_or_path: str) -> Path:
    """A path that is there, or else the folder of a Hub repository; see :func:`downloaded`."""
    path = Path(name_or_path)
    return path if path.exists() else downloaded(name_or_path)


def downloaded(name_or_path: str) -> Path:
    """The folder of a Hub repository in the cache, brought up to date: JSON, safetensors and vocabularies.

    Raises:
        UserError: there is no such repository, no right to read it, or no network.
    """
    from huggingface_hub import errors

    from hfloop.hub.client import hub_api, waiting_for
    from hfloop.hub.failures import HUB_FAILURES, in_words

    try:
        with waiting_for(f"the download of {name_or_path}"):
            return Path(hub_api().snapshot_download(name_or_path, allow_patterns=_WANTED))
    except errors.HFValidationError:
        raise UserError(f"{name_or_path} is neither a folder here nor a Hub id (`user/name`).") from None
    except errors.GatedRepoError:
        raise UserError(
            f"{name_or_path} is gated: accept its terms on its Hub page, then run `hf auth login`."
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"the Hub has no model {name_or_path}, or it is private and you are not logged in (`hf auth login`)."
        ) from None
    except errors.LocalEntryNotFoundError:
        raise UserError(
            f"{name_or_path} is no folder here, and the Hub cannot be reached (or HF_HUB_OFFLINE is set) and holds no "
            "copy in the cache; connect to the network, or name a model folder."
        ) from None
    except HUB_FAILURES as error:  # refused by the Hub, by the disk, or cut off on the way
        raise UserError(f"{name_or_path} could not be downloaded from the Hub: {in_words(error)}.") from None
