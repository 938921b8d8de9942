from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.config import RecipeConfig, option, parse_config
from hfloop.hub.reproduction import energy, recipe_command, reproduction

ROOT = Path(__file__).parents[2]
PROCESSOR, GPU = "AMD EPYC (4 cores)", "NVIDIA H100 80GB HBM3"


@dataclass
class EveryConfig(RecipeConfig):
    """A field of every kind that recipes have."""

    train_file: str | None = option(None, "a path")
    name: str = option("bundled", "a text")
    learning_rate: float = option(3e-4, "a number")
    shift: float = option(0.0, "a number that may be negative")
    careful: bool = option(True, "on unless it is said otherwise")
    corrupt: bool = option(False, "off unless it is said otherwise")
    kind: Literal["one", "two"] = option("one", "one of two")
    labels: list[str] = option(["a", "b"], "several texts")
    sizes: list[int] = option([1], "several numbers")


def provenance(config, processes=1, device=PROCESSOR):
    shared = config.shareable()
    return {
        "recipe": "ner",
        "config": shared,
        "non_default": [name for name in config.non_default_fields() if name in shared],
        "hardware": {"processes": processes, "device": device, "threads": 4, "mixed_precision": "bf16"},
        "data": {"splits": {"train": {"sha256": "ab"}, "test": {"sha256": "cd"}}},
    }


def arguments_of(command):
    """What a shell makes of a command that goes over several lines."""
    return shlex.split(command.replace(" \\\n", " "))


def is_no_path(text):
    return "\0" not in text and not Path(text).exists()


TEXT = st.one_of(
    st.sampled_from(
        ["-1", "--seed", "it's", 'a "b"', "$HOME", "`x`", "a b", "no", "None", "ümlaut|\\", "*.json", "\n"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
).filter(is_no_path)
WORD = TEXT.filter(lambda text: not text.startswith("-"))
CONFIGS = st.builds(
    EveryConfig,
    seed=st.integers(0, 2**32 - 1),
    max_train_steps=st.none() | st.integers(1, 10**9),
    mixed_precision=st.sampled_from(["auto", "no", "bf16"]),
    train_file=st.none() | TEXT,
    name=TEXT,
    learning_rate=st.floats(0, 1),
    shift=st.floats(allow_nan=False, allow_infinity=False),
    careful=st.booleans(),
    corrupt=st.booleans(),
    kind=st.sampled_from(["one", "two"]),
    labels=st.lists(WORD, min_size=1, max_size=3),
    sizes=st.lists(st.integers(), min_size=1, max_size=3).filter(lambda sizes: min(sizes) >= 0),
)


@given(CONFIGS)
def test_the_command_gives_the_same_configuration_again_with_the_precision_that_auto_meant(config):
    arguments = arguments_of(recipe_command(provenance(config)))
    assert arguments[:3] == ["accelerate", "launch", "recipes/ner.py"]
    again = parse_config(EveryConfig, arguments[3:])
    assert again == (replace(config, mixed_precision="bf16") if config.mixed_precision == "auto" else config)
    assert [type(getattr(again, f.name)) for f in fields(config)] == [
        type(getattr(config, f.name)) for f in fields(config)
    ]


def test_a_real_shell_reads_it_the_same_way():
    texts = {"train_file": "it's `a` $HOME *.json", "name": '"\\', "labels": ["x y", "|", "two\nlines"]}
    config = EveryConfig(**texts, shift=-2.5, mixed_precision="no")
    command = recipe_command(provenance(config))
    assert "\\\n  --" in command
    done = subprocess.run(
        ["bash", "-c", "accelerate() { printf '%s\\0' \"$@\"; }; " + command], capture_output=True, check=True
    )
    assert parse_config(EveryConfig, done.stdout.decode().split("\0")[2:-1]) == config


def test_a_short_command_stays_on_one_line():
    bare = "accelerate launch recipes/ner.py --mixed_precision"
    assert recipe_command(provenance(EveryConfig())) == f"{bare} bf16"
    assert recipe_command(provenance(EveryConfig(mixed_precision="no"))) == f"{bare} no"
    seeded = EveryConfig(seed=7, mixed_precision="no")
    assert recipe_command(provenance(seeded)) == "accelerate launch recipes/ner.py --seed 7 --mixed_precision no"


def test_the_name_of_a_recipe_runs_nothing():
    facts = provenance(EveryConfig()) | {"recipe": "ner; touch $(x)"}
    words = arguments_of(recipe_command(facts))
    assert words[:3] == ["accelerate", "launch", "recipes/ner; touch $(x).py"]


@pytest.mark.parametrize(
    ("processes", "device", "launch"),
    [
        (1, GPU, "accelerate launch recipes/ner.py"),
        (2, PROCESSOR, "torchrun --standalone --nproc_per_node 2 recipes/ner.py"),
        (4, GPU, "accelerate launch --config_file recipes/accelerate/multi-gpu.yaml --num_processes 4 recipes/ner.py"),
    ],
)
def test_as_many_processes_are_launched_as_trained(processes, device, launch):
    command = recipe_command(provenance(EveryConfig(), processes, device))
    assert arguments_of(command) == [*launch.split(), "--mixed_precision", "bf16"]
    named = [argument for argument in launch.split() if argument.startswith("recipes/")]
    assert all((ROOT / name).is_file() for name in named)


def test_paths_that_are_names_now_are_told_with_the_data(tmp_path):
    (tmp_path / "my file.jsonl").touch()
    made = reproduction(provenance(EveryConfig(train_file=str(tmp_path / "my file.jsonl"))), ["train_file", "name"])
    assert " --train_file 'my file.jsonl' " in made["command"]
    assert made["threads"] == 4
    assert made["paths"] == ["`--train_file`"]
    assert made["fingerprints"] == {"train": "ab", "test": "cd"}


def test_energy_that_was_not_measured_is_not_spoken_of():
    assert energy({}) is None
