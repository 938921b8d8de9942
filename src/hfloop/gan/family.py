"""Generators of images, as publishing, verifying and cards see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hfloop.gan.card import gan_card
from hfloop.hub.family import Family, Measured, RenderedCard


class GanFamily(Family):
    """Releases of the GAN recipes."""

    def card(self, provenance: dict[str, Any], model_id: str) -> RenderedCard:
        """See :meth:`hfloop.hub.family.Family.card`."""
        return gan_card(provenance, model_id)

    def probe(self, folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
        """See :meth:`hfloop.hub.family.Family.probe`."""
        from hfloop.gan.verification import probe

        return probe(folder, name, provenance)

    def measure(
        self, folder: Path, name: str, provenance: dict[str, Any], data: str | None, train_data: str | None
    ) -> Measured:
        """See :meth:`hfloop.hub.family.Family.measure`."""
        from hfloop.gan.verification import measure

        return measure(folder, name, provenance, data, train_data)

    def unchecked(self, provenance: dict[str, Any]) -> list[str]:
        """See :meth:`hfloop.hub.family.Family.unchecked`."""
        from hfloop.gan.verification import unchecked

        return unchecked(provenance)
