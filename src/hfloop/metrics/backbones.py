"""Vision models of transformers as feature extractors: DINOv2, ViT, the vision half of CLIP, ResNet, …"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hfloop.errors import UserError, first_line
from hfloop.files import sha256_of_file
from hfloop.hub.source import model_folder
from hfloop.metrics.features import FeatureExtractor, as_colour, as_gray, resized

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREPARATION_FILE = "preprocessor_config.json"
_INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # by the number that Pillow, and so the file, gives them
_UNCROPPED_EDGE = 384  # images resized for ConvNeXT and ResNet to this edge or a longer one are not cropped


@dataclass(frozen=True)
class Preparation:
    """What a model's preprocessor_config.json asks to be done to an image.

    Attributes:
        size: (height, width) to resize to; or the length of the shortest edge, the other following in proportion.
        crop: (height, width) of the part to keep from the middle, or None for all.
        interpolation: bilinear or bicubic, both with antialiasing.
        rescale_factor: what pixels from 0 to 255 are multiplied by.
        mean: what is subtracted then, for each channel.
        std: what is divided by then, for each channel.
    """

    size: tuple[int, int] | int
    crop: tuple[int, int] | None
    interpolation: str
    rescale_factor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: Tensor) -> Tensor:
        """Float32 pixels (n, channels, height, width) in [0, 255] as the model wants them."""
        size = self.size if isinstance(self.size, tuple) else _shortest_edge_at(self.size, pixels)
        pixels = resized(pixels, size, self.interpolation)
        if self.crop:
            height, width = self.crop
            top, left = (size[0] - height) // 2, (size[1] - width) // 2
            pixels = pixels[:, :, top : top + height, left : left + width]
        mean, std = (pixels.new_tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        return (pixels * self.rescale_factor - mean) / std

    def __str__(self) -> str:
        size = f"{self.size[0]}×{self.size[1]}" if isinstance(self.size, tuple) else f"a shortest edge of {self.size}"
        crop = f", the central {self.crop[0]}×{self.crop[1]} kept" if self.crop else ""
        return (
            f"resized to {size} (PyTorch, {self.interpolation} with antialiasing, in float32){crop}, multiplied by "
            f"{self.rescale_factor:.6g}, less {list(self.mean)}, divided by {list(self.std)}"
        )


class BackboneExtractor(FeatureExtractor):
    """A vision model of transformers, loaded from safetensors with transformers' own code alone.

    The feature of an image is the model's `pooler_output` where it has one that was trained (for DINOv2 the class
    token, for ResNet the average over space), else the class token of the last layer, else the mean of the last layer.

    Args:
        name: a Hub id or a folder; of a folder its last part becomes the extractor's name.
        device: where to compute.

    Raises:
        UserError: the model cannot be found or loaded, is no vision model, lacks weights, or does not say how images
            are to be prepared.
    """

    def __init__(self, name: str, device: torch.device | str = "cpu") -> None:
        folder = model_folder(name)
        self.name = Path(name).resolve().name if Path(name).exists() else name
        self.device = torch.device(device)
        self.model, pooler_is_trained = load_vision_model(folder, name, self.device)
        self.sha256 = sha256_of_model(folder)
        self.channels = getattr(self.model.config, "num_channels", 3)
        self.preparation = read_preparation(folder, name, self.channels)
        self.pooling = self._pooling(pooler_is_trained)
        self.dimension = self(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape[1]
        colour = "gray repeated to three channels" if self.channels == 3 else "colour to luma (ITU-R BT.601)"
        self.image_pipeline = f"{colour}, {self.preparation}; the feature is the {self.pooling}"

    def _features(self, images: Tensor) -> Tensor:
        pixels = images.float()
        pixels = as_colour(pixels) if self.channels == 3 else as_gray(pixels)
        output = self.model(pixel_values=self.preparation(pixels))
        if self.pooling == "pooler output":
            return output.pooler_output.flatten(1)
        if self.pooling == "class token":
            return output.last_hidden_state[:, 0]
        hidden = output.last_hidden_state
        return hidden.mean(dim=1) if hidden.ndim == 3 else hidden.mean(dim=(2, 3))

    def _logits(self, images: Tensor) -> Tensor:
        raise AssertionError("a backbone has no classes")

    @torch.inference_mode()
    def _pooling(self, pooler_is_trained: bool) -> str:
        """What the model's feature is, as a blank image shows it."""
        blank = torch.zeros(1, self.channels, 64, 64, device=self.device)
        output = self.model(pixel_values=self.preparation(blank))
        if pooler_is_trained and output.get("pooler_output") is not None:
            return "pooler output"
        if any(name.endswith("cls_token") for name, _ in self.model.named_parameters()):
            return "class token"
        return "mean of the last layer"


