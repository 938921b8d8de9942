"""The inception score as a module of `evaluate`."""

from __future__ import annotations

import datasets
import evaluate

from .divergence import inception_score

DESCRIPTION = """\
The inception score: whether a classifier is sure of each generated image, and sees all of its classes over the set. It
never looks at real images, so it misses variety within a class and everything that the classifier was not trained to
see, and images that fool the classifier score high. It grows with the number of images in a split; compare it at equal
counts and with the same classifier only.
"""

CITATION = """\
@inproceedings{salimans2016improved,
  title = {Improved Techniques for Training {GAN}s},
  author = {Salimans, Tim and Goodfellow, Ian and Zaremba, Wojciech and Cheung, Vicki and Radford, Alec and Chen, Xi},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {29},
  year = {2016}
}
@article{barratt2018note,
  title = {A Note on the Inception Score},
  author = {Barratt, Shane and Sharma, Rishi},
  journal = {arXiv preprint arXiv:1801.01973},
  year = {2018}
}
"""

INPUTS_DESCRIPTION = """
Args:
    predictions: a classifier's probabilities for generated images, shape (images, classes); each row sums to 1.
    seed: of the shuffle before the images are divided (default 0).
    n_splits: how many parts they are divided into, at least 2 (default 10).

Returns:
    inception_score: mean over the splits, 1 to the number of classes; higher is better.
    std: standard deviation over the splits.
    n_splits: how many splits there are.

Examples:
    >>> import evaluate
    >>> import numpy as np
    >>> probabilities = np.random.default_rng(0).dirichlet([0.1] * 10, size=1000)
    >>> metric = evaluate.load("./inception_score")
    >>> results = metric.compute(predictions=probabilities)
    >>> {name: round(value, 2) for name, value in results.items()}
    {'inception_score': 4.12, 'std': 0.12, 'n_splits': 10}
"""


class InceptionScore(evaluate.Metric):
    """The inception score of a classifier's probabilities for generated images."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Sequence(datasets.Value("float64"))}),
            reference_urls=["https://arxiv.org/abs/1606.03498", "https://arxiv.org/abs/1801.01973"],
        )

    def _compute(self, predictions: list, seed: int = 0, n_splits: int = 10) -> dict[str, float]:
        score = inception_score(predictions, seed=seed, n_splits=n_splits)
        return {"inception_score": score.value, "std": score.uncertainty, "n_splits": score.n_splits}
