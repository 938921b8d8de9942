"""RecipeConfig: one dataclass is a recipe's flags, its YAML file, and what its model card prints."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, TypeVar

import yaml

from hfloop.errors import UserError, first_line, nearest

_BOOKKEEPING = frozenset(
    [
        "output_dir",
        "checkpointing_steps",
        "checkpoints_total_limit",
        "resume_from_checkpoint",
        "logging_steps",
        "report_to",
        "dry_run",
        "push_to_hub",
        "hub_model_id",
        "hub_private",
    ]
)
"""Fields that the trained weights do not depend on, so a resumed run may change them."""

_YAML_NULLS = ("", "~", "null", "Null", "NULL")


def option(default: Any, help: str) -> Any:
    """Declare a config field: its default, and the line that `--help` prints."""
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": help})
    return field(default=default, metadata={"help": help})


@dataclass
class RecipeConfig:
    """What every recipe can be told.

    Attributes:
        family: what the recipe trains, as its releases call it.
    """

    family: ClassVar[str] = ""
    output_dir: str | None = option(
        None,
        "folder for checkpoints, logs and the release; default: the first free of runs/<recipe>, runs/<recipe>-2, …",
    )
    seed: int = option(42, "seed of the weights, the data order, dropout and every split")
    max_train_steps: int | None = option(None, "stop after this many optimizer steps, whatever num_train_epochs says")
    per_device_train_batch_size: int = option(8, "training examples per process and forward pass")
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = option(
        "auto", "auto: bf16 where the processor or GPU computes it in hardware, else no"
    )
    checkpointing_steps: int = option(200, "save a checkpoint every this many optimizer steps")
    checkpoints_total_limit: int = option(2, "checkpoints kept; the oldest goes first")
    resume_from_checkpoint: str | None = option(
        None, "`latest` (with --output_dir), or the path of a run or of a checkpoint in it"
    )
    logging_steps: int = option(10, "optimizer steps between two rows of metrics.jsonl")
    report_to: list[str] = option(["none"], "trackers: none, tensorboard, trackio, wandb (one or several)")
    push_to_hub: bool = option(False, "publish the release when it is written, as `hfloop publish` does")
    hub_model_id: str | None = option(None, "where push_to_hub publishes to: USER/NAME, made if it is new")
    hub_private: bool = option(False, "a repository that push_to_hub makes is seen by its owner only")
    dry_run: bool = option(False, "print the resolved configuration, the data and the device, then stop")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain values, in the order of its fields."""
        return dataclasses.asdict(self)

    def to_yaml(self) -> str:
        """The configuration as a file that `--config` reads back."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def changed_training_fields(self, other: RecipeConfig) -> list[str]:
        """Names of the fields that shape the weights and differ between the two configurations."""
        return [
            f.name
            for f in fields(self)
            if f.name not in _BOOKKEEPING and getattr(self, f.name) != getattr(other, f.name)
        ]

    def non_default_fields(self) -> dict[str, Any]:
        """The fields that were set to something else than their default, in order."""
        default = type(self)()
        return {
            f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != getattr(default, f.name)
        }

    def shareable(self) -> dict[str, Any]:
        """What a release may say of the configuration: what shaped the weights, paths of this machine cut to names.

        What is a path is seen on the disk, so this is to be asked while the data that was named is there.
        """
        values = {name: value for name, value in self.to_dict().items() if name not in _BOOKKEEPING}
        return {name: _without_folders(value) for name, value in values.items()}

    def validate(self) -> None:
        """Refuse values that no run can use.

        Raises:
            UserError: naming the flag and its range.
        """
        self.require("seed", 0, 2**32 - 1)  # what NumPy takes
        self.require(
            "max_train_steps per_device_train_batch_size checkpointing_steps checkpoints_total_limit logging_steps",
            at_least=1,
        )
        if self.push_to_hub and self.hub_model_id is None:
            raise UserError("--push_to_hub needs --hub_model_id USER/NAME, where the release is to be published.")
        if self.hub_model_id is not None and not self.push_to_hub:
            raise UserError(f"--hub_model_id {self.hub_model_id} publishes nothing without --push_to_hub: say both.")
        if self.hub_private and not self.push_to_hub:
            raise UserError("--hub_private publishes nothing without --push_to_hub and --hub_model_id: say all three.")

    def require(self, names: str, at_least: float, at_most: float = math.inf) -> None:
        """Refuse a value outside a range, both ends included, in any of the fields `names`, parted by blanks.

        Raises:
            UserError: naming the flag and its range; a field that is None has no value to refuse.
        """
        allowed = f"at least {at_least}" if at_most == math.inf else f"between {at_least} and {at_most}"
        for name in names.split():
            value = getattr(self, name)
            if value is not None and not (at_least <= value <= at_most and math.isfinite(value)):
                raise UserError(f"--{name} must be {allowed}, not {value}.")


ConfigT = TypeVar("ConfigT", bound=RecipeConfig)


def parse_config(config_class: type[ConfigT], argv: Sequence[str] | None = None) -> ConfigT:
    """Read flags and an optional `--config FILE.yaml` (flags win); on resume, start from the stopped run's values.

    Args:
        config_class: the recipe's dataclass; its fields are the flags and the YAML keys.
        argv: the flags; default: those of the command line.

    Raises:
        UserError: an unknown flag or key (with the nearest known one), a value of the wrong type, an unreadable
            YAML file, or, on resume, a flag that would change what is being trained.
    """
    arguments, config_file = _take_config_flag(list(sys.argv[1:] if argv is None else argv))
    written = [*_flags_from_yaml(config_class, Path(config_file)), *arguments] if config_file else arguments
    config = _parse_flags(config_class, written)
    if config.resume_from_checkpoint is not None:
        config = _continue_run(config_class, config, written)
    config.validate()
    return config


def run_folder(config: RecipeConfig) -> Path:
    """The folder of the run that `resume_from_checkpoint` names.

    Raises:
        UserError: when `latest` is said without `--output_dir`, or the folder holds no run.
    """
    target = config.resume_from_checkpoint
    if target == "latest":
        if config.output_dir is None:
            raise UserError("--resume_from_checkpoint latest needs --output_dir, the folder of the run to continue.")
        folder = Path(config.output_dir)
    else:
        path = Path(str(target))
        folder = path.parent.parent if path.parent.name == "checkpoints" else path
    if not (folder / "config.yaml").is_file():
        raise UserError(
            f"--resume_from_checkpoint {target}: {folder} holds no run (no config.yaml in it); "
            "name the folder that the stopped run printed."
        )
    return folder


def _without_folders(value: Any) -> Any:
    """The last part of a path on this machine, with the `:split` that may follow; anything else as it is."""
    if not isinstance(value, str):
        return value
    stem, colon, split = value.rpartition(":")
    if stem and Path(stem).exists():
        return f"{_last_part(stem)}{colon}{split}"
    return _last_part(value) if value and Path(value).exists() else value


def _last_part(path: str) -> str:
    """Of `.` and `..` the name of the folder that they stand for; of a link its own, not that of what it leads to."""
    return Path(os.path.abspath(path)).name  # noqa: PTH100  # Path.absolute keeps `..`


def _take_config_flag(arguments: list[str]) -> tuple[list[str], str | None]:
    """Split `--config FILE` (or `--config=FILE`) from the other flags."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--config="):
            return arguments[:index] + arguments[index + 1 :], argument.partition("=")[2]
        if argument == "--config":
            if index + 1 == len(arguments):
                raise UserError("--config needs a file of `key: value` lines: --config mine.yaml.")
            return arguments[:index] + arguments[index + 2 :], arguments[index + 1]
    return arguments, None


