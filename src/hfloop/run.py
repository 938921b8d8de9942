"""Run: what every recipe needs around its own loop: device, seeds, folders, progress, checkpoints, a clean stop."""

from __future__ import annotations

import json
import logging
import math
import shlex
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list, set_seed
from safetensors import SafetensorError
from torch import nn
from tqdm.auto import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hfloop.averaging import Mean
from hfloop.checkpoints import checkpoints_in, step_of
from hfloop.config import RecipeConfig
from hfloop.emissions import EnergyMeter
from hfloop.errors import UserError, first_line
from hfloop.files import empty_folder, remove_folder, replace_folder, sync_folder, write_text
from hfloop.hub.destination import Destination
from hfloop.hub.publish import check_destination, publish_or_say_how
from hfloop.launch import (
    check_process_count,
    is_on_one_machine,
    processor_name,
    resolve_mixed_precision,
    resolve_trackers,
)
from hfloop.processes import all_or_none, told_by_main_process
from hfloop.release import Release, write_release
from hfloop.stopping import RunStopped, StopRequest

logger = logging.getLogger("hfloop")
T = TypeVar("T")

_PATIENCE = timedelta(hours=6)  # of processes that wait while the main one measures


class DryRunEnds(Exception):
    """`--dry_run` has shown everything it had to show."""


