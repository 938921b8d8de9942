import json
import logging
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from hfloop.errors import UserError
from hfloop.images.noise import NoiseImages
from hfloop.images.source import ArrayImages
from hfloop.metrics.comparison import Comparison
from hfloop.metrics.features import FeatureExtractor
from hfloop.metrics.frechet_distance.frechet import FeatureStatistics, extrapolate, frechet_distance
from hfloop.metrics.inception_score.divergence import inception_score
from hfloop.metrics.prdc.manifold import manifold_scores
from hfloop.metrics.reference import CACHE


class Pixels(FeatureExtractor):
    """An extractor whose features are the pixels of a 2 × 2 image, and whose classes are the brightest of them."""

    name = "pixels"
    dimension = 4
    sha256 = "0" * 64
    image_pipeline = "the pixels as they are"
    classes = ("a", "b", "c", "d")
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.images_seen = 0

    def _features(self, images):
        self.images_seen += len(images)
        return images.flatten(1).float()

    def _logits(self, images):
        return images.flatten(1).float()


def images(n: int, brightness: float, seed: int = 0) -> ArrayImages:
    pixels = np.random.default_rng(seed).normal(brightness, 20, size=(n, 1, 2, 2))
    return ArrayImages(np.clip(pixels, 0, 255).astype(np.uint8), f"{brightness:.0f}")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "assets"
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(folder))
    return folder


def matrix(source: ArrayImages) -> np.ndarray:
    return source.pixels.reshape(len(source), 4)


def test_the_distance_is_that_of_all_reals_and_all_fakes():
    real, fake = images(300, 100), images(120, 110, seed=1)
    figure = Comparison(real, fake, Pixels()).frechet_distance().generated[0]
    expected = frechet_distance(FeatureStatistics.of(matrix(real)), FeatureStatistics.of(matrix(fake)))
    assert figure.metric == "frechet_distance/pixels"
    assert figure.value == pytest.approx(expected, rel=1e-9)


def test_reals_held_out_are_nearer_than_fakes_and_noise_is_farthest():
    comparison = Comparison(images(300, 100), images(120, 140, seed=1), Pixels())
    for report, sign in [
        (comparison.frechet_distance(), 1),
        (comparison.kernel_distance(), 1),
        (comparison.precision_recall(), -1),
    ]:
        real, generated, noise = (sign * figures[0].value for figures in (report.real, report.generated, report.noise))
        assert real < generated < noise


def test_held_out_reals_are_no_part_of_their_reference_and_as_many_as_the_fakes():
    report = Comparison(images(300, 100), images(120, 110, seed=1), Pixels()).kernel_distance()
    held_out = report.real[0].protocol
    assert (held_out.n_fake, held_out.n_real) == (120, 180)
    few = Comparison(images(100, 100), images(120, 110, seed=1), Pixels()).kernel_distance().real[0].protocol
    assert (few.n_fake, few.n_real) == (50, 50)


