"""What can be heard of a training that goes wrong, from a few numbers per logging interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hfloop.gan.losses import Objective

LARGEST_GRADIENT_NORM = 100.0  # "if they are over 100 things are screwing up" (Chintala et al. 2016, ganhacks, 10)
DEAD_LOSS_SHARE = 0.01  # of the undecided loss; "D loss goes to 0: failure mode" (ganhacks, 10); 0.02 can recover
COLLAPSED_DIVERSITY_SHARE = 0.4  # of the reals'; one class of MNIST, Fashion-MNIST or digits alone has 0.58 or more
LEARNING_IMAGES = 200_000  # an untrained generator has a diversity of 0.1 to 0.2, and keeps it for a while
PATIENCE = 3  # intervals in a row, for what a single one may show by chance, and for an episode's end


def sample_diversity(images: Tensor) -> Tensor:
    """The root mean square difference between the pixels of two different images of a batch.

    The mean over all pairs i < j and all pixels p of (x_ip − x_jp)² is twice the mean over p of the unbiased variance
    of x_p, so that no pair need be formed.

    Args:
        images: shape (images, …), at least 2, uint8 or of any floating-point type.

    Returns:
        A scalar on the device of the images, 0 (all alike) or more, in the unit of the pixels: only values of images
        on one scale can be compared.
    """
    return (2 * images.detach().float().var(dim=0).mean()).sqrt()


class Alarms:
    """Says, once per episode, what has gone wrong: a large gradient, a dead discriminator, a collapse.

    That a loss is no number any more `Run` says, which stops there. An episode begins when three intervals in a row
    show its cause, and is over after three without it; only then can it be said again.

    Args:
        objective: what is trained with.
        real_diversity: `sample_diversity` of real images, on the same scale as the generated ones; above 0.
    """

    def __init__(self, objective: Objective, real_diversity: float) -> None:
        self._objective = objective
        self._real_diversity = real_diversity
        self._has_been_diverse = False
        self._episodes = {
            name: _Episode()
            for name in ("discriminator gradient", "generator gradient", "dead discriminator", "collapse")
        }

    def check(self, values: Mapping[str, float]) -> list[str]:
        """Take in one logging interval.

        Args:
            values: `discriminator_loss` and `generator_loss`, the objective's without penalties;
                `discriminator_gradient_norm` and `generator_gradient_norm`, over all parameters; `sample_diversity`,
                of generated images; `images`, the real ones seen since training began.

        Returns:
            A sentence for each episode that begins.
        """
        causes = self._causes(values)
        begun = [name for name, episode in self._episodes.items() if episode.begins(name in causes)]
        return [f"after {values['images']:,.0f} images {causes[name]}" for name in begun]

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints, so that a resumed run says what it would have said."""
        episodes = {name: (episode.on, episode.against) for name, episode in self._episodes.items()}
        return {"episodes": episodes, "has_been_diverse": self._has_been_diverse}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._has_been_diverse = state["has_been_diverse"]
        for name, (on, against) in state["episodes"].items():
            self._episodes[name].on, self._episodes[name].against = on, against

    def _causes(self, values: Mapping[str, float]) -> dict[str, str]:
        """What this interval shows, and its sentence."""
        found = {}
        for network in ("discriminator", "generator"):
            norm = values[f"{network}_gradient_norm"]
            if norm > LARGEST_GRADIENT_NORM:
                found[f"{network} gradient"] = (
                    f"the {network}'s gradient norm is {norm:,.0f}, and for {PATIENCE} intervals has been above "
                    f"{LARGEST_GRADIENT_NORM:.0f}, where training rarely holds: try lower learning rates, spectral "
                    "normalisation or a gradient penalty."
                )
        if self._is_dead(values["discriminator_loss"]):
            found["dead discriminator"] = (
                f"the discriminator's {self._objective.name} loss has been {values['discriminator_loss']:.2g} for "
                f"{PATIENCE} intervals: it sees through every generated image, and the generator hardly "
                "learns from it; try a lower learning rate for it, or a penalty on its gradient."
            )
        if self._is_collapsed(values):
            share = values["sample_diversity"] / self._real_diversity
            found["collapse"] = (
                f"the generated images have differed by {share:.0%} of what real ones do for {PATIENCE} intervals: "
                "the generator makes nearly the same one every time; try a penalty on the discriminator's gradient, "
                "lower learning rates, or a larger batch."
            )
        return found

    def _is_dead(self, loss: float) -> bool:
        undecided = self._objective.undecided_loss
        return undecided is not None and loss < DEAD_LOSS_SHARE * undecided

    def _is_collapsed(self, values: Mapping[str, float]) -> bool:
        """Whether a diversity that was there, or should be by now, is missing."""
        share = values["sample_diversity"] / self._real_diversity
        self._has_been_diverse |= share >= COLLAPSED_DIVERSITY_SHARE
        due = self._has_been_diverse or values["images"] >= LEARNING_IMAGES
        return due and share < COLLAPSED_DIVERSITY_SHARE


@dataclass
class _Episode:
    """Whether something is going on, given whether each interval shows it; what three in a row say is believed.

    Attributes:
        on: whether it is going on.
        against: how many of the last intervals in a row spoke against `on`.
    """

    on: bool = False
    against: int = 0

    def begins(self, shown: bool) -> bool:
        """Count one interval; whether the episode begins with it."""
        self.against = self.against + 1 if shown != self.on else 0
        if self.against < PATIENCE:
            return False
        self.on, self.against = shown, 0
        return shown
