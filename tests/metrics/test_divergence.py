import numpy as np
import pytest

from hfloop.metrics.inception_score.divergence import inception_score


def test_sure_predictions_spread_over_all_classes_score_the_number_of_classes():
    sure = np.eye(4)[np.arange(4000) % 4]
    assert inception_score(sure, seed=0).value == pytest.approx(4, rel=1e-2)


@pytest.mark.parametrize("rows", [np.full((100, 5), 0.2), np.eye(5)[np.zeros(100, dtype=int)]])
def test_unsure_predictions_and_a_single_class_score_one(rows):
    assert inception_score(rows, seed=0).value == pytest.approx(1)


def test_is_the_exponential_of_the_mean_divergence_from_the_marginal():
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    shuffled = rows[np.random.default_rng(7).permutation(40)]
    scores = []
    for part in (shuffled[:20], shuffled[20:]):
        marginal = part.mean(axis=0)
        scores.append(np.exp(np.mean([sum(p * np.log(p / q) for p, q in zip(row, marginal)) for row in part])))  # noqa: B905
    score = inception_score(rows, seed=7, n_splits=2)
    assert score.value == pytest.approx(np.mean(scores))
    assert score.uncertainty == pytest.approx(np.std(scores, ddof=1))


def test_images_sorted_by_class_score_as_if_they_were_not():
    sure = np.eye(10)[np.repeat(np.arange(10), 100)]
    assert inception_score(sure, seed=0).value > 9


def test_a_scatter_needs_two_parts():
    with pytest.raises(ValueError, match="n_splits must be 2 or more, not 1"):
        inception_score(np.full((20, 2), 0.5), seed=0, n_splits=1)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (np.full((20, 2), 0.4), "sum to 1"),
        (np.tile([1.5, -0.5], (20, 1)), "0 or more"),
        (np.full((20, 2), np.nan), "0 or more"),
        (np.full((9, 2), 0.5), "10 or more images"),
    ],
)
def test_rows_that_are_no_probabilities_are_refused(rows, sentence):
    with pytest.raises(ValueError, match=sentence):
        inception_score(rows, seed=0)
