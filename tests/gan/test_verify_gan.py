from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image, ImageOps
from small_release import small_release, written
from verifying import edit_provenance, nudge_weights, record_again, replace_in, verify

from hfloop import __version__
from hfloop.families import family_of
from hfloop.hub.rendering import card_command

pytestmark = pytest.mark.usefixtures("logger_as_before")
WEIGHTS = "generator/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path_factory.getbasetemp() / "assets"))


@pytest.fixture(scope="module")
def written_release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    written(folder / "release", small_release(folder, 10))
    return folder / "release"


@pytest.fixture
def release(written_release, tmp_path):
    """A copy of the release of a GAN, to tamper with."""
    return shutil.copytree(written_release, tmp_path / "release")


@pytest.fixture
def verified(monkeypatch, capsys, release):
    """Run the command on it."""
    return lambda *more: verify(monkeypatch, capsys, release, *more)


def test_a_release_as_it_was_written_is_what_it_says_to_the_last_figure(verified):
    result = verified("--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert {figure["difference"] for figure in told["figures"]} == {0, None}
    assert not any(told["findings"].values())
    names = [figure["figure"] for figure in told["figures"]]
    assert names[:3] == [
        "frechet_distance/digits-v1.generated", "frechet_distance/digits-v1.floor",
        "frechet_distance/digits-v1.ceiling",
    ]  # fmt: skip
    assert "kernel_distance/digits-v1.generated.uncertainty" in names
    assert len(names) == len(set(names))


def test_an_altered_figure_is_caught_by_its_metric_and_side(verified, release):
    edit_provenance(release, lambda known: known["report"]["figures"][0]["generated"].update(value=1.5))
    result = verified()
    assert result.exit_code == 1
    assert any(line.startswith("frechet_distance/digits-v1.generated is claimed to be 1.5, and ") for line in (
        result.findings
    ))  # fmt: skip
    assert any("`model-index` in its metadata says" in line for line in result.findings)
    assert any(line.startswith(".eval_results/hfloop.yaml: `value` of result 1 ") for line in result.findings)
    assert any(line.startswith("README.md, section `figures`") for line in result.findings)


def test_an_altered_cell_is_caught(verified, release):
    readme = release / "README.md"
    row = next(line for line in readme.read_text().splitlines() if line.startswith("| `frechet_distance/digits-v1`"))
    cell = row.split("|")[2].strip()
    replace_in(readme, f"| {cell} |", "| 1.5 ± 0.1 |")
    (finding,) = verified().findings
    assert "column 'generated': the card says 1.5 ± 0.1, hfloop.json " + cell in finding


def test_other_samples_under_their_own_sha256_are_caught_by_the_probe(verified, release):
    with Image.open(release / "samples.png") as picture:
        ImageOps.mirror(picture).save(release / "samples.png")
    assert verified().findings[0].startswith("samples.png is not what was released: its sha256 ")
    record_again(release, "samples.png")
    result = verified()
    assert result.exit_code == 1
    (finding,) = result.findings
    assert finding.startswith("samples.png is not what the model makes of seed 42: pixels differ by up to ")


def test_other_weights_under_their_own_sha256_are_caught(verified, release):
    nudge_weights(release / WEIGHTS)
    assert verified().findings[0].startswith(f"{WEIGHTS} is not what was released: its sha256 ")
    record_again(release, WEIGHTS)
    result = verified()
    assert result.exit_code == 1
    assert any(finding.startswith("samples.png is not what the model makes") for finding in result.findings)


def test_weights_and_samples_that_were_both_changed_are_caught_by_measuring(verified, release):
    from hfloop.gan.pictures import GRID_ROWS, image_grid
    from hfloop.gan.pipelines import load_network
    from hfloop.gan.release import PATH_IMAGES, example_of, path_images, sample_images

    nudge_weights(release / WEIGHTS)
    pixels = sample_images(release, 42)
    image_grid(pixels, len(pixels) // GRID_ROWS).save(release / "samples.png")
    image_grid(path_images(release, 42), PATH_IMAGES).save(release / "interpolation.png")
    for file in (WEIGHTS, "samples.png", "interpolation.png"):
        record_again(release, file)
    edit_provenance(release, lambda known: known.update(example=example_of(load_network(release / "generator"))))
    rendered_again(release)
    result = verified()
    assert result.exit_code == 1
    assert any(line.startswith("frechet_distance/digits-v1.generated is claimed ") for line in result.findings)


def test_other_real_images_are_not_measured_on(verified):
    result = verified("--data", "digits:train")
    assert (result.exit_code, result.findings) == (2, [])
    assert "the 1,437 test images are not those that the figures were measured with" in result.verdict


def test_code_in_a_release_is_never_run(verified, release):
    files = ("pipeline.py", "generator/modeling_hfloop_dcgan.py")
    for file in files:
        (release / file).write_text("raise SystemExit('it was run')")
        record_again(release, file)
    result = verified()
    assert result.exit_code == 1
    assert result.findings == [f"{file} is not the code of hfloop {__version__}" for file in files]


def test_code_of_another_version_is_not_compared_and_this_is_said(verified, release):
    (release / "pipeline.py").write_text("raise SystemExit('it was run')")
    record_again(release, "pipeline.py")
    edit_provenance(release, lambda known: known.update(hfloop_version="9.9", limits=["none, as 9.9 says it"]))
    rendered_again(release)
    result = verified()
    assert result.exit_code == 0, result.output
    assert f"note: code not compared: it is of hfloop 9.9, and this is hfloop {__version__}\n" in result.output
    assert "note: not drawn again: curves.png, training.webp\n" in result.output


def test_more_code_than_hfloop_publishes_is_caught(verified, release):
    (release / "generator" / "modeling_other.py").write_text("")
    edit_provenance(release, lambda known: known["sha256"].update({"generator/modeling_other.py": ""}))
    record_again(release, "generator/modeling_other.py")
    (finding,) = verified().findings
    assert finding.startswith("generator/modeling_other.py is code, and hfloop publishes none of this name ")


@pytest.mark.parametrize("file", ["generator/config.json", "discriminator/config.json"])
def test_a_config_that_names_code_is_caught(file, verified, release):
    config = json.loads((release / file).read_text())
    (release / file).write_text(json.dumps(config | {"auto_map": {"AutoModel": "theirs.Model"}}))
    record_again(release, file)
    assert any(finding.startswith(f"`auto_map` in {file} names code, ") for finding in verified().findings)


def test_another_class_in_the_index_is_caught(verified, release):
    replace_in(release / "model_index.json", '"DCGANGenerator"', '"Theirs"')
    record_again(release, "model_index.json")
    (finding,) = verified().findings
    assert finding.startswith("`generator` in model_index.json is ['modeling_hfloop_dcgan', 'Theirs'], and ")


def test_another_interpolation_is_caught(verified, release):
    shutil.copy(release / "curves.png", release / "interpolation.png")
    record_again(release, "interpolation.png")
    (finding,) = verified().findings
    assert finding.startswith("interpolation.png is ")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda known: known["data"]["splits"]["train"].update(images=10**6), "data.splits.train.images is claimed"),
        (lambda known: known["data"].update(name="ImageNet"), "data.name is claimed to be ImageNet, and digits was"),
        (lambda known: known["data"].update(num_classes=11), "data.num_classes is claimed to be 11, and 10 was"),
        (lambda known: known["data"]["class_names"].reverse(), "`id2label` in model_index.json is "),
        (lambda known: known["data"].update(shape=[3, 64, 64]), "the images are of the shape [1, 8, 8], and [3, 64"),
        (lambda known: known.update(limits=["None."]), "limits.0 is claimed to be None., and Makes images of 8 × 8"),
        (lambda known: known.update(latent_dim=100), "the latent_dim is 6, and 100 was recorded"),
        (lambda known: known["generator"].update(parameters=1), "the generator is {"),
        (lambda known: known["example"].update(output="(4, 8, 8, 1) [1. 1. 1. 1.]"), "the example prints (4, 8, 8, 1"),
        (lambda known: known["example"].update(class_labels=[9, 9, 9, 9]), "the classes of the example are [0, 1, 2"),
    ],
)
def test_what_hfloop_json_says_of_model_and_data_is_looked_at(edit, said, verified, release):
    edit_provenance(release, edit)
    rendered_again(release)
    result = verified()
    assert result.exit_code == 1
    assert any(finding.startswith(said) for finding in result.findings), result.output


def rendered_again(release):
    card_command(release, family_of)
