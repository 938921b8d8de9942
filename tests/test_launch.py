"""What the launcher, the machine and the environment offer is what a run gets, or it says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from running import RECIPES

from hfloop import launch
from hfloop.errors import UserError
from hfloop.launch import check_process_count, processor_name, resolve_mixed_precision, resolve_trackers

LAUNCH = ["python", "/bin/accelerate", "launch"]


def test_accelerate_that_starts_one_process_of_two_is_told_the_line_that_starts_two(tmp_path: Path) -> None:
    flags = ["--dry_run", "--output_dir=my runs/a"]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    line = [*launcher, str(RECIPES / "ner.py"), *flags]
    launched = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert launched.returncode != 0
    assert launched.stdout == ""
    assert (
        "error: accelerate launch was asked for 2 processes and started 1; on a CPU launch with: "
        f"torchrun --standalone --nproc_per_node 2 {RECIPES / 'ner.py'} --dry_run '--output_dir=my runs/a'\n"
    ) in launched.stderr


@pytest.fixture
def default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `accelerate config` would have written; there is nothing yet."""
    path = tmp_path / "default_config.yaml"
    monkeypatch.setattr(launch, "default_config_file", str(path))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    return path


def launched_by(monkeypatch: pytest.MonkeyPatch, command: list[str] | None) -> None:
    """Pretend that this process was started by `command`, or by none that can be seen."""
    parent = None if command is None else SimpleNamespace(cmdline=lambda: command)
    monkeypatch.setattr(psutil.Process, "parent", lambda self: parent)


@pytest.mark.parametrize(
    "command",
    [
        None,
        ["bash"],
        ["python", "-m", "pytest", "--num_processes", "2"],
        [*LAUNCH, "recipe.py"],
        [*LAUNCH, "--num_processes=1", "recipe.py"],
    ],
)
def test_one_process_where_one_was_asked_for_is_right(
    command: list[str] | None, default_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched_by(monkeypatch, command)
    check_process_count()


@pytest.mark.parametrize(
    "command",
    [
        [*LAUNCH, "--num_processes", "2", "recipe.py"],
        [*LAUNCH, "--num-processes=2", "--config_file", "one.yaml", "recipe.py"],
        ["python", "-m", "accelerate.commands.launch", "--num_processes", "2", "recipe.py"],
        [*LAUNCH, "--config_file", "two.yaml", "recipe.py"],
        [*LAUNCH, "--config-file=two.yaml", "--cpu", "recipe.py"],
    ],
)
def test_two_processes_that_were_asked_for_must_run(
    command: list[str], default_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, number in (("one", 1), ("two", 2)):
        Path(f"{name}.yaml").write_text(f"num_processes: {number}\nuse_cpu: true\n")
    launched_by(monkeypatch, command)
    with pytest.raises(UserError, match="was asked for 2 processes and started 1"):
        check_process_count()
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_process_count()


def test_the_file_of_accelerate_config_counts_unless_cpu_is_said(
    default_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_file.write_text("distributed_type: MULTI_CPU\nnum_processes: 4\n")
    launched_by(monkeypatch, [*LAUNCH, "recipe.py"])
    with pytest.raises(UserError, match="was asked for 4 processes and started 1"):
        check_process_count()
    launched_by(monkeypatch, [*LAUNCH, "--cpu", "recipe.py"])
    check_process_count()


def test_mixed_precision_is_what_was_asked_for_and_auto_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_mixed_precision("fp16") == ("fp16", "as asked")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for has_bf16, resolved in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has_bf16=has_bf16: has_bf16)
        assert resolve_mixed_precision("auto")[0] == resolved


def test_mixed_precision_auto_follows_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for has_bf16, resolved in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda emulated, has_bf16=has_bf16: has_bf16)
        assert resolve_mixed_precision("auto")[0] == resolved


def test_trackers_are_those_that_were_named() -> None:
    assert resolve_trackers(["none"]) == []
    assert resolve_trackers(["tensorboard", "none"]) == ["tensorboard"]


def test_an_unknown_tracker_is_told_the_known_ones() -> None:
    with pytest.raises(
        UserError, match=r"^--report_to tensorbord: unknown; the trackers are tensorboard, trackio, wandb, or none\.$"
    ):
        resolve_trackers(["tensorbord"])


def test_a_tracker_that_is_not_installed_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^--report_to wandb needs the package wandb: pip install wandb\.$"):
        resolve_trackers(["wandb"])


def test_the_processor_has_a_name_and_cores() -> None:
    assert processor_name().endswith(f" ({os.cpu_count()} cores)")
    assert len(processor_name()) > len(f" ({os.cpu_count()} cores)")
