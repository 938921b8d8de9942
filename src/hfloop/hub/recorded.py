"""Read what somebody's `hfloop.json` says without believing that it is one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hfloop.errors import UserError
from hfloop.release import PROVENANCE_FILE


@contextmanager
def reading_record(name: str, what: str) -> Iterator[None]:
    """Turn whatever goes wrong while fields are taken out of an `hfloop.json` into one sentence.

    Args:
        name: what to call the release in messages.
        what: the fields are to say.

    Raises:
        UserError: the `hfloop.json` of `name` does not say `what`.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UserError(f"{name}: its {PROVENANCE_FILE} does not say {what} ({type(error).__name__}).") from error


def natural(value: object) -> int:
    """The value, if it is a whole number from 0 on, as seeds and counts are.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value
