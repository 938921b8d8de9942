"""Write the networks of a GAN as a folder that loads with hfloop, with diffusers, or with one file of code."""

from __future__ import annotations

import copy
import inspect
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn.utils import parametrize

from hfloop.files import write_text
from hfloop.gan import pipeline
from hfloop.gan.pipelines import PIPELINE_CLASS


def baked(network: ModelMixin) -> ModelMixin:
    """A copy of a network whose spectrally normalised weights are plain ones, divided once and for all.

    In evaluation mode its output is that of `network`, bit for bit. `network` and torch's random state stay as they
    are. The copy is on the CPU and in evaluation mode, and its config says `spectral_norm` False.
    """
    config = {name: value for name, value in network.config.items() if not name.startswith("_")}
    if "spectral_norm" in config:
        config["spectral_norm"] = False
    frozen = copy.deepcopy(network).eval()  # in training mode, reading a weight would move the singular vectors on
    weights = {name: value for name, value in frozen.state_dict().items() if "parametrizations." not in name}
    for name, module in frozen.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            weights[f"{name}.weight"] = module.weight.detach()
    with torch.random.fork_rng(devices=[]):
        plain = type(network)(**config)
    plain.load_state_dict(weights, strict=True)
    return plain.eval()


def settle_spectral_norms(network: nn.Module) -> None:
    """Divide every spectrally normalised weight by its largest singular value as it is now.

    In training the value follows the weight by one step of power iteration a pass (Miyato et al. 2018), and lags
    behind one that moves fast: by a fifth has been seen. Afterwards every such weight, as
    a matrix with a row for each output, has the largest singular value 1.
    """
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            normalised: Any = module.parametrizations["weight"]  # type: ignore[index]  # a ModuleDict, as it is so
            (norm,), weight = normalised, normalised.original
            left, _, right = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
            norm._u.copy_(left[:, 0])
            norm._v.copy_(right[0])


def write_generator(
    folder: Path,
    generator: ModelMixin,
    *,
    id2label: Mapping[int, str] | None = None,
    discriminator: ModelMixin | None = None,
) -> None:
    """Write a generator of :mod:`hfloop.gan.networks` and what makes images with it; equal networks give equal bytes.

    The folder gets `model_index.json`, `pipeline.py` and `generator/` with `config.json`,
    `diffusion_pytorch_model.safetensors` and the source file of the network. These load it:

    - `hfloop.gan.pipelines.GANPipeline.from_pretrained(folder)`, without running code from the folder;
    - `diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)`, without hfloop;
    - the class in the source file: `DCGANGenerator.from_pretrained(folder, subfolder="generator")`.

    Args:
        folder: where to write; other files in it stay.
        generator: its weights on disk are plain, see :func:`baked`.
        id2label: the names of the classes by their numbers; a generator that knows no classes is written without.
        discriminator: written in the same way to `discriminator/`, of which `model_index.json` says nothing.
    """
    networks = {"generator": generator}
    if discriminator is not None:
        networks["discriminator"] = discriminator
    for part, network in networks.items():
        baked(network).save_pretrained(folder / part)  # the fresh copy knows no local path that its config could tell
    for file, source in code_files(networks).items():
        shutil.copyfile(source, folder / file)
    index = pipeline_index(generator, id2label)
    write_text(folder / "model_index.json", json.dumps(index, indent=2, ensure_ascii=False) + "\n")


def pipeline_index(generator: ModelMixin, id2label: Mapping[int, str] | None) -> dict[str, Any]:
    """What `model_index.json` says of a generator; see :func:`write_generator`."""
    index: dict[str, Any] = {
        "_class_name": PIPELINE_CLASS,
        "_diffusers_version": diffusers.__version__,
        "generator": [_source(type(generator)).stem, type(generator).__name__],
    }
    if id2label is not None and generator.config.num_classes is not None:
        index["id2label"] = {str(number): id2label[number] for number in sorted(id2label)}
    return index


def code_files(networks: Mapping[str, ModelMixin]) -> dict[str, Path]:
    """The code that is published with networks, by their folders: where it goes, and the file that is copied there."""
    sources = {folder: _source(type(network)) for folder, network in networks.items()}
    return {
        "pipeline.py": _source(pipeline.GANPipeline),
        **{f"{folder}/{source.name}": source for folder, source in sources.items()},
    }


def _source(described: type) -> Path:
    return Path(inspect.getfile(described))
