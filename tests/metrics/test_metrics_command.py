import json
import re

import numpy as np
import pytest
from PIL import Image

from hfloop.cli import main

FD = ["metrics", "fd", "digits:train", "digits:test", "--extractor", "digits-v1"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, logger_as_before):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "assets"))


@pytest.fixture
def hfloop(monkeypatch, capsys):
    """Run the command as a user would: exit code, stdout, stderr."""

    def run(*line: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["hfloop", *map(str, line)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


def noisy_digits(path, n=200, sigma=40.0, split="digits:test"):
    from hfloop.images.sources import load_images

    digits = load_images(split)
    pixels = digits.read(range(n)) + np.random.default_rng(0).normal(0, sigma, size=(n, 1, 8, 8))
    np.savez(path, images=np.clip(pixels, 0, 255).astype(np.uint8))
    return path


def test_prints_the_figure_with_its_bounds_and_protocol(hfloop):
    code, out, err = hfloop(*FD)
    assert code == 0
    value, floor, ceiling = (float(re.search(rf"^ *{name} +([\d.]+) ±", out, re.M)[1]) for name in NAMES)
    assert 0 < max(value, floor) < ceiling / 50
    assert "generated: 360 images of digits:test" in out
    assert "real: 1,437 images of digits:train" in out
    assert "held-out reals: 360 of the real images, against the other 1,077" in out
    assert "digits-v1, 64 of float32" in out
    assert "Warning: 360 generated images are few for 64 features" in err


NAMES = ["frechet_distance/digits-v1", "held-out reals", "noise"]


def test_says_how_much_of_the_distance_is_sample_count(hfloop, tmp_path):
    line = ["metrics", "fd", "digits", noisy_digits(tmp_path / "noisy.npz", n=1700, split="digits")]
    code, out, err = hfloop(*line, "--extractor", "digits-v1")
    assert code == 0
    whole, limit = (
        float(re.search(rf"^frechet_distance{name}/digits-v1 +([\d.]+)", out, re.M)[1]) for name in ("", "_infinity")
    )
    said = re.search(
        r"^([\d.]+) ± [\d.]+ \((\d+)%\) of the distance comes from the number of generated images\.$", out, re.M
    )
    assert float(said[1]) == pytest.approx(whole - limit, abs=2e-3)
    assert float(said[2]) == pytest.approx(100 * (whole - limit) / whole, abs=1)
    assert err.count("\n") == 1
    assert "of 1,797 real images only half can be held out, fewer than the 1,700 generated ones" in err


def test_reals_taken_for_fakes_are_noticed(hfloop):
    code, out, err = hfloop("metrics", "fd", "digits", "digits", "--extractor", "digits-v1")
    assert code == 0
    assert "All of the distance comes from the number of generated images." in out
    assert "Warning: REAL and FAKE are the same images.\n" in err


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        ("kid", ["kernel_distance"]),
        ("prdc", ["precision", "recall", "density", "coverage"]),
        ("is", ["inception_score"]),
    ],
)
def test_every_metric_prints_json_with_both_bounds(hfloop, tmp_path, metric, names):
    fake = noisy_digits(tmp_path / "noisy.npz")
    code, out, _ = hfloop("metrics", metric, "digits:train", fake, "--extractor", "digits-v1", "--json")
    assert code == 0
    report = json.loads(out)
    for group in ("generated", "real_against_real", "noise_against_real"):
        assert [figure["metric"] for figure in report[group]] == [f"{name}/digits-v1" for name in names]


def test_noise_on_the_images_raises_the_distance(hfloop, tmp_path):
    distances = []
    for sigma in (1, 10, 40):
        fake = noisy_digits(tmp_path / f"{sigma}.npz", sigma=sigma)
        _, out, _ = hfloop("metrics", "fd", "digits:train", fake, "--extractor", "digits-v1", "--json")
        distances.append(json.loads(out)["generated"][0]["value"])
    assert distances[0] < distances[1] < distances[2]


def test_no_more_images_than_features_are_refused_unless_allowed(hfloop, tmp_path):
    fake = noisy_digits(tmp_path / "few.npz", n=64)
    code, out, err = hfloop("metrics", "fd", "digits", fake, "--extractor", "digits-v1")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: FAKE .*few.npz has 64 images, no more than digits-v1 has features \(64\).*\n", err)
    assert "--allow_small" in err
    assert hfloop("metrics", "fd", "digits", fake, "--extractor", "digits-v1", "--allow_small")[0] == 0
    assert hfloop("metrics", "kid", "digits", fake, "--extractor", "digits-v1")[0] == 0


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [("prdc", "take 1,000 or more"), ("is", "take 5,000 or more"), ("prdc", "1,437 real and 200 generated images")],
)
def test_few_images_are_measured_with_a_warning(hfloop, tmp_path, metric, sentence):
    fake = noisy_digits(tmp_path / "few.npz")
    code, _, err = hfloop("metrics", metric, "digits:train", fake, "--extractor", "digits-v1")
    assert code == 0
    assert sentence in err


