from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hfloop.cli import main
from hfloop.gan.data import load_data
from hfloop.gan.evaluation import evaluate_generator
from hfloop.gan.export import write_generator
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator, DCGANGenerator
from hfloop.images.sources import load_images
from hfloop.metrics.features import ClassifierExtractor

pytestmark = pytest.mark.usefixtures("logger_as_before")
NAMES = {number: str(number) for number in range(10)}
SEED = 7  # of the figures
RUN_SEED = 1  # of everything else
THE_SAME = "By sha256, beside the release's own figures: the same real images, the same training images."


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path_factory.getbasetemp() / "assets"))


@pytest.fixture(scope="module")
def publish(tmp_path_factory):
    """Write a release with its figures, as a recipe does that is given these data."""

    def write(train_data: str | None) -> Path:
        folder = tmp_path_factory.mktemp("published") / "release"
        torch.manual_seed(0)
        generator = DCGANGenerator(image_size=8, channels=1, latent_dim=6, base_channels=4, num_classes=10)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path_factory.mktemp("assets")))
            data = load_data(train_data, None, extractor="digits-v1", skip_corrupt=False, seed=RUN_SEED)
            report = evaluate_generator(generator, data, seed=SEED, num_images=80)
        discriminator = DCGANDiscriminator(image_size=8, base_channels=4)
        write_generator(folder, generator, id2label=NAMES, discriminator=discriminator)
        facts = {"config": {"seed": RUN_SEED}, "data": data.facts(), "report": report.to_dict()}
        (folder / "hfloop.json").write_text(json.dumps(facts))
        return folder

    return write


