"""Killed, stopped or refused by the disk, a run goes on as if nothing had happened: the same rows, the same bits."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from running import Ended, Started, run, start
from safetensors.torch import load_file

RESUME = ["--output_dir=run", "--resume_from_checkpoint=latest"]
HALVES = ["--per_device_train_batch_size=4"]


@pytest.fixture(scope="module")
def story(ner_flags: list[str]) -> list[str]:
    """Five epochs of six steps; checkpoints between epochs and between rows; dropout and replaced mentions."""
    length = ["--max_seq_length=24", "--num_train_epochs=5", "--logging_steps=4", "--checkpointing_steps=5"]
    return [
        *ner_flags,
        *length,
        "--learning_rate=7e-3",
        "--ema_decay=0.9",
        "--dropout=0.1",
        "--mention_replacement=0.5",
    ]


@pytest.fixture(scope="module")
def uninterrupted(story: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed; its last epoch is the best, so the release hangs on every step."""
    folder = whole_run(story, tmp_path_factory.mktemp("uninterrupted"))
    assert json.loads((folder / "release" / "hfloop.json").read_text(encoding="utf-8"))["best_epoch"] == 5
    return folder


@pytest.fixture(scope="module")
def uninterrupted_pair(story: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with two processes, each with half of the batch."""
    return whole_run([*story, *HALVES], tmp_path_factory.mktemp("uninterrupted"), processes=2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_that_is_killed_twice_ends_with_the_same_rows_and_bits(
    story: list[str], uninterrupted: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    rows = chance.randint(4, 7), chance.randint(8, 11)
    started = start("ner.py", [*story, "--output_dir=run"], tmp_path)
    for count in rows:
        kill(started, tmp_path / "run", count)
        assert checkpoints(tmp_path / "run")
        started = start("ner.py", RESUME, tmp_path)
    ended = started.wait()
    assert ended.exit_code == 0, ended.output
    assert_same_run(tmp_path / "run", uninterrupted)


def test_two_processes_that_are_killed_end_with_the_same_rows_and_bits(
    story: list[str], uninterrupted_pair: Path, tmp_path: Path
) -> None:
    started = start("ner.py", [*story, *HALVES, "--output_dir=run"], tmp_path, processes=2)
    kill(started, tmp_path / "run", 7)

    ended = run("ner.py", RESUME, tmp_path)
    assert ended.exit_code == 2
    assert sentence(ended) == "run was trained by 2 process(es), not by 1; launch 2, or start a new run."
    ended = run("ner.py", RESUME, tmp_path, processes=2)
    assert ended.exit_code == 0, ended.output
    assert_same_run(tmp_path / "run", uninterrupted_pair)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(
    story: list[str], uninterrupted: Path, tmp_path: Path, number: int, exit_code: int
) -> None:
    ended = stopped(story, tmp_path, number)
    assert ended.exit_code == exit_code
    step, flags = how_to_go_on(ended)
    assert checkpoints(tmp_path / "run")[-1].name == f"step-{step}"

    ended = run("ner.py", flags, tmp_path)
    assert ended.exit_code == 0, ended.output
    assert f"resumed from run/checkpoints/step-{step}" in ended.output
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_signal_to_one_of_two_processes_stops_both_and_one_of_them_speaks(
    story: list[str], uninterrupted_pair: Path, tmp_path: Path
) -> None:
    started = start("ner.py", [*story, *HALVES, "--output_dir=run"], tmp_path, processes=2)
    started.wait_for(tmp_path / "run" / "metrics.jsonl", 5)
    started.signal(signal.SIGTERM, process_index=1)
    ended = started.wait()
    assert ended.exit_code == 143
    _, flags = how_to_go_on(ended)
    ended = run("ner.py", flags, tmp_path, processes=2)
    assert ended.exit_code == 0, ended.output
    assert_same_run(tmp_path / "run", uninterrupted_pair)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_one_sentence_and_leaves_the_earlier_checkpoint(
    story: list[str], tmp_path: Path, processes: int, request: pytest.FixtureRequest
) -> None:
    stopped([*story, *(HALVES if processes == 2 else [])], tmp_path, signal.SIGTERM, processes)
    before = {path: path.read_bytes() for path in checkpoints(tmp_path / "run")[-1].iterdir()}

    ended = run("ner.py", RESUME, tmp_path, processes=processes, file_bytes=20_000)
    assert ended.exit_code == 2
    assert re.fullmatch(
        r"run/checkpoints/step-\d+ could not be written \(.+\); "
        r"free some space, then continue with --output_dir run --resume_from_checkpoint latest\.",
        sentence(ended),
    )
    assert {path: path.read_bytes() for path in before} == before
    assert [path for path in (tmp_path / "run" / "checkpoints").iterdir() if path.name.startswith(".")] == []

    ended = run("ner.py", RESUME, tmp_path, processes=processes)
    assert ended.exit_code == 0, ended.output
    assert_same_run(
        tmp_path / "run", request.getfixturevalue({1: "uninterrupted", 2: "uninterrupted_pair"}[processes])
    )


def test_patience_that_is_spent_before_a_kill_stays_spent(story: list[str], tmp_path: Path) -> None:
    waiting = [*story, "--learning_rate=0", "--num_train_epochs=20", "--early_stopping_patience=4"]
    whole = whole_run(waiting, tmp_path / "whole")
    assert [row["epoch"] for row in rows(whole) if "epoch" in row] == [1, 2, 3, 4, 5]

    started = start("ner.py", [*waiting, "--output_dir=run"], tmp_path)
    kill(started, tmp_path / "run", 10)
    assert [row["epoch"] for row in rows(tmp_path / "run") if "epoch" in row][-1] >= 3
    ended = run("ner.py", RESUME, tmp_path)
    assert ended.exit_code == 0, ended.output
    assert_same_run(tmp_path / "run", whole)


def test_a_data_file_that_changed_meanwhile_is_noticed(
    story: list[str], data_files: dict[str, Path], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.jsonl"
    shutil.copy(data_files["train"], mine)
    stopped([*story, f"--train_file={mine}"], tmp_path, signal.SIGTERM)
    mine.write_text(mine.read_text(encoding="utf-8").replace("Ada Quill", "Ida Quill"), encoding="utf-8")
    ended = run("ner.py", RESUME, tmp_path)
    assert ended.exit_code == 2
    assert sentence(ended) == (
        "run was trained on other data than there is now (data: mine.jsonl); "
        "put the old data back, or start a new run."
    )


def test_training_that_diverges_is_one_sentence_and_leaves_no_checkpoint_without_numbers(
    story: list[str], tmp_path: Path
) -> None:
    wild = ["--learning_rate=1e30", "--max_grad_norm=1e30", "--checkpointing_steps=1", "--logging_steps=100"]
    ended = run("ner.py", [*story, *wild, "--output_dir=run"], tmp_path)
    assert ended.exit_code == 2
    last = checkpoints(tmp_path / "run")[-1].relative_to(tmp_path)
    assert re.fullmatch(
        rf".+: training has diverged; the last good checkpoint is {last}; "
        r"start a new run with a lower learning rate\.",
        sentence(ended),
    )
    for checkpoint in checkpoints(tmp_path / "run"):
        assert all(weight.isfinite().all() for weight in load_file(checkpoint / "model.safetensors").values())
    assert not (tmp_path / "run" / "release").exists()


def whole_run(flags: list[str], folder: Path, processes: int = 1) -> Path:
    """Train to the end; gives the run's folder."""
    folder.mkdir(exist_ok=True)
    ended = run("ner.py", [*flags, "--output_dir=run"], folder, processes=processes)
    assert ended.exit_code == 0, ended.output
    return folder / "run"


def stopped(flags: list[str], folder: Path, number: int, processes: int = 1) -> Ended:
    """Train until a signal comes to every process."""
    started = start("ner.py", [*flags, "--output_dir=run"], folder, processes=processes)
    started.wait_for(folder / "run" / "metrics.jsonl", 6)
    for process_index in range(processes):
        started.signal(number, process_index)
    return started.wait()


def kill(started: Started, folder: Path, row_count: int) -> None:
    """Kill -9 every process as soon as metrics.jsonl has so many rows."""
    started.wait_for(folder / "metrics.jsonl", row_count)
    for process_index in range(len(started.processes)):
        started.signal(signal.SIGKILL, process_index)
    assert started.wait().exit_code == -signal.SIGKILL


def how_to_go_on(ended: Ended) -> tuple[int, list[str]]:
    """The step and the flags in the last line that a stopped run printed, which it printed once."""
    assert "Traceback" not in ended.output
    (found,) = re.findall(r"^stopped after step (\d+) and saved; continue with (.+)$", ended.output, re.MULTILINE)
    assert ended.output.rstrip().endswith(found[1])
    return int(found[0]), shlex.split(found[1])


def sentence(ended: Ended) -> str:
    """The one error that the run printed."""
    assert "Traceback" not in ended.output, ended.output
    (told,) = re.findall(r"^error: (.+)$", ended.output, re.MULTILINE)
    return told


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted((folder / "checkpoints").glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))


def rows(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what a clock measured."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.endswith("_per_second")} for line in lines]


def assert_same_run(folder: Path, whole: Path) -> None:
    """Nothing but the clock tells the two runs apart."""
    assert rows(folder) == rows(whole)
    assert (folder / "release" / "model.safetensors").read_bytes() == (
        whole / "release" / "model.safetensors"
    ).read_bytes()
    one, other = (
        json.loads((path / "release" / "hfloop.json").read_text(encoding="utf-8")) for path in (folder, whole)
    )
    for fact in ("steps", "best_epoch", "epochs", "curve", "report"):
        assert one[fact] == other[fact]
    assert not (folder / "checkpoints").exists()