def bounds_by_hand(real: ArrayImages, fake: ArrayImages, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The held-out reals, the others, and noise, as features."""
    chosen = np.random.default_rng(seed).permutation(len(real))[: len(fake)]
    noise = NoiseImages(len(fake), fake.shape, seed)
    return matrix(real)[chosen], np.delete(matrix(real), chosen, axis=0), noise.read(range(len(fake))).reshape(-1, 4)


def test_bounds_are_held_out_reals_against_the_others_and_noise_against_all():
    real, fake = images(300, 100), images(120, 110, seed=1)
    comparison = Comparison(real, fake, Pixels(), seed=5)
    held_out, others, noise = bounds_by_hand(real, fake, seed=5)

    def distance(reference, points):
        return frechet_distance(FeatureStatistics.of(reference), FeatureStatistics.of(points))

    report = comparison.frechet_distance()
    assert report.real[0].value == pytest.approx(distance(others, held_out), rel=1e-9)
    assert report.noise[0].value == pytest.approx(distance(matrix(real), noise), rel=1e-9)
    report = comparison.precision_recall()
    for name, figure in zip(("precision", "recall", "density", "coverage"), report.real, strict=True):
        assert figure.value == pytest.approx(getattr(manifold_scores(others, held_out), name).value)
    assert report.noise[3].value == pytest.approx(manifold_scores(matrix(real), noise).coverage.value)
    assert (
        len({report.real[0].protocol.fake_fingerprint, fake.fingerprint, report.noise[0].protocol.fake_fingerprint})
        == 3
    )


def test_bounds_of_the_inception_score_are_those_of_reals_and_of_noise():
    real, fake = images(300, 100), images(120, 110, seed=1)
    report = Comparison(real, fake, Pixels(), seed=5).inception_score()
    held_out, _, noise = bounds_by_hand(real, fake, seed=5)

    def score(points):
        return inception_score(torch.from_numpy(points).float().softmax(dim=1).numpy(), seed=5).value

    in_order = held_out[np.lexsort((np.random.default_rng(5).permutation(300)[:120],))]
    assert report.real[0].value == pytest.approx(score(in_order))
    assert report.noise[0].value == pytest.approx(score(noise))


def test_the_limits_uncertainty_is_that_of_the_distance_and_of_the_extrapolation():
    real, fake = images(300, 100), images(60, 110, seed=1)
    whole, limit = Comparison(real, fake, Pixels(), seed=5).frechet_distance().generated
    fit = extrapolate(FeatureStatistics.of(matrix(real)), matrix(fake), seed=5)
    assert limit.value == pytest.approx(fit.value, rel=1e-6)
    assert limit.uncertainty == pytest.approx(math.hypot(fit.uncertainty, whole.uncertainty), rel=1e-6)


def test_other_seeds_make_other_noise():
    assert (NoiseImages(5, (1, 2, 2), 0).read(range(5)) != NoiseImages(5, (1, 2, 2), 1).read(range(5))).any()


def test_a_set_that_repeats_itself_is_not_taken_for_a_perfect_generator():
    real = images(300, 100)
    report = Comparison(real, real, Pixels()).frechet_distance()
    assert report.generated[0].value < 1e-9  # the fakes are the very reals, and the reference is not divided
    assert report.real[0].value > 0.1


def test_every_figure_carries_its_whole_protocol_into_json():
    real, fake = images(300, 100), images(120, 110, seed=1)
    report = Comparison(real, fake, Pixels(), seed=3).frechet_distance()
    figure = json.loads(json.dumps(report.to_dict()))["generated"][0]
    assert figure == {
        "metric": "frechet_distance/pixels",
        "value": report.generated[0].value,
        "uncertainty": report.generated[0].uncertainty,
        "uncertainty_kind": "standard error over the images, the reference taken as given",
        "parameters": {},
        "extractor": "pixels",
        "extractor_sha256": "0" * 64,
        "dimension": 4,
        "dtype": "float32",
        "image_pipeline": "the pixels as they are",
        "n_real": 300,
        "n_fake": 120,
        "reference_fingerprint": real.fingerprint,
        "fake_fingerprint": fake.fingerprint,
        "seed": 3,
    }


def test_the_limit_for_endless_fakes_is_there_when_they_are_enough_and_less_than_the_distance():
    whole, limit = Comparison(images(300, 100), images(60, 110, seed=1), Pixels()).frechet_distance().generated
    assert limit.metric == "frechet_distance_infinity/pixels"
    assert limit.value < whole.value
    assert limit.uncertainty > whole.uncertainty
    assert len(Comparison(images(300, 100), images(39, 110, seed=1), Pixels()).frechet_distance().generated) == 1


def test_batch_size_does_not_change_a_figure():
    def values(batch_size):
        comparison = Comparison(images(300, 100), images(120, 110, seed=1), Pixels(), batch_size=batch_size)
        reports = comparison.frechet_distance(), comparison.kernel_distance(), comparison.precision_recall()
        return [figure.value for report in reports for figure in (*report.generated, *report.real, *report.noise)]

    assert values(7) == pytest.approx(values(256), rel=1e-9)


def test_the_inception_score_looks_at_no_reals_and_says_so():
    report = Comparison(images(300, 100), images(120, 110, seed=1), Pixels()).inception_score()
    assert 1 < report.generated[0].value < 4
    assert (report.generated[0].protocol.n_real, report.generated[0].protocol.reference_fingerprint) == (0, None)
    assert report.real[0].protocol.n_fake == 120


def test_the_reference_is_measured_once(cache):
    extractor = Pixels()
    real, fake = images(300, 100), images(120, 110, seed=1)
    first = Comparison(real, fake, extractor).frechet_distance()
    assert extractor.images_seen == 300 + 3 * 120  # all reals; fakes, held-out reals and noise
    second = Comparison(real, images(120, 110, seed=1), extractor).frechet_distance()
    assert extractor.images_seen == 660 + 3 * 120
    assert first == second
    Comparison(real, images(100, 110, seed=1), extractor, seed=1).frechet_distance()
    assert extractor.images_seen == 1020 + 3 * 100


@pytest.mark.parametrize("changed", ["images", "name", "weights", "pipeline", "dtype"])
def test_a_reference_of_anything_else_is_not_used(changed):
    extractor = Pixels()
    real, fake = images(300, 100), images(120, 110, seed=1)
    Comparison(real, fake, extractor).frechet_distance()
    extractor.images_seen = 0
    if changed == "images":
        real = images(300, 100, seed=9)
    elif changed == "weights":
        extractor.sha256 = "1" * 64
    elif changed == "pipeline":
        extractor.image_pipeline = "otherwise"
    elif changed == "name":
        extractor.name = "other"
    elif changed == "dtype":
        extractor.dtype = "float16"
    Comparison(real, fake, extractor).frechet_distance()
    assert extractor.images_seen == 300 + 3 * len(fake)


def damage_cut_short(file):
    file.write_bytes(file.read_bytes()[:-100])


def damage_header(file):
    file.write_bytes(b"\xff" * 40)


def damage_altered(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def damage_emptied(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_cut_short, damage_header, damage_altered, damage_emptied])
def test_a_damaged_cache_file_is_measured_anew_and_replaced(damage, caplog):
    real, fake = images(300, 100), images(120, 110, seed=1)
    first = Comparison(real, fake, Pixels()).frechet_distance()
    (file,) = CACHE.folder.iterdir()
    damage(file)
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        assert Comparison(real, fake, Pixels()).frechet_distance() == first
    assert "are damaged" in caplog.text
    assert "making them anew" in caplog.text
    assert list(CACHE.folder.iterdir()) == [file]
    caplog.clear()
    assert Comparison(real, fake, Pixels()).frechet_distance() == first
    assert caplog.text == ""


def test_a_cache_file_under_another_ones_name_is_not_used(caplog):
    fake = images(120, 110, seed=1)
    Comparison(images(300, 160), fake, Pixels()).frechet_distance()
    (other,) = CACHE.folder.iterdir()
    first = Comparison(images(300, 100), fake, Pixels()).frechet_distance()
    (own,) = set(CACHE.folder.iterdir()) - {other}
    other.replace(own)
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        assert Comparison(images(300, 100), fake, Pixels()).frechet_distance() == first
    assert "are damaged" in caplog.text


@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/nowhere"])
def test_a_cache_that_cannot_be_there_costs_no_figure(place, caplog, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", place)
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        report = Comparison(images(300, 100), images(120, 110, seed=1), Pixels()).frechet_distance()
    assert report.generated[0].value > 0
    assert "cannot be used" in caplog.text


def test_a_cache_that_cannot_be_written_costs_no_figure(caplog, monkeypatch):
    def no_space(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hfloop.array_cache.save_file", no_space)
    with caplog.at_level(logging.WARNING, logger="hfloop"):
        report = Comparison(images(300, 100), images(120, 110, seed=1), Pixels()).frechet_distance()
    assert report.generated[0].value > 0
    assert "could not be kept" in caplog.text
    assert "No space left on device" in caplog.text
    assert list(CACHE.folder.iterdir()) == []


def test_features_that_are_nan_name_the_image():
    class Broken(Pixels):
        def _features(self, images):
            features = super()._features(images)
            features[(images == 255).all(dim=(1, 2, 3))] = math.nan
            return features

    fake = images(120, 110, seed=1)
    fake.pixels[77] = 255
    with pytest.raises(UserError, match="features of image 77 of 110 are NaN or infinite"):
        Comparison(images(300, 100), fake, Broken(), batch_size=32).frechet_distance()


def test_a_measurement_is_a_dataclass_of_plain_values():
    figure = Comparison(images(300, 100), images(120, 110, seed=1), Pixels()).precision_recall().generated[0]
    assert asdict(figure)["parameters"] == {"nearest_k": 5}
    assert type(figure.value) is float
