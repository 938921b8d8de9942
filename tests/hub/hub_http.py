"""The wire of the local Hub: requests in, answers or faults out, over real HTTP/1.1 with keep-alive."""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

from hub_faults import Fault, Faults

_PAGE = b"<!DOCTYPE html><html><head><title>Hugging Face</title></head><body><h1>Something is wrong</h1></body></html>"


@dataclass
class Request:
    """A request as a route sees it."""

    method: str
    path: str  # raw, still percent-encoded, without the query
    raw_query: str
    headers: dict[str, str]  # by lower-case name
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.raw_query, keep_blank_values=True)

    def flag(self, name: str) -> bool:
        """Whether a query parameter is set to yes, in one of the ways clients say it."""
        return self.query.get(name, [""])[-1].lower() in ("1", "true")

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


@dataclass
class Answer:
    """An answer; `body` may be bytes or something to say in JSON."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        if isinstance(self.body, bytes):
            return self.body, {"Content-Type": "text/plain; charset=utf-8"} | self.headers
        content = json.dumps(self.body, default=str).encode()
        return content, {"Content-Type": "application/json; charset=utf-8"} | self.headers


@dataclass(frozen=True)
class Recorded:
    """What the server remembers of a request; bodies and tokens are not kept."""

    method: str
    path: str  # raw, with the query
    user: str | None
    size: int  # of the request's body in bytes
    status: int | None  # None where no answer went out
    fault: str | None


class HttpError(Exception):
    """An answer other than success, said in the way of the Hub."""

    def __init__(
        self, status: int, message: str, code: str | None = None, *, body: Any = None, **headers: str
    ) -> None:
        super().__init__(message)
        said = {"X-Error-Message": message.replace("\n", " ").encode("ascii", "replace").decode()}
        if code is not None:
            said["X-Error-Code"] = code
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = Answer(status, {"error": message} if body is None else body, said)


Route = tuple[str, re.Pattern[str], Callable[..., Answer]]


def pattern(template: str) -> re.Pattern[str]:
    """A route's path as a regular expression over raw paths; `{rev}` and the like are its parts.

    `{repo}` is a name or namespace/name, `{path}` is anything, `{rev}` one quoted part or `refs/…/…`, others one part.
    """
    parts = {
        "repo": "[^/]+/[^/]+|[^/]+",
        "path": ".+",
        "kind": "models|datasets|spaces",
        "prefix": "(?:datasets/|spaces/)?",
        "rev": r"refs/(?:pr|heads|tags)/[^/]+|[^/]+",
    }
    pieces = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(f"(?P<{p}>{parts.get(p, '[^/]+')})" if n % 2 else re.escape(p) for n, p in enumerate(pieces))
    )


def decoded(groups: dict[str, str]) -> dict[str, str]:
    """The parts of a raw path as they are meant."""
    return {name: unquote(value) for name, value in groups.items()}


def part_of(content: bytes, wanted: str | None) -> tuple[int, bytes, dict[str, str]]:
    """The status, bytes and headers that answer a Range header."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
    if not match or match[1] == match[2] == "":
        return 200, content, {"Accept-Ranges": "bytes"}
    first, last = match[1], match[2]
    start = int(first) if first else max(len(content) - int(last), 0)
    end = min(int(last), len(content) - 1) if first and last else len(content) - 1
    if start > end:
        return 416, b"", {"Content-Range": f"bytes */{len(content)}"}
    return (
        206,
        content[start : end + 1],
        {"Content-Range": f"bytes {start}-{end}/{len(content)}", "Accept-Ranges": "bytes"},
    )


class Wire:
    """A listening port; `respond` answers its requests, `owner` says whose they are, `faults` disturb them."""

    def __init__(
        self,
        respond: Callable[[Request], Answer],
        owner: Callable[[Request], str | None],
        faults: Faults,
        recorded: list[Recorded],
    ) -> None:
        self.respond, self.owner, self.faults, self.recorded = respond, owner, faults, recorded
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.wire = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    wire: Wire

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _refusal(fault: Fault) -> Answer:
    """The answer of a `status` or an `html` fault."""
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.kind == "html":
        return Answer(fault.status, _PAGE, headers | {"Content-Type": "text/html; charset=utf-8"})
    return Answer(fault.status, {"error": fault.message}, headers | {"X-Error-Message": fault.message})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # header and body go out in two writes
    wbufsize = -1
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self._serve()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        wire = self.server.wire
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, url.path, url.query, headers, self._body())
        fault = wire.faults.for_request(self.command, self.path)
        self._seen = (wire.owner(request), len(request.body), fault.kind if fault else None)
        try:
            self._answer(wire, request, fault)
        except OSError:  # the client is gone
            self.close_connection = True

    def _remember(self, status: int | None) -> None:
        """Before the answer goes out, so that a client that has it finds it remembered."""
        user, size, fault = self._seen
        self.server.wire.recorded.append(Recorded(self.command, self.path, user, size, status, fault))

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, wire: Wire, request: Request, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if fault and kind in ("status", "html", "reset", "stall"):
            answer = wire.respond(request) if fault.acted else None
            if kind == "stall":
                wire.faults.over.wait(fault.seconds)
                self._send(request, answer or wire.respond(request))
            elif kind == "reset":
                self._reset()
            else:
                self._send(request, _refusal(fault))
        else:
            self._send(request, wire.respond(request), fault)

    def _reset(self) -> None:
        """Leave without a word: a RST, not a FIN."""
        self._remember(None)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())

    def _send(self, request: Request, answer: Answer, fault: Fault | None = None) -> None:
        self._remember(answer.status)
        content, headers = answer.encoded()
        self.send_response(answer.status)
        headers.setdefault("Content-Length", str(len(content)))
        for name, value in ({"X-Request-Id": f"Root=1-{uuid4()}"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if request.method == "HEAD" or answer.status in (204, 304):
            content = b""
        if fault and fault.kind == "truncated":
            content, self.close_connection = content[: len(content) // 2], True
        if fault and fault.kind == "slow":
            self._send_slowly(content, fault.seconds)
        else:
            self.wfile.write(content)
        self.wfile.flush()

    def _send_slowly(self, content: bytes, seconds: float) -> None:
        steps = 10
        for step in range(steps):
            self.wfile.write(content[len(content) * step // steps : len(content) * (step + 1) // steps])
            self.wfile.flush()
            self.server.wire.faults.over.wait(seconds / steps)
