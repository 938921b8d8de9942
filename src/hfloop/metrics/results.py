"""A figure and the protocol that it was measured by: without the second, the first means nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """How a set of generated images was compared with real ones.

    Attributes:
        extractor: what turned images into features; figures of different extractors never compare.
        extractor_sha256: of its weights.
        dimension: features of an image.
        dtype: number format of the features; sums and distances are always float64.
        image_pipeline: what happens to a uint8 image before the network.
        n_real: real images; 0 where a metric looks at none.
        n_fake: generated images.
        reference_fingerprint: sha256 of the real images; None where a metric looks at none.
        fake_fingerprint: sha256 of the generated ones.
        seed: of every random choice.
    """

    extractor: str
    extractor_sha256: str
    dimension: int
    dtype: str
    image_pipeline: str
    n_real: int
    n_fake: int
    reference_fingerprint: str | None
    fake_fingerprint: str
    seed: int


@dataclass(frozen=True)
class Measurement:
    """One figure.

    Attributes:
        metric: its name with the extractor's, such as `frechet_distance/mnist-v1`.
        value: the figure.
        uncertainty: in the figure's unit.
        uncertainty_kind: what `uncertainty` is, in words.
        protocol: how it was measured.
        parameters: what else the metric's definition needs, such as subset sizes.
    """

    metric: str
    value: float
    uncertainty: float
    uncertainty_kind: str
    protocol: Protocol
    parameters: dict[str, int | float]

    def to_dict(self) -> dict[str, Any]:
        """The figure with its whole protocol as one flat dictionary, ready for JSON."""
        figure = asdict(self)
        protocol = figure.pop("protocol")
        return {**figure, **protocol}


def readable(value: float) -> str:
    """Four significant digits, without an exponent where it can be read so."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
