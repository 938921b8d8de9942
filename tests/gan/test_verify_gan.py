from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image, ImageOps
from small_release import small_release, written
from verifying import edit_provenance, nudge_weights, record_again, replace_in, verify

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
    from hfloop.gan.release import sample_images

    nudge_weights(release / WEIGHTS)
    pixels = sample_images(release, 42)
    image_grid(pixels, len(pixels) // GRID_ROWS).save(release / "samples.png")
    for file in (WEIGHTS, "samples.png"):
        record_again(release, file)
    result = verified()
    assert result.exit_code == 1
    assert any(line.startswith("frechet_distance/digits-v1.generated is claimed ") for line in result.findings)


def test_other_real_images_are_not_measured_on(verified):
    result = verified("--data", "digits:train")
    assert (result.exit_code, result.findings) == (2, [])
    assert "the 1,437 test images are not those that the figures were measured with" in result.verdict


def test_code_in_a_release_is_never_run(verified, release):
    for file in ("pipeline.py", "generator/modeling_hfloop_dcgan.py"):
        (release / file).write_text("raise SystemExit('it was run')")
        record_again(release, file)
    assert verified().exit_code == 0
