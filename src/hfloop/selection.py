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
        moment: when it was reached, as the caller counts: in epochs, in steps.
        weights: those of that moment.

    Args:
        patience: offers without a gain to wait for; default: no end of them.
    """

    def __init__(self, patience: float = math.inf) -> None:
        self.patience = patience
        self.score = -math.inf
        self.moment = 0
        self.weights: dict[str, Tensor] = {}
        self.offers_without_gain = 0

    def offer(self, score: float, moment: int, weights: Mapping[str, Tensor]) -> bool:
        """Keep a copy of `weights` if `score` beats the best; says whether it did."""
        if not score > self.score:  # nor if it is not a number
            self.offers_without_gain += 1
            return False
        self.score, self.moment, self.offers_without_gain = score, moment, 0
        self.weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
        return True

    def patience_is_spent(self) -> bool:
        """Whether `patience` offers in a row brought no gain."""
        return self.offers_without_gain >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint; the patience is the present configuration's."""
        vars(self).update(state | {"patience": self.patience})
