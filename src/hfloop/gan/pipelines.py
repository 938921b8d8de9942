"""Load the pipeline of a published GAN with hfloop's own networks: no code comes with the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline
from diffusers.models.modeling_utils import ModelMixin
from safetensors import SafetensorError

from hfloop.errors import UserError, first_line
from hfloop.gan import pipeline
from hfloop.gan.networks import MODULES, network_class
from hfloop.hub.source import downloaded
from hfloop.images.generated import INDEX_FILE, best_device, open_diffusers_pipeline

PIPELINE_CLASS = ["pipeline", "GANPipeline"]  # as model_index.json names it: the copied file, and its class


class GANPipeline(pipeline.GANPipeline):
    """The pipeline of :mod:`hfloop.gan.pipeline`, which loads its generator without the code in its repository."""

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path) -> GANPipeline:  # type: ignore[override]  # has no options
        """The pipeline of a folder, or of a Hub repository, of which only JSON and safetensors are fetched.

        Raises:
            UserError: there is no such folder or repository, it holds no GAN, its generator is none of hfloop's
                networks, or its weights are not exactly those that the generator needs.
        """
        name = str(name_or_path)
        return cls._from_folder(Path(name) if Path(name).exists() else downloaded(name), name)

    @classmethod
    def _from_folder(cls, folder: Path, name: str) -> GANPipeline:
        index = read_object(folder / INDEX_FILE, name)
        if not index.get("generator"):
            raise UserError(f"{name} is no GAN: its {INDEX_FILE} names no `generator`.")
        return cls(load_network(folder / "generator", name), index.get("id2label"))


def open_pipeline(folder: Path, name: str) -> DiffusionPipeline:
    """The pipeline of a release, hfloop's or one of diffusers', on the machine's accelerator or the CPU.

    Args:
        folder: a release with `model_index.json`.
        name: what to call it in messages.

    Raises:
        UserError: it cannot be loaded, or is neither.
    """
    if read_object(folder / INDEX_FILE, name).get("_class_name") == PIPELINE_CLASS:
        return GANPipeline._from_folder(folder, name).to(best_device())  # type: ignore[return-value]  # it is one
    return open_diffusers_pipeline(folder, name)


def load_network(folder: Path, name: str | None = None) -> ModelMixin:
    """One of hfloop's networks with its weights, in evaluation mode.

    Args:
        folder: holds `config.json`, which says the network's class, and `diffusion_pytorch_model.safetensors`.
        name: what to call it in messages; default: the folder.

    Raises:
        UserError: the network is none of hfloop's, or its files are missing, damaged or do not fit each other.
    """
    name = name or str(folder)
    class_name = str(read_object(folder / "config.json", name).get("_class_name"))
    if class_name not in MODULES:
        raise UserError(
            f"{name}: its {folder.name} is {class_name}, but hfloop loads its own only: {', '.join(MODULES)}."
        )
    try:
        loaded: Any = network_class(class_name).from_pretrained(
            folder,
            use_safetensors=True,
            low_cpu_mem_usage=False,
            ignore_mismatched_sizes=True,  # so that they are listed, and refused below
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{name}: `{folder.name}` cannot be loaded: {first_line(error)}.") from error
    network, info = loaded
    wrong = [
        *(f"missing {key}" for key in info["missing_keys"]),
        *(f"unexpected {key}" for key in info["unexpected_keys"]),
        *(f"{key} of another shape" for key, *_ in info["mismatched_keys"]),
    ]
    if wrong:
        raise UserError(
            f"{name}: the weights in `{folder.name}` do not fit its config.json ({min(wrong)}, {len(wrong)} in all): "
            "save or download them again."
        )
    return network


def read_object(path: Path, name: str) -> dict[str, Any]:
    """A JSON object of a release, which messages call `name`.

    Raises:
        UserError: the file is missing, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{name} is no GAN that hfloop published: it has no {path.name}.") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{name}: its {path.name} is no JSON that can be read ({error}).") from error
    if not isinstance(content, dict):
        raise UserError(f"{name}: its {path.name} is no JSON object.")
    return content
