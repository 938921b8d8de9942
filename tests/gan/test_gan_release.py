from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from PIL import Image
from small_release import digits, report_facts, small_networks, small_release, written

from hfloop.files import sha256_of_file
from hfloop.gan.card import gan_card
from hfloop.gan.evaluation import measure_images
from hfloop.gan.export import write_generator
from hfloop.gan.latents import image_generators, sample_latents
from hfloop.gan.pictures import image_grid
from hfloop.gan.pipelines import GANPipeline, load_network, open_pipeline
from hfloop.gan.release import limits, path_images, sample_images
from hfloop.hub.card import whole_card
from hfloop.images.generated import GeneratedImages
from hfloop.images.sources import load_images

RENDERED = {"hfloop.json", "README.md", ".eval_results/hfloop.yaml"}
KINDS = {"unconditional": None, "conditional": 10}
WITHOUT_HFLOOP = """
import contextlib, io, json, os, sys
sys.modules["hfloop"] = None  # importing it fails
printed = {}
for folder, codes in json.loads(sys.argv[1]).items():
    os.chdir(folder)
    printed[folder] = []
    for code in codes:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(code, {})
        printed[folder].append(output.getvalue())
print(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """The folder of each kind of release."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
    for kind, folder in folders.items():
        written(folder / "release", small_release(folder, KINDS[kind]))
    return {kind: folder / "release" for kind, folder in folders.items()}


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def provenance_of(folder):
    return json.loads((folder / "hfloop.json").read_text(encoding="utf-8"))


def snippets(folder):
    """The card's three pieces of code, and what it says that each prints."""
    use = (folder / "README.md").read_text(encoding="utf-8").split("\n## Use\n")[1].split("\n## ")[0]
    (printed,) = re.findall(r"```text\n(.*?)\n```", use, flags=re.DOTALL)
    codes = re.findall(r"```python\n(.*?)```", use, flags=re.DOTALL)
    assert len(codes) == 3
    return codes, printed


def made(folder, latents, labels):
    """The pixels that the release makes of these latents, by the pipeline alone."""
    pipeline = GANPipeline.from_pretrained(folder)
    values = pipeline(len(latents), class_labels=labels, latents=latents, output_type="np").images
    return (values * 255).round().transpose(0, 3, 1, 2)


# ------------------------------------------------------------------ what others can do with it


@pytest.mark.parametrize("kind", KINDS)
def test_the_snippet_with_hfloop_prints_what_the_card_says(releases, kind, monkeypatch, capsys):
    (code, *_), printed = snippets(releases[kind])
    monkeypatch.chdir(releases[kind])
    capsys.readouterr()
    exec(code, {})
    assert capsys.readouterr().out.rstrip("\n") == printed
    assert printed.startswith("(4, 8, 8, 1) [0.")
    assert len(set(printed.split("[")[1].strip("]").split())) > 1  # four images of one brightness would show nothing


def test_the_other_snippets_print_what_the_card_says_where_hfloop_is_not_installed(releases, tmp_path):
    codes = {str(folder): snippets(folder)[0][1:] for folder in releases.values()}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HFLOOP, json.dumps(codes)],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_MODULES_CACHE": str(tmp_path / "modules")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for folder, outputs in json.loads(done.stdout).items():
        expected = snippets(Path(folder))[1] + "\n"
        assert outputs == [expected, expected]


def test_only_a_conditional_model_s_snippets_name_classes(releases):
    assert all("[0, 1, 2, 3]" in code for code in snippets(releases["conditional"])[0])
    assert not any("class_labels" in code for code in snippets(releases["unconditional"])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_are_those_that_were_handed_over(releases, kind):
    generator, discriminator = small_networks(KINDS[kind])
    shipped = load_network(releases[kind] / "generator")
    weights = generator.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in shipped.state_dict().items())
    images = torch.rand(4, 1, 8, 8)
    labels = None if KINDS[kind] is None else torch.arange(4)
    opponent = load_network(releases[kind] / "discriminator")
    assert opponent.config.spectral_norm is False
    assert torch.equal(opponent(images, labels), discriminator.eval()(images, labels))


# ------------------------------------------------------------------ pictures


def test_samples_are_the_first_images_of_the_measured_ones(releases):
    folder = releases["unconditional"]
    measured = load_images(str(folder), num_images=1437, seed=42, open_pipeline=open_pipeline)
    expected = image_grid(measured.read(range(64)), 8)
    with Image.open(folder / "samples.png") as picture:
        assert picture.tobytes() == expected.tobytes()


