"""How hfloop calls the Hub: with a limit on every wait, and a word about each that is long."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx2
from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from huggingface_hub.utils._http import default_client_factory

import hfloop
from hfloop.hub.failures import hub_errors, in_words

__all__ = ["bars_only_on_a_terminal", "hub_api", "hub_errors", "in_words", "waiting_for"]

logger = logging.getLogger("hfloop")

TIMEOUTS = {"connect": 10.0, "read": 50.0, "write": 50.0, "pool": 50.0}
"""Seconds that a call waits for the next sign of life, in each of its phases; huggingface_hub itself sets none."""

SECONDS_BETWEEN_WORDS = 20.0


class _Api(HfApi):
    """The Hub's API, where a commit does not ask for the card's validation, which has been asked for by then.

    The library would ask in the middle of the commit, and take a Hub that cannot validate for one that refuses.
    """

    def _validate_yaml(self, content: str, **options: Any) -> None:
        pass


def hub_api() -> HfApi:
    """The Hub's API, for the token that huggingface_hub finds (HF_TOKEN or `hf auth login`)."""
    _limit_every_wait()
    return _Api(library_name="hfloop", library_version=hfloop.__version__)


@cache
def _limit_every_wait() -> None:
    set_client_factory(_client)


def _client() -> httpx2.Client:
    client = default_client_factory()
    client.event_hooks = {**client.event_hooks, "request": [*client.event_hooks["request"], _limit_the_wait]}
    return client


def _limit_the_wait(request: httpx2.Request) -> None:
    """Set the time-outs that are not set; not the client's default, because many calls say `timeout=None`."""
    limits = request.extensions["timeout"]
    request.extensions["timeout"] = {phase: limits.get(phase) or seconds for phase, seconds in TIMEOUTS.items()}


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Say every 20 s what is being waited for, so that no wait looks like a hang; Xet has no time-out of its own."""
    over = threading.Event()

    def speak() -> None:
        seconds = SECONDS_BETWEEN_WORDS
        while not over.wait(SECONDS_BETWEEN_WORDS):
            logger.info("still waiting for the Hub: %s (%.0f s so far)", what, seconds)
            seconds += SECONDS_BETWEEN_WORDS

    thread = threading.Thread(target=speak, name="waiting-for-the-hub", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def bars_only_on_a_terminal() -> Iterator[None]:
    """Let huggingface_hub draw its progress bars where somebody sees them move."""
    silence = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if silence:
        disable_progress_bars()
    try:
        yield
    finally:
        if silence:
            enable_progress_bars()
