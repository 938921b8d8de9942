"""Images that a generator's release makes: read by index like any others, the same ones every time."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hfloop.errors import UserError, first_line
from hfloop.files import sha256_of_file
from hfloop.images.arrays import uint8_pixels
from hfloop.images.source import ImageSource, Pixels

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from torch import nn

    OpenPipeline = Callable[[Path, str], DiffusionPipeline]

INDEX_FILE = "model_index.json"
_BATCH_SIZE = 64


class GeneratedImages(ImageSource):
    """The images that the pipeline of a release makes, image i from noise seeded by (seed, i).

    A pipeline that knows classes makes them in turn: image i is of class i modulo their number. Any pipeline
    always makes whole batches, images 0 to 63, 64 to 127 and so on, whichever of them are asked for: a network's
    output for one image depends in its last bits on how many others are in the batch, so an image made in a batch
    of its own could differ by one level in a pixel. Reading in order makes each batch once. A pipeline takes its
    own default number of inference steps, or as many as its scheduler was trained with, if these are fewer. It
    runs on the machine's accelerator, else on the CPU; other hardware makes images that differ in last bits.
    Values become uint8 as in a saved PNG.

    The fingerprint covers the weights and the configuration files of the pipeline's components, the number of images
    and the seed, not the pixels.

    Attributes:
        num_classes: how many classes the pipeline can be asked for, or None.
        labels: the classes that the images were asked to be of, or None.

    Args:
        folder: a release with `model_index.json`.
        num_images: how many images the set has, at least 1.
        seed: 0 or more.
        name: what to call the set; default: the folder.
        open_pipeline: loads the pipeline of a folder; default: diffusers' own for unconditional images.

    Raises:
        UserError: the release holds code of its own, has no weights in safetensors or others than it says, its
            pipeline is not one that makes images from noise alone, or the pipeline fails.
    """

    def __init__(
        self,
        folder: Path,
        num_images: int,
        seed: int,
        name: str | None = None,
        open_pipeline: OpenPipeline | None = None,
    ) -> None:
        self.folder = folder
        self.name = name or str(folder)
        self.seed = seed
        self._num_images = num_images
        self._pipeline = (open_pipeline or open_diffusers_pipeline)(folder, self.name)
        self._arguments = _call_arguments(self._pipeline)
        self.num_classes: int | None = self._arguments["num_classes"]
        self.labels = np.arange(num_images, dtype=np.int64) % self.num_classes if self.num_classes else None
        self._last_batch = 0, self._make(0)
        self.shape = self._last_batch[1].shape[1:]

    def __len__(self) -> int:
        return self._num_images

    def read(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        wanted = np.arange(self._num_images)[np.asarray(indices, dtype=np.int64)]
        pixels = np.empty((len(wanted), *self.shape), dtype=np.uint8)
        for batch in np.unique(wanted // _BATCH_SIZE).tolist():
            here = wanted // _BATCH_SIZE == batch
            pixels[here] = self._batch(batch)[wanted[here] % _BATCH_SIZE]
        return pixels

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self._num_images} images, seed {self.seed}\n".encode())
        components = _read_index(self.folder, self.name).keys()
        files = [*self.folder.glob("*/*.json"), *self.folder.glob("*/*.safetensors")]
        for path in sorted([self.folder / INDEX_FILE, *(file for file in files if file.parent.name in components)]):
            digest.update(f"{path.relative_to(self.folder).as_posix()}\0{sha256_of_file(path)}\n".encode())
        return digest.hexdigest()

    def _batch(self, batch: int) -> Pixels:
        if self._last_batch[0] != batch:
            self._last_batch = batch, self._make(batch)
        return self._last_batch[1]

    def _make(self, batch: int) -> Pixels:
        """Images `batch` * 64 onwards, up to the last of the set."""
        first = batch * _BATCH_SIZE
        numbers = range(first, min(first + _BATCH_SIZE, self._num_images))
        values = self._called(numbers)
        if values.ndim != 4 or len(values) != len(numbers) or values.shape[3] not in (1, 3):
            raise UserError(
                f"{self.name} makes arrays of shape {values.shape} when asked for {len(numbers)} images: gray or RGB "
                "images are needed."
            )
        return np.ascontiguousarray(uint8_pixels(values, f"{self.name}: its pipeline's output").transpose(0, 3, 1, 2))

    def _called(self, numbers: range) -> npt.NDArray[np.floating]:
        """What the pipeline makes: values from 0 to 1 of shape (images, height, width, channels)."""
        import torch

        generators = [torch.Generator().manual_seed(noise_seed(self.seed, number)) for number in numbers]
        labels = {} if self.labels is None else {"class_labels": self.labels[list(numbers)].tolist()}
        try:
            output = self._pipeline(  # type: ignore[operator]  # every pipeline but the base class can be called
                **{self._arguments["count"]: len(numbers)},
                **self._arguments["fixed"],
                **labels,
                generator=generators,
                output_type="np",
            )
        except (ValueError, TypeError, RuntimeError) as error:
            raise UserError(f"{self.name}: its pipeline makes no images: {_clause(error)}.") from error
        if getattr(output, "images", None) is None:
            raise UserError(f"{self.name}: its {type(self._pipeline).__name__} makes something other than images.")
        return np.asarray(output.images)


def is_release(folder: Path) -> bool:
    """Whether a folder is a generator's release."""
    return (folder / INDEX_FILE).is_file()


