from __future__ import annotations

import ast
import copy
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import parametrize

from hfloop.errors import UserError
from hfloop.gan.export import baked, write_generator
from hfloop.gan.networks import MODULES, network_class
from hfloop.gan.pipelines import GANPipeline, load_network

DIVIDED = [
    ("MLPDiscriminator", {"spectral_norm": True}),
    ("DCGANDiscriminator", {"norm": "spectral"}),
    ("ResNetDiscriminator", {"spectral_norm": True}),
]
NAMES = {0: "zero", 1: "one", 2: "zwei, äöü"}


def discriminator_of(name, own):
    torch.manual_seed(0)
    return network_class(name)(
        image_size=16, base_channels=8, num_classes=3, conditioning="projection", **own
    )  # fmt: skip


def generator_of(name):
    torch.manual_seed(0)
    generator = network_class(name)(image_size=16, base_channels=8, latent_dim=6, num_classes=3)
    generator(torch.randn(64, 6), torch.arange(64) % 3)  # batch statistics other than those of a new network
    return generator


def batch():
    noise = torch.Generator().manual_seed(1)
    return torch.rand(4, 1, 16, 16, generator=noise) * 2 - 1, torch.tensor([0, 1, 2, 0])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """One folder for each kind of generator."""
    folders = {name: tmp_path_factory.mktemp(name) for name in MODULES if name.endswith("Generator")}
    for name, folder in folders.items():
        write_generator(folder, generator_of(name), id2label=NAMES)
    return folders


@pytest.fixture
def release(published, tmp_path):
    """A copy to break."""
    return shutil.copytree(published["DCGANGenerator"], tmp_path / "release")


# ------------------------------------------------------------------ spectral norm


@pytest.mark.parametrize(("name", "own"), DIVIDED)
def test_baked_weights_are_plain_and_give_the_same_logits_bit_for_bit(name, own):
    network = discriminator_of(name, own)
    for _ in range(3):
        network(*batch())
    before, random_state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    plain = baked(network)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert network.training
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(parametrize.is_parametrized(module) for module in plain.modules())
    assert (plain.config.spectral_norm, network.config.spectral_norm) == (False, True)
    assert torch.equal(plain(*batch()), network.eval()(*batch()))
    network.train()(*batch())[0].backward()  # the original still trains


@pytest.mark.parametrize(("name", "own"), DIVIDED)
def test_the_largest_singular_value_of_every_baked_layer_is_1(name, own):
    network = discriminator_of(name, own)
    for parameter in network.parameters():
        parameter.data *= 3
    for _ in range(300):
        network(*batch())
    layers = [each for each in baked(network).modules() if isinstance(each, (nn.Conv2d, nn.Linear, nn.Embedding))]
    largest = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in layers]
    assert len(largest) > 3
    assert all(0.99 < value <= 1.001 for value in largest)


def test_a_network_without_spectral_norm_is_copied():
    generator = generator_of("ResNetGenerator")
    copied = baked(generator)
    assert copied is not generator
    weights = generator.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in copied.state_dict().items())


# ------------------------------------------------------------------ the folder


def test_the_folder_holds_what_loads_it_and_equal_networks_give_equal_bytes(tmp_path):
    def written(folder):
        folder.mkdir()
        (folder / "README.md").write_text("stays")
        write_generator(
            folder,
            generator_of("DCGANGenerator"),
            id2label={2: "two", 0: "zero"},
            discriminator=discriminator_of("MLPDiscriminator", {"spectral_norm": True}),
        )
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    files = written(tmp_path / "one")
    assert set(files) == {
        "README.md",
        "model_index.json",
        "pipeline.py",
        "generator/config.json",
        "generator/diffusion_pytorch_model.safetensors",
        "generator/modeling_hfloop_dcgan.py",
        "discriminator/config.json",
        "discriminator/diffusion_pytorch_model.safetensors",
        "discriminator/modeling_hfloop_mlp_gan.py",
    }
    index = json.loads(files["model_index.json"])
    assert index.pop("_diffusers_version")
    assert index == {
        "_class_name": ["pipeline", "GANPipeline"],
        "generator": ["modeling_hfloop_dcgan", "DCGANGenerator"],
        "id2label": {"0": "zero", "2": "two"},
    }
    assert list(index["id2label"]) == ["0", "2"]
    assert json.loads(files["discriminator/config.json"])["spectral_norm"] is False
    assert written(tmp_path / "two") == files


def test_what_was_loaded_and_written_again_tells_no_path_of_this_machine(published, tmp_path):
    first = published["MLPGenerator"]
    write_generator(tmp_path, GANPipeline.from_pretrained(first).generator, id2label=NAMES)
    for path in first.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (tmp_path / path.relative_to(first)).read_bytes()


def test_published_code_needs_torch_diffusers_numpy_and_pillow_alone(published):
    standard = sys.stdlib_module_names
    for path in {path.name: path for folder in published.values() for path in folder.rglob("*.py")}.values():
        nodes = list(ast.walk(ast.parse(path.read_text())))
        plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        relative = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]
        named = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
        allowed = {"torch", "diffusers"} | ({"numpy", "PIL"} if path.name == "pipeline.py" else set())
        assert not relative
        assert {name.split(".")[0] for name in [*plain, *named]} - standard == allowed


