from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from small_release import digits, small_networks, small_release, written

from hfloop.errors import UserError
from hfloop.gan.data import load_data
from hfloop.gan.evaluation import evaluate_generator
from hfloop.gan.family import GanFamily
from hfloop.images.sources import load_images

FAMILY = GanFamily()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path_factory.getbasetemp() / "assets"))


@pytest.fixture(scope="module", params=[None, 10], ids=["unconditional", "conditional"])
def written_release(request, tmp_path_factory):
    """A release's folder, and what its hfloop.json holds."""
    folder = tmp_path_factory.mktemp("family")
    provenance = written(folder / "release", small_release(folder, request.param))
    return folder / "release", json.loads(json.dumps(provenance))


@pytest.fixture
def folder(written_release, tmp_path):
    """A copy to break."""
    return shutil.copytree(written_release[0], tmp_path / "release")


@pytest.fixture
def provenance(written_release):
    """A copy to change."""
    return copy.deepcopy(written_release[1])


def probed(folder, provenance):
    return FAMILY.probe(folder, "the model", provenance)


def measure(*arguments):
    """The figures alone."""
    return FAMILY.measure(*arguments).report


# ------------------------------------------------------------------ the probe


def test_the_samples_come_out_again(folder, provenance):
    assert probed(folder, provenance) == []


def with_a_pixel(folder, change):
    with Image.open(folder / "samples.png") as picture:
        pixels = np.array(picture)
    place = tuple(np.argwhere((pixels > 20) & (pixels < 200))[0])
    pixels[place] = int(pixels[place]) + change
    Image.fromarray(pixels).save(folder / "samples.png")


def test_a_pixel_may_be_off_by_two_levels_and_no_more(folder, provenance):
    for change in (2, -4):  # one way and the other
        with_a_pixel(folder, change)
        assert probed(folder, provenance) == []
    with_a_pixel(folder, -1)
    assert probed(folder, provenance) == [
        "samples.png is not what the model makes of seed 42: pixels differ by up to 3 levels of 255"
    ]


def test_samples_of_another_size_or_none_at_all_are_said(folder, provenance):
    Image.new("L", (10, 20)).save(folder / "samples.png")
    assert probed(folder, provenance)[0].startswith("samples.png is of the shape (20, 10), and what the model makes")
    (folder / "samples.png").write_bytes(b"\x89PNG nonsense")
    assert probed(folder, provenance)[0].startswith("samples.png cannot be read (")
    (folder / "samples.png").unlink()
    assert probed(folder, provenance)[0].startswith("samples.png cannot be read (")


def test_the_seed_is_the_recorded_one(folder, provenance):
    provenance["report"]["seed"] = 43
    assert "samples.png is not what the model makes of seed 43" in probed(folder, provenance)[0]


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_other_networks_than_were_recorded_are_said(part, folder, provenance):
    provenance[part]["parameters"] += 1
    (sentence,) = probed(folder, provenance)
    assert sentence.startswith(f"the {part} is ")


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_weights_that_do_not_fit_are_refused_by_the_name_that_the_user_gave(part, folder, provenance):
    from safetensors.torch import load_file, save_file

    path = folder / part / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights.pop(min(weights))
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"^the model: the weights in `{part}` do not fit its config.json .missing "):
        probed(folder, provenance)


def test_a_discriminator_that_is_described_must_be_there(folder, provenance):
    shutil.rmtree(folder / "discriminator")
    (sentence,) = probed(folder, provenance)
    assert sentence.startswith("the discriminator is missing, and {'class': 'DCGANDiscriminator', ")
    provenance["discriminator"] = None
    assert probed(folder, provenance) == []


# ------------------------------------------------------------------ the figures


def test_the_figures_come_out_again_and_digits_need_no_name(folder, provenance):
    measured = measure(folder, "the model", provenance, None, None)
    assert json.loads(json.dumps(measured)) == provenance["report"]


def test_the_digits_may_be_named(folder, provenance):
    measured = measure(folder, "the model", provenance, "digits:test", "digits:train")
    assert json.loads(json.dumps(measured)) == provenance["report"]


@pytest.mark.parametrize(("test", "train", "which"), [("digits", None, "test"), (None, "digits", "train")])
def test_other_images_are_refused(test, train, which, folder, provenance):
    with pytest.raises(UserError, match=f"the 1,797 {which} images are not those that the figures were measured with"):
        measure(folder, "the model", provenance, test, train)


