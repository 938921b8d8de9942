"""Run: folders, rows, checkpoints and the clean stop, on a model of one layer in this very process."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from toy_recipe import (
    CHECKPOINTS,
    METRICS,
    RESUME,
    Disturb,
    ToyConfig,
    ToyRelease,
    contents,
    rows,
    saved,
    toy,
)

from hfloop import run as run_module
from hfloop import stopping
from hfloop.config import parse_config
from hfloop.errors import UserError
from hfloop.recipe import recipe_main
from hfloop.run import DryRunEnds, Run, step_seed
from hfloop.stopping import RunStopped, Terminated


@pytest.fixture(autouse=True)
def fresh_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts in an empty folder, and leaves accelerate and logging as they were."""
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("hfloop")
    level, handlers = logger.level, list(logger.handlers)
    monkeypatch.setattr(logger, "handlers", list(handlers))
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(level)
    AcceleratorState._reset_state(reset_partial_state=True)
    for handler in set(logger.handlers) - set(handlers):
        with suppress(OSError):  # a test filled its disk
            handler.close()


def sentence(train: Callable[[], object]) -> str:
    """The one sentence with which `train` ends."""
    with pytest.raises(UserError) as caught:
        train()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def signal_at(step: int, number: int = signal.SIGTERM) -> Disturb:
    """Signal this process in the middle of a step."""
    return lambda current, *_: signal.raise_signal(number) if current == step else None


def stop_at(step: int, *flags: object) -> None:
    """Train until a signal in the middle of `step`."""
    with pytest.raises(RunStopped):
        toy(*flags, disturb=signal_at(step))


# ---------------------------------------------------------------------- folders


def test_without_a_name_the_first_free_folder_is_taken_and_written_down() -> None:
    assert [str(toy()[0].output_dir) for _ in range(3)] == ["runs/toy", "runs/toy-2", "runs/toy-3"]
    assert parse_config(ToyConfig, ["--config", "runs/toy-2/config.yaml"]).output_dir == "runs/toy-2"


def test_a_folder_that_holds_a_run_is_not_written_to() -> None:
    toy("--output_dir=a")
    before = contents("a")
    assert sentence(lambda: toy("--output_dir=a")) == (
        "--output_dir a already holds a run; name another folder, or continue it with "
        "--output_dir a --resume_from_checkpoint latest."
    )
    assert contents("a") == before


def test_of_two_runs_that_start_at_once_one_gets_the_folder() -> None:
    first, second = (Run(parse_config(ToyConfig, []), recipe="toy") for _ in range(2))
    assert first.output_dir == second.output_dir
    first.announce("data: noise", "f")
    assert sentence(lambda: second.announce("data: noise", "f")) == (
        "--output_dir runs/toy cannot be written (File exists); name another."
    )


def test_a_folder_that_cannot_be_made_is_named() -> None:
    Path("file").touch()
    assert sentence(lambda: toy("--output_dir=file/run")) == (
        "--output_dir file/run cannot be written (Not a directory); name another."
    )


def test_a_dry_run_says_everything_and_creates_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DryRunEnds):
        toy("--dry_run", "--report_to", "tensorboard")
    assert list(Path().iterdir()) == []
    said = capsys.readouterr().out
    assert "learning_rate: 0.1\n" in said
    assert "\ndevice: " in said
    assert said.endswith("\ndata: noise\n  of two kinds\n")


def test_log_txt_holds_what_was_said() -> None:
    toy()
    log = Path("runs/toy/log.txt").read_text()
    assert "INFO run folder: runs/toy" in log
    assert "INFO data: noise" in log


# ---------------------------------------------------------------------- steps and rows


def test_each_process_draws_its_own_numbers_in_each_step_of_each_seed() -> None:
    some = [step_seed(seed, step, process) for seed in range(20) for step in range(20) for process in range(4)]
    assert len(set(some)) == len(some)
    assert all(0 <= value < 2**63 for value in some)


def test_what_a_step_draws_does_not_depend_on_what_earlier_steps_drew() -> None:
    draws: list[float] = []
    _, modest = toy(disturb=lambda *_: draws.append(float(torch.rand(1))))
    _, greedy = toy(disturb=lambda *_: torch.rand(100))
    _, other = toy("--seed=1")
    assert len(set(draws)) == 6
    assert torch.equal(modest.weight, greedy.weight)
    assert not torch.equal(modest.weight, other.weight)


