"""What a step trains on: all of the data each epoch, and the same whatever runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from hfloop.ner.batches import Collator, TrainingBatches, TrainingDocument
from hfloop.ner.encoding import IGNORED

EPOCHS = 3
Epochs = Sequence[Sequence[TrainingDocument]]


def document(first_token: int, length: int, chance: np.random.Generator) -> TrainingDocument:
    """A document whose token ids say where they stand; about a third of the tokens carries no label."""
    return TrainingDocument(first_token + np.arange(length), np.where(chance.random(length) < 0.3, IGNORED, 1))


@st.composite
def epochs(draw: st.DrawFn) -> Epochs:
    """For each of three epochs documents of up to 150 tokens, some of them empty, and at least one token."""
    chance = np.random.default_rng(draw(st.integers(0, 1000)))
    lengths = st.lists(st.integers(0, 150), min_size=1, max_size=12).filter(any)
    return [
        [document(1000 * index, length, chance) for index, length in enumerate(draw(lengths))] for _ in range(EPOCHS)
    ]


sizes = st.fixed_dictionaries(
    {"window": st.integers(1, 60), "batch_size": st.integers(1, 12), "seed": st.integers(0, 2**32)}
)


def batches_of(epochs: Epochs, num_processes: int, sizes: dict[str, int]) -> TrainingBatches:
    """Batches with room for every process, as they have in a recipe."""
    assume(sizes["batch_size"] >= num_processes)
    return TrainingBatches(epochs.__getitem__, num_processes=num_processes, **sizes)


def alike(lengths: Sequence[int], **sizes: int) -> TrainingBatches:
    """Batches over the same documents in every epoch."""
    documents = [document(0, length, np.random.default_rng(0)) for length in lengths]
    return TrainingBatches(lambda epoch: documents, **sizes)


def all_batches(batches: TrainingBatches) -> list[list[list[tuple[int, int, int]]]]:
    """The batches of three epochs."""
    steps = batches.steps_per_epoch
    return [[batches[step] for step in range(epoch * steps, (epoch + 1) * steps)] for epoch in range(EPOCHS)]


@given(epochs(), sizes, st.integers(1, 4))
def test_every_token_is_seen_exactly_once_in_every_epoch_where_windows_are_not_fewer_than_needed(
    epochs: Epochs, sizes: dict[str, int], num_processes: int
) -> None:
    batches = batches_of(epochs, num_processes, sizes)
    needed = batches.steps_per_epoch * num_processes
    for documents, epoch in zip(epochs, all_batches(batches), strict=True):
        windows = Counter(window for batch in epoch for window in batch)
        seen = Counter((index, token) for index, start, end in windows for token in range(start, end))
        tokens = [(index, token) for index, each in enumerate(documents) for token in range(len(each.token_ids))]
        assert seen == Counter(tokens)
        if windows.total() > needed:
            assert set(windows.values()) == {1}
        else:
            assert max(windows.values()) - min(windows.values()) <= 1


@given(epochs(), sizes, st.integers(1, 4))
def test_windows_keep_to_their_size_and_batches_are_equal_but_for_a_window(
    epochs: Epochs, sizes: dict[str, int], num_processes: int
) -> None:
    for epoch in all_batches(batches_of(epochs, num_processes, sizes)):
        assert all(0 < end - start <= sizes["window"] for batch in epoch for _, start, end in batch)
        assert max(map(len, epoch)) - min(map(len, epoch)) <= 1


@given(epochs(), sizes, st.integers(0, 10**6))
def test_a_step_is_a_function_of_seed_and_step_alone(epochs: Epochs, sizes: dict[str, int], anywhere: int) -> None:
    in_order = all_batches(batches_of(epochs, 1, sizes))
    steps = [batch for epoch in in_order for batch in epoch]
    resumed, step = batches_of(epochs, 1, sizes), anywhere % len(steps)
    assert resumed[step] == steps[step]
    backwards = [resumed[step] for step in reversed(range(len(steps)))]
    assert backwards[::-1] == steps


def test_the_number_of_processes_does_not_change_the_batches_and_the_seed_does() -> None:
    lengths = [200, 90, 33, 150]
    alone, pair, other = (
        all_batches(alike(lengths, window=20, batch_size=8, seed=seed, num_processes=processes))
        for seed, processes in ((5, 1), (5, 2), (6, 1))
    )
    assert alone == pair
    assert alone != other


def test_borders_and_order_move_from_epoch_to_epoch() -> None:
    long = all_batches(alike([400], window=20, batch_size=4, seed=0))
    first, second, third = ({start for batch in epoch for _, start, _ in batch} - {0} for epoch in long)
    assert first.isdisjoint(second)
    assert second.isdisjoint(third)
    whole = all_batches(alike([10] * 40, window=20, batch_size=4, seed=0))
    assert whole[0] != whole[1] != whole[2] != whole[0]


def test_windows_of_like_length_share_a_batch() -> None:
    chance = np.random.default_rng(0)
    (epoch, *_) = all_batches(alike(chance.integers(1, 50, size=80).tolist(), window=50, batch_size=8, seed=0))
    padding = sum(max(end - start for _, start, end in batch) * len(batch) for batch in epoch)
    tokens = sum(end - start for batch in epoch for _, start, end in batch)
    assert padding < 1.3 * tokens  # 1.7 in a random order


def test_steps_know_their_epoch_and_its_end() -> None:
    batches = alike([50], window=10, batch_size=2, seed=1)
    assert batches.steps_per_epoch == 3
    assert [batches.epoch_of(step) for step in range(7)] == [0, 0, 0, 1, 1, 1, 2]
    assert [step for step in range(7) if batches.ends_epoch(step)] == [2, 5]


@given(epochs(), sizes, st.integers(1, 4), st.integers(1, 4))
def test_microbatches_share_a_batch_out_and_leave_no_process_without_windows(
    epochs: Epochs, sizes: dict[str, int], num_processes: int, accumulation_steps: int
) -> None:
    batches = batches_of(epochs, num_processes, sizes)
    for step in range(EPOCHS * batches.steps_per_epoch):
        shares = [batches.microbatches(step, accumulation_steps, index) for index in range(num_processes)]
        assert all(share and all(share) and len(share) <= accumulation_steps for share in shares)
        assert Counter(w for share in shares for part in share for w in part) == Counter(batches[step])
        parts = [len(part) for share in shares for part in share]
        assert max(parts) - min(parts) <= 1


@given(epochs(), sizes, st.integers(1, 3))
def test_labelled_tokens_are_those_that_the_loss_sums_over(
    epochs: Epochs, sizes: dict[str, int], num_processes: int
) -> None:
    batches, collator = batches_of(epochs, num_processes, sizes), Collator([7], [8], pad_token_id=0)
    for step in range(EPOCHS * batches.steps_per_epoch):
        summed = 0
        for index in range(num_processes):
            for windows in batches.microbatches(step, 2, index):
                _, labels = batches.tensors(step, windows, collator, torch.device("cpu"))
                summed += int((labels != IGNORED).sum())
        assert summed == batches.labelled_tokens(step)


@given(epochs(), sizes, st.integers(0, EPOCHS - 1))
def test_tensors_hold_each_window_between_its_special_tokens(
    epochs: Epochs, sizes: dict[str, int], epoch: int
) -> None:
    batches, collator = batches_of(epochs, 1, sizes), Collator([-1, -2], [-3], pad_token_id=-9)
    step = epoch * batches.steps_per_epoch
    windows = batches[step]
    inputs, labels = batches.tensors(step, windows, collator, torch.device("cpu"))
    width = 3 + max(end - start for _, start, end in windows)
    assert inputs["input_ids"].shape == inputs["attention_mask"].shape == labels.shape == (len(windows), width)
    for row, (index, start, end) in enumerate(windows):
        here, length = epochs[epoch][index], end - start
        padding = width - length - 3
        assert inputs["input_ids"][row].tolist() == [-1, -2, *here.token_ids[start:end], -3] + padding * [-9]
        assert inputs["attention_mask"][row].tolist() == [1] * (length + 3) + padding * [0]
        assert labels[row].tolist() == [IGNORED, IGNORED, *here.labels[start:end], IGNORED] + padding * [IGNORED]
