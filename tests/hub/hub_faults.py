"""What can go wrong between a client and the Hub, made to happen at a chosen request."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["status", "html", "reset", "stall", "slow", "truncated"]


@dataclass
class Fault:
    """One thing that goes wrong.

    Args:
        kind: `status` answers `status` with a JSON error (and Retry-After); `html` answers `status` with a web page;
            `reset` cuts the connection with a TCP RST; `stall` is silent for `seconds`, then goes on; `slow` takes
            `seconds` over the body; `truncated` closes in the middle of the body.
        method: counts only requests of this method.
        path: counts only requests whose raw path and query this regular expression finds a match in.
        at: the first counted request that it hits, from 1.
        times: how many in a row it hits from there; None is for good.
        acted: for `status`, `html`, `reset` and `stall`, whether the server does what was asked before that.
        status: of the answer.
        retry_after: seconds, in the answer's Retry-After.
        seconds: of `stall` and `slow`.
        message: of the JSON error.
    """

    kind: Kind
    method: str | None = None
    path: str = ""
    at: int = 1
    times: int | None = 1
    acted: bool = False
    status: int = 503
    retry_after: int | None = None
    seconds: float = 1.0
    message: str = "Internal Error - We're working hard to fix this as soon as possible!"
    seen: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def _hit_by(self, method: str, path: str) -> bool:
        if self.method not in (None, method) or not re.search(self.path, path):
            return False
        self.seen += 1
        hit = self.seen >= self.at and (self.times is None or self.seen < self.at + self.times)
        self.hits += hit
        return hit


class Faults:
    """The faults a server has in store; every request goes past all of them and suffers the first that it hits."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.over = threading.Event()  # ends every stall when the server closes

    def add(self, kind: Kind, /, **fields: object) -> Fault:
        """Add a :class:`Fault`; its `hits` tell afterwards how often it struck."""
        fault = Fault(kind, **fields)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def for_request(self, method: str, path: str) -> Fault | None:
        """The fault of this request, if any; each fault counts it, but for the client's question about agents."""
        if path == "/api/agent-harnesses":  # asked once by every process, and any answer is ignored
            return None
        with self._lock:
            hits = [fault for fault in self._faults if fault._hit_by(method, path)]
        return hits[0] if hits else None