def test_more_images_or_another_extractor_are_what_was_recorded(folder, provenance):
    provenance["report"]["images"]["generated"] = 100
    assert measure(folder, "the model", provenance, None, None)["images"]["generated"] == 100


@pytest.fixture
def files(tmp_path):
    """The digits as files."""
    for split in ("train", "test"):
        images = load_images(f"digits:{split}")
        np.savez(tmp_path / f"{split}.npz", images=images.read(range(len(images))), labels=images.labels)
    return {split: str(tmp_path / f"{split}.npz") for split in ("train", "test")}


def test_files_must_be_named(folder, provenance, files):
    data = load_data(files["train"], files["test"], extractor="digits-v1", skip_corrupt=False, seed=42)
    provenance["data"] = data.facts()
    sentence = "the model was measured on images that hfloop does not have: name "
    with pytest.raises(UserError, match=f"^{sentence}test.npz with --data, and train.npz with --train_data.$"):
        measure(folder, "the model", provenance, None, None)
    with pytest.raises(UserError, match=f"^{sentence}train.npz with --train_data.$"):
        measure(folder, "the model", provenance, files["test"], None)
    measured = measure(folder, "the model", provenance, files["test"], files["train"])
    assert measured["figures"][0]["generated"]["value"] == provenance["report"]["figures"][0]["generated"]["value"]


@pytest.fixture
def cut(provenance, files):
    """The record of a release whose test set was cut from one file; and that file."""
    data = load_data(files["train"], None, extractor="digits-v1", skip_corrupt=False, seed=5)
    generator, _ = small_networks(provenance["num_classes"])
    report = evaluate_generator(generator, data, seed=42, num_images=160)
    provenance["config"]["seed"] = 5
    provenance |= {"data": data.facts(), "report": json.loads(json.dumps(report.to_dict()))}
    return provenance, files["train"]


def test_a_test_set_that_was_cut_is_cut_again(folder, cut):
    provenance, whole = cut
    for named in ((whole, None), (None, whole)):
        measured = measure(folder, "the model", provenance, *named)
        assert json.loads(json.dumps(measured)) == provenance["report"]
    provenance["config"]["seed"] = 6
    with pytest.raises(UserError, match="the 287 test images are not those that the figures were measured with"):
        measure(folder, "the model", provenance, whole, None)


def test_what_a_test_set_was_cut_from_must_be_named_once(folder, cut):
    provenance, whole = cut
    with pytest.raises(
        UserError, match=r"part of train.npz, which it did not learn from: name train.npz with --data\."
    ):
        measure(folder, "the model", provenance, None, None)
    with pytest.raises(UserError, match="learned from the rest: name that once"):
        measure(folder, "the model", provenance, whole, whole)


def test_a_cut_of_the_digits_needs_no_name(folder, provenance):
    data = load_data("digits:train", None, extractor="digits-v1", skip_corrupt=False, seed=5)
    provenance["config"]["seed"] = 5
    provenance["data"] = data.facts()
    assert data.cut_from == "digits:train"
    assert measure(folder, "the model", provenance, None, None)["images"]["real"] == 287
    assert digits().cut_from is None


@pytest.mark.parametrize("part", ["config", "data", "report"])
@pytest.mark.parametrize("content", [None, {}, [], "text"])
def test_a_record_that_does_not_say_how_it_was_measured_is_refused(part, content, folder, provenance):
    provenance[part] = content
    for method in (probed, lambda *both: measure(both[0], "the model", both[1], None, None)):
        with pytest.raises(UserError, match=r"^the model: its hfloop.json does not say how its figures were measured"):
            method(folder, provenance)


@pytest.mark.parametrize("seed", [-1, "1", None])
def test_a_seed_that_is_none_is_refused(seed, folder, provenance):
    provenance["report"]["seed"] = seed
    with pytest.raises(UserError, match="does not say how its figures were measured"):
        probed(folder, provenance)


def test_figures_of_no_images_are_not_measured(folder, provenance):
    provenance["report"]["images"]["generated"] = 0
    with pytest.raises(UserError):
        measure(folder, "the model", provenance, None, None)
