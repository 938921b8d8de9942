"""What a user can get wrong ends with exit code 2, one sentence that says what and where, and nothing written."""

from __future__ import annotations

import logging
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from accelerate.state import AcceleratorState
from gan_runs import VARIANTS
from PIL import Image
from running import RECIPES
from safetensors.torch import load_file

from hfloop.checkpoints import checkpoints_in
from hfloop.images.sources import load_images

pytestmark = pytest.mark.usefixtures("logger_as_before")
TINY = ["--base_channels=4", "--latent_dim=8", "--mixed_precision=no", "--extractor=digits-v1"]


@pytest.fixture
def play(monkeypatch, tmp_path, capsys):
    """Run a recipe in an empty folder; gives its exit code, what it printed, and what it said on stderr."""
    monkeypatch.chdir(tmp_path)

    def run(recipe, *flags):
        AcceleratorState._reset_state(reset_partial_state=True)
        monkeypatch.setattr(sys, "argv", [recipe, *map(str, flags)])
        capsys.readouterr()
        try:
            runpy.run_path(str(RECIPES / recipe), run_name="__main__")
            code = 0
        except SystemExit as ended:
            code = ended.code
        for handler in logging.getLogger("hfloop").handlers:
            handler.close()
        return code, *capsys.readouterr()

    yield run
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def refused(play, tmp_path):
    """Run a recipe that refuses at once and leaves nothing; gives its one line on stderr, without `error: `."""

    def run(recipe, *flags):
        before = sorted(tmp_path.rglob("*"))
        code, out, err = play(recipe, *flags)
        assert (code, out) == (2, ""), err
        assert err.startswith("error: ") and err.endswith(".\n") and err.count("\n") == 1, err
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("error: ").rstrip("\n")

    return run


def last_error(err: str) -> str:
    """The sentence that a run ended with after it had begun."""
    assert "Traceback" not in err
    *_, last = err.splitlines()
    assert last.startswith("error: ")
    return last.removeprefix("error: ")


def digits(count: int, first: int = 0) -> np.ndarray:
    """uint8 pixels of shape (images, 8, 8)."""
    return load_images("digits:train").read(range(first, first + count))[:, 0]


def folder_of_pictures(name: str, pixels: np.ndarray) -> Path:
    folder = Path(name)
    folder.mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{number:03d}.png")
    return folder


def npz(name: str, count: int, first: int = 0, **arrays: np.ndarray) -> Path:
    path = Path(name)
    np.savez(path, images=digits(count, first), **arrays)
    return path


# ------------------------------------------------------------------ images


def test_images_that_are_not_there(refused):
    assert "gone" in refused("gan.py", "--train_data=gone")
    assert "gone.npz" in refused("gan.py", "--train_data=gone.npz")
    said = refused("gan.py", "--train_data=datasets/user/pictures")
    assert "user/pictures" in said and "HF_HUB_OFFLINE is set" in said


def test_a_folder_without_images(refused):
    Path("bare").mkdir()
    Path("bare", "notes.txt").write_text("none yet")
    assert refused("dcgan.py", "--train_data=bare").startswith("bare holds no images")


def test_images_of_two_sizes(refused):
    folder = folder_of_pictures("mixed", digits(4))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "odd.png")
    said = refused("dcgan.py", "--train_data=mixed")
    assert said.startswith("mixed/000.png is 8×8 gray, but mixed/odd.png is 9×9 gray: ")


def test_images_of_gray_and_of_colour(refused):
    folder = folder_of_pictures("mixed", digits(4))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "odd.png")
    said = refused("dcgan.py", "--train_data=mixed")
    assert said.startswith("mixed/000.png is 8×8 gray, but mixed/odd.png is 8×8 colour: ")


