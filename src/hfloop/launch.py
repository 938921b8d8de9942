"""What the launcher and the machine offer: processes, precision, trackers."""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch
import yaml
from accelerate.commands.config.config_args import default_config_file

from hfloop.errors import UserError

_TRACKERS = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}


def check_process_count() -> None:
    """Refuse to run as one process when the launcher was asked for several.

    `accelerate launch --cpu --num_processes 2` starts one process and says nothing; torchrun sets WORLD_SIZE.

    Raises:
        UserError: with the launch line that gives the processes that were asked for.
    """
    asked = _processes_asked_of_accelerate()
    running = int(os.environ.get("WORLD_SIZE", "1"))
    if asked is not None and asked != running:
        raise UserError(
            f"accelerate launch was asked for {asked} processes and started {running}; on a CPU launch with: "
            f"torchrun --standalone --nproc_per_node {asked} {shlex.join(sys.argv)}"
        )


def _processes_asked_of_accelerate() -> int | None:
    """What accelerate was told by `--num_processes`, by `--config_file`, or by the file of `accelerate config`."""
    launcher = psutil.Process().parent()
    try:
        command = launcher.cmdline() if launcher is not None else []  # a container's first process has no parent
    except psutil.Error:
        return None
    if not any(Path(part).name == "accelerate" or part.startswith("accelerate.commands") for part in command[:3]):
        return None
    if (number := _flag_value(command, "num_processes")) is not None:
        return int(number)
    config_file = Path(_flag_value(command, "config_file") or default_config_file)
    if config_file == Path(default_config_file) and ("--cpu" in command or not config_file.is_file()):
        return None  # accelerate leaves its default file aside too
    # a GPU configuration on several machines counts its processes over all of them, as WORLD_SIZE does
    return yaml.safe_load(config_file.read_text(encoding="utf-8")).get("num_processes")


def _flag_value(command: Sequence[str], name: str) -> str | None:
    """The value of `--name V` or `--name=V`, written with underscores or hyphens."""
    spellings = (f"--{name}", f"--{name.replace('_', '-')}")
    for index, part in enumerate(command):
        flag, equals, value = part.partition("=")
        if flag in spellings:
            return value if equals else command[index + 1]
    return None


def is_on_one_machine() -> bool:
    """Whether all processes run here; torchrun, which accelerate too starts several with, says how many do."""
    processes = os.environ.get("WORLD_SIZE", "1")
    return os.environ.get("LOCAL_WORLD_SIZE", processes) == processes


def resolve_mixed_precision(choice: str) -> tuple[str, str]:
    """What `auto` means here, and why.

    Returns:
        The precision for accelerate (`no`, `bf16` or `fp16`) and the reason, for people.
    """
    if choice != "auto":
        return choice, "as asked"
    if torch.cuda.is_available():
        return ("bf16", "the GPU computes it") if torch.cuda.is_bf16_supported(False) else ("no", "the GPU lacks bf16")
    if torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported():
        return "bf16", "the processor has bf16 instructions"
    return "no", "the processor lacks bf16 instructions"


def resolve_trackers(report_to: Sequence[str]) -> list[str]:
    """The trackers that were asked for.

    Raises:
        UserError: an unknown tracker, or one whose package is not installed.
    """
    wanted = [name for name in report_to if name != "none"]
    for name in wanted:
        if name not in _TRACKERS:
            raise UserError(f"--report_to {name}: unknown; the trackers are {', '.join(_TRACKERS)}, or none.")
        if importlib.util.find_spec(_TRACKERS[name]) is None:
            raise UserError(f"--report_to {name} needs the package {name}: pip install {name}.")
    return wanted


def processor_name() -> str:
    """The processor as its maker calls it, with the number of cores."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name} ({os.cpu_count()} cores)"
