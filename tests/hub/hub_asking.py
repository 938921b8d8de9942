"""How the tests of the local Hub ask it: through huggingface_hub in a client, or over a bare connection."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

from hub_clients import Clients

Name = Callable[[str], str]
Run = Callable[..., Any]

_PRELUDE = """
import json, os, sys
from huggingface_hub import CommitOperationAdd as Add, CommitOperationDelete as Delete
from huggingface_hub import HfApi, ModelCard, hf_hub_download, snapshot_download
api = HfApi()

def say(value):
    print(json.dumps(value))

def fails(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except Exception as error:
        say([type(error).__name__, getattr(getattr(error, "response", None), "status_code", None), str(error)])
    else:
        say(["nothing failed", None, ""])

"""


def runner(clients: Clients, token: str) -> Run:
    """A function that runs code with huggingface_hub as a user.

    The code has `api`, `Add`, `Delete`, `hf_hub_download` and the like. What it gives to `say` is returned, as a list
    where it is several things; `fails(call, …)` says the class, status and message of the error. Keyword arguments
    that the clients do not know are variables of the code.
    """

    def run(code: str, **options: Any) -> Any:
        known: dict[str, Any] = {"token": token}
        known |= {name: options.pop(name) for name in ("cwd", "env", "hf_home", "timeout", "token") if name in options}
        variables = "".join(f"{name} = {value!r}\n" for name, value in options.items())
        ended = clients.python(_PRELUDE + variables + dedent(code), **known)
        assert ended.exit_code == 0, ended.stderr
        said = [json.loads(line) for line in ended.stdout.splitlines()]
        return said[0] if len(said) == 1 else said

    return run


def failed_with(said: list[Any], kind: str, status: int | None, text: str) -> bool:
    """Whether a call failed with this class of error, status, and text in its message."""
    assert said[:2] == [kind, status] and text in said[2], said
    return True


def ask(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> tuple[int, dict[str, str], bytes]:
    """One bare request; a body that is no bytes goes as JSON.

    Returns:
        The status, the headers by lower-case name, and the body.
    """
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {} if isinstance(body, bytes | None) else {"Content-Type": "application/json"}
    sent |= ({"Authorization": f"Bearer {token}"} if token else {}) | (headers or {})
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request(method, path, content, sent)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
