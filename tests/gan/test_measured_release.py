from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hfloop.cli import main
from hfloop.errors import UserError
from hfloop.gan.export import write_generator
from hfloop.gan.latents import image_generators
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANGenerator
from hfloop.gan.pipelines import GANPipeline, open_pipeline
from hfloop.images.sources import load_images


@pytest.fixture(scope="module", params=[None, 10], ids=["unconditional", "conditional"])
def release(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan") / "release"
    torch.manual_seed(0)
    network = DCGANGenerator(image_size=8, channels=1, latent_dim=16, base_channels=16, num_classes=request.param)
    write_generator(folder, network)
    return folder


def test_a_gan_release_is_a_set_of_images_whose_classes_come_in_turn(release):
    images = load_images(str(release), num_images=70, seed=3, open_pipeline=open_pipeline)
    pipeline = GANPipeline.from_pretrained(release)
    classes = pipeline.generator.config.num_classes
    labels = [number % classes for number in range(70)] if classes else None
    made = pipeline(70, labels, image_generators(3, range(70)), output_type="np").images
    expected = np.rint(made * 255).transpose(0, 3, 1, 2)
    assert (len(images), images.shape) == (70, (1, 8, 8))
    assert np.abs(images.read(range(70)) - expected).max() <= 1  # batches of 64 and of 70 differ in last bits
    assert len(np.unique(images.read(range(70)), axis=0)) == 70
    assert (images.read([69, 0]) == images.read(range(70))[[69, 0]]).all()


def test_it_is_measured_by_the_command(release, monkeypatch, capsys, tmp_path, logger_as_before):
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path))
    line = ["metrics", "fd", "digits", str(release), "--extractor", "digits-v1", "--num_images", "80", "--json"]
    monkeypatch.setattr("sys.argv", ["hfloop", *line])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    (figure,) = json.loads(capsys.readouterr().out)["generated"]
    assert figure["n_fake"] == 80
    assert figure["value"] > 1


def test_code_in_a_release_is_not_run_even_if_it_takes_our_pipelines_place(release, tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    index = json.loads((release / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": ["pipeline", "OtherPipeline"]}))
    (folder / "pipeline.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(UserError, match="does not run code from a repository"):
        load_images(str(folder), num_images=5, open_pipeline=open_pipeline)
