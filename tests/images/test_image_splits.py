from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.images.source import ArrayImages
from hfloop.images.splits import count_shared, hold_out


def images_of(levels, labels=None) -> ArrayImages:
    """Images of one pixel each."""
    pixels = np.array(levels, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return ArrayImages(pixels, "set", None if labels is None else np.array(labels, dtype=np.int64))


def levels(images) -> list[int]:
    return images.read(range(len(images))).ravel().tolist()


labelled = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=60)


@given(labelled, st.booleans(), st.floats(0, 1), st.integers(0, 9))
def test_every_image_is_on_one_side_and_equal_ones_on_the_same(pairs, with_labels, share, seed):
    values, labels = map(list, zip(*pairs, strict=True))
    count = int(share * len(values))
    images = images_of(values, labels if with_labels else None)
    rest, drawn = hold_out(images, count, seed)
    assert sorted([*rest.indices, *drawn.indices]) == list(range(len(values)))
    assert not set(levels(rest)) & set(levels(drawn))
    assert count_shared(drawn, rest) == 0
    assert len(drawn) <= count


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.floats(0, 1), st.integers(0, 9))
def test_every_class_gives_its_share_and_keeps_an_image(labels, share, seed):
    count = int(share * len(labels))
    rest, drawn = hold_out(images_of(range(len(labels)), labels), count, seed)  # all different
    sizes, given_away = (np.bincount(each, minlength=5) for each in (labels, drawn.labels))
    expected = np.minimum(sizes * count / len(labels), np.maximum(sizes - 1, 0))
    assert (abs(given_away - expected) < 1).all()
    assert (np.bincount(rest.labels, minlength=5)[sizes > 0] > 0).all()


def test_as_many_are_drawn_as_were_asked_for():
    for count in (0, 1, 37, 50):
        rest, drawn = hold_out(images_of(range(200), np.arange(200) % 7), count, seed=3)
        assert (len(rest), len(drawn)) == (200 - count, count)


def test_the_seed_decides():
    images = images_of(range(100), np.arange(100) % 3)
    (_, first), (_, again), (_, other) = (hold_out(images, 20, seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint
    assert len(set(first.indices) & set(other.indices)) < 12


def test_an_image_that_fills_half_the_set_is_not_held_out():
    rest, drawn = hold_out(images_of([7] * 50 + list(range(100, 150))), 20, seed=0)
    assert (len(drawn), levels(rest).count(7)) == (20, 50)


def test_equal_images_are_those_with_equal_pixels():
    assert count_shared(images_of([1, 2, 2, 9]), images_of([2, 9, 9, 4])) == 3
    assert count_shared(images_of([1]), images_of([2])) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_single_image_stays(seed):
    rest, drawn = hold_out(images_of([5]), 1, seed)
    assert (len(rest), len(drawn)) == (1, 0)
