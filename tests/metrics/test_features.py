from __future__ import annotations

import io
import json
import shutil
import sys
import types
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn

from hfloop.errors import UserError
from hfloop.files import sha256_of_file
from hfloop.images.sources import load_images
from hfloop.metrics import inception
from hfloop.metrics.features import SHIPPED, ClassifierExtractor, as_gray, load_extractor, resized

NAMES = ("digits-v1", "fashion-v1", "mnist-v1")


def random_images(*shape, seed=0):
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def sentence_of(call):
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module", params=NAMES)
def shipped(request):
    return load_extractor(request.param)


@pytest.fixture(scope="module")
def digits():
    return load_extractor("digits-v1")


# ------------------------------------------------------------------ what is shipped


def test_the_shipped_extractors_are_these():
    assert tuple(sorted(path.name for path in SHIPPED.iterdir())) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_shipped_files_are_small_and_say_their_hash_and_how_they_were_made(name):
    folder = SHIPPED / name
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert all(path.stat().st_size < 1_000_000 for path in folder.iterdir())
    config = json.loads((folder / "config.json").read_text())
    assert config["sha256"] == sha256_of_file(folder / "model.safetensors")
    assert f"train_feature_extractor {name.removesuffix('-v1')} " in config["training"]["command"]
    bar = {"digits-v1": 0.975, "mnist-v1": 0.994, "fashion-v1": 0.93}[name]
    assert config["test_accuracy"] >= bar


def test_the_digits_accuracy_is_measured_again(digits):
    test = load_images("digits:test")
    assert test.labels is not None
    probabilities = digits.probabilities(torch.from_numpy(test.read(range(len(test)))))
    correct = (probabilities.argmax(dim=1).numpy() == test.labels).mean()
    config = json.loads((SHIPPED / "digits-v1" / "config.json").read_text())
    assert correct == config["test_accuracy"]
    assert test.fingerprint == config["training"]["data"]["test"]["sha256"]


def test_features_are_alive_and_independent_over_the_training_digits(digits):
    train = load_images("digits:train")
    features = digits(torch.from_numpy(train.read(range(len(train))))).double().numpy()
    assert np.abs(features.mean(axis=0)).max() < 1
    assert features.std(axis=0).min() > 0.1  # none is dead
    assert features.std(axis=0).max() < 2  # none drowns the others
    assert np.linalg.matrix_rank(np.cov(features.T)) == digits.dimension


def frechet_distance(features, others):
    difference = features.mean(axis=0) - others.mean(axis=0)
    first, second = np.cov(features.T), np.cov(others.T)
    values, vectors = np.linalg.eigh(second)
    root = vectors * np.sqrt(values.clip(0))
    cross = np.sqrt(np.linalg.eigvalsh(root.T @ first @ root).clip(0)).sum()
    return difference @ difference + np.trace(first) + np.trace(second) - 2 * cross


def blurred(pixels, sigma):
    return gaussian_filter(pixels.astype(float), (0, 0, sigma, sigma))


def noised(pixels, sigma):
    return pixels + sigma * np.random.default_rng(0).standard_normal(pixels.shape)


@pytest.mark.parametrize(("degrade", "levels"), [(noised, (8, 16, 32, 64, 96)), (blurred, (0.5, 0.75, 1, 1.5, 2))])
def test_the_distance_from_the_training_digits_grows_with_noise_and_blur(digits, degrade, levels):
    train, test = (load_images(f"digits:{split}") for split in ("train", "test"))
    pixels = test.read(range(len(test)))
    reference = digits(torch.from_numpy(train.read(range(len(train))))).double().numpy()

    def distance(images):
        uint8 = np.rint(images.clip(0, 255)).astype(np.uint8)
        return frechet_distance(digits(torch.from_numpy(uint8)).double().numpy(), reference)

    distances = [distance(pixels), *(distance(degrade(pixels, level)) for level in levels)]
    assert (np.diff(distances) > 0).all(), distances


# ------------------------------------------------------------------ what an extractor gives


def test_shapes_types_and_description(shipped):
    images = random_images(3, 1, 28, 28)
    features = shipped(images)
    assert features.shape == (3, shipped.dimension) and features.dtype == torch.float32
    probabilities = shipped.probabilities(images)
    assert probabilities.shape == (3, len(shipped.classes)) and probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))
    assert shipped.dimension == (64 if shipped.name == "digits-v1" else shipped.dimension) <= 128
    assert shipped.dtype == "float32" and len(shipped.sha256) == 64
    assert "antialiasing" in shipped.image_pipeline and "BT.601" in shipped.image_pipeline