@pytest.fixture(scope="module")
def published(publish):
    """A release that was measured on a test set with a name."""
    return publish(None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One set of images, of which a recipe holds out a part."""
    digits = load_images("digits")
    path = tmp_path_factory.mktemp("data") / "whole.npz"
    np.savez(path, images=digits.read(range(700)), labels=digits.labels[:700])
    return path


@pytest.fixture(scope="module")
def cut(publish, whole):
    """A release that was measured on a part of that set."""
    return publish(str(whole))


@pytest.fixture
def release(published, tmp_path):
    """A copy to break."""
    return shutil.copytree(published, tmp_path / "release")


@pytest.fixture
def evaluate(monkeypatch, capsys):
    """Run `hfloop evaluate` as a user would: exit code, stdout, stderr."""

    def run(*line: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["hfloop", "evaluate", *map(str, line)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


@pytest.fixture
def refused(evaluate):
    """The one sentence that a command ends with."""

    def run(*line: object) -> str:
        code, out, err = evaluate(*line)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1, err
        return err.removeprefix("error: ").rstrip("\n")

    return run


# ------------------------------------------------------------------ what is measured


def test_the_figures_of_the_card_come_out_again(evaluate, published):
    code, out, err = evaluate(published, "--data", "digits:test", "--train_data", "digits:train", "--json")
    assert code == 0
    claimed = json.loads((published / "hfloop.json").read_text())["report"]
    assert json.loads(out) == claimed | {"same_images": {"test": True, "train": True}}
    assert "no --extractor is named" not in err


def test_only_the_floor_changes_without_training_images(evaluate, published):
    _, out, _ = evaluate(published, "--data", "digits:test", "--json")
    measured, claimed = json.loads(out), json.loads((published / "hfloop.json").read_text())["report"]
    assert (measured["seed"], measured["images"]["generated"]) == (SEED, 80)
    assert measured["floor"] == "held-out real images"
    assert measured["classes"] == claimed["classes"]
    for one, two in zip(measured["figures"], claimed["figures"], strict=True):
        assert (one["generated"], one["ceiling"]) == (two["generated"], two["ceiling"])
        assert one["floor"] != two["floor"]


def test_a_release_without_figures_is_measured_by_the_defaults(evaluate, release):
    (release / "hfloop.json").unlink()
    _, out, err = evaluate(release, "--data", "digits:test", "--json")
    report = json.loads(out)
    assert (report["seed"], report["extractor"], report["same_images"]) == (0, "digits-v1", None)
    assert report["images"] == {"generated": 360, "real": 360, "floor": 180, "noise": 360}
    assert "no --extractor is named, so it is digits-v1" in err
    _, out, _ = evaluate(release, "--data", "digits:train", "--train_data", "digits:test", "--json")
    assert json.loads(out)["images"] == {"generated": 360, "real": 1437, "floor": 360, "noise": 360}
    assert "release's own figures" not in evaluate(release, "--data", "digits:test")[1]


def test_what_is_named_goes_before_what_was_recorded(evaluate, release):
    record = json.loads((release / "hfloop.json").read_text())
    record["report"]["extractor"] = "mnist-v1"
    (release / "hfloop.json").write_text(json.dumps(record))
    line = [release, "--data", "digits:test", "--num_images", 100, "--seed", 0, "--extractor", "digits-v1", "--json"]
    code, out, _ = evaluate(*line)
    report = json.loads(out)
    assert (report["seed"], report["images"]["generated"], report["extractor"]) == (0, 100, "digits-v1")
    assert evaluate(*line) == (code, out, evaluate(*line)[2])  # the same command says the same


def test_no_more_images_than_were_asked_for_are_in_the_extractor_at_a_time(evaluate, published, monkeypatch):
    sizes = []
    probabilities = ClassifierExtractor.probabilities

    def counted(self, images):
        sizes.append(len(images))
        return probabilities(self, images)

    monkeypatch.setattr(ClassifierExtractor, "probabilities", counted)
    evaluate(published, "--data", "digits:test", "--batch_size", 33)
    assert max(sizes) == 33


def test_the_table_is_printed_for_people(evaluate, published):
    code, out, err = evaluate(published, "--data", "digits:test", "--train_data", "digits:train")
    assert code == 0
    assert out.startswith(f"{published} against digits:test, as digits-v1 sees them\n")
    assert re.search(r"^frechet_distance( +[\d.,]+ ± [\d.]+){3}$", out, re.M)
    assert f"generated: 80 images of {published}, sha256 " in out
    assert err.count("Warning: ") == 2
    assert "80 generated images are few for 64 features" in err


def test_images_without_labels_give_no_class_figures(evaluate, published, tmp_path):
    np.savez(tmp_path / "real.npz", images=load_images("digits:test").read(range(100)))
    code, out, _ = evaluate(published, "--data", tmp_path / "real.npz", "--json")
    assert code == 0
    assert json.loads(out)["classes"] is None


def test_a_floor_of_the_very_images_is_said(evaluate, published):
    line = [published, "--data", "digits:test", "--train_data"]
    sentence = "Warning: the floor is of the very images that it is measured against, so it says nothing.\n"
    assert sentence in evaluate(*line, "digits:test")[2]
    assert sentence not in evaluate(*line, "digits:train")[2]


def test_a_floor_of_fewer_images_is_said(evaluate, published):
    line = [published, "--data", "digits:train", "--train_data", "digits:test", "--num_images", 800]
    _, _, err = evaluate(*line)
    assert "360 images of digits:test are fewer than the 800 generated ones" in err
    assert "can be held out" not in err


def test_few_images_are_measured_if_that_is_wanted(evaluate, refused, published, tmp_path):
    few = tmp_path / "few.npz"
    np.savez(few, images=load_images("digits:test").read(range(64)))
    sentence = refused(published, "--data", few)
    assert sentence.startswith(f"--data {few} has 64 images, no more than digits-v1 has features (64)")
    assert sentence.endswith("or give --allow_small to measure all the same.")
    assert refused(published, "--data", "digits:test", "--train_data", few).startswith("--train_data ")
    assert refused(published, "--data", "digits:test", "--num_images", 64).startswith(f"MODEL {published} has 64 ")
    assert evaluate(published, "--data", few, "--num_images", 64, "--allow_small")[0] == 0


def test_a_corrupt_image_can_be_left_out(evaluate, refused, published, tmp_path):
    from PIL import Image

    for number, pixels in enumerate(load_images("digits:test").read(range(70))):
        Image.fromarray(pixels[0]).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "99.png").write_bytes(b"\x89PNG nonsense")
    assert "99.png" in refused(published, "--data", tmp_path)
    code, out, err = evaluate(published, "--data", tmp_path, "--skip_corrupt", "--json")
    assert (code, json.loads(out)["images"]["real"]) == (0, 70)
    assert "99.png" in err


# ------------------------------------------------------------------ a test set that was cut


def test_the_figures_on_a_part_that_was_held_out_come_out_again(evaluate, cut, whole):
    code, out, _ = evaluate(cut, "--train_data", whole, "--json")
    claimed = json.loads((cut / "hfloop.json").read_text())["report"]
    assert code == 0
    assert (claimed["images"]["real"], claimed["images"]["floor"]) == (140, 80)
    assert json.loads(out) == claimed | {"same_images": {"test": True, "train": True}}


def test_the_part_is_the_run_s_whatever_the_figures_seed(evaluate, cut, whole):
    _, out, _ = evaluate(cut, "--train_data", whole, "--seed", 0, "--json")
    report = json.loads(out)
    assert (report["seed"], report["same_images"]) == (0, {"test": True, "train": True})


def test_another_set_than_the_test_set_was_cut_from_is_said(evaluate, cut, whole, tmp_path):
    with np.load(whole) as arrays:
        np.savez(tmp_path / "other.npz", images=arrays["images"][1:], labels=arrays["labels"][1:])
    code, out, _ = evaluate(cut, "--train_data", tmp_path / "other.npz", "--json")
    assert (code, json.loads(out)["same_images"]) == (0, {"test": False, "train": False})


def test_a_cut_that_leaves_too_few_is_refused_unless_that_is_wanted(evaluate, refused, cut, tmp_path):
    digits = load_images("digits:test")
    np.savez(tmp_path / "few.npz", images=digits.read(range(300)), labels=digits.labels[:300])
    line = [cut, "--train_data", tmp_path / "few.npz"]
    assert refused(*line).startswith(f"the test set of {tmp_path / 'few.npz'} has 60 images, no more than digits-v1")
    assert evaluate(*line, "--allow_small")[0] == 0
    np.savez(tmp_path / "few.npz", images=digits.read(range(4)), labels=digits.labels[:4])
    assert refused(*line).startswith(f"the test set of {tmp_path / 'few.npz'} has 0 images: at least")


def test_named_images_go_before_those_that_were_cut(evaluate, cut, whole):
    _, out, _ = evaluate(cut, "--data", whole, "--train_data", whole, "--json")
    report = json.loads(out)
    assert (report["images"]["real"], report["same_images"]) == (700, {"test": False, "train": False})


def test_real_images_must_be_named_where_none_were_cut(refused, published, cut, release, whole):
    for folder in (published, cut):
        assert refused(folder) == (
            f"name the real images to measure {folder} against: with --data, or, if its test set was cut from its "
            "training data, with --train_data alone what both were cut from."
        )
    (release / "hfloop.json").unlink()
    for folder in (published, release):
        assert refused(folder, "--train_data", whole) == (
            f"{folder} records no test set that was cut from its training data: name the real images to measure it "
            "against with --data."
        )


# ------------------------------------------------------------------ whether they are the release's own images


@pytest.mark.parametrize(
    ("test", "train", "said"),
    [
        ("digits:test", "digits:train", THE_SAME),
        ("digits:test", "digits:test", "the same real images, other training images; what"),
        ("digits:test", None, "the same real images, no training images; what"),
        ("digits:train", "digits:train", "other real images, the same training images; what"),
        ("digits", "digits", "other real images, other training images; what is measured on others need not agree."),
    ],
)
def test_whether_these_are_the_images_of_the_release_s_own_figures_is_said_last(
    test, train, said, evaluate, published
):
    _, out, _ = evaluate(published, "--data", test, *([] if train is None else ["--train_data", train]))
    assert said in out.splitlines()[-1]


# ------------------------------------------------------------------ what is refused


def cut_weights_short(release: Path) -> None:
    path = release / "generator" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose_weights(release: Path) -> None:
    (release / "generator" / "diffusion_pytorch_model.safetensors").unlink()


def break_the_index(release: Path) -> None:
    (release / "model_index.json").write_text("{")


@pytest.mark.parametrize("damage", [cut_weights_short, lose_weights, break_the_index])
def test_a_damaged_release_is_named(damage, refused, release):
    damage(release)
    assert str(release) in refused(release, "--data", "digits:test")


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"report": {}, "data": {}}', '{"report": {"seed": "x"}}', "null"]
)
def test_damaged_provenance_is_said(content, refused, release):
    (release / "hfloop.json").write_text(content)
    sentence = refused(release, "--data", "digits:test")
    assert sentence.startswith(f"{release}: its hfloop.json does not say how its figures were measured")


@pytest.mark.parametrize("flag", ["--data", "--train_data"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8)])
def test_images_of_another_size_or_colour_are_refused(shape, flag, refused, published, tmp_path):
    np.savez(tmp_path / "other.npz", images=np.zeros((70, *shape), dtype=np.uint8))
    data = ["--data", "digits:test"] if flag == "--train_data" else []
    sentence = refused(published, *data, flag, tmp_path / "other.npz")
    assert sentence == (
        f"{flag} {tmp_path / 'other.npz'} holds images of {' × '.join(map(str, shape))} (channels × height × width), "
        f"and {published} makes 1 × 8 × 8: name images of the size that it makes."
    )


def test_classes_that_the_generator_does_not_know_are_refused(refused, published, tmp_path):
    digits = load_images("digits:test")
    np.savez(tmp_path / "real.npz", images=digits.read(range(100)), labels=digits.labels[:100] + 1)
    sentence = refused(published, "--data", tmp_path / "real.npz")
    assert "has images of class 10, and" in sentence
    assert "knows the classes 0 to 9 only" in sentence


def test_a_generator_is_no_real_images(refused, published):
    assert refused(published, "--data", published).startswith(f"--data {published} is taken for a generator: name")
    sentence = refused(published, "--data", "digits:test", "--train_data", "ylecun/mnist")
    assert sentence.startswith("--train_data ylecun/mnist is taken for a generator: name real images")
    assert "datasets/USER/NAME:SPLIT" in sentence


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere/at/all", "nowhere/at/all"), ("", "is empty"), ("digits:tset", "no split `tset`")]
)
def test_images_that_are_not_there_are_named(name, said, refused, published):
    assert said in refused(published, "--data", name)


def test_an_extractor_that_is_not_there_is_named(refused, published):
    assert "did you mean `digits-v1`" in refused(published, "--data", "digits:test", "--extractor", "digit-v1")


# ------------------------------------------------------------------ the families


def test_options_of_the_other_family_are_refused(refused, published, tmp_path):
    sentence = refused(published, "--data", "digits:test", "--format", "auto")
    assert sentence == f"--format is for models that find entities, and {published} makes images: leave it out."
    line = [tmp_path, "--data", "documents.jsonl"]
    for option in [
        ["--train_data", "digits"],
        ["--num_images", 5],
        ["--extractor", "digits-v1"],
        ["--seed", 0],
        ["--batch_size", 256],
        ["--allow_small"],
        ["--skip_corrupt"],
    ]:
        sentence = refused(*line, *option)
        assert sentence == f"{option[0]} is for models that make images, and {tmp_path} finds entities: leave it out."


def test_documents_must_be_named(refused, tmp_path):
    assert refused(tmp_path) == f"--data is missing: name a file of annotated documents to measure {tmp_path} on."
    assert refused(tmp_path, "--train_data", "digits").startswith("--train_data is for models that make images")


def test_any_other_model_is_one_that_finds_entities(evaluate, monkeypatch, tmp_path):
    calls = []

    def measured(*arguments, **named):
        calls.append((arguments, named))
        return "measured"

    monkeypatch.setattr("hfloop.ner.commands.evaluate", measured)
    assert evaluate(tmp_path, "--data", "documents.jsonl", "--format", "conll", "--json") == (0, "measured\n", "")
    assert calls == [((str(tmp_path), Path("documents.jsonl"), "conll"), {"as_json": True})]


def test_a_model_on_the_hub_is_looked_at_first(evaluate, refused, published, monkeypatch):
    monkeypatch.setattr("hfloop.hub.source.downloaded", lambda name: published)
    _, out, _ = evaluate("ada/digits", "--data", "digits:test")
    assert "generated: 80 images of ada/digits, sha256 " in out
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert refused("ada/digits", "--data", "digits:test").startswith("ada/digits is no folder here")


def test_a_run_is_told_from_its_release(refused, published, tmp_path):
    shutil.copytree(published, tmp_path / "run" / "release")
    run = tmp_path / "run"
    assert refused(f"{run}/", "--data", "digits:test") == f"{run}/ is a run, not a release: name {run}/release."
