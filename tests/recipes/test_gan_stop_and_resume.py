"""Killed, stopped or refused by the disk, a GAN goes on as if nothing had happened: same rows, pictures and bits.

Both networks, both optimizers and the average are compared as the last checkpoint holds them, and what is released.
"""

from __future__ import annotations

import random
import re
import shlex
import signal
from pathlib import Path

import pytest
from gan_runs import (
    RESUME,
    VARIANTS,
    assert_same_run,
    checkpoint,
    differences,
    grids,
    kill,
    provenance,
    resumed,
    sentence,
    started,
    whole_run,
)

PAIRS = ["gan", "dcgan", "sngan", "wgan_gp", "cgan-projection", "r3gan"]


@pytest.fixture(scope="module")
def story(gan_flags: list[str]) -> list[str]:
    """Fourteen steps; rows, checkpoints and evaluations at different ones, and sometimes at the same."""
    moments = ["--max_train_steps=14", "--logging_steps=2", "--checkpointing_steps=3", "--eval_steps=4"]
    rates = ["--generator_learning_rate=1e-2", "--discriminator_learning_rate=1e-2", "--ema_decay=0.5"]
    return [*gan_flags, *moments, *rates]


@pytest.fixture(scope="module")
def uninterrupted(story: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of recipes/dcgan.py that nothing disturbed."""
    return whole_run("dcgan", story, tmp_path_factory.mktemp("uninterrupted"))


@pytest.mark.parametrize(
    ("variant", "processes"), [*((variant, 1) for variant in VARIANTS), *((variant, 2) for variant in PAIRS)]
)
def test_a_run_that_is_killed_ends_with_the_same_rows_pictures_and_bits(
    story: list[str], tmp_path: Path, variant: str, processes: int
) -> None:
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    row_count = random.Random(f"{variant} {processes}").randint(3, 7)  # the rows of steps 4 to 10
    whole = whole_run(variant, story, tmp_path / "whole", processes=processes)
    running = started(variant, [*story, "--output_dir=run"], tmp_path / "killed", processes=processes)
    kill(running, tmp_path / "killed", row_count)
    assert not (tmp_path / "killed" / "run" / "release").exists()
    assert_same_run(resumed(variant, tmp_path / "killed", processes=processes), whole)
    assert list(grids(whole)) == [f"step-{step:07d}.png" for step in (4, 8, 12, 14)]
    assert len(set(grids(whole).values())) == 4


def test_the_best_weights_are_remembered_from_before_a_kill(story: list[str], tmp_path: Path) -> None:
    """A generator that never changes is best at its first evaluation, with the discriminator of then."""
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    still = [*story, "--generator_learning_rate=0"]
    whole = whole_run("r3gan", still, tmp_path / "whole")
    kill(started("r3gan", [*still, "--output_dir=run"], tmp_path / "killed"), tmp_path / "killed", 5)
    assert_same_run(resumed("r3gan", tmp_path / "killed"), whole)
    assert provenance(whole)["best_step"] == 4


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(
    story: list[str], uninterrupted: Path, tmp_path: Path, number: int, exit_code: int
) -> None:
    running = started("dcgan", [*story, "--output_dir=run"], tmp_path)
    running.wait_for(tmp_path / "run" / "metrics.jsonl", 4)
    running.signal(number)
    ended = running.wait()
    assert ended.exit_code == exit_code
    ((step, flags),) = re.findall(r"^stopped after step (\d+) and saved; continue with (.+)$", ended.output, re.M)
    assert (tmp_path / "run" / "checkpoints" / f"step-{step}").is_dir()

    ended = started("dcgan", shlex.split(flags), tmp_path).wait()
    assert ended.exit_code == 0, ended.output
    assert f"resumed from run/checkpoints/step-{step}" in ended.output
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(
    story: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    running = started("dcgan", [*story, "--output_dir=run"], tmp_path)
    kill(running, tmp_path, 6)
    kept = tmp_path / "run" / "checkpoints" / "step-6"
    before = checkpoint(kept), grids(tmp_path / "run")

    ended = started("dcgan", RESUME, tmp_path, file_bytes=12_000).wait()
    assert ended.exit_code == 2
    assert re.fullmatch(
        r"run/checkpoints/step-9 could not be written \(.+\); "
        r"free some space, then continue with --output_dir run --resume_from_checkpoint latest\.",
        sentence(ended),
    )
    assert differences((checkpoint(kept), grids(tmp_path / "run")), before) == []
    assert_same_run(resumed("dcgan", tmp_path), uninterrupted)