def test_features_do_not_depend_on_the_batch(shipped):
    images = random_images(9, 1, 28, 28)
    together = shipped(images)
    alone = torch.cat([shipped(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_gray_images_are_as_their_colour_twins(shipped):
    gray = random_images(4, 1, 28, 28)
    torch.testing.assert_close(shipped(gray), shipped(gray.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4)


def test_colours_become_luma():
    red_green_blue = torch.eye(3).view(3, 3, 1, 1) * 255
    assert as_gray(red_green_blue).flatten().tolist() == pytest.approx([76.245, 149.685, 29.07])


def test_images_of_the_networks_own_size_are_not_resampled():
    pixels = random_images(2, 1, 28, 28).float()
    assert resized(pixels, (28, 28)) is pixels


def test_other_sizes_are_resized_with_antialiasing(digits):
    large = random_images(4, 1, 32, 32)
    by_hand = F.interpolate(large.float(), size=(8, 8), mode="bilinear", antialias=True)
    with torch.inference_mode():
        expected = digits.network.features(by_hand)
    torch.testing.assert_close(digits(large), expected)
    assert by_hand.std() < F.interpolate(large.float(), size=(8, 8), mode="bilinear").std() / 2


def test_resizing_stays_between_black_and_white():
    edges = (random_images(2, 1, 8, 8) > 127).float() * 255
    enlarged = resized(edges, (32, 32), "bicubic")
    assert enlarged.min() >= 0 and enlarged.max() <= 255


def test_the_callers_precision_changes_nothing(digits):
    images = random_images(4, 1, 8, 8)
    plain = digits(images)
    with torch.autocast("cpu", torch.bfloat16):
        inside = digits(images)
    assert inside.dtype == torch.float32 and torch.equal(inside, plain)
    assert not inside.requires_grad and not digits.network.training


def test_reduced_products_are_off_inside_and_as_before_outside(digits, monkeypatch):
    convolutions = torch.backends.mkldnn.conv
    seen = []
    monkeypatch.setattr(digits, "_features", lambda images: seen.append(convolutions.fp32_precision))
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "bf16"
    try:
        digits(random_images(1, 1, 8, 8))
        assert (seen, convolutions.fp32_precision) == (["ieee"], "bf16")
    finally:
        convolutions.fp32_precision = before


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 8, 8), "images must be uint8, from 0 to 255, not float32."),
        (random_images(2, 4, 8, 8), "images must have the shape (n, 1 or 3, height, width), not (2, 4, 8, 8)."),
        (random_images(2, 8, 8), "images must have the shape (n, 1 or 3, height, width), not (2, 8, 8)."),
    ],
)
def test_images_of_another_kind_are_refused(digits, images, message):
    assert sentence_of(lambda: digits(images)) == message
    assert sentence_of(lambda: digits.probabilities(images)) == message


def test_a_name_that_is_nearly_right_is_told_the_right_one():
    assert sentence_of(lambda: load_extractor("minst-v1")) == (
        "there is no feature extractor minst-v1 (did you mean `mnist-v1`?); there are digits-v1, fashion-v1, "
        "mnist-v1, inception, and any vision model by folder or Hub id (`user/name`)."
    )


def test_a_name_with_an_owner_is_looked_for_on_the_hub():
    assert sentence_of(lambda: load_extractor("nobody/nothing")).startswith("nobody/nothing is no folder here, and")


def test_weights_that_were_changed_are_refused(tmp_path):
    folder = tmp_path / "digits-v1"
    shutil.copytree(SHIPPED / "digits-v1", folder)
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    message = sentence_of(lambda: ClassifierExtractor(folder, "digits-v1"))
    assert message.startswith(f"{folder / 'model.safetensors'} has sha256 ")
    assert message.endswith(" as config.json says; reinstall hfloop.")


# ------------------------------------------------------------------ inception


class TwoChannelMeans(nn.Module):
    """Stands in for torch-fidelity's network: takes its weights from a pickle, gives features and logits."""

    def __init__(self, name, features_list, feature_extractor_weights_path):
        super().__init__()
        assert (name, features_list) == ("inception", ["2048", "logits_unbiased"])
        self.scale = torch.load(feature_extractor_weights_path, weights_only=False)["scale"]

    def forward(self, images):
        assert images.dtype == torch.uint8 and images.shape[1] == 3
        means = images.float().mean(dim=(2, 3)) * self.scale
        return means, means[:, :2]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """torch's cache in an empty folder; gives the path where the weights of inception belong."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"


@pytest.fixture
def torch_fidelity(monkeypatch):
    module = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.FeatureExtractorInceptionV3 = TwoChannelMeans  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)


def put_weights(path: Path, monkeypatch, weights) -> None:
    path.parent.mkdir()
    torch.save(weights, path)
    monkeypatch.setattr(inception, "WEIGHTS_SHA256", sha256_of_file(path))


def test_inception_without_torch_fidelity_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    message = sentence_of(lambda: load_extractor("inception"))
    assert message == 'the extractor inception needs torch-fidelity: pip install "hfloop[inception]".'


def test_inception_without_network_names_the_address_and_the_place(torch_fidelity, cache, monkeypatch):
    def unreachable(url, path, progress):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    assert sentence_of(lambda: load_extractor("inception")) == (
        "the weights of inception cannot be downloaded (<urlopen error no route to host>); "
        f"fetch {inception.WEIGHTS_URL} and put it at {cache}."
    )


def test_inception_with_another_file_in_place_of_the_weights(torch_fidelity, cache):
    cache.parent.mkdir()
    cache.write_bytes(b"<html>")
    message = sentence_of(lambda: load_extractor("inception"))
    assert message.startswith(f"{cache} has sha256 ") and inception.WEIGHTS_SHA256 in message


def test_inception_gives_features_and_probabilities(torch_fidelity, cache, monkeypatch):
    put_weights(cache, monkeypatch, {"scale": torch.tensor(2.0)})
    extractor = load_extractor("inception")
    images = random_images(2, 1, 9, 9)
    means = images.float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(extractor(images), (2 * means)[:, None].expand(-1, 3))
    torch.testing.assert_close(extractor.probabilities(images), torch.full((2, 2), 0.5))
    assert extractor.dimension == 2048 and extractor.classes is not None and len(extractor.classes) == 1008


def test_weights_of_inception_that_hold_code_are_never_run(torch_fidelity, cache, monkeypatch):
    class Code:
        def __reduce__(self):
            return (Path.touch, (cache.with_name("ran"),))

    put_weights(cache, monkeypatch, {"scale": Code()})
    with pytest.raises(Exception, match="weights_only"):
        load_extractor("inception")
    assert not cache.with_name("ran").exists()
    buffer = io.BytesIO(cache.read_bytes())
    torch.load(buffer, weights_only=False)  # the trap does work
    assert cache.with_name("ran").exists()
