"""Flags, their YAML file, and what a resumed run takes from the run that stopped."""

from __future__ import annotations

import re
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml
from running import RECIPES, run

from hfloop.config import RecipeConfig, option, parse_config
from hfloop.errors import UserError


@dataclass
class ToyConfig(RecipeConfig):
    """Train a toy."""

    train_file: str | None = option(None, "data")
    learning_rate: float = option(1e-3, "peak learning rate")
    scheduler: Literal["linear", "cosine"] = option("linear", "its fall")
    layers: list[int] = option([4, 4], "sizes")
    bias: bool = option(True, "with biases")


def parse(*argv: object) -> ToyConfig:
    """The configuration of a command line."""
    return parse_config(ToyConfig, [str(argument) for argument in argv])


def refused(*argv: object) -> str:
    """The sentence that a command line is answered with."""
    with pytest.raises(UserError) as caught:
        parse(*argv)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A place for a YAML file."""
    return tmp_path / "toy.yaml"


def test_without_flags_every_field_has_its_default() -> None:
    assert parse() == ToyConfig()
    assert parse().layers is not parse().layers


def test_flags_are_read_with_underscores_or_hyphens_and_by_their_types() -> None:
    config = parse("--seed", 7, "--learning-rate=3e-4", "--layers", 1, 2, 3, "--bias", "false", "--dry_run")
    assert (config.seed, config.learning_rate, config.layers) == (7, 3e-4, [1, 2, 3])
    assert (config.bias, config.dry_run) == (False, True)
    assert parse("--no_bias").bias is False


def test_a_yaml_file_says_what_flags_say(file: Path) -> None:
    file.write_text(
        "# comments are allowed\n"
        "seed: 7\n"
        "learning_rate: 3e-4\n"  # a string to YAML 1.1
        "mixed_precision: no\n"  # a boolean to YAML 1.1
        "layers: [1, 2, 3]\n"
        "report_to:\n- tensorboard\n- trackio\n"
        "bias: false\n"
        "dry_run: yes\n"
        "max_train_steps: null\n"
        "train_file:\n",
        encoding="utf-8",
    )
    config = parse("--config", file)
    assert config == ToyConfig(
        seed=7,
        learning_rate=3e-4,
        mixed_precision="no",
        layers=[1, 2, 3],
        report_to=["tensorboard", "trackio"],
        bias=False,
        dry_run=True,
    )


def test_flags_win_over_the_file_wherever_they_stand(file: Path) -> None:
    file.write_text("seed: 7\nlayers: [1, 2]\nbias: false\nlearning_rate: 0.5\n", encoding="utf-8")
    flags = ["--seed", "8", "--layers", "9", "--bias", "true"]
    expected = ToyConfig(seed=8, layers=[9], bias=True, learning_rate=0.5)
    assert parse("--config", file, *flags) == parse(*flags, f"--config={file}") == expected


def test_what_a_run_writes_down_is_read_back(file: Path) -> None:
    config = ToyConfig(
        output_dir="runs/é, #1: 'no'", learning_rate=1e-05, layers=[1], mixed_precision="no", train_file="-x.jsonl"
    )
    file.write_text(config.to_yaml(), encoding="utf-8")
    assert parse("--config", file) == config


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--sed", "7"], "unknown flag --sed (did you mean `seed`?)."),
        (["--learning-rat=1"], "unknown flag --learning-rat (did you mean `learning_rate`?)."),
        (["--qqq"], "unknown flag --qqq."),
        (["7"], "`7` is not a flag; flags start with -- (see --help)."),
        (["--seed", "many"], "argument --seed: invalid int value: 'many' (see --help)."),
        (["--layers", "1", "x"], "argument --layers: invalid int value: 'x' (see --help)."),
        (["--seed"], "argument --seed: expected one argument (see --help)."),
        (["--config"], "--config needs a file of `key: value` lines: --config mine.yaml."),
        (["--seed=-1"], "--seed must be between 0 and 4294967295, not -1."),
        (["--logging_steps", "0"], "--logging_steps must be at least 1, not 0."),
        (["--checkpointing_steps=-5"], "--checkpointing_steps must be at least 1, not -5."),
        (["--max_train_steps", "0"], "--max_train_steps must be at least 1, not 0."),
    ],
)
def test_a_flag_that_cannot_be_used_is_named(argv: list[str], sentence: str) -> None:
    assert refused(*argv) == sentence


def test_a_choice_names_the_others() -> None:
    assert re.search("--scheduler.*'square'.*linear.*cosine", refused("--scheduler", "square"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sed: 7\n", "--config {}: unknown key `sed` (did you mean `seed`?)."),
        ("learning-rate: 1\n", "--config {}: unknown key `learning-rate` (did you mean `learning_rate`?)."),
        ("seed: many\n", "argument --seed: invalid int value: 'many' (see --help)."),
        ("layers: [1, x]\n", "argument --layers: invalid int value: 'x' (see --help)."),
        ("seed:\n  deep: 7\n", "--config {}: `seed` must be one value or a list of values."),
        ("layers:\n- [1, 2]\n", "--config {}: `layers` must be one value or a list of values."),
        (
            "seed: 7\nlayers: [1, 2\nbias: true\n",
            "--config {}, line 3 is not valid YAML: write one `key: value` a line.",
        ),
        ("seed: 7\n\tbias: true\n", "--config {}, line 2 is not valid YAML: write one `key: value` a line."),
        ("- seed\n", "--config {} holds no `key: value` lines."),
        ("", "--config {} holds no `key: value` lines."),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key_or_line(file: Path, text: str, sentence: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert refused("--config", file) == sentence.format(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refused("--config", tmp_path / "none.yaml") == f"--config {tmp_path / 'none.yaml'}: no such file."
    assert refused("--config", tmp_path).startswith(f"--config {tmp_path} cannot be read: ")
    (tmp_path / "latin").write_bytes("train_file: Zoë\n".encode("latin-1"))
    assert refused("--config", tmp_path / "latin").startswith(f"--config {tmp_path / 'latin'} cannot be read: ")


def test_a_release_says_what_shaped_the_weights_without_paths_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").touch()
    config = ToyConfig(output_dir=str(tmp_path), train_file=str(tmp_path / "data.jsonl"), seed=3, logging_steps=99)
    assert config.shareable()["train_file"] == "data.jsonl"
    with_split = ToyConfig(train_file=f"{tmp_path / 'data.jsonl'}:train")
    assert with_split.shareable()["train_file"] == "data.jsonl:train"
    assert ToyConfig(train_file="datasets/user/name:train").shareable()["train_file"] == "datasets/user/name:train"
    assert config.shareable()["seed"] == 3
    assert not {"output_dir", "logging_steps", "dry_run"} & config.shareable().keys()
    assert str(tmp_path) not in str(config.shareable())
    assert list(config.non_default_fields()) == ["output_dir", "seed", "logging_steps", "train_file"]


def test_of_a_path_in_the_working_folder_the_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "mine" / "sub")
    monkeypatch.chdir(tmp_path / "mine")
    told = {".": "mine", "..": tmp_path.name, "./sub/": "sub", "sub/..:train": "mine:train", "link": "link", "": ""}
    assert {path: ToyConfig(train_file=path).shareable()["train_file"] for path in told} == told


# ---------------------------------------------------------------------- resuming


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The folder of a run that was started with a seed, a rate and no biases."""
    folder = tmp_path / "runs" / "my run"
    (folder / "checkpoints" / "step-5").mkdir(parents=True)
    config = ToyConfig(output_dir=str(folder), seed=7, learning_rate=0.5, bias=False, logging_steps=3)
    (folder / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    return folder


def test_a_resumed_run_needs_no_flags_but_its_folder(stopped: Path) -> None:
    by_folder = parse("--output_dir", stopped, "--resume_from_checkpoint", "latest")
    assert by_folder == ToyConfig(
        output_dir=str(stopped),
        seed=7,
        learning_rate=0.5,
        bias=False,
        logging_steps=3,
        resume_from_checkpoint="latest",
    )
    for target in (stopped, stopped / "checkpoints" / "step-5"):
        by_path = parse("--resume_from_checkpoint", target)
        assert (by_path.output_dir, by_path.seed) == (str(stopped), 7)


def test_a_resumed_run_may_change_what_does_not_shape_the_weights(stopped: Path) -> None:
    flags = ["--logging_steps", 50, "--checkpointing-steps=9", "--report_to", "tensorboard", "--dry_run"]
    config = parse("--resume_from_checkpoint", stopped, *flags, "--seed", 7, "--no_bias")
    assert (config.logging_steps, config.checkpointing_steps, config.report_to) == (50, 9, ["tensorboard"])
    assert config.dry_run
    assert config.learning_rate == 0.5


def test_a_resumed_run_that_would_learn_otherwise_is_told_what_differs(stopped: Path, file: Path) -> None:
    told = f"{stopped} was trained with other values: %s; drop the change, or start a new run."
    resume = ["--resume_from_checkpoint", stopped]
    rate_and_bias = "--learning_rate 0.25 (was 0.5), --bias True (was False)"
    assert refused(*resume, "--bias", "true", "--learning-rate", 0.25) == told % rate_and_bias
    assert refused(*resume, "--seed=42") == told % "--seed 42 (was 7)"  # the default, but said
    file.write_text("seed: 8\n", encoding="utf-8")
    assert refused(*resume, "--config", file) == told % "--seed 8 (was 7)"


def test_a_resumed_run_has_one_folder(stopped: Path) -> None:
    assert refused("--output_dir", "other", "--resume_from_checkpoint", stopped) == (
        f"--resume_from_checkpoint {stopped} continues the run in {stopped}; drop --output_dir other."
    )
    assert parse("--output_dir", f"{stopped}/", "--resume_from_checkpoint", stopped).output_dir == str(stopped)


def test_a_run_that_cannot_be_found_is_named(tmp_path: Path) -> None:
    assert refused("--resume_from_checkpoint", "latest") == (
        "--resume_from_checkpoint latest needs --output_dir, the folder of the run to continue."
    )
    assert refused("--output_dir", tmp_path, "--resume_from_checkpoint", "latest") == (
        f"--resume_from_checkpoint latest: {tmp_path} holds no run (no config.yaml in it); "
        "name the folder that the stopped run printed."
    )


# ---------------------------------------------------------------------- a recipe's own command line


def test_help_names_every_flag_with_its_default(tmp_path: Path) -> None:
    ended = run("ner.py", ["--help"], tmp_path)
    assert ended.exit_code == 0
    told = " ".join(ended.output.partition("options:")[2].split())
    config = runpy.run_path(str(RECIPES / "ner.py"))["NerConfig"]()
    for name, default in config.to_dict().items():
        flag, _, told = told.partition(f" --{name} ")[2].partition(" (default: ")
        assert flag
        assert told.startswith(f"{default})")
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_prints_configuration_data_and_device_and_creates_nothing(
    tmp_path: Path, data_files: dict[str, Path]
) -> None:
    flags = [f"--train_file={data_files['train']}", "--seed=5", "--mixed_precision=no", "--dry_run"]
    ended = run("ner.py", flags, tmp_path)
    assert ended.exit_code == 0, ended.output
    configuration, _, rest = ended.output.partition("\n\n")
    values = yaml.safe_load(configuration)
    assert (values["seed"], values["mixed_precision"], values["report_to"]) == (5, "no", ["none"])
    assert values["output_dir"] == "runs/ner"
    assert re.search(r"^device: .+ cores\), mixed precision: no \(as asked\)$", rest, re.MULTILINE)
    assert re.search(r"^data: train\.jsonl$", rest, re.MULTILINE)
    assert re.search(r"^ +train +\d+ documents +\d+ spans", rest, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