def noise_seed(seed: int, number: int) -> int:
    """A seed for image `number`, scattered so that near numbers and near seeds have nothing in common."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


def open_diffusers_pipeline(folder: Path, name: str) -> DiffusionPipeline:
    """One of diffusers' own pipelines for unconditional images, with exactly its weights.

    Args:
        folder: a release with `model_index.json`.
        name: what to call it in messages.

    Raises:
        UserError: the release brings code of its own, cannot be loaded, or is of another kind.
    """
    from diffusers import DiffusionPipeline

    index = _read_index(folder, name)
    _check_call(_pipeline_class(index, name), name)
    with _said_as_user_errors(name), _without_progress_bar():
        models = _load_models(folder, index, name)
        pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True, **models)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(best_device())


def best_device() -> torch.device:
    """The machine's accelerator, else the CPU."""
    import torch

    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def _read_index(folder: Path, name: str) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(f"{name}: its {INDEX_FILE} is no JSON that can be read ({_clause(error)}).") from error
    if not isinstance(index, dict) or "_class_name" not in index:
        raise UserError(f"{name}: its {INDEX_FILE} names no pipeline (`_class_name`).")
    return index


def _pipeline_class(index: dict[str, Any], name: str) -> type[DiffusionPipeline]:
    import diffusers

    class_name = index["_class_name"]
    if not isinstance(class_name, str):
        raise _own_code("pipeline", name)
    for component, value in index.items():
        if isinstance(value, list) and value[:1] not in ([None], ["diffusers"], ["transformers"]):
            raise _own_code(f"`{component}`", name)
    found = getattr(diffusers, class_name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        raise UserError(
            f"{name} needs the pipeline {class_name}, which diffusers {diffusers.__version__} does not have."
        )
    return found


def _own_code(part: str, name: str) -> UserError:
    return UserError(
        f"{name} brings its {part} as code of its own, and hfloop does not run code from a repository: name a release "
        "that is made of diffusers' own classes."
    )


def _check_call(pipeline_class: type[DiffusionPipeline], name: str) -> None:
    """Refuse a pipeline that needs more than noise, before its weights are loaded."""
    parameters = _call_parameters(pipeline_class)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [
        each.name for each in parameters.values() if each.default is each.empty and each.kind not in variadic
    ]  # fmt: skip
    wanted = required or [each for each in ("prompt",) if each in parameters]
    if wanted:
        listed = ", ".join(f"`{each}`" for each in wanted)
        raise UserError(
            f"{name} is a {pipeline_class.__name__}, which wants {listed}: name a release that makes images from "
            "noise alone."
        )
    if not {"generator", "output_type"} <= parameters.keys() or not {"num_images", "batch_size"} & parameters.keys():
        raise UserError(
            f"{name} is a {pipeline_class.__name__}, which does not make a number of images from seeded noise: name a "
            "release that does."
        )


def _call_arguments(pipeline: DiffusionPipeline) -> dict[str, Any]:
    """How to call a pipeline: the name of the argument `count`, `fixed` arguments, and how many classes it knows."""
    parameters = _call_parameters(type(pipeline))
    scheduler = getattr(pipeline, "scheduler", None)
    trained = scheduler.config.get("num_train_timesteps") if scheduler is not None else None
    steps = parameters.get("num_inference_steps")
    fewer = steps is not None and trained is not None and isinstance(steps.default, int) and trained < steps.default
    return {
        "count": "num_images" if "num_images" in parameters else "batch_size",
        "fixed": {"num_inference_steps": trained} if fewer else {},
        "num_classes": pipeline.generator.config.num_classes if "class_labels" in parameters else None,  # type: ignore
    }


def _call_parameters(pipeline_class: type[DiffusionPipeline]) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(pipeline_class.__call__).parameters)
    del parameters["self"]
    return parameters


def _load_models(folder: Path, index: dict[str, Any], name: str) -> dict[str, nn.Module]:
    """The networks of diffusers that a pipeline names, each with exactly the weights that it needs.

    A pipeline that loads them itself leaves missing weights without values and says nothing of surplus ones.
    """
    import diffusers

    models = {}
    for component, value in index.items():
        library, class_name = value if isinstance(value, list) and len(value) == 2 else (None, None)
        model_class = getattr(diffusers, str(class_name), None) if library == "diffusers" else None
        if isinstance(model_class, type) and issubclass(model_class, diffusers.ModelMixin):
            models[component], info = model_class.from_pretrained(
                folder / component, use_safetensors=True, output_loading_info=True
            )
            wrong = [f"{kind} {keys[0]}" for kind in ("missing", "unexpected") if (keys := info[f"{kind}_keys"])]
            if wrong:
                raise UserError(
                    f"{name}: the weights in `{component}` do not fit its config.json ({', '.join(wrong)}): save or "
                    "download the release again."
                )
    return models


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """Load without diffusers' bar, which it otherwise shows whoever calls."""
    from diffusers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _said_as_user_errors(name: str) -> Iterator[None]:
    """Turn what diffusers raises for a release that cannot be loaded into one sentence."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{name} cannot be loaded: {_clause(error)}.") from error


def _clause(error: Exception) -> str:
    """What a library said, its first sentence without the full stop."""
    return first_line(error).partition(". ")[0].rstrip(" .:")
