"""What the tests of recipes share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ner_flags(data_files: dict[str, Path], tiny_backbone: Path) -> list[str]:
    """Flags that make recipes/ner.py train the tiny backbone on invented documents."""
    files = [f"--{name}_file={path}" for name, path in data_files.items()]
    return [*files, f"--model_name_or_path={tiny_backbone}", "--mixed_precision=no"]
