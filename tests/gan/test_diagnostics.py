"""Diversity against its definition, and each alarm: when it sounds, when it does not, and that it sounds once."""

from __future__ import annotations

import itertools
import json
import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from hfloop.gan.diagnostics import LEARNING_IMAGES, Alarms, sample_diversity
from hfloop.gan.losses import OBJECTIVES

HEALTHY = {
    "discriminator_loss": 1.0,
    "generator_loss": 0.8,
    "discriminator_gradient_norm": 2.0,
    "generator_gradient_norm": 3.0,
    "sample_diversity": 0.9,
    "images": 10_000.0,
}
BOUNDED = [name for name, objective in OBJECTIVES.items() if objective.undecided_loss is not None]


def alarms(objective: str = "non_saturating") -> Alarms:
    return Alarms(OBJECTIVES[objective], real_diversity=1.0)


def said(heard: Alarms, *intervals: dict[str, float]) -> list[list[str]]:
    """What is said at each interval, which differs from a healthy one by the values given."""
    return [heard.check(HEALTHY | values) for values in intervals]


def counts(heard: Alarms, *intervals: dict[str, float]) -> list[int]:
    return [len(sentences) for sentences in said(heard, *intervals)]


def diversity(images: torch.Tensor) -> float:
    return float(sample_diversity(images))


@given(st.integers(2, 7), st.integers(0, 1000))
def test_diversity_is_the_root_mean_square_difference_over_all_pairs(count: int, seed: int) -> None:
    images = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    squares = [float((a - b).square().mean()) for a, b in itertools.combinations(images, 2)]
    assert diversity(images) == pytest.approx(math.sqrt(sum(squares) / len(squares)), rel=1e-4)


def test_diversity_is_in_the_unit_of_the_pixels_whatever_their_type() -> None:
    pixels = torch.randint(256, (8, 1, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert diversity(pixels) == pytest.approx(255 * diversity(pixels / 255), rel=1e-5)
    assert diversity((pixels / 255).bfloat16()) == pytest.approx(diversity(pixels / 255), rel=1e-2)
    extremes = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert diversity(extremes) == pytest.approx(255)


def test_images_that_are_all_alike_have_no_diversity() -> None:
    assert diversity(torch.rand(1, 3, 4, 4).expand(5, 3, 4, 4)) == pytest.approx(0, abs=1e-6)


def test_nothing_is_said_of_a_healthy_training() -> None:
    assert said(alarms(), *[{}] * 10) == [[]] * 10


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_a_gradient_norm_above_one_hundred_is_said_of_the_network_that_has_it(network: str) -> None:
    assert counts(alarms(), *[{f"{network}_gradient_norm": 100.0}] * 3) == [0, 0, 0]
    first, second, (sentence,) = said(alarms(), *[{f"{network}_gradient_norm": 1234.5}] * 3)
    assert (first, second) == ([], [])  # the first steps of a network may have large ones
    assert f"the {network}'s gradient norm is 1,234" in sentence


@pytest.mark.parametrize("name", BOUNDED)
def test_a_dead_discriminator_has_a_hundredth_of_the_undecided_loss_for_three_intervals(name: str) -> None:
    undecided = OBJECTIVES[name].undecided_loss
    assert undecided is not None
    dead, alive = {"discriminator_loss": 0.009 * undecided}, {"discriminator_loss": 0.011 * undecided}
    assert counts(alarms(name), *[dead] * 5) == [0, 0, 1, 0, 0]
    assert counts(alarms(name), *[alive] * 5) == [0] * 5
    assert counts(alarms(name), dead, dead, alive, dead, dead) == [0] * 5


@pytest.mark.parametrize("loss", [0.0, -1e-3, -50.0])
def test_a_wasserstein_loss_has_no_floor_and_is_never_dead(loss: float) -> None:
    assert counts(alarms("wasserstein"), *[{"discriminator_loss": loss}] * 5) == [0] * 5


def test_a_collapse_is_a_diversity_that_was_there_and_is_gone_for_three_intervals() -> None:
    lost = {"sample_diversity": 0.39}
    assert counts(alarms(), {}, *[lost] * 5) == [0, 0, 0, 1, 0, 0]
    assert counts(alarms(), {}, lost, lost, {}, lost, lost) == [0] * 6
    assert counts(alarms(), {}, *[{"sample_diversity": 0.41}] * 5) == [0] * 6


def test_diversity_is_measured_by_that_of_the_real_images() -> None:
    heard = Alarms(OBJECTIVES["hinge"], real_diversity=100.0)
    sentences = said(heard, {"sample_diversity": 90.0}, *[{"sample_diversity": 12.0}] * 3)[-1]
    assert "differed by 12% of what real ones do" in sentences[0]


def test_a_generator_that_has_yet_to_learn_is_not_called_collapsed_until_it_should_have_learned() -> None:
    young, old = ({"sample_diversity": 0.1, "images": images} for images in (LEARNING_IMAGES - 1, LEARNING_IMAGES))
    assert counts(alarms(), *[young] * 20, *[old] * 4) == [0] * 20 + [0, 0, 1, 0]


def test_an_alarm_is_said_again_only_after_it_was_over() -> None:
    large = {"generator_gradient_norm": 200.0}
    heard = alarms()
    assert (
        counts(heard, *[large] * 4, {}, large, {}, {}, *[large] * 4) == [0, 0, 1] + [0] * 9
    )  # never over: it flickers
    assert counts(heard, {}, {}, {}, large, large, large, large) == [0, 0, 0, 0, 0, 1, 0]


def test_different_alarms_sound_side_by_side() -> None:
    dead = {"discriminator_loss": 0.0}
    large = {"generator_gradient_norm": 200.0}
    assert counts(alarms(), dead, dead | large, dead | large, dead | large) == [0, 0, 1, 1]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=12), st.integers(0, 12))
@example([1.0, 0.0, 0.0, 0.0], 1)
def test_a_checkpoint_continues_the_alarms_as_if_nothing_had_been(losses: list[float], cut: int) -> None:
    intervals = [{"discriminator_loss": loss, "sample_diversity": loss} for loss in losses]
    whole, before, after = alarms(), alarms(), alarms()
    first = said(before, *intervals[:cut])
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    assert first + said(after, *intervals[cut:]) == said(whole, *intervals)
