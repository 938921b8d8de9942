import numpy as np
import pytest

from hfloop.metrics.kernel_distance.kernel import kernel_distance, squared_discrepancy


def sets(n: int, m: int, dimension: int, shift: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(n, dimension)), generator.normal(size=(m, dimension)) + shift


def test_is_the_mean_kernel_over_pairs_of_different_images():
    X, Y = sets(5, 7, 3)

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    within_x = np.mean([kernel(X[i], X[j]) for i in range(5) for j in range(5) if i != j])
    within_y = np.mean([kernel(Y[i], Y[j]) for i in range(7) for j in range(7) if i != j])
    between = np.mean([kernel(x, y) for x in X for y in Y])
    assert squared_discrepancy(X, Y) == pytest.approx(within_x + within_y - 2 * between, rel=1e-12)


def test_sets_from_one_distribution_are_at_distance_zero_on_average_at_any_sample_count():
    generator = np.random.default_rng(0)
    for size in (5, 40):
        distances = [
            squared_discrepancy(*generator.normal(size=(2, size, 4))) for _ in range(3000 if size == 5 else 400)
        ]
        assert abs(np.mean(distances)) < 3 * np.std(distances) / np.sqrt(len(distances))


def test_agrees_with_torchmetrics_on_the_same_features_within_the_scatter_of_subsets():
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    class Identity(torch.nn.Module):
        num_features = 48

        def forward(self, images):
            return images.flatten(1).double()

    peer = KernelInceptionDistance(feature=Identity(), subsets=100, subset_size=200)
    real, fake = (torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(n)) ** (n / 600) for n in (600, 900))
    torch.manual_seed(0)
    peer.update(real, real=True)
    peer.update(fake, real=False)
    mean, _ = peer.compute()
    ours = kernel_distance(*(images.flatten(1).numpy() for images in (real, fake)), seed=0, subset_size=200)
    assert ours.value == pytest.approx(float(mean), abs=ours.uncertainty)
    assert ours.value > 10 * ours.uncertainty  # so that agreement within the scatter says something


def test_is_a_function_of_the_seed():
    X, Y = sets(300, 200, 4)
    first = kernel_distance(X, Y, seed=1, subset_size=50)
    assert first == kernel_distance(X, Y, seed=1, subset_size=50)
    assert first.value != kernel_distance(X, Y, seed=2, subset_size=50).value


def test_subsets_are_no_larger_than_half_the_smaller_set():
    X, Y = sets(300, 30, 4)
    assert kernel_distance(X, Y, seed=0).subset_size == 15
    assert kernel_distance(X, Y, seed=0, subset_size=10).subset_size == 10


def test_subsets_of_sets_as_large_as_one_subset_still_differ():
    X, Y = sets(300, 300, 8, shift=0.0)
    scatter = np.std(
        [squared_discrepancy(*np.random.default_rng(seed).normal(size=(2, 150, 8))) for seed in range(200)]
    )
    assert kernel_distance(X, Y, seed=0).uncertainty == pytest.approx(scatter, rel=0.5)


def test_both_sets_subsets_are_drawn_at_random():
    X, Y = sets(40, 40, 3)
    Y[20:] += 5  # the first rows alone would miss these
    whole = squared_discrepancy(X, Y)
    assert kernel_distance(X, Y, seed=0).value == pytest.approx(whole, rel=0.1)
    assert kernel_distance(Y, X, seed=0).value == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("counts", [{"n_subsets": 1}, {"subset_size": 1}])
def test_a_scatter_needs_two_subsets_and_a_pair_two_images(counts):
    X, Y = sets(30, 30, 4)
    with pytest.raises(ValueError, match="must be 2 or more"):
        kernel_distance(X, Y, seed=0, **counts)


@pytest.mark.parametrize(
    ("fake", "sentence"),
    [
        (np.full((5, 3), np.nan), "NaN or infinity"),
        (np.ones((1, 3)), "4 or more images"),
        (np.ones((5, 4)), "of 3 and of 4 dimensions"),
    ],
)
def test_features_that_are_no_set_are_refused(fake, sentence):
    with pytest.raises(ValueError, match=sentence):
        kernel_distance(np.ones((5, 3)), fake, seed=0)
