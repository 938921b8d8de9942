"""Statistics of real images, measured once and kept in a cache."""

from __future__ import annotations

import numpy as np
import PIL
import torch

from hfloop.array_cache import ArrayCache, Arrays
from hfloop.images.source import ImageSource
from hfloop.metrics.extraction import Features, extract
from hfloop.metrics.features import FeatureExtractor
from hfloop.metrics.frechet_distance.frechet import FeatureStatistics
from hfloop.metrics.running import RunningStatistics

CACHE = ArrayCache("metrics", "reference-statistics", what="reference statistics", layout=2)


def reference_statistics(
    images: ImageSource,
    extractor: FeatureExtractor,
    batch_size: int = 256,
    features: Features | None = None,
) -> FeatureStatistics:
    """Mean and covariance of the images' features: from the cache, or else measured, and then kept.

    Args:
        images: the reals.
        extractor: makes the features, which are not kept.
        batch_size: images that go through the extractor at a time.
        features: what the extractor makes of the images, where that is there already.

    Raises:
        UserError: an image cannot be read, or its features are not finite.
    """

    def measured() -> Arrays:
        batches = (
            extract(extractor, images, batch_size=batch_size, what="features of real images")
            if features is None
            else (part.to(extractor.device) for part in torch.from_numpy(features).split(batch_size))
        )
        statistics = RunningStatistics.over(batches).statistics()
        return {"n": np.array([statistics.n]), "mean": statistics.mean, "factor": statistics.factor}

    arrays = CACHE.fetch(_key(images, extractor), measured)
    return FeatureStatistics(int(arrays["n"][0]), arrays["mean"], arrays["factor"])


def _key(images: ImageSource, extractor: FeatureExtractor) -> dict[str, str | int]:
    """Everything that the statistics depend on; decoders and kernels differ between versions."""
    return {
        "images": images.fingerprint,
        "pillow": PIL.__version__,
        "torch": torch.__version__,
        "device": extractor.device.type,
        "extractor": extractor.name,
        "extractor_sha256": extractor.sha256,
        "dtype": extractor.dtype,
        "image_pipeline": extractor.image_pipeline,
    }
