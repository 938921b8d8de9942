"""The penalties against critics whose gradient is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hfloop.gan.penalties import clip_weights, gradient_penalty, zero_centred_penalty

SHAPE = (3, 5, 4)  # channels, height, width
Penalty = Callable[[nn.Module], Tensor]


class Linear(nn.Module):
    """D(x) = w·x, whose gradient is w everywhere."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope = nn.Parameter(slope)

    def forward(self, images: Tensor) -> Tensor:
        return (self.slope * images).flatten(1).sum(1)


class Quadratic(nn.Module):
    """D(x) = ½ c ‖x‖², whose gradient is c·x."""

    def __init__(self, curvature: float) -> None:
        super().__init__()
        self.curvature = nn.Parameter(torch.tensor(curvature))

    def forward(self, images: Tensor) -> Tensor:
        return self.curvature * images.square().flatten(1).sum(1) / 2


class ByClass(nn.Module):
    """D(x, y) = scale[y] · Σx, whose gradient has norm |scale[y]| · √pixels."""

    def __init__(self, scales: list[float]) -> None:
        super().__init__()
        self.scales = nn.Parameter(torch.tensor(scales))

    def forward(self, images: Tensor, class_labels: Tensor) -> Tensor:
        return self.scales[class_labels] * images.flatten(1).sum(1)


def value(scalar: Tensor) -> float:
    return scalar.item()  # `float()` warns of scalars that have a gradient


def images(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


def conv_critic(smooth: bool = False) -> nn.Module:
    torch.manual_seed(0)
    activation = nn.Tanh if smooth else lambda: nn.LeakyReLU(0.2)
    return nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), activation(), nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0))


def both_penalties(count: int = 4) -> dict[str, Penalty]:
    real, fake, epsilon = images(count), images(count, seed=1), torch.linspace(0.1, 0.9, count)
    return {
        "gradient": lambda critic: gradient_penalty(critic, real, fake, epsilon),
        "zero-centred": lambda critic: zero_centred_penalty(critic, real),
    }


BOTH = pytest.mark.parametrize("penalty", both_penalties().values(), ids=list(both_penalties()))


@given(st.floats(0.0, 30.0), st.integers(1, 5))
def test_a_linear_critic_pays_for_its_slope_alone(norm: float, count: int) -> None:
    slope = images(1)[0]
    critic = Linear(slope / slope.norm() * norm)
    real, fake, epsilon = images(count), images(count, seed=1), torch.rand(count)
    assert value(gradient_penalty(critic, real, fake, epsilon)) == pytest.approx((norm - 1) ** 2, rel=1e-4, abs=1e-4)
    assert value(zero_centred_penalty(critic, real)) == pytest.approx(norm**2 / 2, rel=1e-4, abs=1e-12)


def test_the_gradient_penalty_is_taken_at_the_points_between_real_and_fake() -> None:
    real, fake, epsilon = images(3), images(3, seed=1), torch.tensor([0.0, 0.25, 1.0])
    points = [fake[0], 0.25 * real[1] + 0.75 * fake[1], real[2]]
    expected = sum((1.5 * value(point.norm()) - 1) ** 2 for point in points) / 3
    assert value(gradient_penalty(Quadratic(1.5), real, fake, epsilon)) == pytest.approx(expected, rel=1e-5)


def test_the_zero_centred_penalty_is_taken_at_the_images() -> None:
    expected = sum((1.5 * value(image.norm())) ** 2 / 2 for image in images(3)) / 3
    assert value(zero_centred_penalty(Quadratic(1.5), images(3))) == pytest.approx(expected, rel=1e-5)


def test_an_image_with_a_zero_gradient_leaves_everything_finite() -> None:
    for penalty in both_penalties().values():
        critic = Linear(torch.zeros(SHAPE))
        loss = penalty(critic)
        loss.backward()
        assert critic.slope.grad is not None
        assert not critic.slope.grad.any()
    assert value(gradient_penalty(critic, images(2), images(2), torch.rand(2))) == pytest.approx(1.0, rel=1e-5)


@BOTH
def test_the_slope_of_the_penalty_itself_agrees_with_finite_differences(penalty: Penalty) -> None:
    critic = conv_critic(smooth=True)
    penalty(critic).backward()
    weight = critic[0].weight
    derivatives = weight.grad.clone()
    direction = derivatives / derivatives.norm()
    step, values = 0.02, []
    with torch.no_grad():
        weight += step * direction
        values.append(penalty_value(penalty, critic))
        weight -= 2 * step * direction
        values.append(penalty_value(penalty, critic))
    assert value(derivatives.norm()) > 1e-3
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(value(derivatives.norm()), rel=1e-2)


def penalty_value(penalty: Penalty, critic: nn.Module) -> float:
    with torch.enable_grad():
        return value(penalty(critic))


@BOTH
def test_the_derivatives_for_a_quadratic_critic_are_the_closed_form(penalty: Penalty) -> None:
    critic = Quadratic(0.7)
    penalty(critic).backward()
    real, fake, epsilon = images(4), images(4, seed=1), torch.linspace(0.1, 0.9, 4).view(4, 1, 1, 1)
    if penalty(Quadratic(0.0)) == 0:  # the zero-centred one: ½ c² E‖x‖²
        expected = 0.7 * real.flatten(1).square().sum(1).mean()
    else:  # E (c‖x̂‖ − 1)²
        norms = (epsilon * real + (1 - epsilon) * fake).flatten(1).norm(dim=1)
        expected = (2 * (0.7 * norms - 1) * norms).mean()
    assert value(critic.curvature.grad) == pytest.approx(value(expected), rel=1e-4)