def test_a_column_of_the_samples_is_a_class(releases):
    pixels = sample_images(releases["conditional"], 42)
    assert pixels.shape == (80, 1, 8, 8)
    latents = sample_latents(image_generators(42, range(80)), 6)
    np.testing.assert_allclose(pixels, made(releases["conditional"], latents, torch.arange(80) % 10), atol=1)
    with Image.open(releases["conditional"] / "samples.png") as picture:
        assert picture.tobytes() == image_grid(pixels, 10).tobytes()


def test_of_many_classes_the_first_ten_are_shown(tmp_path):
    write_generator(tmp_path, small_networks(12)[0])
    pixels = sample_images(tmp_path, 7)
    every = GeneratedImages(tmp_path, 96, 7, open_pipeline=open_pipeline)  # image i is of class i modulo 12
    for column in range(10):
        np.testing.assert_array_equal(pixels[column::10], every.read(range(column, 96, 12)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_path_leads_from_one_latent_to_the_next(releases, kind):
    pixels = path_images(releases[kind], 42)
    assert pixels.shape == (50, 1, 8, 8)
    labels = None if KINDS[kind] is None else torch.arange(5)
    anchors = sample_latents(image_generators(42, range(10)), 6)
    np.testing.assert_allclose(pixels[0::10], made(releases[kind], anchors[0::2], labels), atol=1)
    np.testing.assert_allclose(pixels[9::10], made(releases[kind], anchors[1::2], labels), atol=1)
    middle = made(releases[kind], (anchors[0::2] + anchors[1::2]) / 2, labels)
    assert not np.allclose(pixels[4::10], middle, atol=1)  # an arc, not a line


def test_the_same_model_gives_the_same_files(releases, tmp_path):
    again = written(tmp_path / "release", small_release(tmp_path, 10))
    assert again["sha256"] == provenance_of(releases["conditional"])["sha256"]
    assert (tmp_path / "release/README.md").read_bytes() == (releases["conditional"] / "README.md").read_bytes()


# ------------------------------------------------------------------ what it says of itself


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_holds_what_it_names(releases, kind):
    provenance = provenance_of(releases[kind])
    assert files_of(releases[kind]) == {*provenance["sha256"], *RENDERED}
    assert {name: sha256_of_file(releases[kind] / name) for name in provenance["sha256"]} == provenance["sha256"]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", (releases[kind] / "README.md").read_text(encoding="utf-8"))
    assert pictures == ["samples.png", "interpolation.png", "curves.png", "training.webp"]
    assert set(pictures) <= set(provenance["sha256"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_is_rendered_from_hfloop_json_alone(releases, kind):
    assert whole_card(gan_card(provenance_of(releases[kind]), ".")) == (releases[kind] / "README.md").read_text(
        encoding="utf-8"
    )


def test_the_figures_are_those_of_the_weights_in_the_folder(releases):
    for folder in releases.values():
        images = GeneratedImages(folder, 160, 42, open_pipeline=open_pipeline)
        data = digits()
        report = measure_images(images, data.test, floor=data.train, extractor=data.extractor, seed=42)
        assert json.loads(json.dumps(report.to_dict())) == provenance_of(folder)["report"]
        assert provenance_of(folder)["data"] == json.loads(json.dumps(data.facts()))


def test_card_newer_format_and_json_tell_the_same_figure(releases):
    folder = releases["unconditional"]
    value = provenance_of(folder)["report"]["figures"][0]["generated"]["value"]
    figures = {
        result.metric_type: result.metric_value for result in ModelCard.load(folder / "README.md").data.eval_results
    }
    (entry,) = parse_eval_result_entries(yaml.safe_load((folder / ".eval_results" / "hfloop.yaml").read_text()))
    assert figures["frechet_distance/digits-v1"] == entry.value == pytest.approx(value, rel=1e-3)


def test_networks_course_and_libraries_are_recorded(releases):
    provenance = provenance_of(releases["conditional"])
    generator, _ = small_networks(10)
    assert provenance["family"] == "image-generation"
    assert provenance["generator"] == {
        "class": "DCGANGenerator",
        "module": "modeling_hfloop_dcgan",
        "parameters": sum(parameter.numel() for parameter in generator.parameters()),
    }
    assert (provenance["latent_dim"], provenance["num_classes"]) == (6, 10)
    assert (provenance["best_step"], provenance["images_seen"]) == (40, 2560)
    assert provenance["curve"][1] == {"step": 40, "images": 2560, "frechet_distance": 30.0}
    assert len(provenance["curve"]) == 3
    assert provenance["alarms"] == ["after 640 images the discriminator is dead"]
    assert provenance["limits"] == list(limits(provenance["data"], provenance["report"]))
    assert provenance["versions"]["torch"] == torch.__version__
    assert {"diffusers", "numpy", "scipy"} <= provenance["versions"].keys()
    assert not {"transformers", "tokenizers"} & provenance["versions"].keys()


def test_nothing_is_told_of_this_machine(releases):
    folder = releases["conditional"]
    hidden = str(folder.parents[1]).encode()
    assert not [name for name in files_of(folder) if hidden in (folder / name).read_bytes()]


def test_no_image_of_the_data_is_asked_for(tmp_path):
    def refuse(*arguments):
        raise AssertionError("a release read an image of the data")

    release = small_release(tmp_path)
    unread = SimpleNamespace(read=refuse)
    data = SimpleNamespace(train=unread, test=unread, facts=digits().facts, id2label=digits().id2label)
    written(tmp_path / "release", replace(release, data=data))


# ------------------------------------------------------------------ limits


def said(data=None, **report):
    return "\n".join(limits(digits().facts() | (data or {}), report_facts() | report))


def figures_with(name, generated, floor, ceiling):
    """The report's figures, one of them changed."""
    figures = report_facts()["figures"]
    for figure in figures:
        if figure["metric"].startswith(f"{name}/"):
            for side, value in {"generated": generated, "floor": floor, "ceiling": ceiling}.items():
                figure[side] = None if value is None else figure["generated"] | {"value": value}
    return figures


def test_size_of_images_and_of_data_are_told():
    text = said({"shape": [3, 16, 32]})
    assert "Makes images of 16 × 32 pixels" in text
    assert "Learned from 1,437 images only" in text
    assert "against 360 held-out images only" in text
    large = said({"splits": {"train": {"images": 10_000}, "test": {"images": 1_000}}})
    assert "Learned from" not in large
    assert "held-out images only" not in large
    assert "repeats single training images was not tested" in text and "was not tested" in large


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((30.0, 4.5, 1000.0), "is 30, that of real images in their place 4.5: the generated ones can be told"),
        ((300.0, 4.5, 1000.0), "is 30 % of that of pure noise"),
        ((8.9, 4.5, 1000.0), None),
        ((30.0, None, 1000.0), None),
        ((300.0, None, None), None),
    ],
)
def test_the_distance_is_called_far_only_where_it_is(values, sentence):
    text = said(figures=figures_with("frechet_distance", *values))
    assert ("The Fréchet distance" in text) == (sentence is not None)
    assert (sentence or "") in text


@pytest.mark.parametrize(
    ("name", "of"), [("precision", "of the generated images look"), ("recall", "of the data looks")]
)
def test_precision_and_recall_are_spoken_of_where_they_lie_under_those_of_real_images(name, of):
    spoken = f"{name.capitalize()} is 0.5, that of real images 0.8: 50 % {of} like none of the "
    assert spoken in said(figures=figures_with(name, 0.5, 0.8, 0.0))
    assert f"{name.capitalize()} is" not in said(figures=figures_with(name, 0.75, 0.8, 0.0))
    assert f"{name.capitalize()} is" not in said(figures=figures_with(name, 0.5, None, None))


def test_classes_that_are_rarely_made_are_named():
    classes = report_facts()["classes"]
    assert "as digits-v1 judges: 1.\n" in said()
    assert "half as often" not in said(classes=classes | {"shares": {"generated": [0.05] * 10, "real": [0.1] * 10}})
    assert "half as often" not in said(classes=None)


@pytest.mark.parametrize(("share", "is_told"), [(0.901, True), (0.98, False), (None, False)])
def test_a_model_that_misses_the_class_is_told(share, is_told):
    text = said(classes=report_facts()["classes"] | {"asked_class_share": share})
    assert ("Only 90.1 % of the images show the class" in text) == is_told
    assert ("finds the right one in 99.7 % of real images." in text) == is_told


def test_figures_of_an_extractor_compare_with_no_other_s():
    assert said().endswith("alone, and never with a published FID, which is Inception's.")
    assert said(extractor="inception").endswith("same extractor, real images and counts alone.")
