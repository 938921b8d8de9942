"""What each recipe leaves behind: a release that loads three ways, measures again as it says, and tells no path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from gan_runs import RESUME, VARIANTS, grids, kill, provenance, rows, started, whole_run
from PIL import Image

from hfloop.cli import main
from hfloop.gan.pipelines import GANPipeline

TEXT = {".json", ".md", ".py", ".yaml"}
WITHOUT_HFLOOP = """
import importlib, json, pathlib, sys
sys.modules["hfloop"] = None  # importing it fails
import diffusers, numpy as np, torch
way, folders, made = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
images = {}
for variant, folder in folders.items():
    noise = torch.Generator().manual_seed(9)
    if way == "diffusers":
        pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
        images[variant] = pipeline(12, generator=noise, output_type="np").images
    else:
        (source,) = pathlib.Path(folder, "generator").glob("*.py")
        sys.path.insert(0, str(source.parent))
        name = json.loads(pathlib.Path(folder, "generator", "config.json").read_text())["_class_name"]
        generator = getattr(importlib.import_module(source.stem), name).from_pretrained(folder, subfolder="generator")
        labels = torch.arange(12) % 10 if generator.config.num_classes else None
        with torch.no_grad():
            output = generator(torch.randn(12, 8, generator=noise), labels)
        images[variant] = (output / 2 + 0.5).permute(0, 2, 3, 1).numpy()
np.savez(made, **images)
"""


@pytest.fixture(scope="module")
def run_of(gan_flags, tmp_path_factory):
    """The folder of a run of a variant, made once."""
    moments = ["--max_train_steps=12", "--logging_steps=4", "--eval_steps=4"]
    rates = ["--generator_learning_rate=1e-2", "--discriminator_learning_rate=1e-2", "--ema_decay=0.5"]
    return cache(lambda variant: whole_run(variant, [*gan_flags, *moments, *rates], tmp_path_factory.mktemp(variant)))


@pytest.fixture
def evaluate(monkeypatch, capsys, logger_as_before):
    """What `hfloop evaluate … --json` prints."""

    def run(*line):
        monkeypatch.setattr("sys.argv", ["hfloop", "evaluate", *map(str, line), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("way", ["diffusers", "one file"])
def test_the_same_seed_gives_the_same_pixels_where_hfloop_is_not_installed(way, run_of, tmp_path):
    folders = {variant: str(run_of(variant) / "release") for variant in VARIANTS}
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    line = [sys.executable, "-c", WITHOUT_HFLOOP, way, json.dumps(folders), str(tmp_path / "made.npz")]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    made = np.load(tmp_path / "made.npz")
    for variant, folder in folders.items():
        pipeline = GANPipeline.from_pretrained(folder)
        expected = pipeline(12, generator=torch.Generator().manual_seed(9), output_type="np").images
        np.testing.assert_array_equal((made[variant] * 255).round(), (expected * 255).round())
        assert len(np.unique(expected, axis=0)) == 12


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_figures_come_out_again(variant, run_of, gan_flags, evaluate):
    data = {flag.partition("=")[0]: flag.partition("=")[2] for flag in gan_flags}
    sets = ["--data", data["--test_data"], "--train_data", data["--train_data"]]
    again = evaluate(run_of(variant) / "release", *sets)
    assert again.pop("same_images") == {"test": True, "train": True}
    assert again == provenance(run_of(variant))["report"]


def test_figures_on_the_digits_come_out_again(evaluate, tmp_path):
    short = ["--base_channels=4", "--latent_dim=8", "--max_train_steps=2", "--eval_steps=2", "--mixed_precision=no"]
    run = whole_run("cgan", short, tmp_path)
    again = evaluate(run / "release", "--data", "digits:test", "--train_data", "digits:train")
    assert again.pop("same_images") == {"test": True, "train": True}
    assert again == provenance(run)["report"]
    assert again["images"] == {"generated": 1437, "real": 360, "floor": 1437, "noise": 1437}


@pytest.mark.parametrize("variant", VARIANTS)
def test_pictures_and_card_are_there_and_a_frame_for_each_evaluation(variant, run_of):
    run = run_of(variant)
    release = run / "release"
    evaluations = [row for row in rows(run) if "frechet_distance" in row]
    assert [row["step"] for row in evaluations] == [4, 8, 12]
    assert list(grids(run)) == [f"step-{row['step']:07d}.png" for row in evaluations]
    with Image.open(release / "training.webp") as picture:
        assert (picture.is_animated, picture.n_frames) == (True, 3)
    for name in ("samples.png", "interpolation.png", "curves.png"):
        with Image.open(release / name) as picture:
            picture.verify()
    known = provenance(run)
    best = min(evaluations, key=lambda row: row["frechet_distance"])
    assert known["best_step"] == best["step"]
    assert known["images_seen"] == best["images"] == best["step"] * 16 * known["config"].get("n_critic", 1)
    card = (release / "README.md").read_text(encoding="utf-8")
    assert known["method"]["name"] in card and known["method"]["paper"] in card
    assert known["recipe"] == VARIANTS[variant][0].removesuffix(".py")
    assert known["num_classes"] == (10 if variant.startswith("cgan") else None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_tells_no_path_of_this_machine(variant, run_of, gan_flags):
    release = run_of(variant) / "release"
    texts = [path for path in release.rglob("*") if path.suffix in TEXT]
    assert len(texts) >= 8
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert "/tmp/" not in text and str(Path.home()) + "/" not in text and str(Path.cwd()) not in text, path
        assert not re.search(r"\bhf_[A-Za-z0-9]{20,}", text)


def test_an_alarm_is_said_once_and_stands_on_the_card_also_after_a_kill(gan_flags, tmp_path):
    """D alone learns, and fast: soon it sees through every image of a generator that stays as it was."""
    unequal = ["--generator_learning_rate=0", "--discriminator_learning_rate=0.01", "--eval_steps=30"]
    moments = ["--max_train_steps=90", "--logging_steps=3", "--checkpointing_steps=3"]
    running = started("gan", [*gan_flags, *unequal, *moments, "--output_dir=run"], tmp_path)
    kill(running, tmp_path, 14)
    before = re.findall(r"Warning: (.*)", (tmp_path / "run" / "log.txt").read_text(encoding="utf-8"))
    ended = started("gan", RESUME, tmp_path).wait()
    assert ended.exit_code == 0, ended.output
    said = re.findall(r"Warning: (.*)", (tmp_path / "run" / "log.txt").read_text(encoding="utf-8"))
    dead = [sentence for sentence in said if "it sees through every generated image" in sentence]
    assert len(dead) == 1 and dead[0] in before
    assert provenance(tmp_path / "run")["alarms"] == said
    assert dead[0] in (tmp_path / "run" / "release" / "README.md").read_text(encoding="utf-8")
