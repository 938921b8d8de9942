"""What publishing, verifying and cards must know of a model family, and each family tells in its own room."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResultEntry, ModelCardData


@dataclass(frozen=True)
class RenderedCard:
    """A card as `hfloop.json` gives it, before people's own text is merged into it.

    Attributes:
        metadata: what stands between the `---` lines.
        text: Markdown, every part of it between markers; see :mod:`hfloop.hub.card_text`.
        results: the headline figures in the Hub's newer format, for `.eval_results/`.
    """

    metadata: ModelCardData
    text: str
    results: list[EvalResultEntry]


@dataclass(frozen=True)
class Measured:
    """A model measured again on its data, and that data described again.

    Attributes:
        report: the figures in the form of `provenance["report"]`.
        facts: of the data, in the form of `hfloop.json`.
        recorded: the same parts of `hfloop.json`, as they are there.
    """

    report: dict[str, Any]
    facts: dict[str, Any]
    recorded: dict[str, Any]


class Family(ABC):
    """One family of models, such as token classifiers; it holds no model and no state."""

    @abstractmethod
    def card(self, provenance: dict[str, Any], model_id: str) -> RenderedCard:
        """The card of a release.

        Args:
            provenance: what its `hfloop.json` holds, and nothing else, so that both cannot disagree.
            model_id: what the snippets load: `.` for the folder itself, else a Hub id.
        """

    @abstractmethod
    def probe(self, folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
        """Load the model strictly and let it do what it did when the release was written.

        Args:
            folder: the release.
            name: what to call it in messages.
            provenance: what its `hfloop.json` holds.

        Returns:
            A sentence for each difference from what was recorded; none where the output is the same.

        Raises:
            UserError: the model cannot be loaded: a file is missing or damaged, weights and configuration differ.
        """

    @abstractmethod
    def measure(
        self, folder: Path, name: str, provenance: dict[str, Any], data: str | None, train_data: str | None
    ) -> Measured:
        """Measure the model again by the recorded protocol on the recorded data.

        Args:
            folder: the release.
            name: what to call it in messages.
            provenance: what its `hfloop.json` holds.
            data: the data that the figures were measured on, or what that was cut from; None where hfloop ships it,
                or where it is a data set of the Hub.
            train_data: what the model learned from, where the figures need it; None as for `data`.

        Returns:
            The figures, and the facts of the data as far as it was read.

        Raises:
            UserError: the data is missing, cannot be read, or is not what the figures were measured on.
        """

    def unchecked(self, provenance: dict[str, Any]) -> list[str]:
        """A sentence for each part of a release that neither :meth:`probe` nor :meth:`measure` looks at.

        Args:
            provenance: what its `hfloop.json` holds.
        """
        return []


FamilyOf = Callable[[dict[str, Any], str], Family]
"""What finds the family of a release from its `hfloop.json` and its name for messages; see :mod:`hfloop.families`."""
