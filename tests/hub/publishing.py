"""A release of a few bytes, and what publishes it to the local Hub in a process of its own."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hub_clients import Clients, Ended
from huggingface_hub import ModelCardData

from hfloop.errors import UserError
from hfloop.hub.family import Family, RenderedCard
from hfloop.release import Release, write_release

_IN_CLIENT = (
    f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport publishing\npublishing.in_client()\n"
)
_for_good = ExitStack()  # of a client's process


class TinyFamily(Family):
    """Models that are a number in config.json, and give it back."""

    def card(self, provenance: dict[str, Any], model_id: str) -> RenderedCard:
        """A title between markers, and the number."""
        header = f"<!-- Rendered by hfloop 1 for `{model_id}`; text between hfloop's markers is rendered again. -->"
        section = (
            f"<!-- hfloop:begin summary -->\n# {model_id} says {provenance['number']}\n<!-- hfloop:end summary -->"
        )
        metadata = ModelCardData(license="apache-2.0", tags=["hfloop"])
        return RenderedCard(metadata, f"{header}\n\n{section}\n", [])

    def probe(self, folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
        """Whether it gives the number."""
        weights = (folder / "model.safetensors").read_bytes()
        if not weights:
            raise UserError(f"{name}: model.safetensors is empty.")
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))["number"]
        return [] if said == provenance["number"] else [f"it says {said}, not {provenance['number']}"]

    def measure(
        self, folder: Path, name: str, provenance: dict[str, Any], data: str | None, train_data: str | None
    ) -> dict[str, Any]:
        """No figures."""
        return {}


class TinyRelease(Release):
    """A release that any number of files can be added to."""

    family = TinyFamily()

    def __init__(self, number: int, files: Mapping[str, bytes]) -> None:
        self.number = number
        self.files = files

    def save_model(self, folder: Path) -> None:
        """config.json and model.safetensors, which the Hub keeps with LFS."""
        (folder / "config.json").write_text(json.dumps({"number": self.number}), encoding="utf-8")
        (folder / "model.safetensors").write_bytes(b"weights of %d" % self.number)
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def save_pictures(self, folder: Path) -> None:
        """None."""

    def facts(self) -> dict[str, Any]:
        """The number."""
        return {"family": "tiny", "number": self.number}


def tiny_release(folder: Path, number: int = 1, files: Mapping[str, bytes] | None = None) -> Path:
    """Write a release."""
    write_release(folder, TinyRelease(number, files or {}), {"recipe": "tiny", "config": {}})
    return folder


def in_client() -> None:
    """In the process of a client: know the tiny family, and lose no time with waiting."""
    _for_good.enter_context(hurried(50.0))


@contextmanager
def hurried(patience: float) -> Iterator[None]:
    """Know the tiny family, give up on a silent Hub after `patience` seconds, and try again once, at once."""
    from huggingface_hub.utils import _http

    import hfloop.families
    from hfloop.hub import client, repository

    clock = SimpleNamespace(**{**vars(_http.time), "sleep": lambda seconds: None})
    with ExitStack() as stack:
        patch = stack.enter_context
        patch(mock.patch.object(hfloop.families, "family_of", lambda provenance, name: TinyFamily()))
        patch(mock.patch.dict(client.TIMEOUTS, dict.fromkeys(client.TIMEOUTS, patience)))
        patch(mock.patch.object(repository, "SECONDS_BEFORE_LOOKS", (0.0, 0.3, 1.0)))
        patch(mock.patch.object(_http, "time", clock))
        for backoff in (_http.http_backoff, _http.http_stream_backoff.__wrapped__):
            patch(mock.patch.dict(backoff.__kwdefaults__, max_retries=1))
        yield


def publish_here(url: str, token: str, folder: Path, to: str, patience: float = 50.0) -> Ended:
    """`hfloop publish` of a tiny release in this very process, which is five times as fast."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    from hfloop.cli import main

    logger = logging.getLogger("hfloop")
    before = logger.handlers, logger.propagate, logger.level
    stdout, stderr, started = io.StringIO(), io.StringIO(), time.monotonic()
    connected = {
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, url),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }
    try:
        with (
            mock.patch.multiple(constants, **connected),
            mock.patch.dict(os.environ, {"HF_TOKEN": token}),
            mock.patch.object(sys, "argv", ["hfloop", "publish", str(folder), "--to", to]),
            hurried(patience),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
        ):
            main()
    except SystemExit as end:
        exit_code = int(end.code or 0)
    finally:
        close_session()
        logger.handlers, logger.propagate, logger.level = before
    return Ended(exit_code, stdout.getvalue(), stderr.getvalue(), time.monotonic() - started)


def publish(clients: Clients, token: str | None, folder: Path, to: str, *flags: object, **options: Any) -> Ended:
    """`hfloop publish` of a tiny release."""
    setup = _IN_CLIENT + options.pop("setup", "")
    return clients.hfloop(["publish", folder, "--to", to, *map(str, flags)], token=token, setup=setup, **options)


def sentence(ended: Ended) -> str:
    """What a command that failed said: one sentence, no traceback."""
    assert ended.exit_code == 2, (ended.exit_code, ended.stdout, ended.stderr)
    assert "Traceback" not in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, ended.stderr
    assert ended.stderr.splitlines()[-1] == lines[0], ended.stderr
    assert "<html" not in ended.stderr.lower()
    return lines[0].removeprefix("error: ")


def titles(history: Sequence[Any]) -> list[str]:
    """What the commits of a repository are called, oldest first."""
    return [commit.title for commit in history]