def test_rows_hold_the_means_of_their_interval_and_the_last_steps_have_a_row_too() -> None:
    toy("--logging_steps=1", "--output_dir=single", steps=10)
    run, _ = toy("--logging_steps=4", steps=10)
    single = [row["loss"] for row in rows("single")]
    assert [row["step"] for row in rows()] == [4, 8, 10]
    means = [sum(single[start:end]) / (end - start) for start, end in ((0, 4), (4, 8), (8, 10))]
    assert [row["loss"] for row in rows()] == pytest.approx(means, rel=1e-5)
    row = run.logged()[1]
    assert row["numbers_per_second"] == pytest.approx(12 * row["steps_per_second"])


def test_training_ends_early_when_it_is_told_to_and_saves() -> None:
    run = Run(parse_config(ToyConfig, []), recipe="toy")
    run.announce("data: noise", "f")
    seen: list[int] = []
    for step in run.steps(100, until=lambda: len(seen) == 3):
        seen.append(step)
    assert seen == [0, 1, 2]
    assert saved() == ["step-3"]


def test_weights_that_are_not_finite_end_the_run_and_are_not_saved() -> None:
    def poison(step: int, run: Run, model: nn.Linear) -> None:
        if step == 3:
            nn.init.constant_(model.bias, float("nan"))

    assert sentence(lambda: toy("--checkpointing_steps=1", disturb=poison)) == (
        "a weight is not a finite number at step 4: training has diverged; the last good checkpoint is "
        "runs/toy/checkpoints/step-3; start a new run with a lower learning rate."
    )
    assert saved() == ["step-2", "step-3"]


def test_a_mean_that_is_not_finite_ends_the_run_and_is_not_written() -> None:
    def poison(step: int, run: Run, model: nn.Linear) -> None:
        if step == 3:
            run.means["penalty"].add(torch.tensor(float("inf")), 1)

    assert sentence(lambda: toy("--logging_steps=1", disturb=poison)) == (
        "penalty is inf at step 4: training has diverged; start a new run with a lower learning rate."
    )
    assert [row["step"] for row in rows()] == [1, 2, 3]


def test_trackers_write_into_the_run_folder() -> None:
    toy("--report_to", "tensorboard", "--logging_steps=2")
    (events, *_) = Path("runs/toy").rglob("events.out.tfevents.*")
    assert events.stat().st_size > 0
    assert {path.name for path in Path().iterdir()} == {"runs"}


def test_a_tracker_that_is_unknown_ends_the_run_before_anything_is_written() -> None:
    assert sentence(lambda: toy("--report_to", "tensorbord")) == (
        "--report_to tensorbord: unknown; the trackers are tensorboard, trackio, wandb, or none."
    )
    assert list(Path().iterdir()) == []


# ---------------------------------------------------------------------- checkpoints


def test_the_newest_checkpoints_are_kept_and_the_last_step_has_one() -> None:
    toy("--checkpointing_steps=2", steps=7)
    assert saved() == ["step-6", "step-7"]
    toy("--checkpointing_steps=2", "--checkpoints_total_limit=9", "--output_dir=all", steps=12)
    assert len(list(Path("all/checkpoints").iterdir())) == 6


def test_an_old_checkpoint_goes_only_when_the_new_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    real = run_module.remove_folder
    monkeypatch.setattr(run_module, "remove_folder", lambda path: (seen.append((path.name, saved())), real(path)))
    toy("--checkpointing_steps=2", "--checkpoints_total_limit=1")
    assert seen == [("step-2", ["step-2", "step-4"]), ("step-4", ["step-4", "step-6"])]


def test_a_checkpoint_has_its_name_only_when_it_is_complete_and_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    save_state, sync_folder = Accelerator.save_state, run_module.sync_folder
    monkeypatch.setattr(
        Accelerator, "save_state", lambda self, folder: (save_state(self, folder), seen.append(("saved", saved())))
    )
    monkeypatch.setattr(
        run_module, "sync_folder", lambda folder: (sync_folder(folder), seen.append((folder.name, saved())))
    )
    toy("--checkpointing_steps=3")
    first, second = [".step-3.partial"], [".step-6.partial", "step-3"]
    assert seen == [("saved", first), (first[0], first), ("saved", second), (second[0], second)]


