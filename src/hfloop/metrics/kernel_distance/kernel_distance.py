"""The kernel distance (KID) as a module of `evaluate`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from .kernel import Array, kernel_distance

DESCRIPTION = """\
The kernel distance (KID): the squared maximum mean discrepancy of the features of real and of generated images under a
cubic kernel. It sees the first three moments of the features, and its expectation does not depend on how many images
there are, so it suits small sets. It misses what leaves these moments as they are, and it cannot tell a generator that
repeats its training images from a good one. Never compare it across feature extractors.
"""

CITATION = """\
@inproceedings{binkowski2018demystifying,
  title = {Demystifying {MMD} {GAN}s},
  author = {Bi\\'nkowski, Miko{\\l}aj and Sutherland, Danica J. and Arbel, Michael and Gretton, Arthur},
  booktitle = {International Conference on Learning Representations},
  year = {2018}
}
"""

INPUTS_DESCRIPTION = """
Args:
    predictions: features of generated images, shape (images, dimension).
    references: features of real images, shape (images, dimension). The two counts need not be equal, and each side can
        be added alone: add_batch(predictions=...), add_batch(references=...).
    real_features: features of real images that are at hand as one array, in place of references.
    seed: of the choice of the subsets (default 0).
    n_subsets: how many pairs of random subsets are compared, at least 2 (default 100).
    subset_size: images in a subset (default 1000); half the smaller set where that is less, so that subsets differ.

Returns:
    kernel_distance: mean over the subsets; lower is better, and it can be a little below 0.
    std: standard deviation over the subsets.
    n_subsets: how many subsets were compared.
    subset_size: images in each.

Examples:
    >>> import evaluate
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> real = generator.normal(size=(600, 8))
    >>> fake = generator.normal(loc=0.5, size=(400, 8))
    >>> metric = evaluate.load("./kernel_distance")
    >>> results = metric.compute(predictions=fake, references=real, n_subsets=20, subset_size=200)
    >>> {name: round(value, 3) for name, value in results.items()}
    {'kernel_distance': 1.195, 'std': 0.143, 'n_subsets': 20, 'subset_size': 200}
"""


class KernelDistance(evaluate.Metric):
    """The kernel distance between features of real and of generated images."""

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS_DESCRIPTION,
            features=datasets.Features({"predictions": row, "references": row}),
            reference_urls=["https://arxiv.org/abs/1801.01401"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Add features of generated images, of real images, or of both; the counts need not be equal."""
        fakes, reals = ([] if rows is None else [*rows] for rows in (predictions, references))
        count = max(len(fakes), len(reals))  # `evaluate` stores columns of one length: the shorter is filled with None
        super().add_batch(
            predictions=fakes + [None] * (count - len(fakes)), references=reals + [None] * (count - len(reals))
        )

    def _compute(
        self,
        predictions: list,
        references: list,
        real_features: Any = None,
        seed: int = 0,
        n_subsets: int = 100,
        subset_size: int = 1000,
    ) -> dict[str, float]:
        fakes, reals = given_rows(predictions), given_rows(references)
        if (real_features is None) == (len(reals) == 0):
            raise ValueError("the features of real images are needed either as references or as real_features")
        distance = kernel_distance(
            reals if real_features is None else real_features,
            fakes,
            seed=seed,
            n_subsets=n_subsets,
            subset_size=subset_size,
        )
        return {
            "kernel_distance": distance.value,
            "std": distance.uncertainty,
            "n_subsets": distance.n_subsets,
            "subset_size": distance.subset_size,
        }


def given_rows(column: list) -> Array:
    """The rows of a column without the Nones that fill it up."""
    return np.array([row for row in column if row is not None], dtype=np.float64)
