"""The update does not depend on how a batch is cut into processes and forward passes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from running import RECIPES, run
from safetensors.torch import load_file
from torch import Tensor

TOLERANCE = 1e-6
KEY_BIAS = "attention.self.key.bias"  # a softmax over keys does not see it, so nothing but rounding moves it
# without an average and without clipping: the last weights themselves; and with both
VARIANTS = {
    "last weights": ["--ema_decay=0", "--max_grad_norm=1000"],
    "averaged weights, clipped gradients": ["--ema_decay=0.99", "--max_grad_norm=0.1"],
}

Weights = dict[str, Tensor]
Train = Callable[..., Weights]


@pytest.fixture(scope="module")
def five_steps(ner_flags: list[str]) -> list[str]:
    """Five steps of one epoch, so that the release holds what the fifth left, at a rate that moves the weights."""
    length = ["--max_train_steps=5", "--max_seq_length=18", "--num_train_epochs=1"]
    return [*ner_flags, *length, "--dropout=0", "--learning_rate=3e-3"]


@pytest.fixture(scope="module")
def train(five_steps: list[str], tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train with a batch size, accumulation steps and processes; gives the released weights."""

    @cache
    def released(batch_size: int, accumulation_steps: int, processes: int, *flags: str) -> Weights:
        folder = tmp_path_factory.mktemp("exactness")
        sizes = [f"--per_device_train_batch_size={batch_size}", f"--gradient_accumulation_steps={accumulation_steps}"]
        ended = run("ner.py", [*five_steps, *sizes, *flags, "--output_dir=run"], folder, processes=processes)
        assert ended.exit_code == 0, ended.output
        return load_file(folder / "run" / "release" / "model.safetensors")

    return released


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_weights_are_the_same_however_sixteen_windows_are_shared_out(train: Train, variant: str) -> None:
    at_once = train(16, 1, 1, *VARIANTS[variant])
    accumulated = train(4, 4, 1, *VARIANTS[variant])
    shared = train(4, 2, 2, *VARIANTS[variant])
    assert largest_difference(at_once, accumulated) <= TOLERANCE
    assert largest_difference(at_once, shared) <= TOLERANCE


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_five_steps_that_are_compared_have_moved_every_weight(train: Train, variant: str) -> None:
    trained, initial = (train(16, 1, 1, *VARIANTS[variant], *flags) for flags in ([], ["--learning_rate=0"]))
    moved = {name: float((trained[name] - initial[name]).abs().max()) for name in trained if KEY_BIAS not in name}
    assert min(moved.values()) > 500 * TOLERANCE


def test_torchrun_starts_two_processes_that_learn_as_one_and_speak_as_one(
    train: Train, five_steps: list[str], tmp_path: Path
) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    sizes = ["--per_device_train_batch_size=4", "--gradient_accumulation_steps=2"]
    flags = [*five_steps, *VARIANTS["last weights"], *sizes, "--output_dir=run"]
    line = [*launcher, str(RECIPES / "ner.py"), *flags]
    launched = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert launched.returncode == 0, launched.stderr
    said = launched.stderr.splitlines()
    assert len([line for line in said if line.startswith("device:") and ", 2 processes," in line]) == 1
    for start in ("run folder:", "device:", "data:", "epoch 1:", "release:"):
        assert len([line for line in said if line.startswith(start)]) == 1, launched.stderr
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2  # the epoch, and its last step
    shared = load_file(tmp_path / "run" / "release" / "model.safetensors")
    assert largest_difference(train(16, 1, 1, *VARIANTS["last weights"]), shared) <= TOLERANCE


def largest_difference(one: Weights, other: Weights) -> float:
    """The largest absolute difference of any weight."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)