@BOTH
def test_under_a_callers_autocast_it_is_the_same_in_float32(penalty: Penalty) -> None:
    critic = conv_critic()
    plain = penalty(critic)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(images(2)).dtype == torch.bfloat16
        cast = penalty(critic)
        assert critic(images(2)).dtype == torch.bfloat16  # the caller's autocast goes on
    assert cast.dtype == torch.float32
    assert torch.equal(cast, plain)
    (slope,) = torch.autograd.grad(cast, [critic[0].weight])
    assert slope.dtype == torch.float32
    assert torch.equal(slope, torch.autograd.grad(plain, [critic[0].weight])[0])


@pytest.fixture
def mixed_precision() -> Iterator[Accelerator]:
    AcceleratorState._reset_state(reset_partial_state=True)
    yield Accelerator(cpu=True, mixed_precision="bf16")
    AcceleratorState._reset_state(reset_partial_state=True)


@BOTH
def test_a_prepared_critic_without_its_autocast_pays_the_same(penalty: Penalty, mixed_precision: Accelerator) -> None:
    plain = penalty(conv_critic())
    prepared = mixed_precision.prepare(conv_critic())
    mixed_precision.unwrap_model(prepared, keep_fp32_wrapper=False)
    with mixed_precision.autocast():
        assert prepared(images(2)).dtype == torch.bfloat16
        assert torch.equal(penalty(prepared), plain)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone, enough to wrap a network as several processes do."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@BOTH
@pytest.mark.usefixtures("process_group")
def test_a_critic_wrapped_for_several_processes_pays_and_learns_the_same(penalty: Penalty) -> None:
    plain, inner = conv_critic(), conv_critic()
    wrapped = DistributedDataParallel(inner)
    losses = penalty(plain), penalty(wrapped)
    for loss in losses:
        loss.backward()
    assert torch.equal(*losses)
    assert torch.equal(plain[0].weight.grad, inner[0].weight.grad)


def test_images_of_half_precision_are_computed_with_in_float32() -> None:
    half, critic = images(3).bfloat16(), conv_critic()
    assert torch.equal(zero_centred_penalty(critic, half), zero_centred_penalty(critic, half.float()))
    mixed = gradient_penalty(critic, half, half.flip(0), torch.rand(3, generator=torch.Generator().manual_seed(0)))
    assert mixed.dtype == torch.float32


def test_class_labels_reach_the_critic() -> None:
    pixels, labels = 3 * 5 * 4, torch.tensor([1, 0, 1])
    critic = ByClass([0.0, 2.0])
    norm = 2 * pixels**0.5
    real, fake = images(3), images(3, seed=1)
    loss = gradient_penalty(critic, real, fake, torch.rand(3), labels)
    assert value(loss) == pytest.approx((1 + 2 * (norm - 1) ** 2) / 3, rel=1e-5)
    assert value(zero_centred_penalty(critic, real, labels)) == pytest.approx(2 * norm**2 / 2 / 3, rel=1e-5)


def test_the_penalty_of_a_batch_is_the_mean_of_its_images_penalties() -> None:
    critic, real, fake, epsilon = conv_critic(), images(6), images(6, seed=1), torch.linspace(0, 1, 6)
    alone = [gradient_penalty(critic, *(each[i : i + 1] for each in (real, fake, epsilon))) for i in range(6)]
    assert value(gradient_penalty(critic, real, fake, epsilon)) == pytest.approx(value(sum(alone)) / 6, rel=1e-5)
    alone = [zero_centred_penalty(critic, real[i : i + 1]) for i in range(6)]
    assert value(zero_centred_penalty(critic, real)) == pytest.approx(value(sum(alone)) / 6, rel=1e-5)


def test_videos_have_one_gradient_norm_each_over_all_their_frames() -> None:
    videos, critic = torch.randn(2, 3, 4, 5, 5), Quadratic(1.0)
    expected = (videos.flatten(1).norm(dim=1) - 1).square().mean()
    assert value(gradient_penalty(critic, videos, videos, torch.rand(2))) == pytest.approx(value(expected), rel=1e-5)


def test_nothing_flows_back_to_the_generator_and_the_images_stay_as_they_were() -> None:
    latent = torch.ones(3, *SHAPE, requires_grad=True)
    fake, real, critic = latent * 2, images(3), conv_critic()
    (gradient_penalty(critic, real, fake, torch.rand(3)) + zero_centred_penalty(critic, fake)).backward()
    assert latent.grad is None
    assert not real.requires_grad
    assert all(parameter.grad is not None for parameter in critic.parameters() if parameter.ndim > 1)


def test_clipping_bounds_every_weight_in_place_and_leaves_those_within() -> None:
    critic = conv_critic()
    weight = critic[0].weight
    before = weight.detach().clone()
    clip_weights(critic, 0.05)
    assert critic[0].weight is weight
    assert torch.equal(weight, before.clamp(-0.05, 0.05))
    assert max(value(each.detach().abs().max()) for each in critic.parameters()) == pytest.approx(0.05)
    assert weight.requires_grad
