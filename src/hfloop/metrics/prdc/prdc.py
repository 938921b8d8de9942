"""Precision, recall, density and coverage as a module of `evaluate`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from .manifold import Array, manifold_scores

DESCRIPTION = """\
Precision, recall, density and coverage: how the features of generated and of real images lie in each other's
neighbourhoods. Precision and density see whether generated images look real; recall and coverage see whether they are
as varied as the real ones, so the four tell apart what a distance mixes. They miss how far an image outside all
neighbourhoods is from them, and they cannot tell a generator that repeats its training images from a good one. They
change with the number of images and with nearest_k, so compare them at equal values of both only, and never across
feature extractors.
"""

CITATION = """\
@inproceedings{kynkaanniemi2019improved,
  title = {Improved Precision and Recall Metric for Assessing Generative Models},
  author = {Kynk\\"a\\"anniemi, Tuomas and Karras, Tero and Laine, Samuli and Lehtinen, Jaakko and Aila, Timo},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {32},
  year = {2019}
}
@inproceedings{naeem2020reliable,
  title = {Reliable Fidelity and Diversity Metrics for Generative Models},
  author = {Naeem, Muhammad Ferjad and Oh, Seong Joon and Uh, Youngjung and Choi, Yunjey and Yoo, Jaejun},
  booktitle = {International Conference on Machine Learning},
  year = {2020}
}
"""

INPUTS_DESCRIPTION = """
Args:
    predictions: features of generated images, shape (images, dimension).
    references: features of real images, shape (images, dimension). The two counts need not be equal, and each side can
        be added alone: add_batch(predictions=...), add_batch(references=...).
    real_features: features of real images that are at hand as one array, in place of references.
    nearest_k: an image's neighbourhood reaches to its k-th nearest neighbour in its own set (default 5).

Returns:
    precision: the share of generated images inside some real image's neighbourhood.
    recall: the share of real images inside some generated image's neighbourhood.
    density: the mean number of real neighbourhoods that a generated image is in, over nearest_k; can exceed 1.
    coverage: the share of real images whose neighbourhood holds some generated image.
    precision_standard_error, recall_standard_error, density_standard_error, coverage_standard_error: of each mean,
        the other set's neighbourhoods taken as given.

Examples:
    >>> import evaluate
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> real = generator.normal(size=(600, 8))
    >>> fake = generator.normal(scale=0.7, size=(400, 8))
    >>> metric = evaluate.load("./prdc")
    >>> results = metric.compute(predictions=fake, references=real)
    >>> {name: round(results[name], 2) for name in ("precision", "recall", "density", "coverage")}
    {'precision': 1.0, 'recall': 0.59, 'density': 1.71, 'coverage': 0.93}
"""


class PRDC(evaluate.Metric):
    """Precision, recall, density and coverage of features of generated images."""

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS_DESCRIPTION,
            features=datasets.Features({"predictions": row, "references": row}),
            reference_urls=["https://arxiv.org/abs/1904.06991", "https://arxiv.org/abs/2002.09797"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Add features of generated images, of real images, or of both; the counts need not be equal."""
        fakes, reals = ([] if rows is None else [*rows] for rows in (predictions, references))
        count = max(len(fakes), len(reals))  # `evaluate` stores columns of one length: the shorter is filled with None
        super().add_batch(
            predictions=fakes + [None] * (count - len(fakes)), references=reals + [None] * (count - len(reals))
        )

    def _compute(
        self, predictions: list, references: list, real_features: Any = None, nearest_k: int = 5
    ) -> dict[str, float]:
        fakes, reals = given_rows(predictions), given_rows(references)
        if (real_features is None) == (len(reals) == 0):
            raise ValueError("the features of real images are needed either as references or as real_features")
        scores = manifold_scores(reals if real_features is None else real_features, fakes, nearest_k=nearest_k)
        return {
            "precision": scores.precision.value,
            "recall": scores.recall.value,
            "density": scores.density.value,
            "coverage": scores.coverage.value,
            "precision_standard_error": scores.precision.uncertainty,
            "recall_standard_error": scores.recall.uncertainty,
            "density_standard_error": scores.density.uncertainty,
            "coverage_standard_error": scores.coverage.uncertainty,
        }


def given_rows(column: list) -> Array:
    """The rows of a column without the Nones that fill it up."""
    return np.array([row for row in column if row is not None], dtype=np.float64)
