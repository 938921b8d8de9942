from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfloop.gan.batches import TrainingImages
from hfloop.images.source import ArrayImages

CPU = torch.device("cpu")


def numbered(n: int, labels: bool = False) -> ArrayImages:
    """Images whose every pixel is their number."""
    pixels = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1).repeat(4, axis=2)
    return ArrayImages(pixels, "numbered", np.arange(n) % 3 if labels else None)


def numbers(images: torch.Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


@given(st.integers(1, 40), st.integers(0, 100), st.integers(1, 30), st.integers(0, 5))
def test_what_comes_at_a_place_depends_on_the_place_alone(n, first, count, seed):
    together = numbers(TrainingImages(numbered(n), CPU, seed).batch(first, count).images)
    alone = TrainingImages(numbered(n), CPU, seed)
    places = list(reversed(range(first, first + count)))
    assert together == [numbers(alone.batch(place, 1).images)[0] for place in places][::-1]


def test_an_epoch_shows_every_image_once_and_each_in_its_own_order():
    images = TrainingImages(numbered(50), CPU, seed=1)
    epochs = [numbers(images.batch(50 * epoch, 50).images) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert numbers(TrainingImages(numbered(50), CPU, seed=2).batch(0, 50).images) != epochs[0]


def test_pixels_lie_from_minus_one_to_one_and_labels_come_along():
    pixels = np.array([0, 127, 255], dtype=np.uint8).reshape(3, 1, 1, 1)
    batch = TrainingImages(ArrayImages(pixels, "three"), CPU, 0).batch(0, 3)
    torch.testing.assert_close(batch.images.flatten().sort().values, torch.tensor([-1.0, 127 / 127.5 - 1, 1.0]))
    assert batch.class_labels is None
    images = TrainingImages(numbered(30, labels=True), CPU, 0)
    batch = images.batch(7, 20)
    assert batch.class_labels.tolist() == [number % 3 for number in numbers(batch.images)]
