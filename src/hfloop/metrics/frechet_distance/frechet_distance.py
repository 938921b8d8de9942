"""The Fréchet distance as a module of `evaluate`."""

from __future__ import annotations

import logging
from typing import Any

import datasets
import evaluate
import numpy as np

from .frechet import Array, FeatureStatistics, frechet_distance, standard_error

logger = logging.getLogger(__name__)

DESCRIPTION = """\
The Fréchet distance between the Gaussians that fit the features of real and of generated images; on features of
Inception it is known as FID. It sees the means and covariances of the features: images that look wrong, and a lack of
variety. It misses everything that leaves these two moments as they are, and it cannot tell a generator that repeats
its training images from a good one. It grows as images get fewer, so compare it at equal counts only, and never across
feature extractors.
"""

CITATION = """\
@article{dowson1982frechet,
  title = {The {F}r\\'echet distance between multivariate normal distributions},
  author = {Dowson, D. C. and Landau, B. V.},
  journal = {Journal of Multivariate Analysis},
  volume = {12},
  number = {3},
  pages = {450--455},
  year = {1982}
}
@inproceedings{heusel2017gans,
  title = {{GAN}s Trained by a Two Time-Scale Update Rule Converge to a Local {N}ash Equilibrium},
  author = {Heusel, Martin and Ramsauer, Hubert and Unterthiner, Thomas and Nessler, Bernhard and Hochreiter, Sepp},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {30},
  year = {2017}
}
@article{bhatia2019bures,
  title = {On the {B}ures--{W}asserstein distance between positive definite matrices},
  author = {Bhatia, Rajendra and Jain, Tanvi and Lim, Yongdo},
  journal = {Expositiones Mathematicae},
  volume = {37},
  number = {2},
  pages = {165--191},
  year = {2019}
}
"""

INPUTS_DESCRIPTION = """
Args:
    predictions: features of generated images, shape (images, dimension).
    references: features of real images, shape (images, dimension). The two counts need not be equal, and each side can
        be added alone: add_batch(predictions=...), add_batch(references=...).
    real_features: features of real images that are at hand as one array, in place of references.

Returns:
    frechet_distance: 0 or more; lower is better.
    standard_error: how far the distance would scatter for other samples of as many generated images.
    n_real: number of real images.
    n_fake: number of generated images.
    dimension: number of features of an image.

Examples:
    >>> import evaluate
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> real = generator.normal(size=(3000, 8))
    >>> fake = generator.normal(loc=0.5, size=(2000, 8))
    >>> metric = evaluate.load("./frechet_distance")
    >>> results = metric.compute(predictions=fake, references=real)
    >>> {name: round(value, 2) for name, value in results.items()}
    {'frechet_distance': 2.0, 'standard_error': 0.06, 'n_real': 3000, 'n_fake': 2000, 'dimension': 8}
"""


class FrechetDistance(evaluate.Metric):
    """The Fréchet distance between features of real and of generated images."""

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS_DESCRIPTION,
            features=datasets.Features({"predictions": row, "references": row}),
            reference_urls=["https://arxiv.org/abs/1706.08500", "https://arxiv.org/abs/1712.01504"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Add features of generated images, of real images, or of both; the counts need not be equal."""
        fakes, reals = ([] if rows is None else [*rows] for rows in (predictions, references))
        count = max(len(fakes), len(reals))  # `evaluate` stores columns of one length: the shorter is filled with None
        super().add_batch(
            predictions=fakes + [None] * (count - len(fakes)), references=reals + [None] * (count - len(reals))
        )

    def _compute(self, predictions: list, references: list, real_features: Any = None) -> dict[str, float]:
        fakes, reals = given_rows(predictions), given_rows(references)
        if (real_features is None) == (len(reals) == 0):
            raise ValueError("the features of real images are needed either as references or as real_features")
        real = FeatureStatistics.of(reals if real_features is None else real_features)
        fake = FeatureStatistics.of(fakes)
        distance = frechet_distance(real, fake)
        if min(real.n, fake.n) <= real.dimension:
            logger.warning(
                "%d images do not span %d dimensions: the Fréchet distance is far too high with so few, and its "
                "standard error means nothing.",
                min(real.n, fake.n),
                real.dimension,
            )
        return {
            "frechet_distance": distance,
            "standard_error": standard_error(real, fakes),
            "n_real": real.n,
            "n_fake": fake.n,
            "dimension": real.dimension,
        }


def given_rows(column: list) -> Array:
    """The rows of a column without the Nones that fill it up."""
    return np.array([row for row in column if row is not None], dtype=np.float64)
