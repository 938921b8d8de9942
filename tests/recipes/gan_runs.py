"""Tiny runs of the GAN recipes, and what tells one run from another."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import running
import torch
from running import RECIPES, Ended, Started

KEEPER = str(Path(__file__).with_name("keep_checkpoint.py"))
VARIANTS = {
    "gan": ["gan.py"],
    "dcgan": ["dcgan.py"],
    "dcgan-resize": ["dcgan.py", "--upsample=resize"],
    "sngan": ["sngan.py"],
    "wgan_gp": ["wgan_gp.py"],
    "wgan_gp-clip": ["wgan_gp.py", "--lipschitz=clip"],
    "cgan": ["cgan.py"],
    "cgan-projection": ["cgan.py", "--conditioning=projection"],
    "r3gan": ["r3gan.py"],
}
RESUME = ["--output_dir=run", "--resume_from_checkpoint=latest"]
_CLOCKS = {"training_seconds", "created"}


def started(
    variant: str, flags: Sequence[object], folder: Path, *, processes: int = 1, file_bytes: int | None = None
) -> Started:
    """Start a variant's recipe in `folder`; if it finishes it leaves its last checkpoint in `kept`.

    Args:
        variant: a key of `VARIANTS`.
        flags: what else it is told; those of the variant itself are not said again to a run that is resumed.
        folder: the working directory.
        processes: several run as torchrun would run them.
        file_bytes: size that no file of the run can exceed.
    """
    recipe, *own = VARIANTS[variant]
    own = [] if "--resume_from_checkpoint=latest" in flags else own
    line = [RECIPES / recipe, *own, *flags]
    return running.start(KEEPER, line, folder, processes=processes, file_bytes=file_bytes)


def whole_run(variant: str, flags: Sequence[object], folder: Path, *, processes: int = 1) -> Path:
    """Train a variant to the end; gives the run's folder."""
    ended = started(variant, [*flags, "--output_dir=run"], folder, processes=processes).wait()
    assert ended.exit_code == 0, ended.output
    return folder / "run"


def resumed(variant: str, folder: Path, *, processes: int = 1) -> Path:
    """Bring a stopped run in `folder` to its end; gives the run's folder."""
    ended = started(variant, RESUME, folder, processes=processes).wait()
    assert ended.exit_code == 0, ended.output
    return folder / "run"


def kill(started: Started, folder: Path, row_count: int) -> None:
    """Kill -9 every process of the run in `folder`/run as soon as metrics.jsonl has so many rows."""
    started.wait_for(folder / "run" / "metrics.jsonl", row_count)
    for process_index in range(len(started.processes)):
        started.signal(signal.SIGKILL, process_index)
    assert started.wait().exit_code == -signal.SIGKILL


def sentence(ended: Ended) -> str:
    """The one error that the run printed."""
    assert "Traceback" not in ended.output, ended.output
    (told,) = re.findall(r"^error: (.+)$", ended.output, re.MULTILINE)
    return told


def rows(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what a clock measured."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.endswith("_per_second")} for line in lines]


def grids(folder: Path) -> dict[str, bytes]:
    """The sample grids of a run."""
    return {path.name: path.read_bytes() for path in sorted((folder / "samples").glob("*"))}


def provenance(folder: Path) -> dict[str, Any]:
    """hfloop.json of a run's release, which has the sha256 of nearly every other file."""
    return json.loads((folder / "release" / "hfloop.json").read_text(encoding="utf-8"))


def checkpoint(folder: Path) -> dict[str, Any]:
    """What each file of a checkpoint holds: weights as bytes, the rest as it was saved."""
    return {
        path.name: path.read_bytes() if path.suffix == ".safetensors" else torch.load(path, weights_only=False)
        for path in folder.iterdir()
    }


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two trees of dicts, lists, tensors and values differ in so much as a bit; clocks may."""
    if isinstance(one, dict) and isinstance(other, dict):
        lone = [f"{place}/{name}" for name in one.keys() ^ other.keys()]
        both = [name for name in one if name in other and name not in _CLOCKS]
        return lone + [each for name in both for each in differences(one[name], other[name], f"{place}/{name}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [each for number, pair in pairs for each in differences(*pair, f"{place}/{number}")]
    same = type(one) is type(other) and np.array_equal(one, other)
    return [] if same else [place]


def assert_same_run(folder: Path, whole: Path) -> None:
    """Nothing but the clock tells the two runs apart."""
    assert rows(folder) == rows(whole)
    assert grids(folder) == grids(whole)
    assert differences(checkpoint(folder / "kept"), checkpoint(whole / "kept")) == []
    assert differences(provenance(folder), provenance(whole)) == []
    assert not (folder / "checkpoints").exists()
