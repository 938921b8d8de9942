from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hfloop.gan.evaluation import HELD_OUT, TRAINING_IMAGES, evaluate_generator, measure_images
from hfloop.gan.export import write_generator
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator, DCGANGenerator
from hfloop.gan.pipelines import open_pipeline
from hfloop.images.generated import GeneratedImages
from hfloop.images.source import ArrayImages
from hfloop.images.sources import load_images
from hfloop.metrics.comparison import Comparison
from hfloop.metrics.features import FeatureExtractor, load_extractor

DIGITS = {number: str(number) for number in range(10)}
FIGURES = ["frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage", "inception_score"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path_factory.getbasetemp() / "assets"))


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return load_extractor("digits-v1")


@pytest.fixture(scope="module")
def data(extractor):
    """The digits, with the attributes of GanData that measuring looks at."""
    train, test = load_images("digits:train"), load_images("digits:test")
    return SimpleNamespace(train=train, test=test, extractor=extractor, id2label=DIGITS)


def generator(num_classes=10, seed=0):
    torch.manual_seed(seed)
    return DCGANGenerator(image_size=8, channels=1, latent_dim=6, base_channels=4, num_classes=num_classes)


@pytest.fixture(scope="module")
def report(data, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path_factory.getbasetemp() / "assets"))
    yield evaluate_generator(generator(), data, seed=4, num_images=150)
    patch.undo()


def part(images: ArrayImages, chosen, labels=None) -> ArrayImages:
    return ArrayImages(images.pixels[chosen], "part", labels if labels is not None else images.labels[chosen])


# ------------------------------------------------------------------ a generator


def test_the_report_names_its_protocol_and_every_figure_with_its_bounds(report, data):
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(content) == ["extractor", "extractor_sha256", "seed", "images", "floor", "figures", "classes"]
    assert (content["extractor"], content["extractor_sha256"]) == ("digits-v1", data.extractor.sha256)
    assert (content["seed"], content["floor"]) == (4, TRAINING_IMAGES)
    assert content["images"] == {"generated": 150, "real": 360, "floor": 150, "noise": 150}
    assert [figure["metric"] for figure in content["figures"]] == [f"{name}/digits-v1" for name in FIGURES]
    for figure in content["figures"]:
        assert list(figure) == ["metric", "generated", "floor", "ceiling"]
        assert {figure[each]["metric"] for each in ("generated", "floor", "ceiling")} == {figure["metric"]}
    distance = content["figures"][0]
    assert distance["floor"]["value"] < distance["ceiling"]["value"] < distance["generated"]["value"]
    assert distance["floor"]["reference_fingerprint"] == data.test.fingerprint


def test_a_generator_is_measured_as_its_release_would_be(report, data, tmp_path):
    write_generator(tmp_path, generator(), id2label=DIGITS, discriminator=DCGANDiscriminator(image_size=8))
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "rows.json").write_text("[]")
    fake = GeneratedImages(tmp_path, 150, 4, open_pipeline=open_pipeline)
    again = measure_images(fake, data.test, floor=data.train, extractor=data.extractor, seed=4)
    assert again.to_dict() == report.to_dict()


def test_the_figures_are_those_of_the_metrics_alone(report, data, tmp_path):
    write_generator(tmp_path, generator(), id2label=DIGITS)
    fake = GeneratedImages(tmp_path, 150, 4, open_pipeline=open_pipeline)
    alone = Comparison(data.test, fake, data.extractor, seed=4, floor=data.train).kernel_distance()
    figure = report.figures[1]
    assert (figure.generated, figure.floor, figure.ceiling) == (*alone.generated, *alone.real, *alone.noise)


def test_other_weights_give_another_fingerprint_and_other_figures(report, data):
    other = evaluate_generator(generator(seed=1), data, seed=4, num_images=150)
    for one, two in zip(report.figures[:2], other.figures[:2], strict=True):
        assert one.generated.value != two.generated.value
        assert one.generated.protocol.fake_fingerprint != two.generated.protocol.fake_fingerprint
        assert (one.floor, one.ceiling) == (two.floor, two.ceiling)


def test_there_are_as_many_generated_images_as_training_images_and_then_a_limit(data):
    distance, limit = evaluate_generator(generator(), data, seed=0).figures[:2]
    assert distance.generated.protocol.n_fake == 1437
    assert distance.floor.protocol.fake_fingerprint == data.train.fingerprint
    assert (limit.name, limit.floor, limit.ceiling) == ("frechet_distance_infinity", None, None)


def test_the_generator_is_left_as_it_was(data):
    network = generator().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evaluate_generator(network, data, seed=0, num_images=60)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_generator_that_makes_one_image_only_still_has_figures(data):
    network = generator(num_classes=None)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    report = evaluate_generator(network, data, seed=0, num_images=700)
    assert all(math.isfinite(each.generated.value + each.generated.uncertainty) for each in report.figures)
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.classes.asked_class_share is None


