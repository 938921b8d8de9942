"""The checkpoints of a run: folders named after the step that they were saved at."""

from __future__ import annotations

from pathlib import Path


def step_of(checkpoint: Path) -> int:
    """The steps that were done when it was saved."""
    return int(checkpoint.name.removeprefix("step-"))


def checkpoints_in(output_dir: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted((output_dir / "checkpoints").glob("step-*"), key=step_of)
