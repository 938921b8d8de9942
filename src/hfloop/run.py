"""Run: what every recipe needs around its own loop: device, seeds, folders, progress, checkpoints, a clean stop."""

from __future__ import annotations

import json
import logging
import math
import shlex
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from safetensors import SafetensorError
from tqdm.auto import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hfloop.averaging import Mean
from hfloop.config import ConfigT, RecipeConfig, parse_config
from hfloop.errors import UserError
from hfloop.files import replace_folder, sync_folder, write_text
from hfloop.launch import check_process_count, processor_name, resolve_mixed_precision, resolve_trackers
from hfloop.plain import speak_plainly
from hfloop.release import Release, write_release

logger = logging.getLogger("hfloop")


class RunStopped(Exception):
    """A signal asked the run to stop; it saved a checkpoint first."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class DryRunEnds(Exception):
    """`--dry_run` has shown everything it had to show."""


class Run:
    """One run of a recipe.

    Attributes:
        accelerator: device, precision and processes.
        output_dir: the run's folder: config.yaml, log.txt, metrics.jsonl, checkpoints/step-N/, samples/, release/.
        completed_steps: optimizer steps done so far, those before a resume included.
        means: by name; what is added to them is fetched and logged every `logging_steps`.

    Raises:
        UserError: fewer processes than were asked for, a tracker that is not installed, a folder that holds
            another run.
    """

    def __init__(self, config: RecipeConfig, recipe: str) -> None:
        check_process_count()
        precision, reason = resolve_mixed_precision(config.mixed_precision)
        trackers = resolve_trackers(config.report_to)
        # without an accelerator device, `cpu=True` is what makes several launched processes one group
        self.accelerator = Accelerator(
            cpu=not torch.accelerator.is_available(),
            mixed_precision=precision,
            log_with=trackers or None,
            project_dir=config.output_dir,
            step_scheduler_with_optimizer=False,
        )
        self.config = config
        self.recipe = recipe
        self.completed_steps = 0
        self.current_step = 0  # counted from 1; inside the loop it is one ahead of `completed_steps`
        self.training_seconds = 0.0
        self.precision_reason = reason
        self._restored_from: str | None = None
        self._saved_at_step: int | None = None
        self.means: defaultdict[str, Mean] = defaultdict(Mean)
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._signal: int | None = None
        self._trackers = trackers
        self.output_dir = self._choose_output_dir()
        config.output_dir = str(self.output_dir)
        set_seed(config.seed)
        self._interval = (0, 0.0)
        self.accelerator.register_for_checkpointing(self)

    # ------------------------------------------------------------------ folders

    def _choose_output_dir(self) -> Path:
        """The folder that was named, or the first free of runs/<recipe>, runs/<recipe>-2, …; one for all processes."""
        chosen: list[Any] = [None]
        if self.accelerator.is_main_process:
            chosen[0] = self.config.output_dir or _first_free(Path("runs"), self.recipe)
        broadcast_object_list(chosen)
        folder = Path(chosen[0])
        if self.config.resume_from_checkpoint is None and (folder / "config.yaml").exists():
            raise UserError(
                f"--output_dir {folder} already holds a run; name another folder, or continue it with "
                f"--output_dir {folder} --resume_from_checkpoint latest."
            )
        return folder

    def announce(self, data: str) -> None:
        """Say what is about to run on what; the run's folder is made here, so a dry run leaves nothing behind.

        Args:
            data: the recipe's summary of its data, one or several lines.

        Raises:
            DryRunEnds: with `--dry_run`, after everything is said.
        """
        accelerator = self.accelerator
        device = processor_name() if accelerator.device.type == "cpu" else torch.cuda.get_device_name()
        processes = f", {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
        lines = [
            f"device: {device}{processes}, mixed precision: {accelerator.mixed_precision} ({self.precision_reason})",
            data,
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
            accelerator.init_trackers(f"hfloop-{self.recipe}", config=flat)

    def _open_folder(self) -> None:
        try:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            if self.config.resume_from_checkpoint is None:
                write_text(self.output_dir / "config.yaml", self.config.to_yaml())
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
            UserError: on resume, when there is no checkpoint, or it was written by another number of processes.
        """
        prepared = self.accelerator.prepare(*objects)
        self.accelerator.register_for_checkpointing(*checkpoint)
        if self.config.resume_from_checkpoint is not None:
            self._restore(self._find_checkpoint())
        return prepared

    def steps(self, total_steps: int, until: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Yield the numbers of the optimizer steps that remain; around each: seed, progress, metrics, checkpoints.

        The random state of a step is a function of (seed, step, process) alone, so a resumed run draws what the
        uninterrupted one would have drawn.

        Args:
            total_steps: optimizer steps of the whole run.
            until: asked before each step; true ends the loop early.

        Raises:
            RunStopped: after SIGINT or SIGTERM, once the step is finished and saved.
            UserError: when a checkpoint cannot be written, or a logged mean is not a finite number.
        """
        show = self.accelerator.is_main_process and sys.stderr.isatty()
        bar = tqdm(total=total_steps, initial=self.completed_steps, unit="step", disable=not show, dynamic_ncols=True)
        with bar, logging_redirect_tqdm([logger]), self._signals_noted():
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
                    bar.set_postfix({name: f"{value:.4g}" for name, value in self._log_row().items()})
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
        """Append a row to metrics.jsonl and hand it to the trackers."""
        if not self.accelerator.is_main_process:
            return
        row = {"step": self.current_step, **values}
        with (self.output_dir / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        self.accelerator.log(numbers, step=self.current_step)

    def logged(self) -> list[dict[str, Any]]:
        """Every row of metrics.jsonl so far."""
        path = self.output_dir / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def _log_row(self) -> dict[str, float]:
        """Means and rates since the last row, over all processes."""
        first_step, started = self._interval
        seconds = time.perf_counter() - started
        self._interval = (self.completed_steps, time.perf_counter())
        means = {name: mean.take(self.accelerator) for name, mean in self.means.items()}
        for name, value in means.items():
            if not math.isfinite(value):
                raise UserError(
                    f"{name} is {value} at step {self.completed_steps}; the last good checkpoint is kept: continue "
                    "from it with a lower --learning_rate in a new run, or --mixed_precision no."
                )
        rates = {"steps_per_second": (self.completed_steps - first_step) / seconds}
        for name, number in self._counts.items():
            total = self.accelerator.reduce(torch.tensor(float(number), device=self.accelerator.device), "sum")
            rates[f"{name}_per_second"] = total.item() / seconds
        self._counts.clear()
        self.log({**means, **rates})
        return {**means, **rates}

    # ------------------------------------------------------------------ checkpoints

    def save_checkpoint(self) -> None:
        """Write checkpoints/step-N under a temporary name, rename it, then drop the oldest beyond the limit.

        Raises:
            UserError: when the disk refuses; earlier checkpoints are untouched.
        """
        folder = self.output_dir / "checkpoints" / f"step-{self.completed_steps}"
        partial = folder.with_name(f".{folder.name}.partial")
        try:
            if self.accelerator.is_main_process:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
            self.accelerator.wait_for_everyone()
            self.accelerator.save_state(str(partial))  # each process writes its own part
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                sync_folder(partial)
                replace_folder(partial, folder)
                for old in _checkpoints(self.output_dir)[: -self.config.checkpoints_total_limit]:
                    shutil.rmtree(old)
        except (OSError, RuntimeError, SafetensorError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise UserError(
                f"checkpoint {folder} could not be written ({error}); earlier checkpoints are kept: free some space, "
                f"then continue with {self.resume_flags()}."
            ) from None
        self.accelerator.wait_for_everyone()
        self._saved_at_step = self.completed_steps

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of the run itself."""
        return {
            "completed_steps": self.completed_steps,
            "training_seconds": self.training_seconds,
            "num_processes": self.accelerator.num_processes,
            "means": {name: mean.state_dict() for name, mean in self.means.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the checkpoint was written."""
        if state["num_processes"] != self.accelerator.num_processes:
            raise UserError(
                f"the checkpoint was written by {state['num_processes']} processes, and "
                f"{self.accelerator.num_processes} are running; launch {state['num_processes']}."
            )
        self.completed_steps = state["completed_steps"]
        self.training_seconds = state["training_seconds"]
        for name, mean in state["means"].items():
            self.means[name].load_state_dict(mean)

    def _find_checkpoint(self) -> Path:
        named = Path(str(self.config.resume_from_checkpoint))
        if named.parent.name == "checkpoints":
            if not named.is_dir():
                raise UserError(f"--resume_from_checkpoint {named}: no such checkpoint.")
            return named
        found = _checkpoints(self.output_dir)
        if found:
            return found[-1]
        if (self.output_dir / "release").is_dir():
            raise UserError(f"{self.output_dir} has finished: its release is {self.output_dir / 'release'}.")
        raise UserError(f"{self.output_dir} holds no checkpoint yet; start again with another --output_dir.")

    def _restore(self, checkpoint: Path) -> None:
        self.accelerator.load_state(str(checkpoint))
        self._saved_at_step = self.completed_steps
        if self.accelerator.is_main_process:
            rows = [row for row in self.logged() if row["step"] <= self.completed_steps]
            write_text(self.output_dir / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
            for later in _checkpoints(self.output_dir):
                if _step_of(later) > self.completed_steps:
                    shutil.rmtree(later)
        self.accelerator.wait_for_everyone()
        logger.info("resumed from %s", checkpoint)

    def resume_flags(self) -> str:
        """The flags that continue this run."""
        return f"--output_dir {shlex.quote(str(self.output_dir))} --resume_from_checkpoint latest"

    # ------------------------------------------------------------------ stopping

    @contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """Inside the block SIGINT and SIGTERM are noted once; a second one acts at once."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, frame: FrameType | None) -> None:
            self._signal = number
            for each, handler in before.items():
                signal.signal(each, handler)
            logger.info("stopping after this step; the same signal again stops at once without saving")

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked_to_stop(self) -> bool:
        """Whether any process was signalled; several processes agree once per logging interval."""
        if self.accelerator.num_processes == 1:
            return self._signal is not None
        if self.completed_steps % self.config.logging_steps:
            return False
        heard = torch.tensor([self._signal or 0], device=self.accelerator.device)
        self._signal = int(self.accelerator.gather(heard).max()) or None
        return self._signal is not None

    def _stop(self) -> None:
        assert self._signal is not None
        self.save_checkpoint()
        message = f"stopped after step {self.completed_steps} and saved; continue with {self.resume_flags()}"
        raise RunStopped(self._signal, message)

    # ------------------------------------------------------------------ the end

    def finish(self, release: Release) -> Path:
        """Write the release folder and clear the checkpoints, which have served their purpose.

        Returns:
            The release folder.

        Raises:
            UserError: when the disk refuses; the checkpoints stay.
        """
        folder = self.output_dir / "release"
        if self.accelerator.is_main_process:
            try:
                write_release(folder, release, self.provenance())
            except OSError as error:
                raise UserError(
                    f"{folder} could not be written ({error.strerror}); the checkpoints are kept: free some space, "
                    f"then continue with {self.resume_flags()}."
                ) from None
            shutil.rmtree(self.output_dir / "checkpoints", ignore_errors=True)
            logger.info("release: %s", folder)
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        return folder

    def provenance(self) -> dict[str, Any]:
        """How the weights came to be, for `hfloop.json`."""
        accelerator = self.accelerator
        cuda = accelerator.device.type == "cuda"
        return {
            "recipe": self.recipe,
            "config": self.config.shareable(),
            "non_default": list(self.config.non_default_fields()),
            "steps": self.completed_steps,
            "training_seconds": round(self.training_seconds, 1),
            "hardware": {
                "device": torch.cuda.get_device_name() if cuda else processor_name(),
                "processes": accelerator.num_processes,
                "threads": torch.get_num_threads(),
                "mixed_precision": accelerator.mixed_precision,
            },
        }


def step_seed(seed: int, step: int, process_index: int) -> int:
    """A 63-bit seed for one process's draws in one optimizer step."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + process_index * 0x94D049BB133111EB) & (2**64 - 1)
    return (mixed ^ (mixed >> 31)) & (2**63 - 1)


def recipe_main(main: Callable[[ConfigT], None], config_class: type[ConfigT]) -> None:
    """Parse the configuration, run the recipe, and turn every way it can end into one sentence and an exit code.

    Exit codes: 0 done, 2 something the user can mend, 130 and 143 stopped by SIGINT and SIGTERM.
    """
    speak_plainly()
    try:
        main(parse_config(config_class))
    except DryRunEnds:
        sys.exit(0)
    except UserError as error:
        logger.error("error: %s", error)
        sys.exit(2)
    except RunStopped as stopped:
        logger.info("%s", stopped)
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        logger.info("interrupted; nothing was left half-written")
        sys.exit(130)


def _first_free(parent: Path, name: str) -> str:
    candidate, number = parent / name, 1
    while candidate.exists():
        number += 1
        candidate = parent / f"{name}-{number}"
    return str(candidate)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def _checkpoints(output_dir: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted((output_dir / "checkpoints").glob("step-*"), key=_step_of)
