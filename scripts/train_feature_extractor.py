"""Train the classifier behind a shipped feature extractor, and write its folder: config.json and model.safetensors.

    python -m scripts.train_feature_extractor digits --output_dir digits-v1
    python -m scripts.train_feature_extractor mnist --data mnist/ --output_dir mnist-v1
    python -m scripts.train_feature_extractor fashion --data fashion_mnist/ --output_dir fashion-v1

`--data` is a folder with the four IDX files of MNIST or Fashion-MNIST, gzipped or not; scikit-learn brings the digits.
`--validation` trains on nine tenths of the training images, prints the accuracy on the last tenth and writes nothing:
that is how the settings below were chosen. The test images are looked at once, by the network that is written.

The same seed gives the same weights on the same machine with the same number of threads.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from hfloop.errors import UserError, exit_on_user_error
from hfloop.files import new_folder, sha256_of_file, write_text
from hfloop.images.source import ArrayImages
from hfloop.images.sources import load_images
from hfloop.metrics.classifier import SmallClassifier

# Measured on MNIST: at equal weights, noise that one hardly sees (sigma 8 of 255) moves the Fréchet distance nearly as
# far as two lost classes do; without the earlier stages, the distance hardly grows any more beyond noise of sigma 64.
EARLY_STAGE = 0.3
DIGITS = tuple("0123456789")
GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
IDX_FILES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}


@dataclass(frozen=True)
class Settings:
    """How one of the extractors is built and trained."""

    classes: tuple[str, ...]
    widths: tuple[int, ...]  # channels of each stage
    blocks: tuple[int, ...]  # residual blocks of each stage
    stage_weights: tuple[float, ...]  # how much the features of each stage count
    epochs: int
    batch_size: int
    learning_rate: float  # the peak of a one-cycle schedule
    weight_decay: float
    label_smoothing: float
    degrees: float  # rotation, up to this much either way
    scale: float  # enlargement or reduction, up to this fraction
    shift: float  # pixels, up to this many in each direction
    mirror: bool  # left and right are swapped in every other image


MNIST = Settings(
    classes=DIGITS,
    widths=(16, 48, 64),
    blocks=(0, 1, 2),
    stage_weights=(EARLY_STAGE, EARLY_STAGE, 1.0),
    epochs=12,
    batch_size=128,
    learning_rate=4e-3,
    weight_decay=0.05,
    label_smoothing=0.05,
    degrees=10,
    scale=0.1,
    shift=2,
    mirror=False,
)
SETTINGS = {
    "digits": Settings(
        classes=DIGITS,
        widths=(24, 40),
        blocks=(1, 2),
        stage_weights=(EARLY_STAGE, 1.0),
        epochs=100,
        batch_size=64,
        learning_rate=4e-3,
        weight_decay=0.05,
        label_smoothing=0.05,
        degrees=8,
        scale=0.1,
        shift=0.7,
        mirror=False,
    ),
    "mnist": MNIST,
    "fashion": Settings(
        classes=GARMENTS,
        widths=MNIST.widths,
        blocks=MNIST.blocks,
        stage_weights=MNIST.stage_weights,
        epochs=20,
        batch_size=128,
        learning_rate=4e-3,
        weight_decay=0.05,
        label_smoothing=0.05,
        degrees=3,
        scale=0.05,
        shift=1.5,
        mirror=True,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=SETTINGS)
    parser.add_argument("--data", type=Path, help="folder with the IDX files (mnist, fashion)")
    parser.add_argument("--output_dir", type=Path, required=True, help="the extractor's folder; must not exist")
    parser.add_argument("--epochs", type=int, help="instead of the settings' own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validation", action="store_true", help="measure on a tenth of the training images instead")
    arguments = parser.parse_args()
    settings = SETTINGS[arguments.dataset]
    epochs = settings.epochs if arguments.epochs is None else arguments.epochs
    if epochs < 1:
        raise UserError(f"--epochs must be at least 1, not {epochs}.")
    if arguments.output_dir.exists():
        raise UserError(f"--output_dir {arguments.output_dir} exists already; remove it or name another folder.")
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(arguments.seed)

    images, labels = load_split(arguments.dataset, arguments.data, "train", settings.classes)
    pixels = torch.from_numpy(images.pixels)
    if arguments.validation:
        kept = len(pixels) * 9 // 10
        network = new_network(settings, pixels[:kept])
        train(network, pixels[:kept], labels[:kept], settings, epochs, arguments.seed)
        print(f"validation accuracy {accuracy(network, pixels[kept:], labels[kept:]):.4f}")
        return

    test_images, test_labels = load_split(arguments.dataset, arguments.data, "test", settings.classes)
    start = time.monotonic()
    network = new_network(settings, pixels)
    train(network, pixels, labels, settings, epochs, arguments.seed)
    seconds = time.monotonic() - start
    config: dict[str, Any] = {
        **architecture(network, settings),
        "train_accuracy": accuracy(network, pixels, labels),
        "test_accuracy": accuracy(network, torch.from_numpy(test_images.pixels), test_labels),
        "training": {
            "command": command_line(arguments.dataset, epochs, arguments.seed),
            "settings": {**training_settings(settings), "epochs": epochs, "autocast": "bfloat16"},
            "seed": arguments.seed,
            "seconds": round(seconds, 1),
            "threads": torch.get_num_threads(),
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": version("numpy")},
            "selection": "settings chosen on the last tenth of the training images; test images measured once",
            "data": {"train": fingerprint(images), "test": fingerprint(test_images)},
        },
    }
    write_extractor(network, config, arguments.output_dir)
    print(f"test accuracy {config['test_accuracy']:.4f}, train accuracy {config['train_accuracy']:.4f}")
    print(f"{arguments.output_dir}: {seconds:.0f} s of training")


# ---------------------------------------------------------------------------------------------------- data


def load_split(dataset: str, folder: Path | None, split: str, classes: Sequence[str]) -> tuple[ArrayImages, Tensor]:
    """The images of one split, with their labels as a tensor."""
    if dataset == "digits":
        images = load_images(f"digits:{split}")
    else:
        if folder is None:
            raise UserError(f"{dataset} needs --data, the folder with its four IDX files.")
        images = load_images(str(idx_file(folder, IDX_FILES[split])))
    if images.labels is None:
        raise UserError(f"{images.name} has no labels beside it; put the IDX file of the labels there.")
    if images.shape[0] != 1 or images.shape[1] != images.shape[2]:
        raise UserError(f"{images.name} holds images of shape {images.shape}; the classifier takes square gray ones.")
    if not 0 <= images.labels.min() <= images.labels.max() < len(classes):
        raise UserError(f"{images.name} has labels outside 0 to {len(classes) - 1}; it is not {dataset}.")
    return ArrayImages(images.read(range(len(images))), images.name), torch.from_numpy(images.labels)


def idx_file(folder: Path, name: str) -> Path:
    """The file of that name in `folder`, gzipped or not."""
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise UserError(f"{folder} has neither {name}.gz nor {name}; --data names the folder of the IDX files.")


def fingerprint(images: ArrayImages) -> dict[str, Any]:
    return {"images": len(images), "sha256": images.fingerprint}


# ---------------------------------------------------------------------------------------------------- training


def new_network(settings: Settings, pixels: Tensor) -> SmallClassifier:
    """An untrained network for images like `pixels` (n, 1, size, size), uint8."""
    values = pixels.double() / 255
    return SmallClassifier(
        image_size=pixels.shape[-1],
        classes=len(settings.classes),
        widths=settings.widths,
        blocks=settings.blocks,
        stage_weights=settings.stage_weights,
        pixel_mean=round(values.mean().item(), 4),
        pixel_std=round(values.std().item(), 4),
    )


def train(
    network: SmallClassifier, pixels: Tensor, labels: Tensor, settings: Settings, epochs: int, seed: int
) -> None:
    """Train with AdamW on a one-cycle schedule (Smith & Topin 2019); activations in bfloat16, weights in float32."""
    generator = torch.Generator().manual_seed(seed)
    batch = min(settings.batch_size, len(pixels))
    steps = len(pixels) // batch * epochs
    network.train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)
    progress = tqdm(total=steps, unit="step", disable=None)
    for _ in range(epochs):
        order = torch.randperm(len(pixels), generator=generator)
        for chosen in order[: len(order) // batch * batch].split(batch):
            images = distort(pixels[chosen].float(), settings, generator)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(images.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), labels[chosen], label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress.update()
        progress.set_postfix(loss=f"{loss.item():.3f}")
    progress.close()
    network.eval()


def distort(images: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Each image of (n, 1, size, size) rotated, scaled, shifted and mirrored at random."""
    count, size = len(images), images.shape[-1]

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle = torch.deg2rad(uniform(settings.degrees))
    scale = 1 + uniform(settings.scale)
    across, down = uniform(2 * settings.shift / size), uniform(2 * settings.shift / size)  # affine_grid counts from -1
    mirror = 1 - 2 * torch.randint(2, (count,), generator=generator) if settings.mirror else torch.ones(count)
    rows = [
        torch.stack([mirror * scale * angle.cos(), -scale * angle.sin(), across], dim=1),
        torch.stack([mirror * scale * angle.sin(), scale * angle.cos(), down], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", align_corners=False)


@torch.inference_mode()
def accuracy(network: SmallClassifier, pixels: Tensor, labels: Tensor) -> float:
    """The share of images whose class has the largest logit, in float32."""
    correct = sum(
        int((network(images.float()).argmax(dim=1) == truth).sum())
        for images, truth in zip(pixels.split(1000), labels.split(1000), strict=True)
    )
    return correct / len(pixels)


# ---------------------------------------------------------------------------------------------------- the folder


def architecture(network: SmallClassifier, settings: Settings) -> dict[str, Any]:
    """What it takes to build the network again."""
    return {
        "image_size": network.image_size,
        "dimension": sum(settings.widths),
        "classes": settings.classes,
        "widths": settings.widths,
        "blocks": settings.blocks,
        "stage_weights": settings.stage_weights,
        "pixel_mean": round(network.pixel_mean.item(), 4),
        "pixel_std": round(network.pixel_std.item(), 4),
    }


def training_settings(settings: Settings) -> dict[str, Any]:
    """The settings that the architecture does not tell."""
    told = ("classes", "widths", "blocks", "stage_weights")
    return {name: value for name, value in asdict(settings).items() if name not in told}


def command_line(dataset: str, epochs: int, seed: int) -> str:
    """What to type to train this again; folders differ from machine to machine."""
    data = [] if dataset == "digits" else ["--data", "FOLDER"]
    words = ["python", "-m", "scripts.train_feature_extractor", dataset, *data, "--output_dir", "FOLDER"]
    return shlex.join([*words, "--epochs", str(epochs), "--seed", str(seed)])


def write_extractor(network: SmallClassifier, config: dict[str, Any], path: Path) -> None:
    """Write config.json and model.safetensors; the folder is there when both are whole."""
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(path) as folder:
        path_of_weights = folder / "model.safetensors"
        save_file(weights, path_of_weights)
        path_of_weights.chmod(0o644)  # safetensors writes files that only their owner can read
        config["sha256"] = sha256_of_file(path_of_weights)
        write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    exit_on_user_error(main)