def test_a_corrupt_image_is_named_and_can_be_left_out(refused, play):
    folder = folder_of_pictures("some", digits(120))
    data = ["--train_data=some", f"--test_data={npz('test.npz', 80, 200)}"]
    whole = (folder / "007.png").read_bytes()
    (folder / "007.png").write_bytes(whole[: len(whole) // 2])
    said = refused("dcgan.py", *TINY, *data)
    assert "007.png" in said and "--skip_corrupt" in said
    code, out, _ = play("dcgan.py", *TINY, *data, "--skip_corrupt", "--dry_run")
    assert (code, "119 images" in out) == (0, True)


def test_labels_that_are_missing_for_a_conditional_model(refused, play):
    npz("bare.npz", 200)
    said = refused("cgan.py", *TINY, "--train_data=bare.npz")
    assert said.startswith("bare.npz has no class labels, which this recipe needs: ")
    data = ["--train_data=bare.npz", f"--test_data={npz('test.npz', 80, 200)}"]
    assert play("dcgan.py", *TINY, *data, "--dry_run")[0] == 0


def test_a_test_image_of_a_class_that_was_not_learned(refused):
    npz("train.npz", 100, labels=np.arange(100) % 3)
    npz("test.npz", 70, 100, labels=np.arange(70) % 4)
    said = refused("cgan.py", *TINY, "--train_data=train.npz", "--test_data=test.npz")
    assert said.startswith("test.npz has the class label 3, which is out of range: those of train.npz go from 0 to 2")


def test_a_batch_larger_than_the_set(refused):
    npz("train.npz", 100)
    data = ["--train_data=train.npz", f"--test_data={npz('test.npz', 70, 100)}"]
    said = refused("gan.py", *TINY, *data, "--per_device_train_batch_size=101", "--output_dir=run")
    assert said == (
        "train.npz has 100 images to learn from, fewer than the 101 of a step: "
        "give a smaller --per_device_train_batch_size."
    )


def test_fewer_images_than_features(refused):
    npz("many.npz", 100)
    npz("few.npz", 64, 100)
    said = refused("gan.py", *TINY, "--train_data=many.npz", "--test_data=few.npz")
    assert said.startswith("few.npz gives 64 test images, no more than digits-v1 has features (64): ")
    said = refused("gan.py", *TINY, "--train_data=few.npz", "--test_data=many.npz")
    assert said.startswith("few.npz gives 64 training images, no more than digits-v1 has features (64): ")


def test_images_that_are_all_the_same(refused):
    np.savez("train.npz", images=np.repeat(digits(1), 100, axis=0))
    data = ["--train_data=train.npz", f"--test_data={npz('test.npz', 80, 200)}"]
    said = refused("gan.py", *TINY, *data, "--output_dir=run")
    assert said.startswith("train.npz: all 100 training images are the same one, which nothing can be learned from: ")


# ------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("recipe", "flag", "said"),
    [
        ("dcgan.py", "--upsample=bilinear", "invalid choice: 'bilinear'"),
        ("wgan_gp.py", "--lipschitz=gradient", "invalid choice: 'gradient'"),
        ("cgan.py", "--conditioning=film", "invalid choice: 'film'"),
        ("gan.py", "--eval_steps=0", "--eval_steps must be at least 1, not 0."),
        ("gan.py", "--per_device_train_batch_size=1", "--per_device_train_batch_size must be at least 2, not 1."),
        ("sngan.py", "--n_critic=0", "--n_critic must be at least 1, not 0."),
        ("wgan_gp.py", "--n_critic=0", "--n_critic must be at least 1, not 0."),
        ("wgan_gp.py", "--clip_value=-1", "--clip_value must be at least 0, not -1.0."),
        ("r3gan.py", "--penalty_weight=-1", "--penalty_weight must be at least 0, not -1.0."),
        ("gan.py", "--latent_dim=0", "--latent_dim must be at least 1, not 0."),
        ("gan.py", "--ema_decay=1.5", "not 1.5."),
        ("r3gan.py", "--ema_decay=1", "--ema_decay must be at least 0 and below 1, not 1.0."),
        ("dcgan.py", "--adam_beta1=1", "--adam_beta1 must be at least 0 and below 1, not 1.0."),
        ("sngan.py", "--adam_beta2=nan", "--adam_beta2 must be at least 0 and below 1, not nan."),
        ("gan.py", "--generator_learning_rate=nan", "--generator_learning_rate must be at least 0, not nan."),
        ("gan.py", "--upsample=resize", "unknown flag --upsample"),
        ("r3gan.py", "--penalty_wieght=1", "unknown flag --penalty_wieght (did you mean `penalty_weight`?)."),
        ("gan.py", "--extractor=vgg", "vgg"),
    ],
)
def test_a_flag_that_no_run_can_use(refused, recipe, flag, said):
    assert said in refused(recipe, flag)


def test_a_test_set_without_a_training_set(refused):
    assert refused("gan.py", "--test_data=x.npz").startswith("--test_data is given and --train_data is missing")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_dry_run_shows_data_and_configuration_and_leaves_nothing(play, variant, tmp_path):
    recipe, *own = VARIANTS[variant]
    code, out, err = play(recipe, *own, "--dry_run")
    assert (code, err) == (0, "")
    configuration, _, said = out.partition("\n\n")
    chosen = yaml.safe_load(configuration)
    assert all(chosen[name] == value for name, value in (flag[2:].split("=") for flag in own))
    assert "mixed precision" in said and "1,437 images   digits:train" in said and "360 images   digits:test" in said
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ resume


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory, gan_flags):
    """A run of recipes/dcgan.py that reached its last checkpoint and was stopped before its release."""
    from gan_runs import kill, started

    folder = tmp_path_factory.mktemp("stopped")
    moments = ["--max_train_steps=40", "--checkpointing_steps=1", "--logging_steps=1", "--eval_steps=40"]
    kill(started("dcgan", [*gan_flags, *moments, "--output_dir=run"], folder), folder, 5)
    return folder / "run"


