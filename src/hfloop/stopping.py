"""Stopping on request: a signal is noted instead of obeyed at once, and all processes stop after the same step."""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator

logger = logging.getLogger("hfloop")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ECHO_SECONDS = 1.0  # torchrun passes on to everyone what the terminal has already sent to everyone


class RunStopped(Exception):
    """A signal asked the run to stop; it saved a checkpoint first."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whatever undoes or explains what Ctrl-C interrupts does the same now."""


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Inside the block SIGTERM raises :class:`Terminated` in the main process, and ends each of the others at once.

    These write nothing that could be left half-written, and may wait for the main one inside a library, where Python
    would hear the signal only afterwards.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    raised = -math.inf

    def raise_terminated(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if time.monotonic() - raised > _ECHO_SECONDS:
            raised = time.monotonic()
            raise Terminated

    after: Any = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    except Terminated:
        after = signal.SIG_IGN  # the process ends now, and an echo must not change how
        raise
    finally:
        signal.signal(signal.SIGTERM, after)


class StopRequest:
    """What asked the run to stop, if anything did.

    Attributes:
        signal: the number of the signal.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside the block SIGINT and SIGTERM are noted; one that comes more than a second later acts at once."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        noted = 0.0

        def note(number: int, frame: FrameType | None) -> None:
            nonlocal noted
            if self.signal is None:
                self.signal, noted = number, time.monotonic()
                logger.info("stopping after this step; the same signal again stops at once without saving")
            elif time.monotonic() - noted > _ECHO_SECONDS:
                signal.signal(number, before[signal.Signals(number)])
                signal.raise_signal(number)

        for number in _SIGNALS:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def heard_by_any(self, accelerator: Accelerator) -> bool:
        """Whether any process was signalled; all must ask, after the same step."""
        if accelerator.num_processes == 1:
            return self.signal is not None
        mine = torch.tensor([self.signal or 0], device=accelerator.device)
        heard = int(accelerator.gather(mine).max())
        if heard:  # else `signal` is left alone: one may have come while the processes agreed
            self.signal = heard
        return heard > 0
