"""Measure what `hfloop publish` takes besides the upload itself, against huggingface_hub alone.

    HF_HUB_DISABLE_XET=1 HF_TOKEN=hf_… python -m scripts.bench_publish --endpoint http://127.0.0.1:PORT

The two ways take turns in one process, each time to a new repository with a new release of one large file of weights:
huggingface_hub's `create_repo` and `upload_folder`, and `publish`, which checks the folder, shows the plan, commits,
downloads everything again, compares it and loads the model twice. Imports are not counted. The server is one that may
be filled with repositories, which are deleted afterwards; on the same machine there is no network in the figures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--endpoint", required=True, help="URL of a Hub; the token is that of HF_TOKEN")
parser.add_argument("--megabytes", type=int, default=90, help="of weights")
parser.add_argument("--rounds", type=int, default=5)

BYTES_PER_MEGABYTE = 1_000_000
BYTES_PER_FLOAT = 4


def main() -> None:
    arguments = parser.parse_args()
    os.environ["HF_ENDPOINT"] = arguments.endpoint  # before huggingface_hub is imported, which reads it then
    seconds = measure(arguments.megabytes, arguments.rounds)
    for way, values in seconds.items():
        print(f"{way:<16} {told(values)}")
    more = [ours - bare for ours, bare in zip(seconds["publish"], seconds["upload_folder"], strict=True)]
    print(f"{'difference':<16} {told(more)}")


def told(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):6.2f} s   ({min(values):.2f} to {max(values):.2f})"


def measure(megabytes: int, rounds: int) -> dict[str, list[float]]:
    """Seconds that each way took, round by round."""
    from huggingface_hub import HfApi

    from hfloop.hub.client import bars_only_on_a_terminal
    from hfloop.hub.destination import Destination
    from hfloop.hub.publish import publish

    api = HfApi()
    user = api.whoami()["name"]

    def bare(folder: Path, repo_id: str) -> None:
        api.create_repo(repo_id)
        api.upload_folder(folder_path=folder, repo_id=repo_id)

    def ours(folder: Path, repo_id: str) -> None:
        publish(folder, Destination(repo_id), lambda provenance, name: family(), lambda changes: True)

    ways: dict[str, Callable[[Path, str], None]] = {"upload_folder": bare, "publish": ours}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as place, bars_only_on_a_terminal():
        for number in range(rounds + 1):  # the first round warms up
            for turn, (way, work) in enumerate(ways.items()):
                repo_id = f"{user}/bench-{os.getpid()}-{number}-{way.replace('_', '-')}"
                folder = make_release(Path(place) / repo_id, megabytes, seed=2 * number + turn)
                began = time.perf_counter()
                work(folder, repo_id)
                if number > 0:
                    seconds[way].append(time.perf_counter() - began)
                    print(f"round {number} {way:<16} {seconds[way][-1]:.2f} s", file=sys.stderr)
                api.delete_repo(repo_id)
    return seconds


def family() -> Any:
    """A family of models that are one tensor, which is loaded and summed."""
    from huggingface_hub import ModelCardData
    from safetensors.numpy import load_file

    from hfloop.hub.family import Family, Measured, RenderedCard

    class OneTensor(Family):
        def card(self, provenance: dict[str, Any], model_id: str) -> RenderedCard:
            return RenderedCard(ModelCardData(license="apache-2.0"), f"# {model_id}\n", [])

        def probe(self, folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
            total = float(load_file(folder / "model.safetensors")["weight"].sum(dtype="float64"))
            return [] if total == provenance["total"] else [f"the sum is {total}"]

        def measure(self, *arguments: Any) -> Measured:
            return Measured({}, {}, {})

    return OneTensor()


def make_release(folder: Path, megabytes: int, seed: int) -> Path:
    """A release whose weights no other has."""
    import numpy as np
    from safetensors.numpy import save_file

    from hfloop.release import Release, write_release

    weight = np.random.default_rng(seed).standard_normal(megabytes * BYTES_PER_MEGABYTE // BYTES_PER_FLOAT, "float32")

    class OneTensorRelease(Release):
        def save_model(self, folder: Path) -> None:
            save_file({"weight": weight}, folder / "model.safetensors")
            (folder / "config.json").write_text("{}", encoding="utf-8")

        def save_pictures(self, folder: Path) -> None:
            pass

        def facts(self) -> dict[str, Any]:
            return {"family": "one-tensor", "total": float(weight.sum(dtype="float64"))}

    OneTensorRelease.family = family()
    write_release(folder, OneTensorRelease(), {"recipe": "bench", "config": {}})
    return folder


if __name__ == "__main__":
    main()
