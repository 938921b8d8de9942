"""Train, publish, and load by the Hub's name in fresh processes with empty caches: what comes out is the same."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gan_runs import VARIANTS, provenance, whole_run
from hub_clients import Clients
from hub_fixture import LocalHub

from hfloop.hub.card_text import parse_card

NER = "ner"
MOMENTS = ["--max_train_steps=12", "--logging_steps=4", "--eval_steps=12"]
RATES = ["--generator_learning_rate=1e-2", "--discriminator_learning_rate=1e-2", "--ema_decay=0.5"]
WITHOUT_HFLOOP = """
import json, sys
for name in [name for name in sys.modules if name.partition(".")[0] == "hfloop"] + ["hfloop"]:
    sys.modules[name] = None  # importing it fails
"""
PLAIN_TRANSFORMERS = """
import torch, transformers
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

transformers.utils.logging.disable_progress_bar()
name, text, stride = json.loads(sys.argv[1])
model, loading = AutoModelForTokenClassification.from_pretrained(name, output_loading_info=True)
assert not any(loading.values()), loading
inputs = AutoTokenizer.from_pretrained(name)(text, return_tensors="pt", truncation=True)
with torch.inference_mode():
    logits = model.eval()(**inputs).logits[0].tolist()
extract = pipeline("token-classification", model=name, aggregation_strategy="simple", stride=stride)
entities = [
    f"{each['entity_group']}: {text[each['start'] : each['end']]!r} ({each['score']:.2f})" for each in extract(text)
]
print(json.dumps([logits, "\\n".join(entities)]))
"""
EXTRACTOR = """
import json, sys
from hfloop.ner.extractor import Extractor

name, text = json.loads(sys.argv[1])
print(json.dumps([vars(span) for span in Extractor.from_pretrained(name)(text)]))
"""
PIPELINES = """
import json, sys
import diffusers, numpy as np, torch
from hfloop.gan.pipelines import GANPipeline

names, made = json.loads(sys.argv[1])
images = {}
for variant, name in names.items():
    noise = torch.Generator().manual_seed(9)
    images[variant] = GANPipeline.from_pretrained(name)(12, generator=noise, output_type="np").images