def test_a_partial_checkpoint_that_a_kill_left_is_passed_over_and_replaced() -> None:
    toy("--output_dir=whole", "--checkpointing_steps=2")
    stop_at(2, "--checkpointing_steps=2")
    shutil.copytree(CHECKPOINTS / "step-3", CHECKPOINTS / ".step-4.partial")
    (CHECKPOINTS / ".step-4.partial" / "stale").touch()
    run, _ = toy(*RESUME)
    assert run.completed_steps == 6
    assert saved() == ["step-4", "step-6"]
    assert not (CHECKPOINTS / "step-4" / "stale").exists()
    assert rows() == rows("whole")


def test_a_disk_that_refuses_is_one_sentence_and_earlier_checkpoints_are_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Accelerator.save_state
    before: dict[Path, bytes] = {}

    def save_state(accelerator: Accelerator, folder: str) -> None:
        real(accelerator, folder)
        if "step-4" in folder:
            before.update(contents(CHECKPOINTS / "step-2"))
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Accelerator, "save_state", save_state)
        assert sentence(lambda: toy("--checkpointing_steps=2")) == (
            "runs/toy/checkpoints/step-4 could not be written ([Errno 28] No space left on device); free some space, "
            "then continue with --output_dir runs/toy --resume_from_checkpoint latest."
        )
    assert saved() == ["step-2"]
    assert contents(CHECKPOINTS / "step-2") == before
    assert toy(*RESUME)[0].completed_steps == 6


def test_a_disk_that_refuses_a_row_is_one_sentence() -> None:
    def fill(step: int, run: Run, model: nn.Linear) -> None:
        metrics = run.output_dir / "metrics.jsonl"
        if step == 3 and not metrics.is_symlink():
            metrics.unlink()
            metrics.symlink_to("/dev/full")

    assert sentence(lambda: toy("--logging_steps=1", "--checkpointing_steps=2", disturb=fill)) == (
        "runs/toy/metrics.jsonl could not be written (No space left on device); free some space, "
        "then continue with --output_dir runs/toy --resume_from_checkpoint latest."
    )
    assert sentence(lambda: toy("--output_dir=new", "--logging_steps=1", disturb=fill)) == (
        "new/metrics.jsonl could not be written (No space left on device); free some space, "
        "then start again with another --output_dir."
    )


def test_a_disk_that_refuses_the_log_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("new").mkdir()
    Path("new/log.txt").symlink_to("/dev/full")
    monkeypatch.setattr(sys, "argv", ["toy.py", "--output_dir=new"])
    recipe_main(lambda config: Run(config, recipe="toy").announce("data: noise", "f"), ToyConfig)
    said = capsys.readouterr().err
    assert "data: noise" in said
    assert "Traceback" not in said


def test_a_disk_that_refuses_the_release_keeps_the_checkpoints() -> None:
    run, model = toy()
    full = ToyRelease(model, OSError(errno.ENOSPC, "No space left on device"))
    assert sentence(lambda: run.finish(full)) == (
        "runs/toy/release could not be written (No space left on device); free some space, "
        "then continue with --output_dir runs/toy --resume_from_checkpoint latest."
    )
    assert not list(Path("runs/toy").glob("*release*"))
    run, model = toy(*RESUME)
    assert run.finish(ToyRelease(model)) == Path("runs/toy/release")
    assert not CHECKPOINTS.exists()


# ---------------------------------------------------------------------- stopping


@pytest.mark.parametrize("step", [0, 1, 2, 3, 5])
def test_a_signal_in_any_step_finishes_it_saves_and_the_rest_is_the_same_to_the_bit(step: int) -> None:
    flags = ["--logging_steps=2", "--checkpointing_steps=3"]
    _, whole = toy("--output_dir=whole", *flags)
    with pytest.raises(RunStopped) as caught:
        toy(*flags, disturb=signal_at(step))
    assert str(caught.value) == (
        f"stopped after step {step + 1} and saved; continue with --output_dir runs/toy --resume_from_checkpoint latest"
    )
    assert saved()[-1] == f"step-{step + 1}"
    run, resumed = toy(*RESUME)
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.bias, whole.bias)
    assert rows() == rows("whole")
    assert run.training_seconds > 0


