"""Let a classifier that had no part in training or choosing the generators say what their images show.

python -m scripts.recognise_samples TRAIN TEST RELEASE…

The feature extractors choose the checkpoints, so their own confidence would flatter. This trains a plain convolutional
network on the labelled images TRAIN with cross-entropy alone, measures it on TEST, and lets it judge 10,000 images of
each release: its mean confidence (largest probability), the rarest class, and how often the class that was asked for.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from hfloop.errors import UserError, exit_on_user_error
from hfloop.gan.pipelines import open_pipeline
from hfloop.hub.card import markdown_table
from hfloop.images.cache import decoded_pixels
from hfloop.images.generated import GeneratedImages
from hfloop.images.source import ImageSource
from hfloop.images.sources import load_images

IMAGES, SEED = 10_000, 7  # of each release; not the seed of the figures
EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 128, 2e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="labelled images, as `hfloop metrics` names them")
    parser.add_argument("test", help="other labelled images")
    parser.add_argument("releases", nargs="+", type=Path)
    arguments = parser.parse_args()
    train, test = load_images(arguments.train), load_images(arguments.test)
    classifier = trained(train)
    probabilities = judged(classifier, test)
    rows = [["real test images", *told(probabilities), f"{np.mean(probabilities.argmax(1) == labels_of(test)):.2%}"]]
    for folder in arguments.releases:
        images = GeneratedImages(folder, IMAGES, SEED, open_pipeline=open_pipeline)
        probabilities = judged(classifier, images)
        asked = "–" if images.labels is None else f"{np.mean(probabilities.argmax(1) == images.labels):.2%}"
        rows.append([folder.parent.name, *told(probabilities), asked])
    sys.stdout.write(markdown_table(["images", "mean confidence", "rarest class", "asked class"], rows) + "\n")


def trained(images: ImageSource) -> nn.Module:
    """A plain convolutional network that knows the classes of these images."""
    torch.manual_seed(0)
    pixels, labels = torch.tensor(decoded_pixels(images)), torch.from_numpy(labels_of(images))
    edge = images.shape[1] // 4
    network = nn.Sequential(
        nn.Conv2d(images.shape[0], 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * edge * edge, 128), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(128, int(labels.max()) + 1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    steps = EPOCHS * len(pixels) // BATCH_SIZE
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in trange(steps, desc="classifier", disable=not sys.stderr.isatty()):
        chosen = torch.randint(len(pixels), (BATCH_SIZE,))
        loss = F.cross_entropy(network(pixels[chosen].float() / 255), labels[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    return network.eval()


def labels_of(images: ImageSource) -> np.ndarray:
    """The class of each image.

    Raises:
        UserError: they have none.
    """
    if images.labels is None:
        raise UserError(f"{images.name} has no class labels: name images that have them.")
    return images.labels


@torch.no_grad()
def judged(classifier: nn.Module, images: ImageSource) -> np.ndarray:
    """Probabilities of shape (images, classes)."""
    batches: list[Tensor] = []
    for first in range(0, len(images), 512):
        pixels = torch.from_numpy(images.read(np.arange(first, min(first + 512, len(images)))))
        batches.append(classifier(pixels.float() / 255).softmax(dim=1))
    return torch.cat(batches).numpy()


def told(probabilities: np.ndarray) -> list[str]:
    """Mean confidence, and the share of the rarest class."""
    shares = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]) / len(probabilities)
    return [f"{probabilities.max(1).mean():.3f}", f"{shares.min():.1%}"]


if __name__ == "__main__":
    exit_on_user_error(main)