def test_other_sizes_are_measured_with_a_warning(hfloop, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (100, 3, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "colour.npz", images=pixels)
    code, _, err = hfloop("metrics", "fd", "digits", tmp_path / "colour.npz", "--extractor", "digits-v1")
    assert code == 0
    assert "real images are 1 × 8 × 8 and generated ones 3 × 16 × 16" in err


def test_a_run_repeated_prints_the_same(hfloop):
    assert hfloop(*FD) == hfloop(*FD)
    assert hfloop(*FD, "--seed", 1)[1] != hfloop(*FD)[1]


@pytest.fixture
def release(tmp_path):
    """A generator's release with random weights, which makes 8 × 8 gray images in two steps."""
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    network = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    DDPMPipeline(network, DDPMScheduler(num_train_timesteps=2)).save_pretrained(tmp_path / "release")
    return tmp_path / "release"


def test_a_release_makes_as_many_images_as_are_asked_for(hfloop, release):
    line = ["metrics", "fd", "digits", release, "--extractor", "digits-v1"]
    code, out, _ = hfloop(*line, "--num_images", 100)
    assert code == 0
    assert f"generated: 100 images of {release}" in out
    assert hfloop(*line, "--num_images", 100)[1] == out
    code, _, err = hfloop(*line)
    assert (code, err.count("\n")) == (2, 1)
    assert "say how many images to generate with --num_images" in err
    code, _, err = hfloop("metrics", "fd", release, "digits", "--extractor", "digits-v1")
    assert (code, err.count("\n")) == (2, 1)
    assert "only FAKE can be a release" in err


def folder_of(tmp_path, *contents):
    folder = tmp_path / "fake"
    folder.mkdir()
    for number, content in enumerate(contents):
        if isinstance(content, bytes):
            (folder / f"{number:03d}.png").write_bytes(content)
        else:
            Image.fromarray(content).save(folder / f"{number:03d}.png")
    return folder


GRAY = np.zeros((8, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ([], r"fake.*\.png"),
        ([GRAY] * 3 + [b"\x89PNG nonsense"], r"003\.png"),
        ([GRAY] * 3 + [np.zeros((9, 8), dtype=np.uint8)], r"003\.png.*9"),
        ([GRAY] * 5, "5 images: at least 20"),
    ],
)
def test_folders_that_cannot_be_measured_get_one_sentence(hfloop, tmp_path, contents, sentence):
    folder = folder_of(tmp_path, *contents)
    code, out, err = hfloop("metrics", "kid", "digits", folder, "--extractor", "digits-v1")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(sentence, err)


def test_a_corrupt_image_can_be_left_out(hfloop, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    folder = folder_of(tmp_path, *pixels, b"\x89PNG nonsense")
    code, out, err = hfloop("metrics", "kid", "digits", folder, "--extractor", "digits-v1", "--skip_corrupt")
    assert code == 0
    assert "generated: 30 images" in out
    assert "030.png" in err


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((30, 1, 8, 8), 1.5), "1.5"),
        (np.zeros((30, 2, 8, 8), dtype=np.uint8), "channel"),
        (np.zeros((30, 8), dtype=np.uint8), r"shape"),
    ],
)
def test_arrays_that_are_no_images_get_one_sentence(hfloop, tmp_path, array, sentence):
    np.savez(tmp_path / "fake.npz", images=array)
    code, _, err = hfloop("metrics", "kid", "digits", tmp_path / "fake.npz", "--extractor", "digits-v1")
    assert code == 2
    assert err.count("\n") == 1
    assert "fake.npz" in err
    assert re.search(sentence, err)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["digits", "nowhere/at/all", "--extractor", "digits-v1"], "nowhere/at/all"),
        (["digits", "digits", "--extractor", "digit-v1"], "did you mean `digits-v1`"),
        (["digits", "digits", "--extractor", "digits-v1", "--num_images", "5000"], "--num_images 5000"),
    ],
)
def test_wrong_words_get_one_sentence(hfloop, line, sentence):
    code, _, err = hfloop("metrics", "fd", *line)
    assert code == 2
    assert err.count("\n") == 1
    assert sentence in err


def test_gray_images_are_seen_as_digits_where_no_extractor_is_named(hfloop, tmp_path):
    code, out, err = hfloop("metrics", "fd", "digits:train", "digits:test")
    assert code == 0
    assert "frechet_distance/digits-v1" in out
    assert "no --extractor is named, so it is digits-v1, which is made for handwritten digits" in err
    np.savez(tmp_path / "larger.npz", images=np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8))
    assert "kernel_distance/mnist-v1" in hfloop("metrics", "kid", tmp_path / "larger.npz", tmp_path / "larger.npz")[1]


def test_colour_images_want_an_extractor(hfloop, tmp_path):
    np.savez(tmp_path / "colour.npz", images=np.zeros((40, 3, 8, 8), dtype=np.uint8))
    code, _, err = hfloop("metrics", "fd", tmp_path / "colour.npz", tmp_path / "colour.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "is in colour: name an --extractor" in err


def test_an_unknown_metric_lists_the_known_ones(hfloop):
    code, _, err = hfloop("metrics", "fid", "digits", "digits", "--extractor", "digits-v1")
    assert code == 2
    assert all(name in err for name in ("fd", "kid", "prdc", "is"))