def test_a_folder_with_a_space_can_be_pasted() -> None:
    with pytest.raises(RunStopped, match=r"continue with --output_dir 'my run' --resume_from_checkpoint latest$"):
        toy("--output_dir=my run", disturb=signal_at(1))


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_is_echoed_at_once_still_saves(number: int, exit_code: int) -> None:
    def twice(step: int, run: Run, model: nn.Linear) -> None:
        if step == 1:
            signal.raise_signal(number)
            signal.raise_signal(number)

    with pytest.raises(RunStopped) as caught:
        toy(disturb=twice)
    assert caught.value.exit_code == exit_code
    assert saved() == ["step-2"]


def test_a_second_signal_after_a_while_acts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(stopping, "time", clock)

    def insist(step: int, run: Run, model: nn.Linear) -> None:
        if step == 1:
            signal.raise_signal(signal.SIGINT)
            clock.monotonic = lambda: 1.5
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        toy(disturb=insist)
    assert not CHECKPOINTS.exists()


def test_after_training_signals_act_as_before() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    toy()
    stop_at(0, "--output_dir=stopped")
    assert {number: signal.getsignal(number) for number in before} == before


# ---------------------------------------------------------------------- resuming


def test_an_earlier_checkpoint_can_be_named_and_later_ones_go() -> None:
    toy("--output_dir=whole", "--logging_steps=1", "--checkpointing_steps=2")
    toy("--logging_steps=1", "--checkpointing_steps=2")
    assert saved() == ["step-4", "step-6"]
    disturbed: list[list[str]] = []
    toy(
        f"--resume_from_checkpoint={CHECKPOINTS / 'step-4'}/",
        disturb=lambda *_: disturbed.append([*saved(), *(str(row["step"]) for row in rows())]),
    )
    assert disturbed[0] == ["step-4", "1", "2", "3", "4"]
    assert rows() == rows("whole")


def test_a_row_that_a_kill_tore_is_written_again() -> None:
    toy("--output_dir=whole", "--logging_steps=1")
    stop_at(3, "--logging_steps=1")
    with METRICS.open("a") as stream:
        stream.write('{"step": 5, "lo')
    toy(*RESUME)
    assert rows() == rows("whole")


def test_a_run_that_has_finished_says_so_even_if_a_kill_left_its_checkpoints() -> None:
    run, model = toy("--checkpointing_steps=3")
    shutil.copytree(CHECKPOINTS, "kept")
    run.finish(ToyRelease(model))
    for leave in ("nothing", "checkpoints"):
        if leave == "checkpoints":
            shutil.copytree("kept", CHECKPOINTS)
        assert sentence(lambda: toy(*RESUME)) == "runs/toy has finished: its release is runs/toy/release."


def test_a_run_that_has_finished_says_how_its_release_is_published_where_that_was_asked_for() -> None:
    run, model = toy("--output_dir=my run")
    run.finish(ToyRelease(model))
    asked = ["--push_to_hub", "--hub_model_id=ann/toy", "--hub_private"]
    resumed = ["--output_dir=my run", "--resume_from_checkpoint=latest", *asked]
    assert sentence(lambda: toy(*resumed)) == (
        "my run has finished: its release is my run/release; to publish it: "
        "hfloop publish 'my run/release' --to ann/toy --private"
    )


def test_a_path_that_goes_away_during_training_is_still_told_by_its_name_alone(tmp_path: Path) -> None:
    folder = tmp_path / "jane.doe"
    folder.mkdir()

    def remove(step: int, run: Run, model: nn.Linear) -> None:
        if folder.exists():
            folder.rmdir()

    run, model = toy(f"--data={folder}", disturb=remove)
    assert not folder.exists()
    release = run.finish(ToyRelease(model))
    provenance = json.loads((release / "hfloop.json").read_text())
    assert (provenance["config"]["data"], provenance["non_default"]) == ("jane.doe", ["mixed_precision", "data"])
    assert str(tmp_path) not in (release / "hfloop.json").read_text()


