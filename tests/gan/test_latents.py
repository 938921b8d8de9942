"""Latents: drawn image by image, truncated, joined by paths."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.utils.torch_utils import randn_tensor
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hfloop.errors import UserError
from hfloop.gan.latents import (
    image_generators,
    interpolation_path,
    sample_latents,
    sample_truncated_latents,
    slerp,
)


def drawn(seed: int, indices: list[int], latent_dim: int = 24) -> Tensor:
    return sample_latents(image_generators(seed, indices), latent_dim)


def vectors(count: int, latent_dim: int = 24, seed: int = 0) -> Tensor:
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed))


def angle(a: Tensor, b: Tensor) -> Tensor:
    cosine = torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=-1)
    return cosine.clamp(-1, 1).acos()


def test_a_latent_depends_on_the_seed_and_its_own_index_alone() -> None:
    whole = drawn(7, list(range(50)))
    assert torch.equal(torch.cat([drawn(7, list(range(start, start + 10))) for start in range(0, 50, 10)]), whole)
    assert torch.equal(drawn(7, [31, 4]), whole[[31, 4]])


def test_different_indices_and_different_seeds_have_different_latents() -> None:
    numbers = [*range(40), 100, 1000, 10_000, 2**16, 2**20]
    latents = torch.cat([drawn(seed, numbers) for seed in numbers])
    assert len(latents.unique(dim=0)) == len(numbers) ** 2
    assert float(torch.corrcoef(latents).fill_diagonal_(0).abs().max()) < 0.95


def test_latents_are_standard_normal() -> None:
    latents = drawn(0, list(range(1000)), 64).double()
    assert latents.shape == (1000, 64)
    assert float(latents.mean()) == pytest.approx(0, abs=4 / 64000**0.5)
    assert float(latents.var()) == pytest.approx(1, abs=4 * (2 / 64000) ** 0.5)
    assert float((latents.abs() < 1).double().mean()) == pytest.approx(math.erf(0.5**0.5), abs=0.01)


def test_a_pipeline_that_draws_with_the_same_generators_draws_the_same_latents() -> None:
    assert torch.equal(randn_tensor((5, 24), generator=image_generators(3, range(5))), drawn(3, list(range(5))))


@given(st.floats(0.1, 3.0), st.integers(0, 5))
def test_truncation_draws_again_what_is_beyond_the_threshold_and_keeps_the_rest(threshold: float, seed: int) -> None:
    plain = drawn(seed, list(range(6)))
    truncated = sample_truncated_latents(image_generators(seed, range(6)), 24, threshold)
    assert float(truncated.abs().max()) <= threshold
    within = plain.abs() <= threshold
    assert torch.equal(truncated[within], plain[within])
    alone = sample_truncated_latents(image_generators(seed, [4]), 24, threshold)
    assert torch.equal(alone[0], truncated[4])


def test_truncated_latents_follow_the_truncated_normal_distribution() -> None:
    truncated = sample_truncated_latents(image_generators(0, range(1000)), 64, 1.0).double()
    density, mass = math.exp(-0.5) / (2 * math.pi) ** 0.5, math.erf(0.5**0.5)
    assert float(truncated.var()) == pytest.approx(1 - 2 * density / mass, rel=0.01)
    assert float(truncated.mean()) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1e-9, math.nan])
def test_a_truncation_that_leaves_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(UserError, match="truncation"):
        sample_truncated_latents(image_generators(0, [0]), 4, threshold)


def test_slerp_of_a_right_angle_is_a_quarter_circle() -> None:
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    t = torch.linspace(0, 1, 7)
    expected = torch.stack([(t * math.pi / 2).cos(), (t * math.pi / 2).sin()], dim=1)
    assert torch.allclose(slerp(start, end, t), expected, atol=1e-6)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_slerp_of_vectors_of_one_length_keeps_the_length_and_turns_evenly(seed: int, t: float) -> None:
    start, end = torch.nn.functional.normalize(vectors(2, seed=seed), dim=1) * 3
    between = slerp(start, end, t)
    assert float(between.norm()) == pytest.approx(3, rel=1e-5)
    assert float(angle(start, between)) == pytest.approx(t * float(angle(start, end)), abs=1e-3)


def test_slerp_starts_and_ends_where_it_should_whatever_the_lengths_and_angles() -> None:
    start = vectors(6)
    end = torch.stack([vectors(1, seed=1)[0], start[1], -start[2], 2 * start[3], -0.5 * start[4], torch.zeros(24)])
    assert torch.equal(slerp(start, end, 0.0), start)
    assert torch.allclose(slerp(start, end, 1.0), end, atol=1e-6)


def test_slerp_is_the_same_backwards() -> None:
    start, end = vectors(2)
    assert torch.allclose(slerp(start, end, 0.3), slerp(end, start, 0.7), atol=1e-6)


def test_parallel_vectors_are_joined_by_the_straight_line() -> None:
    start = vectors(3)
    for nearly in (start * 3, start * 3 * (1 + 1e-7)):
        assert torch.allclose(slerp(start, nearly, 0.25), start * 1.5, rtol=1e-5)


def test_slerp_is_continuous_where_it_changes_to_the_straight_line() -> None:
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for small in (0.5e-6, 2e-6):
        end = torch.tensor([math.cos(small), math.sin(small)], dtype=torch.float64)
        assert torch.allclose(
            slerp(start, end, 0.5), torch.tensor([1.0, small / 2], dtype=torch.float64), atol=1e-12, rtol=0
        )


def test_opposite_vectors_are_joined_by_half_a_circle_the_same_one_every_time() -> None:
    start = torch.cat([vectors(2), 3 * torch.eye(24)[:2]])
    t = torch.linspace(0, 1, 9).unsqueeze(1)
    path = slerp(start, -start, t)
    assert torch.equal(path, slerp(start, -start, t))
    assert torch.allclose(path.norm(dim=-1), start.norm(dim=-1).expand(9, 4), rtol=1e-5)
    turned = angle(path, start)
    assert torch.allclose(turned, (t * math.pi).expand(9, 4).double(), atol=1e-3)


def test_slerp_works_on_batches_and_at_one_position_for_each_of_them() -> None:
    start, end, t = vectors(5), vectors(5, seed=1), torch.linspace(0, 1, 5)
    together = slerp(start, end, t)
    assert torch.allclose(together, torch.stack([slerp(start[i], end[i], float(t[i])) for i in range(5)]), atol=1e-6)
    assert together.dtype == torch.float32


@given(st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_a_path_passes_through_every_anchor_in_equal_steps(count: int, steps: int, closed: bool) -> None:
    anchors = vectors(count)
    path = interpolation_path(anchors, steps, closed)
    assert path.shape == (count * steps if closed else (count - 1) * steps + 1, 24)
    assert torch.equal(path[::steps], anchors)
    for j in range(count - 1):
        for step in range(steps):
            assert torch.allclose(path[j * steps + step], slerp(anchors[j], anchors[j + 1], step / steps), atol=1e-5)


def test_a_closed_path_goes_on_where_it_began() -> None:
    anchors = vectors(3)
    path = interpolation_path(anchors, 4, closed=True)
    assert torch.allclose(path[8:], slerp(anchors[2], anchors[0], torch.arange(4) / 4), atol=1e-6)


def test_a_path_without_steps_is_refused() -> None:
    with pytest.raises(UserError, match="1 step or more"):
        interpolation_path(vectors(2), 0)