def load_vision_model(folder: Path, name: str, device: torch.device) -> tuple[PreTrainedModel, bool]:
    """The vision model in a folder, in float32 on `device`, and whether the folder has weights for all of its pooler.

    Of a model of images and text, the half that sees.

    Raises:
        UserError: it cannot be loaded, takes no images, or lacks weights.
    """
    from transformers import AutoConfig, AutoModel

    with _loading_errors(name):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        model, loading = AutoModel.from_pretrained(
            folder,
            config=getattr(config, "vision_config", config),
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # reported, instead of one error for all of them
            output_loading_info=True,
        )
    if model.main_input_name != "pixel_values" or getattr(model.config, "num_channels", 3) not in (1, 3):
        raise UserError(f"{name} takes no gray or colour images; name a vision model, such as facebook/dinov2-base.")
    lacking = sorted({*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])})
    of_the_body = [key for key in lacking if not key.startswith("pooler.")]  # classifiers are published without one
    if of_the_body:
        raise UserError(f"{name} lacks weights of its own architecture ({of_the_body[0]}, …); name a complete model.")
    return model.eval().to(device), not lacking


def sha256_of_model(folder: Path) -> str:
    """The sha256 of the lines `sha256  name` of config.json and the weights' files, in order of name."""
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    lines = "".join(f"{sha256_of_file(folder / name)}  {name}\n" for name in ["config.json", *names])
    return hashlib.sha256(lines.encode()).hexdigest()


def read_preparation(folder: Path, name: str, channels: int) -> Preparation:
    """What the folder's preprocessor_config.json asks for.

    Raises:
        UserError: there is none, or it asks for something that is not known here.
    """
    path = folder / PREPARATION_FILE
    if not path.is_file():
        raise UserError(f"{name} has no {PREPARATION_FILE}, which says how images are to be prepared; add one.")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return _preparation(settings, channels)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"no `{error.args[0]}`" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{name}: its {PREPARATION_FILE} cannot be followed: {reason}.") from None


def _preparation(settings: Mapping[str, Any], channels: int) -> Preparation:
    if not settings.get("do_resize", True):
        raise ValueError("`do_resize` is off")
    if settings["resample"] not in _INTERPOLATIONS:
        raise ValueError(f"`resample` is {settings['resample']}, not 2 (bilinear) or 3 (bicubic)")
    size, crop = _size_and_crop(settings)
    normalised = settings.get("do_normalize", True)
    mean, std = (
        tuple(float(value) for value in settings[key]) if normalised else (default,) * channels
        for key, default in (("image_mean", 0.0), ("image_std", 1.0))
    )
    if not len(mean) == len(std) == channels:
        raise ValueError(f"`image_mean` and `image_std` are not of {channels} values, one for each channel")
    return Preparation(
        size=size,
        crop=crop,
        interpolation=_INTERPOLATIONS[settings["resample"]],
        rescale_factor=float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0,
        mean=mean,
        std=std,
    )


def _size_and_crop(settings: Mapping[str, Any]) -> tuple[tuple[int, int] | int, tuple[int, int] | None]:
    size, crops = settings["size"], settings.get("do_center_crop", False)
    if settings.get("crop_pct"):  # ConvNeXT and ResNet: `size` is what is left after the crop
        edge = size if isinstance(size, int) else size["shortest_edge"]
        return ((edge, edge), None) if edge >= _UNCROPPED_EDGE else (int(edge / settings["crop_pct"]), (edge, edge))
    if isinstance(size, Mapping) and "shortest_edge" not in size:
        size = (size["height"], size["width"])
    elif isinstance(size, Mapping):
        size = size["shortest_edge"]
    elif not crops:  # a bare number is a square, except where a crop makes it one
        size = (size, size)
    if not crops:
        return size, None
    crop = settings["crop_size"]
    crop = (crop, crop) if isinstance(crop, int) else (crop["height"], crop["width"])
    smallest = (size, size) if isinstance(size, int) else size
    if crop[0] > smallest[0] or crop[1] > smallest[1]:
        raise ValueError(f"`crop_size` {crop} is larger than `size` {smallest}")
    return size, crop


def _shortest_edge_at(edge: int, pixels: Tensor) -> tuple[int, int]:
    """The (height, width) of `pixels` in proportion, with the shorter of them at `edge`."""
    height, width = pixels.shape[-2:]
    return (edge, int(edge * width / height)) if height <= width else (int(edge * height / width), edge)


@contextmanager
def _loading_errors(name: str) -> Iterator[None]:
    """Turn what transformers raises for a model that cannot be loaded into one sentence about the model `name`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:  # no weights, an unknown architecture, a damaged file
        raise UserError(
            f"{name} cannot be loaded as a vision model: {first_line(error)}; name another, or save or download it "
            "again."
        ) from None