# ------------------------------------------------------------------ loading

WITH_DIFFUSERS = """
import diffusers
for name, folder in folders.items():
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
    assert type(pipeline).__module__ == "diffusers_modules.local.pipeline", type(pipeline)
    assert type(pipeline.generator).__name__ == name
    made[name] = pipeline(6, generator=torch.Generator().manual_seed(9), output_type="np").images
    assert pipeline.id2label[2] == "zwei, äöü"
"""
WITH_ONE_FILE = """
import importlib, pathlib
for name, folder in folders.items():
    (source,) = pathlib.Path(folder, "generator").glob("*.py")
    sys.path.insert(0, str(source.parent))
    generator = getattr(importlib.import_module(source.stem), name).from_pretrained(folder, subfolder="generator")
    latents = torch.randn(6, 6, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        images = generator(latents, torch.arange(6) % 3)
    made[name] = (images / 2 + 0.5).permute(0, 2, 3, 1).numpy()
"""


@pytest.mark.parametrize("way", [WITH_DIFFUSERS, WITH_ONE_FILE], ids=["diffusers", "one_file"])
def test_the_same_seed_gives_the_same_pixels_where_hfloop_is_not_installed(way, published, tmp_path):
    script = f"""
import sys
sys.modules["hfloop"] = None  # importing it fails
import numpy as np, torch
folders, made = { ({name: str(folder) for name, folder in published.items()})!r}, {{}}
{way}
np.savez({str(tmp_path / "made.npz")!r}, **made)
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, timeout=120)
    found = np.load(tmp_path / "made.npz")
    assert set(found.files) == set(published)
    for name, folder in published.items():
        pipeline = GANPipeline.from_pretrained(folder)
        expected = pipeline(6, generator=torch.Generator().manual_seed(9), output_type="np").images
        np.testing.assert_allclose(found[name], expected, atol=1e-6)
        np.testing.assert_array_equal((found[name] * 255).round(), (expected * 255).round())


def test_the_loaded_generator_is_hfloops_own_and_has_the_weights_that_were_written(published):
    for name, folder in published.items():
        pipeline = GANPipeline.from_pretrained(str(folder))
        assert type(pipeline.generator) is network_class(name)
        assert not pipeline.generator.training
        assert pipeline.id2label == NAMES
        weights = generator_of(name).state_dict()
        assert all(torch.equal(weights[key], value) for key, value in pipeline.generator.state_dict().items())


def test_a_published_discriminator_loads_too(tmp_path):
    network = discriminator_of("ResNetDiscriminator", {"spectral_norm": True})
    write_generator(tmp_path, generator_of("ResNetGenerator"), discriminator=network)
    assert torch.equal(load_network(tmp_path / "discriminator")(*batch()), network.eval()(*batch()))
    assert GANPipeline.from_pretrained(tmp_path).id2label == {}


# ------------------------------------------------------------------ what is refused


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def drop_weight(folder):
    path = folder / "generator" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["to_pixels.bias"]
    save_file(weights, path, {"format": "pt"})


def add_weight(folder):
    path = folder / "generator" / "diffusion_pytorch_model.safetensors"
    save_file({**load_file(path), "extra": torch.zeros(1)}, path, {"format": "pt"})


def cut_weights(folder):
    path = folder / "generator" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:500])


def pickle_weights(folder):
    path = folder / "generator" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "model_index.json").unlink(), "it has no model_index.json"),
        (lambda folder: (folder / "model_index.json").write_text("{"), "model_index.json is no JSON"),
        (lambda folder: (folder / "model_index.json").write_text("[]"), "model_index.json is no JSON object"),
        (lambda folder: change_json(folder / "model_index.json", generator=None), "names no `generator`"),
        (
            lambda folder: change_json(folder / "generator" / "config.json", _class_name="BigGAN"),
            "its generator is BigGAN, but hfloop loads its own only: MLPGenerator, MLPDiscriminator, DCGANGenerator",
        ),
        (lambda folder: change_json(folder / "generator" / "config.json", image_size=30), "image_size must be one of"),
        (
            lambda folder: change_json(folder / "generator" / "config.json", base_channels=16),
            "of another shape, 16 in all",
        ),
        (lambda folder: (folder / "generator" / "config.json").unlink(), "it has no config.json"),
        (drop_weight, "do not fit its config.json (missing to_pixels.bias, 1 in all)"),
        (add_weight, "do not fit its config.json (unexpected extra, 1 in all)"),
        (cut_weights, "`generator` cannot be loaded: "),
        (pickle_weights, "`generator` cannot be loaded: "),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(release, damage, said):
    damage(release)
    with pytest.raises(UserError) as caught:
        GANPipeline.from_pretrained(release)
    message = str(caught.value)
    assert message.startswith(str(release))
    assert said in message
    assert "\n" not in message
    assert message.endswith(".")


def test_a_name_that_is_neither_a_folder_nor_on_the_hub_is_refused(tmp_path):
    with pytest.raises(UserError, match="nobody/nothing"):
        GANPipeline.from_pretrained("nobody/nothing")
