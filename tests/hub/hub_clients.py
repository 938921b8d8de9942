"""Clients of a Hub, each in a process of its own and yet cheap.

huggingface_hub reads HF_ENDPOINT and its like when it is imported, and torch takes seconds to import: so one server
process imports everything once, with the endpoint of the Hub under test, and forks a child for each client.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).with_name("hub_fork_server.py")


@dataclass(frozen=True)
class Ended:
    """How a client ended; at a terminal, everything it showed is in `stdout`."""

    exit_code: int  # negative: the signal that killed it
    stdout: str
    stderr: str
    seconds: float


class ClientTimeoutError(AssertionError):
    """A client that did not end in time; the message has what it printed."""


class Clients:
    """Starts clients of the Hub at `url`; see :meth:`hfloop` and :meth:`python`."""

    def __init__(self, url: str, folder: Path) -> None:
        """Args: url: of the Hub; folder: where every client finds a fresh HF_HOME."""
        self.url, self._folder = url, folder
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment |= {
            "HF_ENDPOINT": url,
            "HF_HOME": str(folder / "preloaded"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        self._server = subprocess.Popen(
            [sys.executable, str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C ends the tests, and their end ends this process
        )
        self._lock = threading.Lock()
        self._count = 0
        self._told: dict[int, dict[str, Any]] = {}
        self._news = threading.Condition()
        ready = self._read()
        if ready is None or "ready" not in ready:
            raise RuntimeError(f"the fork server did not start: {ready}")
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(timeout=20)
        self._server.stdout.close()

    def hfloop(self, arguments: Sequence[str], **options: Any) -> Ended:
        """Run the `hfloop` command with these arguments; the options are those of :meth:`python`.

        One more, `setup`, is Python code to run before the command, in the same process.
        """
        setup = options.pop("setup", "")
        command = [str(each) for each in arguments]
        code = f"import sys\nsys.argv = {['hfloop', *command]!r}\nfrom hfloop.cli import main\nmain()\n"
        return self.python(f"{setup}\n{code}", **options)

    def python(
        self,
        code: str,
        *,
        token: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        hf_home: Path | None = None,
        stdin: str = "",
        tty: bool = False,
        interrupt: Callable[[], object] | None = None,
        interrupt_by: int = signal.SIGINT,
        timeout: float = 120,
    ) -> Ended:
        """Run Python code and wait for its end.

        Args:
            code: as of a file; what it defines is in `__main__`.
            token: in HF_TOKEN; none where None.
            cwd: the working folder; default: a fresh one.
            env: environment variables besides; HF_ENDPOINT and HF_HUB_OFFLINE are heeded although huggingface_hub is
                imported already.
            hf_home: default: a fresh one, so that nothing is cached and nobody is logged in.
            stdin: what comes through the pipe; at a terminal, lines to type at prompts.
            tty: whether the client sits at a terminal.
            interrupt: asked every few milliseconds; once it says yes, the client gets a signal.
            interrupt_by: which one; default: Ctrl-C's.
            timeout: seconds after which the client is killed.

        Raises:
            ClientTimeoutError: the client was killed.
        """
        with self._lock:
            self._count += 1
            number = self._count
        place = self._folder / str(number)
        home = hf_home or place / "hf"
        work = cwd or place / "work"
        for folder in (place, home, work):
            folder.mkdir(parents=True, exist_ok=True)
        variables = dict(env or {}) | {"HF_HOME": str(home)} | ({"HF_TOKEN": token} if token else {})
        asked = {"id": number, "code": code, "cwd": str(work), "env": variables, "folder": str(place)}
        started = time.monotonic()
        screen = _Screen(stdin) if tty else None
        if screen:
            asked["terminal"] = screen.name
        else:
            (place / "stdin").write_text(stdin)
        self._ask(asked)
        try:
            if interrupt is not None:
                self._interrupt(number, interrupt, interrupt_by, started + timeout)
            exit_code = self._end_of(number, started + timeout - time.monotonic())
        except TimeoutError:
            self._ask({"id": number, "signal": signal.SIGKILL})
            self._end_of(number, 30)
            shown = screen.close() if screen else _printed(place)
            raise ClientTimeoutError(f"the client did not end within {timeout} s; it printed:\n{shown}") from None
        seconds = time.monotonic() - started
        if screen:
            return Ended(exit_code, screen.close(), "", seconds)
        return Ended(exit_code, _text(place / "stdout"), _text(place / "stderr"), seconds)

    def _interrupt(self, number: int, when: Callable[[], object], by: int, deadline: float) -> None:
        while not when() and number not in self._told and time.monotonic() < deadline:
            time.sleep(0.005)
        self._ask({"id": number, "signal": by})

    def _ask(self, asked: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        with self._lock:
            self._server.stdin.write(json.dumps(asked) + "\n")
            self._server.stdin.flush()

    def _read(self) -> dict[str, Any] | None:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        return json.loads(line) if line else None

    def _listen(self) -> None:
        """Hand the server's news to those who wait for them."""
        while (news := self._read()) is not None:
            with self._news:
                self._told[news["id"]] = news
                self._news.notify_all()

    def _end_of(self, number: int, timeout: float) -> int:
        with self._news:
            if not self._news.wait_for(lambda: number in self._told, timeout):
                raise TimeoutError
            exit_code: int = self._told.pop(number)["exit"]
            return exit_code


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _printed(place: Path) -> str:
    return f"{_text(place / 'stdout')}\n--- stderr ---\n{_text(place / 'stderr')}"


class _Screen:
    """A pseudo-terminal: gathers what is shown until it is closed, and types a line whenever a prompt stands there."""

    def __init__(self, typed: str) -> None:
        self._master, self._slave = os.openpty()
        self.name = os.ttyname(self._slave)
        self._lines = typed.splitlines(keepends=True)
        self._shown = b""
        self._closed = threading.Event()
        self._hand = threading.Thread(target=self._sit, daemon=True)
        self._hand.start()

    def _sit(self) -> None:
        quiet = 0.0
        while not self._closed.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.05)
            if ready:
                self._shown += os.read(self._master, 65536)
                quiet = 0.0
                continue
            quiet += 0.05
            prompted = self._shown and not self._shown.endswith(b"\n")
            if self._lines and (prompted or quiet > 1):
                os.write(self._master, self._lines.pop(0).encode())
                quiet = 0.0

    def close(self) -> str:
        """What was shown."""
        self._closed.set()
        self._hand.join()
        while select.select([self._master], [], [], 0)[0]:
            self._shown += os.read(self._master, 65536)
        os.close(self._slave)
        os.close(self._master)
        return self._shown.decode(errors="replace").replace("\r\n", "\n")


def temporary_clients(url: str) -> tuple[Clients, tempfile.TemporaryDirectory[str]]:
    """Clients outside pytest, and the folder to clean up after them."""
    folder = tempfile.TemporaryDirectory()
    return Clients(url, Path(folder.name)), folder
