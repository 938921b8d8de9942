"""The inception score: whether a classifier is sure of each image, and sees all classes over the set.

    IS = exp E_x KL( p(y|x) ‖ p(y) ),   p(y) = E_x p(y|x)

between 1 and the number of classes. It never looks at real images. Salimans et al. 2016,
https://arxiv.org/abs/1606.03498; on its limits Barratt and Sharma 2018, https://arxiv.org/abs/1801.01973.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr


@dataclass(frozen=True)
class InceptionScore:
    """The score over the splits of the images.

    Attributes:
        value: mean over the splits.
        uncertainty: standard deviation over the splits.
        n_splits: how many parts the images were divided into.
    """

    value: float
    uncertainty: float
    n_splits: int


def inception_score(probabilities: npt.ArrayLike, *, seed: int, n_splits: int = 10) -> InceptionScore:
    """The score of each of `n_splits` parts of the shuffled images.

    Without the shuffle, images sorted by class would score as if each part lacked the other classes.

    Args:
        probabilities: p(y|x), shape (images, classes); each row sums to 1.
        seed: of the shuffle.
        n_splits: parts, at least 2.

    Raises:
        ValueError: the rows are no distributions, or there are fewer images than parts, or fewer than 2 parts.
    """
    if n_splits < 2:
        raise ValueError(f"n_splits must be 2 or more, not {n_splits}")
    rows = np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < n_splits:
        raise ValueError(
            f"probabilities must have the shape (images, classes) with {n_splits} or more images, not {rows.shape}"
        )
    if not (np.isfinite(rows).all() and (rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-4)):
        raise ValueError("probabilities must be 0 or more and sum to 1 for each image")
    shuffled = rows[np.random.default_rng(seed).permutation(len(rows))]
    scores = [
        np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()) for part in np.array_split(shuffled, n_splits)
    ]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores, ddof=1)), n_splits)
