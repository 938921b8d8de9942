"""The objectives: closed forms, asymptotes, optima, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hfloop.errors import UserError
from hfloop.gan.losses import OBJECTIVES, Objective, objective_named

ALL = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=list(OBJECTIVES))
bounded = st.floats(-50, 50, width=32)
pairs = st.lists(st.tuples(bounded, bounded), min_size=1, max_size=8)


def value(scalar: Tensor) -> float:
    return scalar.item()  # `float()` warns of scalars that have a gradient


def logits(*values: float) -> Tensor:
    return torch.tensor(values, requires_grad=True)


def generator_loss(objective: Objective, fake: Tensor, real: Tensor) -> Tensor:
    return objective.generator(fake, real) if objective.relativistic else objective.generator(fake)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@given(pairs)
def test_non_saturating_is_the_cross_entropy_of_real_and_fake(pairs: list[tuple[float, float]]) -> None:
    real, fake = torch.tensor(pairs, dtype=torch.float64).unbind(1)
    expected = -(torch.sigmoid(real).log().mean() + torch.sigmoid(-fake).log().mean())
    objective = OBJECTIVES["non_saturating"]
    assert value(objective.discriminator(real, fake)) == pytest.approx(value(expected), rel=1e-5)
    assert value(objective.generator(fake)) == pytest.approx(-value(torch.sigmoid(fake).log().mean()), rel=1e-5)


@pytest.mark.parametrize("large", [1e2, 1e4, 1e30])
def test_non_saturating_is_finite_and_on_its_asymptotes_where_a_sigmoid_would_be_0_or_1(large: float) -> None:
    objective = OBJECTIVES["non_saturating"]
    real, fake = logits(-large), logits(large)
    loss = objective.discriminator(real, fake)
    assert value(loss) == pytest.approx(2 * large, rel=1e-6)
    loss.backward()
    assert (value(real.grad), value(fake.grad)) == (-1.0, 1.0)
    assert value(objective.discriminator(logits(large), logits(-large))) == pytest.approx(0, abs=1e-30)
    assert value(objective.generator(logits(-large))) == pytest.approx(large, rel=1e-6)


def test_the_generator_learns_most_from_fakes_that_are_seen_through() -> None:
    seen_through, passing = logits(-20.0), logits(20.0)
    OBJECTIVES["non_saturating"].generator(seen_through).backward()
    OBJECTIVES["non_saturating"].generator(passing).backward()
    assert value(seen_through.grad) == pytest.approx(-1)
    assert value(passing.grad) == pytest.approx(0, abs=1e-6)


def test_least_squares_pulls_real_to_one_and_fake_to_zero_and_the_generator_to_one() -> None:
    objective = OBJECTIVES["least_squares"]
    assert value(objective.discriminator(logits(1.0, 1.0), logits(0.0, 0.0))) == 0
    assert value(objective.discriminator(logits(3.0, 1.0), logits(0.0, 1.0))) == pytest.approx((4 / 2 + 1 / 2) / 2)
    assert value(objective.generator(logits(1.0))) == 0
    assert value(objective.generator(logits(-2.0, 1.0))) == pytest.approx(9 / 2 / 2)


def test_hinge_is_exactly_zero_and_flat_beyond_its_margins() -> None:
    real, fake = logits(1.0, 1.5, 1e6), logits(-1.0, -1.5, -1e6)
    loss = OBJECTIVES["hinge"].discriminator(real, fake)
    loss.backward()
    assert value(loss) == 0
    assert not real.grad.any()
    assert not fake.grad.any()


def test_hinge_is_linear_within_its_margins() -> None:
    real, fake = logits(0.25, -3.0), logits(-0.5, 2.0)
    loss = OBJECTIVES["hinge"].discriminator(real, fake)
    loss.backward()
    assert value(loss) == pytest.approx((0.75 + 4) / 2 + (0.5 + 3) / 2)
    assert real.grad.tolist() == [-0.5, -0.5]
    assert fake.grad.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("name", ["hinge", "wasserstein"])
def test_these_generators_raise_the_mean_logit_of_the_fakes(name: str) -> None:
    assert value(OBJECTIVES[name].generator(logits(2.0, -5.0))) == pytest.approx(1.5)


@given(pairs, st.floats(-100, 100, width=32))
def test_wasserstein_is_the_difference_of_means_and_ignores_a_shift(
    pairs: list[tuple[float, float]], shift: float
) -> None:
    real, fake = torch.tensor(pairs).unbind(1)
    loss = OBJECTIVES["wasserstein"].discriminator(real, fake)
    expected = sum(fake.tolist()) / len(pairs) - sum(real.tolist()) / len(pairs)
    assert value(loss) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert value(OBJECTIVES["wasserstein"].discriminator(real + shift, fake + shift)) == pytest.approx(
        value(loss), rel=1e-4, abs=1e-3
    )


@given(pairs)
def test_relativistic_is_one_game_with_the_roles_exchanged(pairs: list[tuple[float, float]]) -> None:
    real, fake = torch.tensor(pairs).unbind(1)
    objective = OBJECTIVES["relativistic"]
    assert torch.equal(objective.generator(fake, real), objective.discriminator(fake, real))
    advantage = objective.generator(fake, real) - objective.discriminator(real, fake)  # softplus(a) - softplus(-a) = a
    assert value(advantage) == pytest.approx(value((real - fake).mean()), rel=1e-4, abs=1e-4)


def test_relativistic_compares_image_by_image_and_knows_its_value_at_equality() -> None:
    objective = OBJECTIVES["relativistic"]
    loss = objective.discriminator(logits(1.0, 5.0), logits(3.0, 1.0))
    assert value(loss) == pytest.approx((-math.log(sigmoid(-2)) - math.log(sigmoid(4))) / 2, rel=1e-6)
    assert value(objective.discriminator(logits(7.0), logits(7.0))) == pytest.approx(math.log(2))
    assert value(objective.discriminator(logits(-1e30), logits(1e30))) == pytest.approx(2e30)


@ALL
def test_the_discriminator_raises_real_logits_and_lowers_fake_ones_and_the_generator_raises_these(
    objective: Objective,
) -> None:
    real, fake, raised, compared = logits(0.3), logits(0.2), logits(0.2), logits(0.3)
    objective.discriminator(real, fake).backward()
    generator_loss(objective, raised, compared).backward()
    assert value(real.grad) < 0
    assert value(fake.grad) > 0
    assert value(raised.grad) < 0


@ALL
def test_the_undecided_loss_is_the_least_that_equal_logits_reach(objective: Objective) -> None:
    constants = torch.linspace(-3, 3, 601)
    least = min(value(objective.discriminator(c.view(1), c.view(1))) for c in constants)
    if objective.undecided_loss is None:
        assert value(objective.discriminator(logits(1e6), logits(-1e6))) < -1e6
    else:
        assert least == pytest.approx(objective.undecided_loss, abs=1e-4)


@pytest.mark.parametrize("name", [name for name, each in OBJECTIVES.items() if each.undecided_loss is not None])
def test_a_perfect_discriminator_reaches_zero_and_none_goes_below(name: str) -> None:
    perfect = {"least_squares": (1.0, 0.0)}.get(name, (200.0, -200.0))
    assert value(OBJECTIVES[name].discriminator(logits(perfect[0]), logits(perfect[1]))) == 0
    torch.manual_seed(0)
    assert all(value(OBJECTIVES[name].discriminator(*(torch.randn(2, 4) * 5).unbind())) >= 0 for _ in range(100))


@ALL
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_losses_are_means_over_images_in_float32_whatever_the_logits_are(
    objective: Objective, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 64).to(dtype).unbind()
    for loss, alone in (
        (
            objective.discriminator(real, fake),
            [objective.discriminator(*each) for each in zip(real, fake, strict=True)],
        ),
        (
            generator_loss(objective, fake, real),
            [generator_loss(objective, *each) for each in zip(fake, real, strict=True)],
        ),
    ):
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        assert value(loss) == pytest.approx(value(torch.stack(alone).double().mean()), rel=1e-5)


def test_objectives_are_found_by_name_and_a_wrong_name_gets_the_nearest() -> None:
    assert all(objective_named(name).name == name for name in OBJECTIVES)
    with pytest.raises(
        UserError, match=r"no objective `wasserstien` \(did you mean `wasserstein`\?\): choose one of "
    ):
        objective_named("wasserstien")
