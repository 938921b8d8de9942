"""The process behind :class:`hub_clients.Clients`: imports everything once, then forks a child for each client.

It reads JSON lines from stdin (a client to start, or one to signal) and writes one for each client that ended.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import pkgutil
import select
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

_WANTED = [
    "torch",
    "transformers",
    "transformers.pipelines",
    "transformers.dynamic_module_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "diffusers",
    "diffusers.pipelines.pipeline_utils",
    "diffusers.utils.dynamic_modules_utils",
    "huggingface_hub.hf_api",
    "huggingface_hub.repocard",
    "huggingface_hub.utils._cache_manager",
    "typer._adapters",  # half of what a command costs
    "hfloop.cli",
    "hfloop.ner.extractor",
    "hfloop.gan.pipelines",
]
_KEEP_SETTINGS = ("huggingface_hub", "transformers.utils", "transformers.dynamic_module_utils", "diffusers.utils")
Places = list[tuple[ModuleType, str]]


def _preload() -> Places:
    """Import what clients need; returns where modules keep what they read from HF_HOME and HF_ENDPOINT."""
    for name in _WANTED:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    package = importlib.import_module("hfloop.hub")
    for found in pkgutil.iter_modules(package.__path__, "hfloop.hub."):
        importlib.import_module(found.name)
    if threading.active_count() > 1:
        raise RuntimeError(f"importing started threads: {threading.enumerate()}")
    settings = (os.environ["HF_HOME"], os.environ["HF_ENDPOINT"])
    modules = [module for name, module in sys.modules.items() if name.startswith((*_KEEP_SETTINGS, "datasets.config"))]
    return [
        (module, name)
        for module in modules
        for name, value in list(vars(module).items())
        if isinstance(value, str | Path) and str(value).startswith(settings)
    ]


def _heed(environment: dict[str, str], places: Places) -> None:
    """Variables that were read at import count although it is over."""
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import _http

    for variable in ("HF_HOME", "HF_ENDPOINT"):
        old, new = os.environ[variable], environment.get(variable, os.environ[variable])
        for module, name in places:
            value = getattr(module, name)
            if str(value).startswith(old):
                setattr(module, name, type(value)(str(value).replace(old, new, 1)))
    hf_api.api.endpoint = constants.ENDPOINT
    _http._HUB_ORIGINS = frozenset({*_http._HUB_ORIGINS, _http._url_origin(constants.ENDPOINT)})
    if "HF_HUB_OFFLINE" in environment:
        constants.HF_HUB_OFFLINE = environment["HF_HUB_OFFLINE"].upper() in constants.ENV_VARS_TRUE_VALUES
    os.environ.update(environment)


def _child(asked: dict[str, Any], places: Places) -> int:
    """Be one client; returns its exit code."""
    os.setsid()
    if "terminal" in asked:
        streams = [os.open(asked["terminal"], os.O_RDWR)] * 3  # the first terminal a session opens is its own
    else:
        folder = Path(asked["folder"])
        streams = [os.open(folder / "stdin", os.O_RDONLY)]
        streams += [os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("stdout", "stderr")]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False, buffering=1 if "terminal" in asked else -1)
    sys.stderr = os.fdopen(2, "w", closefd=False, buffering=1, errors="backslashreplace")
    _heed(asked["env"], places)
    os.chdir(asked["cwd"])
    sys.path[0] = asked["cwd"]
    return _run(asked["code"])


def _run(code: str) -> int:
    """Run code as the interpreter does, with its exit code."""
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    try:
        exec(compile(code, "<client>", "exec"), vars(main))
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _fork(asked: dict[str, Any], places: Places) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        code = _child(asked, places)
        # As at the end of an interpreter: threads are waited for, then exit handlers run.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code & 0xFF)


def _signal(process: int, number: int) -> None:
    """Signal a client and what it started, as a terminal does; one so young that it leads no group yet, alone."""
    try:
        os.killpg(process, number)
    except ProcessLookupError:
        os.kill(process, number)


def main() -> None:
    """Serve until stdin ends; then kill who is left."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an import prints is no answer
    places = _preload()

    def tell(**news: Any) -> None:
        answers.write(json.dumps(news) + "\n")
        answers.flush()

    tell(ready=True)
    asks = b""
    running: dict[int, tuple[int, int]] = {}  # by pidfd: the client's number, its process
    while True:
        ready, _, _ = select.select([0, *running], [], [])
        for ended in (handle for handle in ready if handle):
            number, process = running.pop(ended)
            os.close(ended)
            tell(id=number, exit=os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        if 0 in ready:
            part = os.read(0, 65536)
            if not part:
                break
            *lines, asks = (asks + part).split(b"\n")
            for line in lines:
                _heed_ask(json.loads(line), running, places)
    for _, process in running.values():
        _signal(process, signal.SIGKILL)
    os._exit(0)  # tearing torch down takes a second


def _heed_ask(asked: dict[str, Any], running: dict[int, tuple[int, int]], places: Places) -> None:
    """Start a client, or signal one that has not ended yet."""
    if "signal" not in asked:
        process = _fork(asked, places)
        running[os.pidfd_open(process)] = (asked["id"], process)
        return
    for number, process in running.values():
        if number == asked["id"]:
            _signal(process, asked["signal"])


if __name__ == "__main__":
    main()
