"""Keeping the best weights of a run, and knowing when to stop waiting for better ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor


class BestWeights:
    """The weights with the highest validation score so far.

    Its state goes into every checkpoint, so that a resumed run neither forgets the best weights nor the patience
    that is already spent.

    Attributes:
        score: the best score, minus infinity before the first offer.
        epoch: the epoch that reached it.
        weights: that epoch's weights.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.score = -math.inf
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}
        self.epochs_without_gain = 0

    def offer(self, score: float, epoch: int, weights: Mapping[str, Tensor]) -> bool:
        """Keep a copy of `weights` if `score` beats the best; says whether it did."""
        if not score > self.score:  # nor if it is not a number
            self.epochs_without_gain += 1
            return False
        self.score, self.epoch, self.epochs_without_gain = score, epoch, 0
        self.weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
        return True

    def patience_is_spent(self) -> bool:
        """Whether `patience` epochs in a row brought no gain."""
        return self.epochs_without_gain >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint; the patience is the present configuration's."""
        vars(self).update(state | {"patience": self.patience})
