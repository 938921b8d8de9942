"""The best weights are kept, and patience ends."""

from __future__ import annotations

import io

import torch

from hfloop.selection import BestWeights


def weights(value: float) -> dict[str, torch.Tensor]:
    """A model of one weight."""
    return {"w": torch.tensor([value])}


def test_the_first_epoch_with_the_highest_score_wins() -> None:
    best = BestWeights(patience=9)
    taken = [best.offer(score, epoch, weights(epoch)) for epoch, score in enumerate([0.0, 0.4, 0.4, 0.7, 0.5], 1)]
    assert taken == [True, True, False, True, False]
    assert (best.score, best.moment, best.weights) == (0.7, 4, weights(4))


def test_a_copy_is_kept_that_later_training_cannot_change() -> None:
    best, model = BestWeights(patience=1), torch.nn.Linear(1, 1)
    best.offer(0.5, 1, model.state_dict())
    kept = best.weights["weight"].clone()
    torch.nn.init.constant_(model.weight, 7.0)
    assert torch.equal(best.weights["weight"], kept)
    assert not best.weights["weight"].requires_grad


def test_patience_counts_epochs_in_a_row_without_a_gain() -> None:
    best = BestWeights(patience=2)
    spent = []
    for epoch, score in enumerate([0.5, 0.4, 0.6, 0.6, 0.1]):
        best.offer(score, epoch, weights(epoch))
        spent.append(best.patience_is_spent())
    assert spent == [False, False, False, False, True]


def test_a_score_that_is_not_a_number_is_no_gain() -> None:
    best = BestWeights(patience=2)
    best.offer(0.5, 1, weights(1))
    assert not best.offer(float("nan"), 2, weights(2))
    assert best.moment == 1


def test_a_checkpoint_holds_weights_and_spent_patience() -> None:
    best = BestWeights(patience=2)
    for epoch, score in enumerate([0.5, 0.4], 1):
        best.offer(score, epoch, weights(epoch))
    stream = io.BytesIO()
    torch.save(best.state_dict(), stream)
    stream.seek(0)
    resumed = BestWeights(patience=2)
    resumed.load_state_dict(torch.load(stream, weights_only=True))
    assert (resumed.score, resumed.moment, resumed.weights) == (0.5, 1, weights(1))
    assert not resumed.patience_is_spent()
    resumed.offer(0.3, 3, weights(3))
    assert resumed.patience_is_spent()
