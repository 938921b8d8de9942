"""Averages of the weights and of what is logged."""

from __future__ import annotations

import math

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from hfloop.averaging import Mean, weight_average


def walk(decay: float, values: list[float]) -> list[float]:
    """The average after each update of a model of one weight, which starts at 0 and takes `values` in turn."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average, seen = weight_average(model, decay), []
    for value in values:
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        seen.append(float(average.module.weight.detach()))
    return seen


def test_the_average_follows_its_equation_from_the_first_update() -> None:
    values, expected, decay = [1.0, -2.0, 5.0, 3.0, 0.5], [], 0.4
    average = 0.0
    for updates, value in enumerate(values):
        d = min(decay, (1 + updates) / (10 + updates))
        average = d * average + (1 - d) * value if updates else value  # the first update copies
        expected.append(average)
    assert walk(decay, values) == pytest.approx(expected, rel=1e-6)


def test_decay_zero_keeps_the_last_weights_to_the_bit() -> None:
    values = [0.1, 1e-30, -7.3e8, 0.3]
    assert walk(0.0, values) == torch.tensor(values).tolist()


def test_the_initial_weights_are_soon_forgotten_whatever_the_decay() -> None:
    assert walk(0.9999, [1.0] * 3) == pytest.approx([1.0] * 3)


def test_buffers_are_copied_and_the_average_is_in_evaluation_mode() -> None:
    model = nn.BatchNorm1d(2)
    average = weight_average(model, 0.5)
    for _ in range(2):
        model(torch.randn(8, 2) + 3)
        average.update_parameters(model)
    assert torch.equal(average.module.running_mean, model.running_mean)
    assert model.training
    assert not average.module.training


def test_the_average_is_a_copy_that_training_does_not_touch() -> None:
    model = nn.Linear(1, 1)
    average = weight_average(model, 0.9)
    before = average.module.weight.detach().clone()
    nn.init.constant_(model.weight, 5.0)
    assert torch.equal(average.module.weight, before)


def test_a_checkpoint_continues_the_average_to_the_bit() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 3)
    whole, resumed = weight_average(model, 0.7), weight_average(nn.Linear(3, 3), 0.7)
    for step in range(6):
        if step == 3:
            resumed.load_state_dict(whole.state_dict())
        nn.init.normal_(model.weight)
        whole.update_parameters(model)
        if step >= 3:
            resumed.update_parameters(model)
    assert torch.equal(whole.module.weight, resumed.module.weight)


@pytest.fixture
def accelerator() -> Accelerator:
    """One process on the CPU."""
    return Accelerator(cpu=True)


def test_a_mean_weighs_by_counts_and_starts_anew_when_taken(accelerator: Accelerator) -> None:
    mean = Mean()
    mean.add(torch.tensor(6.0), 2)
    mean.add(torch.tensor(1.0), torch.tensor(5))
    assert mean.take(accelerator) == 1.0
    mean.add(torch.tensor(4.0), 1)
    assert mean.take(accelerator) == 4.0
    assert math.isnan(mean.take(accelerator))


def test_a_mean_holds_no_graph() -> None:
    mean = Mean()
    mean.add(torch.ones(1, requires_grad=True).sum() * 2, 1)
    assert isinstance(mean.total, torch.Tensor)
    assert not mean.total.requires_grad


def test_a_mean_of_losses_in_half_precision_is_summed_in_single(accelerator: Accelerator) -> None:
    mean = Mean()
    for _ in range(1000):
        mean.add(torch.tensor(1.0, dtype=torch.bfloat16), 1)
    assert mean.take(accelerator) == 1.0


def test_a_checkpoint_continues_a_mean_to_the_bit(accelerator: Accelerator) -> None:
    torch.manual_seed(0)
    whole, resumed = Mean(), Mean()
    for step, loss in enumerate(torch.rand(9)):
        if step == 4:
            resumed.load_state_dict(whole.state_dict())
        whole.add(loss, torch.tensor(7))
        if step >= 4:
            resumed.add(loss, torch.tensor(7))
    assert resumed.take(accelerator) == whole.take(accelerator)