np.savez(made, **images)
"""
REMOTE_CODE = WITHOUT_HFLOOP + PIPELINES.replace("from hfloop.gan.pipelines import GANPipeline\n", "").replace(
    "GANPipeline.from_pretrained(name)", "diffusers.DiffusionPipeline.from_pretrained(name, trust_remote_code=True)"
)


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """A Hub on this machine."""
    running = LocalHub()
    yield running
    running.close()


@pytest.fixture(scope="module")
def clients(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Processes, each with an empty cache."""
    running = Clients(hub.url, tmp_path_factory.mktemp("clients"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def releases(gan_flags: list[str], tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The release of every recipe, by variant."""
    runs = {
        variant: whole_run(variant, [*gan_flags, *MOMENTS, *RATES], tmp_path_factory.mktemp(variant))
        for variant in VARIANTS
    }
    return {NER: tiny_release, **{variant: run / "release" for variant, run in runs.items()}}


@pytest.fixture(scope="module")
def names(hub: LocalHub, clients: Clients, releases: dict[str, Path]) -> dict[str, str]:
    """What each is called on the Hub, after `hfloop publish` has put it there."""
    token = hub.user("ann")
    published = {}
    for variant, folder in releases.items():
        published[variant] = f"ann/{variant.replace('_', '-')}"
        ended = clients.hfloop(["publish", str(folder), "--to", published[variant], "--yes"], token=token)
        assert ended.exit_code == 0, ended
    return published


@pytest.fixture
def printed(clients: Clients, tmp_path: Path) -> Callable[[str, Any], str]:
    """What a fresh process prints that runs code with an argument; its HF_HOME is a new folder `hf`."""

    def run(code: str, argument: Any) -> str:
        shutil.rmtree(tmp_path / "hf", ignore_errors=True)
        started = f"import sys\nsys.argv = ['-', {json.dumps(argument)!r}]\n{code}"
        ended = clients.python(started, hf_home=tmp_path / "hf")
        assert ended.exit_code == 0, ended
        return ended.stdout

    return run


def downloaded(folder: Path) -> set[str]:
    """The repositories in the cache below an HF_HOME."""
    return {path.name.removeprefix("models--").replace("--", "/") for path in (folder / "hub").glob("models--*")}


def test_plain_transformers_says_the_same_of_the_classifier(printed, names, releases, tmp_path):
    example = json.loads((releases[NER] / "hfloop.json").read_text(encoding="utf-8"))["example"]
    code, arguments = WITHOUT_HFLOOP + PLAIN_TRANSFORMERS, [example["text"], example["stride"]]
    logits, entities = json.loads(printed(code, [names[NER], *arguments]))
    assert downloaded(tmp_path / "hf") == {names[NER]}
    assert entities == example["transformers_output"]
    assert logits == json.loads(printed(code, [str(releases[NER]), *arguments]))[0]


def test_hfloop_s_extractor_finds_the_same(printed, names, releases, tmp_path):
    example = json.loads((releases[NER] / "hfloop.json").read_text(encoding="utf-8"))["example"]
    assert json.loads(printed(EXTRACTOR, [names[NER], example["text"]])) == example["spans"]
    assert downloaded(tmp_path / "hf") == {names[NER]}


@pytest.mark.parametrize("way", ["hfloop", "diffusers"])
def test_every_generator_makes_the_same_images(way, printed, names, releases, tmp_path):
    code = {"hfloop": PIPELINES, "diffusers": REMOTE_CODE}[way]
    on_the_hub = {variant: names[variant] for variant in VARIANTS}
    printed(code, [on_the_hub, str(tmp_path / "hub.npz")])
    assert downloaded(tmp_path / "hf") == set(on_the_hub.values())
    assert bool(list((tmp_path / "hf").rglob("modeling_*.py"))) == (way == "diffusers")
    printed(code, [{variant: str(releases[variant]) for variant in VARIANTS}, str(tmp_path / "here.npz")])
    made, expected = np.load(tmp_path / "hub.npz"), np.load(tmp_path / "here.npz")
    for variant in VARIANTS:
        np.testing.assert_array_equal(made[variant], expected[variant])
        assert len(np.unique(made[variant], axis=0)) == 12


@pytest.mark.parametrize("variant", [NER, *VARIANTS])
def test_every_snippet_of_the_card_prints_what_the_card_says(variant, hub, clients, names):
    card = hub.repo("model", names[variant]).files()["README.md"].decode()
    use = parse_card(card).sections["use"]
    codes, texts = (re.findall(rf"```{kind}\n(.*?)\n```", use, flags=re.DOTALL) for kind in ("python", "text"))
    assert (len(codes), len(texts)) == ((2, 2) if variant == NER else (3, 1))
    for number, code in enumerate(codes):
        assert f'("{names[variant]}"' in code or f'model="{names[variant]}"' in code
        is_ours = "hfloop." in code
        ended = clients.python(code if is_ours else WITHOUT_HFLOOP + code)
        assert ended.exit_code == 0, ended
        assert ended.stdout.rstrip("\n") == texts[number % len(texts)]


@pytest.mark.parametrize("variant", [NER, *VARIANTS])
def test_it_is_what_it_says(variant, clients, names, releases, data_files, gan_flags):
    flags = dict(flag.split("=") for flag in gan_flags)
    data = {NER: ["--data", str(data_files["test"])]}
    sets = ["--data", flags["--test_data"], "--train_data", flags["--train_data"]]
    ended = clients.hfloop(["verify", names[variant], *data.get(variant, sets), "--json"])
    assert ended.exit_code == 0, ended
    told = json.loads(ended.stdout)
    assert {figure["difference"] for figure in told["figures"]} == {0, None}
    report = provenance(releases[variant].parent)["report"]
    assert len(told["figures"]) > len(report)


def test_nothing_was_asked_that_a_hub_does_not_know(hub, names):
    assert len(names) == 1 + len(VARIANTS)
    assert hub.surprises == []
