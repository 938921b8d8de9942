"""The model families by the names that their releases bear; each is imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hfloop.errors import UserError
from hfloop.hub.family import Family

_FAMILIES = {
    "token-classification": ("hfloop.ner.family", "NerFamily"),
    "image-generation": ("hfloop.gan.family", "GanFamily"),
}


def family_of(provenance: dict[str, Any], name: str) -> Family:
    """The family of a release.

    Args:
        provenance: what its `hfloop.json` holds.
        name: what to call the release in messages.

    Raises:
        UserError: this version of hfloop does not know the family.
    """
    try:
        module, family = _FAMILIES[provenance["family"]]
    except KeyError:
        raise UserError(
            f"{name} is of the family {provenance['family']!r}, which this version of hfloop does not know "
            f"({', '.join(_FAMILIES)}): install the version that wrote it, {provenance['hfloop_version']}."
        ) from None
    return getattr(import_module(module), family)()
