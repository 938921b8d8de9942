import operator
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.metrics.prdc import manifold
from hfloop.metrics.prdc.manifold import manifold_scores


def by_definition(real: np.ndarray, fake: np.ndarray, k: int, inside=operator.le) -> dict[str, float]:
    """Naeem et al. 2020, equations 2 to 6, from all distances at once; their code has `operator.lt` for `inside`."""

    def distances(x, y):
        return np.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=2))

    real_radii = np.sort(distances(real, real), axis=1)[:, k]
    fake_radii = np.sort(distances(fake, fake), axis=1)[:, k]
    between = distances(real, fake)
    return {
        "precision": inside(between, real_radii[:, None]).any(axis=0).mean(),
        "recall": inside(between, fake_radii).any(axis=1).mean(),
        "density": inside(between, real_radii[:, None]).sum(axis=0).mean() / k,
        "coverage": inside(between, real_radii[:, None]).any(axis=1).mean(),
    }


def measured(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    scores = manifold_scores(real, fake, nearest_k=k)
    return {name: getattr(scores, name).value for name in ("precision", "recall", "density", "coverage")}


@given(st.integers(0, 2**32 - 1), st.integers(7, 40), st.integers(7, 40), st.integers(1, 6), st.integers(1, 6))
def test_is_the_definition_for_points_in_general_position(seed, n, m, dimension, k):
    generator = np.random.default_rng(seed)
    real, fake = generator.normal(size=(n, dimension)), 0.7 * generator.normal(size=(m, dimension)) + 0.5
    assert measured(real, fake, k) == pytest.approx(by_definition(real, fake, k))
    # Without ties the open balls of Naeem's code give the same.
    assert measured(real, fake, k) == pytest.approx(by_definition(real, fake, k, operator.lt))


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_is_the_definition_on_a_grid_full_of_equal_distances(seed, k):
    generator = np.random.default_rng(seed)
    real, fake = generator.integers(0, 4, size=(2, 30, 2)).astype(float)
    assert measured(real, fake, k) == pytest.approx(by_definition(real, fake, k))


def test_a_fake_equal_to_duplicated_reals_is_inside_their_closed_ball_and_outside_an_open_one():
    real = np.vstack([np.zeros((4, 2)), [[9.0, 9.0]]])
    fake = np.vstack([np.zeros((1, 2)), 100 + np.arange(8.0).reshape(4, 2)])
    assert by_definition(real, fake, 3, operator.lt)["coverage"] == 0.0
    assert measured(real, fake, 3)["coverage"] == 1.0


def test_duplicates_stay_at_distance_zero_though_their_norms_are_large():
    points = 1e4 + np.random.default_rng(0).normal(size=(50, 7))
    real = np.repeat(points, 4, axis=0)
    assert measured(real, points[:10].repeat(4, axis=0), 3)["coverage"] == 0.2


@pytest.mark.parametrize("offset", [0.0, 3e6, 1e8])
def test_where_the_features_lie_does_not_matter(offset):
    real, fake = np.random.default_rng(0).normal(size=(2, 150, 8))
    assert measured(real + offset, fake + offset, 5) == pytest.approx(measured(real, fake, 5), abs=0.01)


def test_equal_sets_are_precise_and_cover_each_other():
    points = np.random.default_rng(0).normal(size=(100, 4))
    scores = measured(points, points, 5)
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1, 1, 1)


def test_fakes_of_one_mode_are_precise_and_recall_half():
    generator = np.random.default_rng(0)
    modes = generator.normal(size=(2, 300, 4)) + np.array([[[0.0]], [[50.0]]])
    scores = measured(modes.reshape(600, 4), modes[0] + 0.01 * generator.normal(size=(300, 4)), 5)
    assert scores["precision"] == 1.0
    assert scores["recall"] == pytest.approx(0.5, abs=0.01)
    assert scores["coverage"] == pytest.approx(0.5, abs=0.01)


def test_tiles_of_any_size_give_the_same(monkeypatch):
    real, fake = np.random.default_rng(0).normal(size=(2, 120, 5))
    whole = manifold_scores(real, fake)
    monkeypatch.setattr(manifold, "_TILE_BYTES", 120 * 8 * 7)
    assert manifold_scores(real, fake) == whole


def test_the_memory_it_takes_does_not_grow_with_the_pairs(monkeypatch):
    monkeypatch.setattr(manifold, "_TILE_BYTES", 1 << 20)
    real, fake = np.random.default_rng(0).normal(size=(2, 3000, 8))
    tracemalloc.start()
    manifold_scores(real, fake)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * (1 << 20)  # all distances at once would take 72 MB


def test_the_uncertainty_of_a_share_is_that_of_a_proportion():
    real, fake = np.random.default_rng(0).normal(size=(2, 200, 5))
    share = manifold_scores(real, fake).precision
    assert 0 < share.value < 1
    assert share.uncertainty == pytest.approx(np.sqrt(share.value * (1 - share.value) / 200))


def test_a_ball_reaches_to_a_neighbour():
    with pytest.raises(ValueError, match="nearest_k must be 1 or more, not 0"):
        manifold_scores(np.ones((9, 3)), np.ones((9, 3)), nearest_k=0)


@pytest.mark.parametrize(
    ("fake", "sentence"),
    [
        (np.full((9, 3), np.nan), "NaN or infinity"),
        (np.ones((5, 3)), "more than 5 images"),
        (np.ones((9, 4)), "of 3 and of 4 dimensions"),
    ],
)
def test_features_that_are_no_set_are_refused(fake, sentence):
    with pytest.raises(ValueError, match=sentence):
        manifold_scores(np.ones((9, 3)), fake)
