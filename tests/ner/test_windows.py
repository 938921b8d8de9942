from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.ner.decoding import bio_labels, decode
from hfloop.ner.windows import inference_windows, merge_windows, training_windows


@st.composite
def lengths_windows_offsets(draw):
    window = draw(st.integers(1, 300))
    return draw(st.integers(0, 2000)), window, draw(st.integers(1, window))


@st.composite
def lengths_windows_overlaps(draw, largest_length=2000):
    window = draw(st.integers(1, 300))
    return draw(st.integers(0, largest_length)), window, draw(st.integers(0, window - 1))


@given(lengths_windows_offsets())
def test_training_windows_tile_the_document_exactly(case):
    length, window, offset = case
    windows = training_windows(length, window, offset)
    positions = [position for start, end in windows for position in range(start, end)]
    assert positions == list(range(length))
    assert all(0 < end - start <= window for start, end in windows)


@given(lengths_windows_offsets())
def test_training_windows_of_a_longer_document_are_never_tiny(case):
    length, window, offset = case
    windows = training_windows(length, window, offset)
    if length > window:
        assert min(end - start for start, end in windows) >= min(16, window // 3)


def test_training_windows_move_their_borders_with_the_offset():
    assert training_windows(500, 192, 100) == [(0, 100), (100, 292), (292, 484), (484, 500)]
    assert training_windows(500, 192, 20) == [(0, 20), (20, 212), (212, 404), (404, 500)]


def test_training_windows_shift_a_cut_that_would_leave_a_tiny_piece():
    assert training_windows(387, 192, 1) == [(0, 16), (16, 193), (193, 371), (371, 387)]


def test_a_document_that_fits_one_window_stays_whole_in_training_and_inference():
    assert training_windows(192, 192, 7) == [(0, 192)] == inference_windows(192, 192, 64)
    assert training_windows(0, 192, 7) == [] == inference_windows(0, 192, 64)


@given(lengths_windows_overlaps())
def test_inference_windows_cover_everything_with_enough_overlap(case):
    length, window, overlap = case
    windows = inference_windows(length, window, overlap)
    assert all(end - start == min(window, length) for start, end in windows)
    assert [start for start, _ in windows[:1]] == [0] * bool(length)
    assert [end for _, end in windows[-1:]] == [length] * bool(length)
    for (before, before_end), (after, _) in itertools.pairwise(windows):
        assert before < after
        assert before_end - after >= overlap


@given(lengths_windows_overlaps())
def test_inference_windows_are_no_more_than_needed(case):
    length, window, overlap = case
    windows = inference_windows(length, window, overlap)
    if len(windows) > 1:
        fewer = len(windows) - 1
        assert window + (fewer - 1) * (window - overlap) < length


@pytest.mark.parametrize(
    "cut",
    [
        lambda: inference_windows(10, 4, 4),
        lambda: inference_windows(10, 4, -1),
        lambda: inference_windows(10, 0, 0),
        lambda: inference_windows(-1, 4, 2),
        lambda: training_windows(10, 0, 1),
        lambda: training_windows(10, 4, 0),
        lambda: training_windows(10, 4, 5),
        lambda: training_windows(-1, 4, 1),
    ],
)
def test_impossible_sizes_are_refused(cut):
    with pytest.raises(ValueError, match="must"):
        cut()


def test_merging_averages_the_windows_that_saw_a_token():
    windows = [(0, 2), (1, 3)]
    probabilities = [np.array([[1.0, 0.0], [0.75, 0.25]]), np.array([[0.25, 0.75], [0.0, 1.0]])]
    merged = merge_windows(windows, iter(probabilities), length=3)
    assert merged.dtype == np.float32
    np.testing.assert_array_equal(merged, [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])


def test_merging_refuses_an_uncovered_token_and_unequal_counts():
    with pytest.raises(ValueError, match="1 of 3 tokens uncovered"):
        merge_windows([(0, 2)], [np.ones((2, 4))], length=3)
    with pytest.raises(ValueError, match="uncovered"):
        merge_windows([], [], length=3)
    with pytest.raises(ValueError):
        merge_windows([(0, 2), (2, 3)], [np.ones((2, 4))], length=3)


@given(lengths_windows_overlaps(largest_length=400), st.integers(0, 2**32 - 1))
def test_with_a_context_free_model_predictions_do_not_depend_on_window_or_overlap(case, seed):
    length, window, overlap = case
    labels = bio_labels(["a", "b"])
    generator = np.random.default_rng(seed)
    model = generator.dirichlet(np.full(len(labels), 0.3), size=20).astype(np.float32)  # token -> probabilities
    tokens = generator.integers(0, len(model), size=length + 1)
    windows = inference_windows(len(tokens), window, overlap)
    merged = merge_windows(windows, (model[tokens[start:end]] for start, end in windows), len(tokens))
    np.testing.assert_array_equal(merged, model[tokens])
    np.testing.assert_array_equal(decode(merged, labels), decode(model[tokens], labels))