def _flags_from_yaml(config_class: type[ConfigT], path: Path) -> list[str]:
    """Turn a YAML file into the flags it stands for, so that both are read by the same rules."""
    known = [f.name for f in fields(config_class)]
    try:
        # every value stays a string until its field reads it: YAML would make 3e-4 a string and `no` a boolean
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except FileNotFoundError:
        raise UserError(f"--config {path}: no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = "" if line is None else f", line {line + 1}"
        raise UserError(f"--config {path}{place} is not valid YAML: write one `key: value` a line.") from None
    if not isinstance(values, dict):
        raise UserError(f"--config {path} holds no `key: value` lines.")
    flags: list[str] = []
    for key, value in values.items():
        if key not in known:
            raise UserError(f"--config {path}: unknown key `{key}`{nearest(str(key), known)}.")
        if isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
            raise UserError(f"--config {path}: `{key}` must be one value or a list of values.")
        if isinstance(value, list):
            flags += [f"--{key}", *value]
        elif value not in _YAML_NULLS:
            flags.append(f"--{key}={value}")
    return flags


def _parse_flags(config_class: type[ConfigT], arguments: list[str]) -> ConfigT:
    from transformers import HfArgumentParser

    class Parser(HfArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise UserError(f"{message} (see --help).")

    dataclass_types: Any = config_class
    parser = Parser(dataclass_types, description=config_class.__doc__, allow_abbrev=False)
    parser.add_argument("--config", metavar="FILE.yaml", help="flags written down, one `key: value` a line")
    config, _, unknown = parser.parse_args_into_dataclasses(
        arguments, return_remaining_strings=True, look_for_args_file=False
    )
    if unknown:
        name = unknown[0].partition("=")[0]
        if not name.startswith("--"):
            raise UserError(f"`{name}` is not a flag; flags start with -- (see --help).")
        known = [f.name for f in fields(config_class)]
        raise UserError(f"unknown flag {name}{nearest(name[2:].replace('-', '_'), known)}.")
    return config


def _continue_run(config_class: type[ConfigT], config: ConfigT, written: list[str]) -> ConfigT:
    """The stopped run's own configuration, with the flags that were written this time, if they may change."""
    folder = run_folder(config)
    if config.output_dir is not None and Path(config.output_dir).resolve() != folder.resolve():
        raise UserError(
            f"--resume_from_checkpoint {config.resume_from_checkpoint} continues the run in {folder}; "
            f"drop --output_dir {config.output_dir}."
        )
    try:
        stopped = _parse_flags(config_class, _flags_from_yaml(config_class, folder / "config.yaml"))
    except UserError as error:
        raise UserError(
            f"{folder} was not started by this recipe as it is ({first_line(error)}); continue it with the one that "
            "started it, or start a new run."
        ) from None
    named = {argument[2:].partition("=")[0].replace("-", "_") for argument in written if argument.startswith("--")}
    named |= {name.removeprefix("no_") for name in named}
    chosen = {f.name: getattr(config if f.name in named else stopped, f.name) for f in fields(config_class)}
    chosen |= {"output_dir": str(folder), "resume_from_checkpoint": config.resume_from_checkpoint}
    resumed = config_class(**chosen)
    changed = resumed.changed_training_fields(stopped)
    if changed:
        told = ", ".join(f"--{name} {getattr(resumed, name)} (was {getattr(stopped, name)})" for name in changed)
        raise UserError(f"{folder} was trained with other values: {told}; drop the change, or start a new run.")
    return resumed
