from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import running
import torch

SCRIPT = str(Path(__file__).parent / "toy_gan.py")


def flags(kind: str, folder: Path, *more: object, steps: int = 5) -> list[object]:
    exact = ["--mixed_precision", "no", "--logging_steps", 1, "--checkpointing_steps", 2]
    return ["--kind", kind, "--max_train_steps", steps, "--output_dir", folder, *exact, *more]


def trained(kind: str, folder: Path, *more: object, processes: int = 1, steps: int = 5) -> dict:
    ended = running.start(SCRIPT, flags(kind, folder, *more, steps=steps), folder.parent, processes=processes).wait()
    assert ended.exit_code == 0, ended.output
    return torch.load(folder / "everything.pt", weights_only=True)


def largest_difference(first: dict, second: dict) -> float:
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


def identical(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(identical(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(identical, first, second))
    return first == second


@pytest.mark.parametrize("kind", ["wgan_gp", "r3gan", "wgan_clip"])
def test_two_processes_learn_what_one_does(kind, tmp_path):
    one = trained(kind, tmp_path / "one", "--per_device_train_batch_size", 16)
    two = trained(kind, tmp_path / "two", "--per_device_train_batch_size", 8, processes=2)
    for network in ("generator", "discriminator", "average"):
        assert largest_difference(one[network], two[network]) < 1e-5
    untrained = trained(kind, tmp_path / "none", "--generator_learning_rate", 0, "--per_device_train_batch_size", 16)
    assert largest_difference(one["generator"], untrained["generator"]) > 1e-3


@pytest.mark.parametrize(("kind", "processes"), [("wgan_gp", 1), ("r3gan", 1), ("dcgan", 1), ("wgan_gp", 2)])
def test_a_killed_run_goes_on_bit_for_bit(kind, processes, tmp_path):
    whole = trained(kind, tmp_path / "whole", processes=processes, steps=7)
    folder = tmp_path / "killed"
    line = flags(kind, folder, "--checkpoints_total_limit", 400, steps=400)  # however late the kill comes
    killed = running.start(SCRIPT, line, tmp_path, processes=processes)
    killed.wait_for(folder / "metrics.jsonl", 5)
    for index in range(processes):
        killed.signal(signal.SIGKILL, index)
    killed.wait()
    checkpoints = {int(path.name.removeprefix("step-")): path for path in (folder / "checkpoints").glob("step-*")}
    last = checkpoints[max(step for step in checkpoints if step < 7)]
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("max_train_steps: 400", "max_train_steps: 7"))
    resumed = ["--resume_from_checkpoint", last, "--output_dir", folder]
    ended = running.start(SCRIPT, resumed, tmp_path, processes=processes).wait()
    assert ended.exit_code == 0, ended.output
    assert identical(torch.load(folder / "everything.pt", weights_only=True), whole)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 8))


def test_each_network_learns_from_its_own_loss_alone(tmp_path):
    both = trained("wgan_gp", tmp_path / "both", steps=1)
    still = trained("wgan_gp", tmp_path / "still", "--generator_learning_rate", 0, steps=1)
    # the discriminator's first step comes before the generator's: whether the latter learns cannot matter to it
    assert identical(both["discriminator"], still["discriminator"])
    assert identical(both["optimizers"][1], still["optimizers"][1])
    assert not identical(both["generator"], still["generator"])


def test_clipped_weights_stay_within_their_bound(tmp_path):
    weights = trained("wgan_clip", tmp_path / "clipped")["discriminator"]
    assert max(float(weight.abs().max()) for weight in weights.values()) <= 0.01


def test_penalties_are_in_full_precision_where_the_rest_is_not(tmp_path):
    line = flags("full_precision", tmp_path / "run", "--mixed_precision", "bf16", steps=2)
    ended = running.start(SCRIPT, line, tmp_path).wait()
    assert ended.exit_code == 0, ended.output


def test_what_is_logged_is_the_objectives_own(tmp_path):
    trained("wgan_gp", tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    names = {
        "discriminator_loss",
        "generator_loss",
        "penalty",
        "discriminator_gradient_norm",
        "generator_gradient_norm",
    }
    assert names | {"images_per_second"} <= rows[0].keys()
    assert rows[0]["penalty"] > 0
