from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from hfloop.errors import exit_on_user_error
from hfloop.files import sha256_of_file
from hfloop.images.sources import load_images
from hfloop.metrics.features import ClassifierExtractor

ROOT = Path(__file__).parents[2]


def load_script() -> ModuleType:
    """The script as a module; `tests/scripts` hides the package `scripts` from the tests' own process."""
    path = ROOT / "scripts" / "train_feature_extractor.py"
    spec = importlib.util.spec_from_file_location("train_feature_extractor", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


SCRIPT = load_script()


def write_idx(path: Path, array: np.ndarray) -> None:
    shape = b"".join(length.to_bytes(4, "big") for length in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + shape + array.tobytes())


def write_split(folder: Path, prefix: str, count: int, classes: int = 10) -> None:
    """Images of 8×8 pixels whose bright row tells their class."""
    labels = np.arange(count, dtype=np.uint8) % classes
    images = np.random.default_rng(count).integers(60, size=(count, 8, 8), dtype=np.uint8)
    images[np.arange(count), labels % 8] += 180
    write_idx(folder / f"{prefix}-images-idx3-ubyte", images)
    write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("idx")
    write_split(folder, "train", 60)
    write_split(folder, "t10k", 20)
    return folder


@pytest.fixture
def run(monkeypatch, capsys) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Call the script with these arguments; gives its exit code and what it wrote to stdout and stderr."""

    def call(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train_feature_extractor", *map(str, arguments)])
        try:
            exit_on_user_error(SCRIPT.main)
            code = 0
        except SystemExit as leaving:
            code = int(str(leaving.code))
        return (code, *capsys.readouterr())

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield call
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def train(run, data: Path, output: Path, *flags) -> str:
    code, said, complaints = run("mnist", "--data", data, "--output_dir", output, "--epochs", 2, *flags)
    assert (code, complaints) == (0, "")  # no progress bar where nobody watches
    return said


def test_the_folder_says_what_was_measured_and_is_an_extractor(run, data, tmp_path):
    said = train(run, data, tmp_path / "new" / "mnist-v9")
    folder = tmp_path / "new" / "mnist-v9"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())
    config = json.loads((folder / "config.json").read_text())
    assert config["sha256"] == sha256_of_file(folder / "model.safetensors")
    test = load_images(str(data / "t10k-images-idx3-ubyte"))
    assert config["training"]["data"]["test"] == {"images": 20, "sha256": test.fingerprint}
    assert config["training"]["data"]["train"]["images"] == 60
    assert (config["image_size"], config["dimension"], config["training"]["settings"]["epochs"]) == (8, 128, 2)
    assert str(data) not in json.dumps(config)

    extractor = ClassifierExtractor(folder, "mnist-v9")
    assert test.labels is not None
    right = extractor.probabilities(torch.from_numpy(test.read(range(20)))).argmax(dim=1).numpy() == test.labels
    assert right.mean() == config["test_accuracy"]
    assert f"test accuracy {config['test_accuracy']:.4f}, train accuracy {config['train_accuracy']:.4f}" in said


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(run, data, tmp_path):
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        train(run, data, tmp_path / name, "--seed", seed)
    first, again, other = (
        sha256_of_file(tmp_path / name / "model.safetensors") for name in ("first", "again", "other")
    )
    assert first == again != other


def test_validation_looks_at_no_test_image_and_writes_nothing(run, data, tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    assert train(run, tmp_path, tmp_path / "out", "--validation").startswith("validation accuracy 0.")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnist"], "error: mnist needs --data, the folder with its four IDX files."),
        (
            ["fashion", "--data", "EMPTY"],
            "error: EMPTY has neither train-images-idx3-ubyte.gz nor train-images-idx3-ubyte; "
            "--data names the folder of the IDX files.",
        ),
        (["digits", "--epochs", "0"], "error: --epochs must be at least 1, not 0."),
        (
            ["digits", "--output_dir", "EMPTY"],
            "error: --output_dir EMPTY exists already; remove it or name another folder.",
        ),
    ],
)
def test_bad_input_is_one_sentence(run, tmp_path, arguments, message):
    arguments = [argument.replace("EMPTY", str(tmp_path)) for argument in arguments]
    if "--output_dir" not in arguments:
        arguments += ["--output_dir", str(tmp_path / "out")]
    assert run(*arguments) == (2, "", message.replace("EMPTY", str(tmp_path)) + "\n")
    assert not (tmp_path / "out").exists()


def test_images_without_labels_and_labels_of_other_classes_are_refused(run, data, tmp_path):
    write_split(tmp_path, "train", 22, classes=11)
    flags = ("--data", tmp_path, "--output_dir", tmp_path / "out")
    images = tmp_path / "train-images-idx3-ubyte"
    assert run("mnist", *flags) == (2, "", f"error: {images} has labels outside 0 to 9; it is not mnist.\n")
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    message = f"error: {images} has no labels beside it; put the IDX file of the labels there.\n"
    assert run("mnist", *flags) == (2, "", message)