@pytest.fixture
def stopped(stopped_run, tmp_path):
    """A copy to break, in the working directory."""
    return shutil.copytree(stopped_run, tmp_path / "run")


RESUME = ["--output_dir=run", "--resume_from_checkpoint=latest"]


def test_another_architecture_by_a_flag(refused, stopped):
    said = refused("dcgan.py", *RESUME, "--upsample=resize")
    assert said == (
        "run was trained with other values: --upsample resize (was transposed); drop the change, or start a new run."
    )


def test_another_architecture_by_an_edited_configuration(play, stopped):
    config = stopped / "config.yaml"
    config.write_text(config.read_text().replace("base_channels: 4", "base_channels: 8"))
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file() and path.name != "log.txt"}
    code, _, err = play("dcgan.py", *RESUME)
    assert code == 2
    said = last_error(err)
    assert "was written by another recipe, or with networks of another shape" in said
    assert said.endswith("continue it with the recipe and the config.yaml that it was started with.")
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("name", "left"), [("model_1.safetensors", 100), ("optimizer.bin", 5000), ("custom_checkpoint_0.pkl", 0)]
)
def test_a_checkpoint_that_is_cut_short(play, stopped, name, left):
    *_, checkpoint = checkpoints_in(stopped)
    content = (checkpoint / name).read_bytes()
    assert len(content) > left
    (checkpoint / name).write_bytes(content[:left])
    code, _, err = play("dcgan.py", *RESUME)
    assert code == 2
    assert last_error(err).startswith(f"run/checkpoints/{checkpoint.name} is damaged, or ")


@pytest.mark.parametrize("recipe", ["gan.py", "sngan.py", "wgan_gp.py", "cgan.py", "r3gan.py"])
def test_the_folder_of_another_recipe(play, stopped, recipe):
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file() and path.name != "log.txt"}
    code, _, err = play(recipe, *RESUME)
    assert code == 2
    said = last_error(err)
    assert "another recipe" in said or "was not started by this recipe as it is" in said
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_that_holds_a_run_and_one_that_holds_none(refused, stopped):
    assert refused("dcgan.py", "--output_dir=run").startswith("--output_dir run already holds a run; ")
    assert "holds no run" in refused("dcgan.py", "--output_dir=gone", "--resume_from_checkpoint=latest")


# ------------------------------------------------------------------ divergence


def diverged(play, gan_flags, recipe, rate):
    """The sentence that a run with this learning rate ends with; it may save a checkpoint after any step."""
    rates = [f"--{network}_learning_rate={rate}" for network in ("discriminator", "generator")]
    moments = ["--max_train_steps=50", "--checkpointing_steps=1", "--logging_steps=2", "--eval_steps=50"]
    code, _, err = play(recipe, *gan_flags, *rates, *moments, "--output_dir=run")
    assert code == 2, err
    assert not Path("run", "release").exists()
    return last_error(err)


@pytest.mark.parametrize("recipe", ["wgan_gp.py", "r3gan.py"])
def test_training_that_diverges_keeps_and_names_the_last_good_checkpoint(play, gan_flags, recipe):
    said = diverged(play, gan_flags, recipe, 100)
    *_, last = sorted(Path("run", "checkpoints").iterdir())
    assert said.endswith(
        f": training has diverged; the last good checkpoint is {last}; start a new run with a lower learning rate."
    )
    for weights in last.glob("*.safetensors"):
        assert all(weight.isfinite().all() for weight in load_file(weights).values())


def test_training_that_diverges_at_once_leaves_no_checkpoint(play, gan_flags):
    said = diverged(play, gan_flags, "gan.py", 1e30)
    assert said.endswith("at step 1: training has diverged; start a new run with a lower learning rate.")
    assert not Path("run", "checkpoints").exists()


def test_a_generator_that_makes_nan_before_a_row_is_due_has_diverged_too(play, gan_flags):
    moments = ["--max_train_steps=6", "--logging_steps=6", "--checkpointing_steps=6", "--eval_steps=1"]
    code, _, err = play("dcgan.py", *gan_flags, *moments, "--generator_learning_rate=1e30", "--output_dir=run")
    assert code == 2, err
    assert last_error(err).startswith("the averaged generator makes NaN at step ")
    assert last_error(err).endswith(": training has diverged; start a new run with a lower learning rate.")