def test_what_is_logged_after_the_last_step_belongs_to_it_after_a_resume_too() -> None:
    toy()
    run, _ = toy(*RESUME)
    run.log({"score": 1.0})
    assert rows()[-1] == {"step": 6, "score": 1.0}


def test_a_run_without_a_checkpoint_says_so() -> None:
    with pytest.raises(ZeroDivisionError):
        toy(disturb=lambda *_: 1 / 0)
    assert sentence(lambda: toy(*RESUME)) == (
        "runs/toy holds no checkpoint yet; start again with another --output_dir."
    )


def test_a_checkpoint_that_is_not_there_or_not_complete_is_named() -> None:
    stop_at(2)
    (CHECKPOINTS / "step-3").rename(CHECKPOINTS / ".step-3.partial")
    for name in ("step-9", ".step-3.partial"):
        path = CHECKPOINTS / name
        assert sentence(lambda path=path: toy(f"--resume_from_checkpoint={path}")) == (
            f"--resume_from_checkpoint {path}: no such checkpoint."
        )


def test_other_data_than_the_stopped_run_had_is_refused() -> None:
    stop_at(2)
    assert sentence(lambda: toy(*RESUME, fingerprint="g")) == (
        "runs/toy was trained on other data than there is now (data: noise); "
        "put the old data back, or start a new run."
    )


# ---------------------------------------------------------------------- how a recipe ends

INTERRUPTED = (
    "interrupted; nothing was left half-written, and a run that has a checkpoint continues with "
    "--output_dir FOLDER --resume_from_checkpoint latest\n"
)


@pytest.fixture
def sigterm() -> Iterator[None]:
    """The test may change what SIGTERM does."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("ending", "exit_code", "said"),
    [
        (UserError("mend it."), 2, "error: mend it.\n"),
        (RunStopped(signal.SIGINT, "stopped"), 130, "stopped\n"),
        (RunStopped(signal.SIGTERM, "stopped"), 143, "stopped\n"),
        (KeyboardInterrupt(), 130, INTERRUPTED),
        (Terminated(), 143, INTERRUPTED),
        (DryRunEnds(), 0, ""),
    ],
)
def test_each_ending_is_one_sentence_and_an_exit_code(
    ending: BaseException,
    exit_code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main(config: ToyConfig) -> None:
        raise ending

    monkeypatch.setattr(sys, "argv", ["toy.py"])
    with pytest.raises(SystemExit) as caught:
        recipe_main(main, ToyConfig)
    assert caught.value.code == exit_code
    assert capsys.readouterr().err == said


@pytest.mark.usefixtures("sigterm")
def test_sigterm_outside_of_training_lets_what_it_interrupts_clean_up_even_if_it_is_echoed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned: list[str] = []

    def main(config: ToyConfig) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGTERM)
            cleaned.append("up")
            raise

    monkeypatch.setattr(sys, "argv", ["toy.py"])
    with pytest.raises(SystemExit) as caught:
        recipe_main(main, ToyConfig)
    signal.raise_signal(signal.SIGTERM)  # another echo
    assert (caught.value.code, capsys.readouterr().err, cleaned) == (143, INTERRUPTED, ["up"])


@pytest.mark.usefixtures("sigterm")
def test_a_second_sigterm_after_a_while_interrupts_the_cleaning_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(stopping, "time", clock)
    with pytest.raises(Terminated), stopping.sigterm_as_interrupt():
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        clock.monotonic = lambda: 1.5
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("sigterm")
@pytest.mark.parametrize("rank", [0, 1])
def test_of_several_processes_sigterm_is_heard_by_the_main_one_alone(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", str(rank))
    before = signal.getsignal(signal.SIGTERM)
    with stopping.sigterm_as_interrupt():
        assert (signal.getsignal(signal.SIGTERM) == before) == (rank == 1)
    assert signal.getsignal(signal.SIGTERM) == before


def test_flags_are_read_before_the_recipe_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["toy.py", "--sed=1"])
    with pytest.raises(SystemExit) as caught:
        recipe_main(lambda config: None, ToyConfig)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: unknown flag --sed (did you mean `seed`?).\n"


def test_what_is_a_mistake_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["toy.py"])
    with pytest.raises(ZeroDivisionError):
        recipe_main(lambda config: 1 / 0, ToyConfig)
