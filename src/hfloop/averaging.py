"""Means over training: of the weights (what is evaluated and shipped), and of what is logged."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel


def weight_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of `model` that follows it: ``average ← d·average + (1 − d)·weights`` at each `update_parameters`.

    Early on d is ``min(decay, (1 + t) / (10 + t))`` after t updates, so that the initial weights are soon forgotten.
    Buffers are copied as they are, which keeps batch normalisation right.

    Args:
        model: the network, not wrapped for several processes.
        decay: d, in [0, 1); 0 keeps the last weights.
    """

    @torch.no_grad()
    def step(averages: PARAM_LIST, weights: PARAM_LIST, num_averaged: Tensor | int) -> None:
        updates = int(num_averaged)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + updates) / (10 + updates)))

    average = AveragedModel(model, multi_avg_fn=step)
    average.module.eval()
    return average


class Mean:
    """A weighted mean, summed on the device and fetched only when it is taken."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count: Tensor | float = 0.0

    def add(self, total: Tensor, count: Tensor | float) -> None:
        """Add a sum over `count` items."""
        self.total = self.total + total.detach().float()
        self.count = self.count + count

    def take(self, accelerator: Accelerator) -> float:
        """The mean over all processes since the last take; not a number if nothing was added."""
        both = torch.tensor([float(self.total), float(self.count)], dtype=torch.float64, device=accelerator.device)
        total, count = accelerator.reduce(both, reduction="sum").tolist()
        self.total = self.count = 0.0
        return total / count if count else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints, which the main process writes: the share of every process; all must call this."""
        return {"shares": gather_object([(float(self.total), float(self.count))])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint of as many processes."""
        self.total, self.count = state["shares"][PartialState().process_index]
