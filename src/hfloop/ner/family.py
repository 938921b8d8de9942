"""Token classifiers, as publishing, verifying and cards see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hfloop.errors import UserError
from hfloop.hub.family import Family, Measured, RenderedCard
from hfloop.ner.card import ner_card


class NerFamily(Family):
    """Releases of recipes/ner.py."""

    def card(self, provenance: dict[str, Any], model_id: str) -> RenderedCard:
        """See :meth:`hfloop.hub.family.Family.card`."""
        return ner_card(provenance, model_id)

    def probe(self, folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
        """See :meth:`hfloop.hub.family.Family.probe`."""
        from hfloop.ner.verification import probe

        return probe(folder, name, provenance)

    def measure(
        self, folder: Path, name: str, provenance: dict[str, Any], data: str | None, train_data: str | None
    ) -> Measured:
        """See :meth:`hfloop.hub.family.Family.measure`."""
        from hfloop.ner.verification import measure

        if train_data is not None:
            raise UserError(
                f"--train_data is for models that make images, and {name} finds entities: name its documents with "
                "--data."
            )
        return measure(folder, name, provenance, data)

    def unchecked(self, provenance: dict[str, Any]) -> list[str]:
        """See :meth:`hfloop.hub.family.Family.unchecked`."""
        from hfloop.ner.verification import unchecked

        return unchecked(provenance)
