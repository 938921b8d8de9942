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
        UserError: there is no such folder, no such repository, no right to read it, or no network.
    """
    path = Path(name_or_path)
    if path.exists():
        if not (path / "config.json").is_file():
            raise UserError(f"{name_or_path} is not a model folder: it holds no config.json.")
        return path

    from huggingface_hub import errors, snapshot_download

    try:
        folder = Path(snapshot_download(name_or_path, allow_patterns=_WANTED))
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
    except (errors.HfHubHTTPError, OSError) as error:
        raise UserError(f"{name_or_path} could not be downloaded from the Hub: {error}.") from None
    if not (folder / "config.json").is_file():
        raise UserError(f"{name_or_path} holds no transformers model: it has no config.json.")
    return folder
