from __future__ import annotations

import numpy as np
import pytest
from test_comparison import Pixels, images, matrix

from hfloop.images.source import ArrayImages
from hfloop.metrics.comparison import Comparison
from hfloop.metrics.frechet_distance.frechet import FeatureStatistics, frechet_distance
from hfloop.metrics.prdc.manifold import manifold_scores
from hfloop.metrics.reference import reference_statistics

REAL, FAKE, OTHERS = images(300, 100), images(120, 110, seed=1), images(500, 101, seed=2)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "assets"))


class CountedImages(ArrayImages):
    """Images that count how often each of them is read."""

    def __init__(self, parent: ArrayImages) -> None:
        super().__init__(parent.pixels, parent.name)
        self.reads = np.zeros(len(parent), dtype=np.int64)

    def read(self, indices):
        np.add.at(self.reads, indices, 1)
        return super().read(indices)


def test_as_many_of_the_other_set_as_there_are_fakes_take_their_place_against_all_reals():
    comparison = Comparison(REAL, FAKE, Pixels(), seed=5, floor=OTHERS)
    chosen = matrix(OTHERS)[np.sort(np.random.default_rng(5).permutation(500)[:120])]
    expected = frechet_distance(FeatureStatistics.of(matrix(REAL)), FeatureStatistics.of(chosen))
    assert comparison.frechet_distance().real[0].value == pytest.approx(expected, rel=1e-9)
    coverage = manifold_scores(matrix(REAL), chosen).coverage.value
    assert comparison.precision_recall().real[3].value == pytest.approx(coverage)


def test_the_other_set_changes_the_floor_alone():
    with_floor, without = (Comparison(REAL, FAKE, Pixels(), floor=floor) for floor in (OTHERS, None))
    for metric in ("frechet_distance", "kernel_distance", "precision_recall", "inception_score"):
        one, other = getattr(with_floor, metric)(), getattr(without, metric)()
        assert (one.generated, one.noise) == (other.generated, other.noise)
        assert one.real[0].value != other.real[0].value


def test_the_floors_protocol_says_which_images_it_is_measured_with():
    protocol = Comparison(REAL, FAKE, Pixels(), seed=5, floor=OTHERS).frechet_distance().real[0].protocol
    assert (protocol.n_real, protocol.reference_fingerprint, protocol.n_fake) == (300, REAL.fingerprint, 120)
    other_seed = Comparison(REAL, FAKE, Pixels(), seed=6, floor=OTHERS).frechet_distance().real[0].protocol
    assert len({protocol.fake_fingerprint, other_seed.fake_fingerprint, OTHERS.fingerprint}) == 3


def test_a_smaller_other_set_is_used_whole():
    few = images(50, 101, seed=2)
    protocol = Comparison(REAL, FAKE, Pixels(), floor=few).kernel_distance().real[0].protocol
    assert (protocol.n_fake, protocol.fake_fingerprint) == (50, few.fingerprint)


@pytest.mark.parametrize("floor", [OTHERS, None], ids=["other set", "held out"])
def test_all_metrics_at_once_are_the_metrics_one_by_one(floor):
    def comparison():
        return Comparison(REAL, FAKE, Pixels(), seed=3, floor=floor)

    assert comparison().every_metric() == (
        comparison().frechet_distance(),
        comparison().kernel_distance(),
        comparison().precision_recall(),
        comparison().inception_score(),
    )


def test_all_metrics_at_once_read_every_image_once():
    real, fake, floor = CountedImages(REAL), CountedImages(FAKE), CountedImages(OTHERS)
    extractor = Pixels()
    Comparison(real, fake, extractor, floor=floor).every_metric()
    assert set(real.reads) == {1}
    assert set(fake.reads) == {1}
    assert (floor.reads.sum(), floor.reads.max()) == (120, 1)
    assert extractor.images_seen == 300 + 3 * 120


def test_an_extractor_without_classes_gives_no_inception_score():
    class Blind(Pixels):
        classes = None

    reports = Comparison(REAL, FAKE, Blind(), floor=OTHERS).every_metric()
    names = [figure.metric for report in reports for figure in report.generated]
    assert names[0] == "frechet_distance/pixels"
    assert names[-1] == "coverage/pixels"


def test_statistics_of_features_at_hand_are_those_of_the_images(tmp_path, monkeypatch):
    extracted = reference_statistics(REAL, Pixels(), batch_size=70)
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "other"))
    extractor = Pixels()
    at_hand = reference_statistics(REAL, extractor, batch_size=70, features=matrix(REAL).astype(np.float32))
    assert extractor.images_seen == 0
    assert at_hand.n == extracted.n
    np.testing.assert_array_equal(at_hand.mean, extracted.mean)
    np.testing.assert_array_equal(at_hand.factor, extracted.factor)