def test_without_training_images_a_part_of_the_real_ones_is_the_floor(data):
    report = measure_images(data.train, data.test, floor=None, extractor=data.extractor, seed=0)
    assert report.to_dict()["floor"] == HELD_OUT
    assert report.to_dict()["images"] == {"generated": 1437, "real": 360, "floor": 180, "noise": 1437}
    assert "against the other 180" in report.table()


# ------------------------------------------------------------------ classes


def test_classes_are_counted_as_the_extractor_recognises_them(data, extractor):
    ones_and_twos = np.flatnonzero(np.isin(data.train.labels, [1, 2]))[:60]
    fake = part(data.train, ones_and_twos)
    classes = measure_images(fake, data.test, floor=data.train, extractor=extractor, seed=0).classes
    assert classes.names == list("0123456789")
    expected = np.bincount(fake.labels, minlength=10) / 60  # the extractor has learned these very images
    np.testing.assert_allclose(classes.shares["generated"], expected, atol=1e-9)
    np.testing.assert_allclose(classes.shares["real"], np.bincount(data.test.labels) / 360, atol=0.01)
    assert classes.asked_class_share == 1
    assert classes.label_share == pytest.approx(359 / 360)


def test_confidence_is_the_mean_of_the_greatest_probability(data, extractor):
    report = measure_images(data.train, data.test, floor=None, extractor=extractor, seed=0)
    greatest = extractor.probabilities(torch.from_numpy(data.test.pixels)).amax(dim=1).mean().item()
    assert report.classes.mean_confidence["real"] == pytest.approx(greatest, abs=1e-6)
    assert report.classes.mean_confidence["real"] != report.classes.mean_confidence["generated"]


def test_an_image_of_another_class_than_was_asked_for_counts_against_the_generator(data, extractor):
    asked = data.train.labels[:100].copy()
    asked[:25] = (asked[:25] + 1) % 10
    fake = part(data.train, np.arange(100), asked)
    classes = measure_images(fake, data.test, floor=None, extractor=extractor, seed=0).classes
    assert classes.asked_class_share == 0.75


@pytest.mark.parametrize("num_classes", [10, None])
def test_images_are_labelled_with_the_classes_that_were_asked_for(num_classes, tmp_path):
    write_generator(tmp_path, generator(num_classes))
    images = GeneratedImages(tmp_path, 70, 0, open_pipeline=open_pipeline)
    assert images.num_classes == num_classes
    if num_classes is None:
        assert images.labels is None
    else:
        assert images.labels.tolist() == [number % 10 for number in range(70)]


def without_labels(digits):
    return ArrayImages(digits.pixels, "digits")


def of_five_classes(digits):
    return part(digits, digits.labels < 5)


def of_an_eleventh_class(digits):
    return ArrayImages(digits.pixels, "digits", np.where(np.arange(360) == 7, 10, digits.labels))


def of_classes_that_are_no_digits(digits):
    return ArrayImages(digits.pixels, "digits", (digits.labels + 3) % 10)


@pytest.mark.parametrize(
    "real", [without_labels, of_five_classes, of_an_eleventh_class, of_classes_that_are_no_digits]
)
def test_classes_that_the_extractor_does_not_know_are_left_out(real, data, extractor):
    fake = part(data.train, np.arange(100))
    report = measure_images(fake, real(data.test), floor=data.train, extractor=extractor, seed=0)
    assert report.classes is None
    assert report.to_dict()["classes"] is None
    assert "class" not in report.table()


# ------------------------------------------------------------------ for people


def test_the_table_has_floor_and_noise_beside_each_figure(report):
    head, *rows = report.table().splitlines()[2:10]
    assert head.split("  ")[-1].strip() == "noise"
    assert [row.split()[0] for row in rows] == FIGURES
    assert {row.count(" ± ") for row in rows} == {3}
    assert len({len(row) for row in [head, *rows]}) == 1  # columns end below each other
    distance = report.figures[0]
    assert rows[0].split() == [
        "frechet_distance",
        *(
            word
            for each in (distance.generated, distance.floor, distance.ceiling)
            for word in (f"{each.value:.4g}", "±", f"{each.uncertainty:.4g}")
        ),
    ]


def test_the_table_ends_with_the_protocol(report, data):
    lines = report.table().splitlines()
    assert lines[0] == "the generator against digits:test, as digits-v1 sees them"
    assert f"real: 360 images of digits:test, sha256 {data.test.fingerprint[:12]}…" in lines
    floor = report.figures[0].floor.protocol.fake_fingerprint
    assert f"training images: 150 of digits:train, sha256 {floor[:12]}…" in lines
    assert (
        "± of precision, recall, density, coverage: standard error over the images, the neighbourhoods taken as given"
        in lines
    )
    assert "seed 4" in lines
    assert any(line.startswith("It recognises the class that was asked for in ") for line in lines)
