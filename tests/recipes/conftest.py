"""What the tests of recipes share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hfloop.images.sources import load_images


@pytest.fixture(scope="session")
def ner_flags(data_files: dict[str, Path], tiny_backbone: Path) -> list[str]:
    """Flags that make recipes/ner.py train the tiny backbone on invented documents."""
    files = [f"--{name}_file={path}" for name, path in data_files.items()]
    return [*files, f"--model_name_or_path={tiny_backbone}", "--mixed_precision=no"]


@pytest.fixture(scope="session")
def gan_flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags that make any recipe of a GAN train tiny networks on a few digits."""
    folder = tmp_path_factory.mktemp("few-digits")
    for split, count in {"train": 300, "test": 100}.items():
        digits = load_images(f"digits:{split}")
        np.savez(folder / f"{split}.npz", images=digits.read(range(count)), labels=digits.labels[:count])
    images = [f"--{split}_data={folder / split}.npz" for split in ("train", "test")]
    networks = ["--base_channels=4", "--latent_dim=8", "--per_device_train_batch_size=16"]
    return [*images, *networks, "--extractor=digits-v1", "--mixed_precision=no"]
