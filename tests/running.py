"""Recipes as processes of their own, to be signalled and killed.

Each is forked from one process that has torch, transformers and diffusers loaded, which makes it start in no time.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import runpy
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECIPES = Path(__file__).parent.parent / "recipes"
_PATIENCE_SECONDS = 120
_PRELOADED = [
    "datasets",
    "hfloop.gan.monitor",
    "hfloop.gan.networks.modeling_hfloop_dcgan",
    "hfloop.gan.networks.modeling_hfloop_mlp_gan",
    "hfloop.gan.networks.modeling_hfloop_resnet_gan",
    "hfloop.ner.pictures",
    "hfloop.ner.release",
    "hfloop.run",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "seqeval.metrics",
    "torch._dynamo",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",
]


@dataclass(frozen=True)
class Ended:
    """How a run ended: the exit codes of its processes (minus the signal, if one killed it) and what they said."""

    exit_codes: list[int]
    output: str

    @property
    def exit_code(self) -> int:
        """The exit code that all processes share."""
        (code,) = set(self.exit_codes)
        return code


class Started:
    """A running recipe."""

    def __init__(self, processes: Sequence[multiprocessing.process.BaseProcess], output: Path) -> None:
        self.processes = processes
        self.output = output

    def signal(self, number: int, process_index: int = 0) -> None:
        """Send a signal to one of its processes."""
        pid = self.processes[process_index].pid
        assert pid is not None
        os.kill(pid, number)

    def wait_for(self, file: Path, lines: int) -> None:
        """Return as soon as `file` has so many lines."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not file.exists() or file.read_bytes().count(b"\n") < lines:
            assert time.monotonic() < deadline, f"{file} has not come to {lines} lines:\n{self.output.read_text()}"
            assert any(process.is_alive() for process in self.processes), self.output.read_text()
            time.sleep(0.002)

    def wait(self) -> Ended:
        """Return when every process has ended."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for process in self.processes:
            if process.is_alive():
                process.kill()
                process.join()
                raise AssertionError(f"the run hangs; it has said:\n{self.output.read_text()}")
        said = self.output.read_text(encoding="utf-8")
        self.output.unlink()
        return Ended([process.exitcode for process in self.processes], said)


def start(
    recipe: str, flags: Sequence[object], folder: Path, *, processes: int = 1, file_bytes: int | None = None
) -> Started:
    """Start `recipes/<recipe>` with `flags` in `folder`.

    Args:
        recipe: the file's name.
        flags: the command line after it.
        folder: the working directory.
        processes: several run as torchrun would run them.
        file_bytes: size that no file of the run can exceed, for a disk that refuses.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    descriptor, output = tempfile.mkstemp(prefix="hfloop-test-", suffix=".txt")
    os.close(descriptor)
    started = []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for rank in range(processes):
        environment = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": processes,
            "LOCAL_WORLD_SIZE": processes,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        ranks = {name: str(value) for name, value in environment.items()} if processes > 1 else {}
        line = [str(RECIPES / recipe), *map(str, flags)]
        process = context.Process(target=_play, args=(line, str(folder), ranks, output, file_bytes))
        process.start()
        started.append(process)
    return Started(started, Path(output))


def run(
    recipe: str, flags: Sequence[object], folder: Path, *, processes: int = 1, file_bytes: int | None = None
) -> Ended:
    """Run a recipe to its end; the arguments are those of :func:`start`."""
    return start(recipe, flags, folder, processes=processes, file_bytes=file_bytes).wait()


def _play(line: list[str], folder: str, environment: dict[str, str], output: str, file_bytes: int | None) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    os.chdir(folder)
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    sys.argv = line
    runpy.run_path(line[0], run_name="__main__")
