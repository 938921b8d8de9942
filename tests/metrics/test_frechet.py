import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.metrics.frechet_distance.frechet import (
    FeatureStatistics,
    extrapolate,
    frechet_distance,
    smallest_extrapolation,
    standard_error,
)

seeds = st.integers(0, 2**32 - 1)


def features(seed: int, n: int, dimension: int, *, scale: float = 1.0) -> np.ndarray:
    """Correlated features with a spectrum that falls, as those of networks do."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimension, dimension)) * np.exp(-np.arange(dimension) / 4)
    return scale * (generator.normal(size=(n, dimension)) @ mixing + generator.normal(size=dimension))


def gaussian(mean: np.ndarray, covariance: np.ndarray) -> FeatureStatistics:
    return FeatureStatistics.from_covariance(10**6, mean, covariance)


def random_covariance(seed: int, dimension: int) -> np.ndarray:
    mixing = np.random.default_rng(seed).normal(size=(dimension, dimension))
    return mixing @ mixing.T


def distance(real: np.ndarray, fake: np.ndarray) -> float:
    return frechet_distance(FeatureStatistics.of(real), FeatureStatistics.of(fake))


@given(seeds, st.integers(2, 60), st.integers(1, 40), st.sampled_from([1e-3, 1.0, 1e4]))
def test_equal_sets_have_no_distance_however_few_the_images(seed, n, dimension, scale):
    points = features(seed, n, dimension, scale=scale)
    assert distance(points, points) < 1e-9


@given(seeds)
def test_equal_sets_have_no_distance_where_features_are_dead_or_copies_of_others(seed):
    points = features(seed, 200, 12)
    points = np.hstack([points, points[:, :4] * 3, np.zeros((200, 3))])
    assert distance(points, points) < 1e-9


@given(seeds, st.integers(20, 60), st.integers(2, 12), st.integers(1, 12))
def test_statistics_without_some_images_are_those_of_the_others(seed, n, gone, dimension):
    points = features(seed, n, dimension)
    left = FeatureStatistics.of(points).without(points[:gone])
    others = FeatureStatistics.of(points[gone:])
    assert left.n == others.n
    np.testing.assert_allclose(left.mean, others.mean, rtol=1e-9, atol=1e-9)
    expected = others.factor @ others.factor.T
    np.testing.assert_allclose(left.factor @ left.factor.T, expected, atol=1e-9 * np.trace(expected))


@given(seeds, st.integers(1, 32), st.floats(1e-3, 1e3))
def test_a_covariance_scaled_by_c_is_as_far_as_the_closed_form_says(seed, dimension, c):
    covariance = random_covariance(seed, dimension)
    mean = np.zeros(dimension)
    expected = (1 - np.sqrt(c)) ** 2 * np.trace(covariance)
    measured = frechet_distance(gaussian(mean, covariance), gaussian(mean, c * covariance))
    assert measured == pytest.approx(expected, rel=1e-9, abs=1e-12 * np.trace(covariance))


@given(seeds, st.integers(1, 32))
def test_diagonal_gaussians_are_as_far_as_the_closed_form_says(seed, dimension):
    generator = np.random.default_rng(seed)
    first, second = 10 ** generator.uniform(-4, 4, size=(2, dimension))
    mean = generator.normal(size=dimension)
    expected = mean @ mean + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    measured = frechet_distance(gaussian(np.zeros(dimension), np.diag(first)), gaussian(mean, np.diag(second)))
    assert measured == pytest.approx(expected, rel=1e-9)


@given(seeds, st.integers(5, 80), st.integers(5, 80), st.integers(1, 40))
def test_the_order_of_the_arguments_does_not_matter(seed, n, m, dimension):
    real, fake = features(seed, n, dimension), features(seed + 1, m, dimension)
    assert distance(real, fake) == pytest.approx(distance(fake, real), rel=1e-9, abs=1e-9)


@given(seeds, st.integers(5, 80), st.integers(2, 24))
def test_rotated_features_are_as_far_apart(seed, n, dimension):
    real, fake = features(seed, n, dimension), features(seed + 1, 50, dimension)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimension, dimension)))
    assert distance(real @ rotation, fake @ rotation) == pytest.approx(distance(real, fake), rel=1e-9)


@given(seeds, st.integers(5, 80), st.integers(2, 24))
def test_the_order_of_the_images_does_not_matter(seed, n, dimension):
    real, fake = features(seed, n, dimension), features(seed + 1, 50, dimension)
    shuffled = np.random.default_rng(seed).permutation(fake)
    assert distance(real[::-1], shuffled) == pytest.approx(distance(real, fake), rel=1e-9)


def exact_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """The definition, with a matrix square root by eigenvalues, in 60 decimal digits."""
    with mpmath.workdps(60):
        gaussians = []
        for points in (real, fake):
            rows = mpmath.matrix(points.tolist())
            ones = mpmath.ones(1, rows.rows)
            mean = ones * rows / rows.rows
            centred = rows - ones.T * mean
            gaussians.append((mean, centred.T * centred / (rows.rows - 1)))
        (first, S1), (second, S2) = gaussians
        values, vectors = mpmath.eigsy(S1)
        root = vectors * mpmath.diag([mpmath.sqrt(max(value, 0)) for value in values]) * vectors.T
        overlap = sum(mpmath.sqrt(max(value, 0)) for value in mpmath.eigsy(root * S2 * root, eigvals_only=True))
        shift = first - second
        traces = sum(S1[i, i] + S2[i, i] for i in range(S1.rows))
        return float((shift * shift.T)[0] + traces - 2 * overlap)


@pytest.mark.parametrize(("n", "m"), [(5, 4), (5, 40), (40, 5), (12, 12), (40, 40), (2, 2)])
def test_fewer_images_than_features_are_measured_to_twelve_digits(n, m):
    real, fake = features(1, n, 12), features(2, m, 12)
    assert distance(real, fake) == pytest.approx(exact_distance(real, fake), rel=1e-12)


def test_streamed_covariances_of_fewer_images_than_features_lose_no_more_than_a_millionth():
    real, fake = features(1, 5, 12), features(2, 7, 12)
    from_covariances = frechet_distance(
        *(FeatureStatistics.from_covariance(len(x), x.mean(axis=0), np.cov(x, rowvar=False)) for x in (real, fake))
    )
    assert from_covariances == pytest.approx(exact_distance(real, fake), rel=1e-9)


def test_sets_that_vary_in_different_directions_have_nothing_in_common():
    generator = np.random.default_rng(0)
    real, fake = np.zeros((64, 512)), np.zeros((64, 512))
    real[:, :200], fake[:, 200:] = generator.normal(size=(64, 200)), generator.normal(size=(64, 312))
    shift = real.mean(axis=0) - fake.mean(axis=0)
    expected = shift @ shift + real.var(axis=0, ddof=1).sum() + fake.var(axis=0, ddof=1).sum()
    assert distance(real, fake) == pytest.approx(expected, rel=1e-12)


def test_agrees_with_torchmetrics_on_the_same_features():
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Identity(torch.nn.Module):
        num_features = 48

        def forward(self, images):
            return images.flatten(1)

    peer = FrechetInceptionDistance(feature=Identity(), normalize=True, input_img_size=(3, 4, 4))
    peer.set_dtype(torch.float64)
    real, fake = (torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(n)) ** (n / 300) for n in (300, 400))
    peer.update(real, real=True)
    peer.update(fake, real=False)
    ours = distance(*(images.flatten(1).numpy() for images in (real, fake)))
    assert ours == pytest.approx(float(peer.compute()), rel=1e-6)


def test_the_standard_error_is_how_far_distances_scatter_over_samples():
    real = FeatureStatistics.of(features(0, 4000, 6))
    mixing = np.random.default_rng(5).normal(size=(6, 6))
    samples = [np.random.default_rng(seed).normal(size=(400, 6)) @ mixing for seed in range(200)]
    distances = [frechet_distance(real, FeatureStatistics.of(sample)) for sample in samples]
    errors = [standard_error(real, sample) for sample in samples]
    assert np.mean(errors) == pytest.approx(np.std(distances), rel=0.15)  # 200 samples tell a scatter to 5 %


def test_the_standard_error_holds_for_features_that_are_no_gaussian():
    real = FeatureStatistics.of(np.random.default_rng(0).exponential(1.0, size=(4000, 4)))
    samples = [np.random.default_rng(seed + 1).exponential(2.0, size=(400, 4)) for seed in range(200)]
    distances = [frechet_distance(real, FeatureStatistics.of(sample)) for sample in samples]
    assert np.mean([standard_error(real, sample) for sample in samples]) == pytest.approx(np.std(distances), rel=0.15)


def test_the_limit_for_endless_fakes_is_nearer_the_true_distance_than_the_distance_is():
    mixing = np.random.default_rng(5).normal(size=(12, 12))
    real = gaussian(np.zeros(12), mixing.T @ mixing)
    samples = [np.random.default_rng(seed).normal(size=(240, 12)) @ mixing for seed in range(20)]  # truly 0 apart
    biased = np.mean([frechet_distance(real, FeatureStatistics.of(sample)) for sample in samples])
    limit = np.mean([extrapolate(real, sample, seed=0).value for sample in samples])
    assert biased > 5 * abs(limit)


def test_the_limit_hardly_depends_on_how_the_fakes_are_divided():
    real, fake = FeatureStatistics.of(features(0, 4000, 8)), features(1, 400, 8)
    limits = [extrapolate(real, fake, seed=seed) for seed in range(20)]
    scatter = np.std([limit.value for limit in limits])
    assert scatter < standard_error(real, fake) / 5
    assert np.mean([limit.uncertainty for limit in limits]) > scatter / 3


def test_the_limit_is_a_function_of_the_seed_and_says_where_it_measured():
    real, fake = FeatureStatistics.of(features(0, 500, 4)), features(1, 100, 4)
    first = extrapolate(real, fake, seed=1)
    assert first == extrapolate(real, fake, seed=1) != extrapolate(real, fake, seed=2)
    assert first.sizes == (100, 50, 33, 25, 20)
    assert first.distances[0] == pytest.approx(distance(features(0, 500, 4), fake))


def test_the_limit_wants_more_images_than_a_line_in_one_over_n_allows():
    real = FeatureStatistics.of(features(0, 500, 4))
    with pytest.raises(ValueError, match=f"at least {smallest_extrapolation(4)} are needed"):
        extrapolate(real, features(1, 39, 4), seed=0)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "NaN or infinity"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), "NaN or infinity"),
        (np.full((3, 2), 1e200), "too large to be squared"),
        (np.ones((1, 2)), r"2 or more images, not \(1, 2\)"),
        (np.ones(5), r"not \(5,\)"),
    ],
)
def test_features_that_are_no_set_are_refused(points, sentence):
    with pytest.raises(ValueError, match=sentence):
        FeatureStatistics.of(points)


def test_features_of_different_dimensions_are_refused():
    with pytest.raises(ValueError, match="of 3 and of 4 dimensions"):
        distance(features(0, 9, 3), features(0, 9, 4))