class Run:
    """One run of a recipe.

    Attributes:
        accelerator: device, precision and processes.
        output_dir: the run's folder: config.yaml, log.txt, metrics.jsonl, checkpoints/step-N/, release/.
        completed_steps: optimizer steps done so far, those before a resume included.
        means: by name; what is added to them is fetched and logged every `logging_steps`.

    Raises:
        UserError: fewer processes than were asked for, a tracker that is not installed, a folder that holds
            another run; on resume, a run that has finished or has no checkpoint; with `--push_to_hub`, a destination
            that the release cannot be published to.
    """

    def __init__(self, config: RecipeConfig, recipe: str) -> None:
        check_process_count()
        precision, reason = resolve_mixed_precision(config.mixed_precision)
        trackers = resolve_trackers(config.report_to)
        # without an accelerator device, `cpu=True` is what makes several launched processes one group
        self.accelerator = Accelerator(
            cpu=not torch.accelerator.is_available(),
            mixed_precision=precision,
            step_scheduler_with_optimizer=False,
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
        )
        self.config = config
        self._shared_config = config.shareable()  # now: at the end a path may be gone, and look like any other text
        self.recipe = recipe
        self.completed_steps = 0
        self.current_step = 0  # counted from 1; inside the loop it is one ahead of `completed_steps`
        self.training_seconds = 0.0
        self._energy = EnergyMeter()
        self.precision_reason = reason
        self._saved_at_step: int | None = None
        self._models: list[nn.Module] = []
        self._checkpointed: tuple[Any, ...] = ()
        self._state: dict[str, Any] = {}
        self._data, self._data_fingerprint = "", ""
        self.means: defaultdict[str, Mean] = defaultdict(Mean)
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._stop_request = StopRequest()
        self._trackers = trackers
        self.output_dir = self._choose_output_dir()
        config.output_dir = str(self.output_dir)
        wanted = Destination(str(config.hub_model_id), private=config.hub_private) if config.push_to_hub else None
        self._checkpoint = self._find_checkpoint(wanted) if config.resume_from_checkpoint is not None else None
        # whatever is wrong with where the release will be published shall be said before hours of training
        self._destination = self.on_main_process(lambda: wanted and check_destination(wanted, config.family))
        set_seed(config.seed)
        self._interval = (0, 0.0)
        self.accelerator.register_for_checkpointing(self)

    # ------------------------------------------------------------------ folders

    def _choose_output_dir(self) -> Path:
        """The folder that was named, or the first free of runs/<recipe>, runs/<recipe>-2, …; one for all processes."""
        chosen: list[Any] = [None, None]
        if self.accelerator.is_main_process:
            folder = Path(self.config.output_dir or _first_free(Path("runs"), self.recipe))
            chosen = [folder, (folder / "config.yaml").exists()]
        folder, occupied = broadcast_object_list(chosen)
        if occupied and self.config.resume_from_checkpoint is None:
            raise UserError(
                f"--output_dir {folder} already holds a run; name another folder, or continue it with "
                f"--output_dir {folder} --resume_from_checkpoint latest."
            )
        return folder

    def announce(self, data: str, fingerprint: str) -> None:
        """Say what is about to run on what; the run's folder is made here, so a dry run leaves nothing behind.

        Args:
            data: the recipe's summary of its data, one or several lines.
            fingerprint: a digest of the data; checkpoints hold it, and a resumed run refuses another.

        Raises:
            DryRunEnds: with `--dry_run`, after everything is said.
        """
        accelerator = self.accelerator
        self._data, self._data_fingerprint = data, fingerprint
        device = processor_name() if accelerator.device.type == "cpu" else torch.cuda.get_device_name()
        processes = f", {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
        lines = [
            f"device: {device}{processes}, mixed precision: {accelerator.mixed_precision} ({self.precision_reason})",
            data,
            *([f"to be published as: {self._destination.repo_id}"] if self._destination else []),
        ]
        if self.config.dry_run:
            if accelerator.is_main_process:
                sys.stdout.write("\n".join([self.config.to_yaml().rstrip(), "", *lines, ""]))
            raise DryRunEnds
        if accelerator.is_main_process:
            self._open_folder()
        accelerator.wait_for_everyone()
        for line in lines:
            logger.info(line)
        if self._trackers:
            flat = {
                key: value if isinstance(value, int | float | str | bool) else str(value)
                for key, value in self.config.to_dict().items()
            }
            accelerator.project_configuration.set_directories(str(self.output_dir))
            accelerator.log_with = self._trackers  # accelerate's constructor wants the folder first
            accelerator.init_trackers(f"hfloop-{self.recipe}", config=flat)

    def _open_folder(self) -> None:
        try:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            if self.config.resume_from_checkpoint is None:
                with (self.output_dir / "config.yaml").open("x", encoding="utf-8") as stream:
                    stream.write(self.config.to_yaml())  # "x": of two runs that start at once one gets the folder
            log_file = logging.FileHandler(self.output_dir / "log.txt", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"--output_dir {self.output_dir} cannot be written ({error.strerror}); name another."
            ) from None
        log_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(log_file)
        logger.info("run folder: %s", self.output_dir)

    # ------------------------------------------------------------------ the loop

    def prepare(self, *objects: Any, checkpoint: tuple[Any, ...] = ()) -> Any:
        """Hand models and optimizers to accelerate, and bring everything to where a stopped run was.

        Args:
            objects: what `Accelerator.prepare` takes: models, optimizers, schedulers.
            checkpoint: further objects with `state_dict`/`load_state_dict` that belong into each checkpoint.

        Raises:
            UserError: on resume, when the checkpoint was written by another number of processes, or on other data.
        """
        prepared = self.accelerator.prepare(*objects)
        self._models = [each for each in objects if isinstance(each, nn.Module)]
        self._checkpointed = checkpoint
        if self._checkpoint is not None:
            self._restore(self._checkpoint)
        if self.accelerator.is_main_process and is_on_one_machine():
            self._energy.start()
        return prepared

    def steps(
        self,
        total_steps: int,
        until: Callable[[], bool] = lambda: False,
        on_row: Callable[[dict[str, float]], object] = lambda row: None,
    ) -> Iterator[int]:
        """Yield the numbers of the optimizer steps that remain; around each: seed, progress, metrics, checkpoints.

        The random state of a step is a function of (seed, step, process) alone, so a resumed run draws what the
        uninterrupted one would have drawn.

        Args:
            total_steps: optimizer steps of the whole run.
            until: asked before each step; true ends the loop early.
            on_row: told the means and rates of each logging interval, in every process.

        Raises:
            RunStopped: after SIGINT or SIGTERM, once the step is finished and saved.
            UserError: when a checkpoint cannot be written, or a logged value or a weight is not a finite number.
        """
        show = self.accelerator.is_main_process and sys.stderr.isatty()
        bar = tqdm(total=total_steps, initial=self.completed_steps, unit="step", disable=not show, dynamic_ncols=True)
        with bar, logging_redirect_tqdm([logger]), self._stop_request.listening():
            self._interval = (self.completed_steps, time.perf_counter())
            while self.completed_steps < total_steps and not until():
                started = time.perf_counter()
                step, self.current_step = self.completed_steps, self.completed_steps + 1
                torch.manual_seed(step_seed(self.config.seed, step, self.accelerator.process_index))
                yield step
                self.completed_steps = self.current_step
                self.training_seconds += time.perf_counter() - started
                bar.update()
                if self.completed_steps % self.config.logging_steps == 0 or self.completed_steps == total_steps:
                    row = self._log_row()
                    on_row(row)
                    row.pop("steps_per_second")  # the bar shows it
                    bar.set_postfix_str(_shown(row), refresh=False)
                if self._asked_to_stop():
                    self._stop()
                if self.completed_steps % self.config.checkpointing_steps == 0:
                    self.save_checkpoint()
            if self._saved_at_step != self.completed_steps:
                self.save_checkpoint()

    def count(self, name: str, number: int) -> None:
        """Count what this process has worked through; the next row of metrics.jsonl holds the rate per second."""
        self._counts[name] += number

    def log(self, values: dict[str, Any]) -> None:
        """Append a row to metrics.jsonl and hand it to the trackers.

        Raises:
            UserError: a number is not finite, or the disk refuses.
        """
        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise self.diverged(f"{name} is {value}")
        if not self.accelerator.is_main_process:
            return
        path = self.output_dir / "metrics.jsonl"
        with self.disk_may_refuse(path), path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": self.current_step, **values}) + "\n")
        self.accelerator.log(numbers, step=self.current_step)

    def logged(self) -> list[dict[str, Any]]:
        """Every row of metrics.jsonl so far; a last line without its end was torn by a kill and does not count."""
        path = self.output_dir / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _log_row(self) -> dict[str, float]:
        """Means and rates since the last row, over all processes."""
        first_step, started = self._interval
        seconds = time.perf_counter() - started
        self._interval = (self.completed_steps, time.perf_counter())
        means = {name: mean.take(self.accelerator) for name, mean in self.means.items()}
        rates = {"steps_per_second": (self.completed_steps - first_step) / seconds}
        for name, number in self._counts.items():
            total = self.accelerator.reduce(torch.tensor(float(number), device=self.accelerator.device), "sum")
            rates[f"{name}_per_second"] = total.item() / seconds
        self._counts.clear()
        self.log({**means, **rates})
        return {**means, **rates}

    def diverged(self, what: str) -> UserError:
        """The error to raise where `what` shows that training cannot go on: what is kept, and what to try."""
        precision = "" if self.accelerator.mixed_precision == "no" else ", or with --mixed_precision no"
        kept = checkpoints_in(self.output_dir)
        last = f"the last good checkpoint is {kept[-1]}; " if kept else ""
        return UserError(
            f"{what} at step {self.current_step}: training has diverged; {last}start a new run with a lower learning "
            f"rate{precision}."
        )

    def on_main_process(self, work: Callable[[], T]) -> T:
        """What `work` gives in the main process, told to all, which wait for it; its UserError is raised in all."""
        return told_by_main_process(self.accelerator, work)

    # ------------------------------------------------------------------ checkpoints

    def save_checkpoint(self) -> None:
        """Write checkpoints/step-N under a temporary name, rename it, then drop the oldest beyond the limit.

        Raises:
            UserError: when a weight is not a finite number, or the disk refuses; earlier checkpoints are untouched.
        """
        if not all(parameter.isfinite().all() for model in self._models for parameter in model.parameters()):
            raise self.diverged("a weight is not a finite number")
        folder = self.output_dir / "checkpoints" / f"step-{self.completed_steps}"
        partial = folder.with_name(f".{folder.name}.partial")
        main = self.accelerator.is_main_process

        def take_place() -> None:
            sync_folder(partial)
            replace_folder(partial, folder)
            for old in checkpoints_in(self.output_dir)[: -self.config.checkpoints_total_limit]:
                remove_folder(old)

        self._state = self._collect_state()
        with self.disk_may_refuse(folder):
            try:
                all_or_none(lambda: empty_folder(partial) if main else None)
                all_or_none(lambda: self.accelerator.save_state(str(partial)))  # each process writes its part
                all_or_none(lambda: take_place() if main else None)
            except OSError:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        self._saved_at_step = self.completed_steps

    @contextmanager
    def disk_may_refuse(self, path: Path) -> Iterator[None]:
        """Turn what the disk says while `path` is written into a sentence."""
        try:
            yield
        except OSError as error:
            start = "start again with another --output_dir"
            mend = f"continue with {self.resume_flags()}" if checkpoints_in(self.output_dir) else start
            raise UserError(
                f"{path} could not be written ({error.strerror or error}); free some space, then {mend}."
            ) from None

    def _collect_state(self) -> dict[str, Any]:
        """What a checkpoint holds besides accelerate's own, gathered from all processes before the disk can refuse."""
        return {
            "completed_steps": self.completed_steps,
            "training_seconds": self.training_seconds,
            "energy": self._energy.state_dict(),
            "num_processes": self.accelerator.num_processes,
            "data_fingerprint": self._data_fingerprint,
            "means": {name: mean.state_dict() for name, mean in self.means.items()},
            "objects": [each.state_dict() for each in self._checkpointed],
        }

    def state_dict(self) -> dict[str, Any]:
        """For accelerate, which asks when it saves."""
        return self._state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the checkpoint was written."""
        if state["num_processes"] != self.accelerator.num_processes:
            raise UserError(
                f"{self.output_dir} was trained by {state['num_processes']} process(es), not by "
                f"{self.accelerator.num_processes}; launch {state['num_processes']}, or start a new run."
            )
        if state["data_fingerprint"] != self._data_fingerprint:
            raise UserError(
                f"{self.output_dir} was trained on other data than there is now ({self._data.splitlines()[0]}); "
                "put the old data back, or start a new run."
            )
        self.completed_steps = self.current_step = state["completed_steps"]
        self.training_seconds = state["training_seconds"]
        self._energy.load_state_dict(state["energy"])
        for name, mean in state["means"].items():
            self.means[name].load_state_dict(mean)
        for each, its_state in zip(self._checkpointed, state["objects"], strict=True):
            each.load_state_dict(its_state)

    def _find_checkpoint(self, destination: Destination | None) -> Path:
        if (release := self.output_dir / "release").is_dir():
            publish = f"; to publish it: {destination.command(release)}" if destination else "."
            raise UserError(f"{self.output_dir} has finished: its release is {release}{publish}")
        named, found = Path(str(self.config.resume_from_checkpoint)), checkpoints_in(self.output_dir)
        if named.parent.name == "checkpoints":
            if named not in found:
                raise UserError(f"--resume_from_checkpoint {named}: no such checkpoint.")
            return named
        if not found:
            raise UserError(f"{self.output_dir} holds no checkpoint yet; start again with another --output_dir.")
        return found[-1]

    def _restore(self, checkpoint: Path) -> None:
        try:
            self.accelerator.load_state(str(checkpoint))
        except (RuntimeError, KeyError, OSError, EOFError, SafetensorError) as error:  # other weights, or cut short
            raise UserError(
                f"{checkpoint} is damaged, or was written by another recipe, or with networks of another shape "
                f"({first_line(error)}); name an earlier checkpoint, or continue it with the recipe and the "
                "config.yaml that it was started with."
            ) from None
        self._saved_at_step = self.completed_steps
        if self.accelerator.is_main_process:
            rows = [row for row in self.logged() if row["step"] <= self.completed_steps]
            metrics = self.output_dir / "metrics.jsonl"
            with self.disk_may_refuse(metrics):
                write_text(metrics, "".join(json.dumps(row) + "\n" for row in rows))
            for later in checkpoints_in(self.output_dir):
                if step_of(later) > self.completed_steps:
                    remove_folder(later)
        self.accelerator.wait_for_everyone()
        logger.info("resumed from %s", checkpoint)

    def resume_flags(self) -> str:
        """The flags that continue this run."""
        return f"--output_dir {shlex.quote(str(self.output_dir))} --resume_from_checkpoint latest"

    # ------------------------------------------------------------------ stopping

    def _asked_to_stop(self) -> bool:
        """Whether any process was signalled; several processes agree once per logging interval."""
        if self.accelerator.num_processes > 1 and self.completed_steps % self.config.logging_steps:
            return False
        return self._stop_request.heard_by_any(self.accelerator)

    def _stop(self) -> None:
        assert self._stop_request.signal is not None
        self.save_checkpoint()
        message = f"stopped after step {self.completed_steps} and saved; continue with {self.resume_flags()}"
        raise RunStopped(self._stop_request.signal, message)

    # ------------------------------------------------------------------ the end

    def finish(self, release: Release) -> Path:
        """Write the release folder and clear the checkpoints, which have served their purpose; publish the release.

        Returns:
            The release folder.

        Raises:
            UserError: when the disk refuses; the checkpoints stay. When the release cannot be published; it stays.
        """
        folder = self.output_dir / "release"
        if self.accelerator.is_main_process:
            with self.disk_may_refuse(folder):
                write_release(folder, release, self.provenance())
            shutil.rmtree(self.output_dir / "checkpoints", ignore_errors=True)
            logger.info("release: %s", folder)
        self.accelerator.wait_for_everyone()
        for tracker in self.accelerator.trackers:
            tracker.finish()
        if self._destination is not None:
            destination, family = self._destination, release.family
            done = self.on_main_process(lambda: publish_or_say_how(folder, destination, lambda *_: family))
            logger.info("%s", done)
        return folder

    def provenance(self) -> dict[str, Any]:
        """How the weights came to be, for `hfloop.json`."""
        accelerator = self.accelerator
        cuda = accelerator.device.type == "cuda"
        energy = self._energy.finish()
        return {
            "recipe": self.recipe,
            "config": self._shared_config,
            "non_default": [name for name in self.config.non_default_fields() if name in self._shared_config],
            "steps": self.completed_steps,
            "training_seconds": round(self.training_seconds, 1),
            "hardware": {
                "device": torch.cuda.get_device_name() if cuda else processor_name(),
                "processes": accelerator.num_processes,
                "threads": torch.get_num_threads(),
                "mixed_precision": accelerator.mixed_precision,
            },
            **({"emissions": energy} if energy else {}),
        }


def step_seed(seed: int, step: int, process_index: int) -> int:
    """A 63-bit seed for one process's draws in one optimizer step."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + process_index * 0x94D049BB133111EB) & (2**64 - 1)
    return (mixed ^ (mixed >> 31)) & (2**63 - 1)


def _shown(row: dict[str, float]) -> str:
    """What of a row of metrics.jsonl fits beside a bar: rates, then losses."""
    rates = [
        f"{v:,.0f} {name.removesuffix('_per_second')}/s" for name, v in row.items() if name.endswith("_per_second")
    ]
    losses = [f"{name.replace('_', ' ')} {v:.3g}" for name, v in row.items() if name.endswith("_loss")]
    return ", ".join(rates + losses)


def _first_free(parent: Path, name: str) -> str:
    candidate, number = parent / name, 1
    while candidate.exists():
        number += 1
        candidate = parent / f"{name}-{number}"
    return str(candidate)
