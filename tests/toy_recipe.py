"""A recipe that trains one layer on noise in this very process, and what tests ask of its run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from huggingface_hub import ModelCardData
from torch import nn

from hfloop.config import RecipeConfig, option, parse_config
from hfloop.hub.family import Family, RenderedCard
from hfloop.release import Release
from hfloop.run import Run

RESUME = ["--output_dir=runs/toy", "--resume_from_checkpoint=latest"]
CHECKPOINTS = Path("runs/toy/checkpoints")
METRICS = Path("runs/toy/metrics.jsonl")
Disturb = Callable[[int, Run, nn.Linear], object]


@dataclass
class ToyConfig(RecipeConfig):
    """Train a toy."""

    learning_rate: float = option(0.1, "learning rate")
    data: str | None = option(None, "a path")


class ToyFamily(Family):
    """Models of which nothing is to be said."""

    def card(self, provenance: dict[str, Any], model_id: str) -> RenderedCard:
        """A title."""
        return RenderedCard(ModelCardData(), "toy", [])

    def probe(self, folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
        """Nothing differs."""
        return []

    def measure(
        self, folder: Path, name: str, provenance: dict[str, Any], data: str | None, train_data: str | None
    ) -> dict[str, Any]:
        """No figures."""
        return {}


class ToyRelease(Release):
    """A release of one file, which the disk may refuse."""

    family = ToyFamily()

    def __init__(self, model: nn.Module, error: OSError | None = None) -> None:
        self.model = model
        self.error = error

    def save_model(self, folder: Path) -> None:
        """The weights."""
        torch.save(self.model.state_dict(), folder / "model.bin")
        if self.error is not None:
            raise self.error

    def save_pictures(self, folder: Path) -> None:
        """None."""

    def facts(self) -> dict[str, Any]:
        """None."""
        return {}


def nothing(step: int, run: Run, model: nn.Linear) -> None:
    """Leave the training alone."""


def toy(*flags: object, steps: int = 6, disturb: Disturb = nothing, fingerprint: str = "f") -> tuple[Run, nn.Linear]:
    """Train a linear layer on random numbers; `disturb` is called at the end of each step."""
    AcceleratorState._reset_state(reset_partial_state=True)
    config = parse_config(ToyConfig, ["--mixed_precision=no", *map(str, flags)])
    run = Run(config, recipe="toy")
    run.announce("data: noise\n  of two kinds", fingerprint)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    prepared, optimizer = run.prepare(model, optimizer)
    for step in run.steps(steps):
        loss = (prepared(torch.randn(4, 3)) - 1).square().mean()
        run.accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        run.means["loss"].add(loss, 1)
        run.count("numbers", 12)
        disturb(step, run, model)
    return run, model


def saved() -> list[str]:
    """Everything in checkpoints/."""
    return sorted(path.name for path in CHECKPOINTS.iterdir())


def rows(folder: str = "runs/toy") -> list[dict[str, Any]]:
    """metrics.jsonl without what a clock measured."""
    lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.endswith("_per_second")} for line in lines]


def contents(folder: str | Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
