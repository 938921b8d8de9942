"""Mean and covariance of features that come batch by batch, in any number of processes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

import torch

from hfloop.metrics.frechet_distance.frechet import FeatureStatistics

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor


class RunningStatistics:
    """Sums for :class:`FeatureStatistics`, kept in float64 where the features are, without waiting for the device.

    Kept are the count, the mean and the scatter Σ (x − mean)(x − mean)ᵀ, merged pairwise (Chan, Golub and LeVeque
    1983): raw sums of squares would lose the digits of features whose mean is large beside their spread.

    Args:
        dimension: features of an image.
        device: where to keep the sums; one that can compute in float64.
    """

    def __init__(self, dimension: int, device: torch.device | str = "cpu") -> None:
        self.n = 0
        self.mean = torch.zeros(dimension, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(dimension, dimension, dtype=torch.float64, device=device)

    @classmethod
    def over(cls, batches: Iterable[Tensor]) -> RunningStatistics:
        """Count in every batch, at least one, each of shape (images, dimension), on the first one's device."""
        batches = iter(batches)
        first = next(batches)
        running = cls(first.shape[1], first.device)
        for batch in chain([first], batches):
            running.update(batch)
        return running

    def update(self, features: Tensor) -> None:
        """Count in a batch of shape (images, dimension); an empty one changes nothing."""
        if len(features):
            batch = features.detach().to(self.mean)
            mean = batch.mean(dim=0)
            centred = batch - mean
            self._merge(len(batch), mean, centred.T @ centred)

    def merge(self, other: RunningStatistics) -> None:
        """Count in what another one has counted."""
        if other.n:
            self._merge(other.n, other.mean.to(self.mean), other.scatter.to(self.scatter))

    def gathered(self, accelerator: Accelerator) -> RunningStatistics:
        """What all processes counted together, the same in each of them; they may have counted different numbers."""
        count = torch.full((1,), self.n, dtype=torch.float64, device=self.mean.device)
        packed = torch.cat([count, self.mean, self.scatter.flatten()])
        total = RunningStatistics(len(self.mean), self.mean.device)
        for part in accelerator.gather(packed[None]):
            n, mean, scatter = part.split([1, self.mean.numel(), self.scatter.numel()])
            if int(n):
                total._merge(int(n), mean, scatter.view_as(self.scatter))
        return total

    def statistics(self) -> FeatureStatistics:
        """The Gaussian fitted to everything that was counted.

        Raises:
            ValueError: fewer than two images were counted, or a feature was not finite.
        """
        if self.n < 2:
            raise ValueError(f"statistics need 2 or more images, not {self.n}")
        covariance = (self.scatter / (self.n - 1)).cpu().numpy()
        if not torch.isfinite(self.scatter).all():
            raise ValueError("features hold NaN or infinity")
        return FeatureStatistics.from_covariance(self.n, self.mean.cpu().numpy(), covariance)

    def _merge(self, n: int, mean: Tensor, scatter: Tensor) -> None:
        total = self.n + n
        shift = mean - self.mean
        self.scatter += scatter + torch.outer(shift, shift) * (self.n * n / total)
        self.mean += shift * (n / total)
        self.n = total
