"""What a step does to the weights: in one process or in several, and under spectral normalisation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from gan_runs import whole_run
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hfloop.gan.export import settle_spectral_norms
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator
from hfloop.gan.pipelines import load_network

TOLERANCE = 1e-5
STILL = ["--generator_learning_rate=0", "--discriminator_learning_rate=0"]

Weights = dict[str, Tensor]
Train = Callable[..., Weights]


@pytest.fixture(scope="module")
def train(gan_flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train for five steps with batches that come to 32 images; gives G, D and the average as they are then."""

    @cache
    def networks(variant: str, processes: int, *flags: str) -> Weights:
        size = [f"--per_device_train_batch_size={32 // processes}", "--max_train_steps=5", "--logging_steps=5"]
        run = whole_run(variant, [*gan_flags, *size, *flags], tmp_path_factory.mktemp("five"), processes=processes)
        (average, _) = torch.load(run / "kept" / "custom_checkpoint_0.pkl", weights_only=False)["objects"]
        files = {
            "G": load_file(run / "kept" / "model.safetensors"),
            "D": load_file(run / "kept" / "model_1.safetensors"),
        }
        files["average"] = average
        return {f"{network}.{name}": value for network, weights in files.items() for name, value in weights.items()}

    return networks


def test_without_batch_statistics_two_processes_learn_what_one_does(train: Train) -> None:
    one, two, untrained = train("r3gan", 1), train("r3gan", 2), train("r3gan", 1, *STILL)
    assert largest_difference(one, two) <= TOLERANCE
    for network in ("G", "D"):
        assert largest_difference(one, untrained, network) > 50 * TOLERANCE


@pytest.mark.parametrize("variant", ["dcgan", "wgan_gp"])
def test_where_a_process_normalises_by_its_own_share_two_learn_something_near(train: Train, variant: str) -> None:
    one, two, untrained = train(variant, 1), train(variant, 2), train(variant, 1, *STILL)
    for network in ("G", "D"):
        apart, moved = (differences(one, other, network).norm() for other in (two, untrained))
        assert largest_difference(one, two, network) > TOLERANCE
        assert apart < moved


@pytest.mark.parametrize("variant", ["sngan", "cgan", "cgan-projection"])
def test_every_trained_layer_settles_to_a_spectral_norm_of_1_and_the_released_one_answers_as_it_did(
    gan_flags: list[str], tmp_path: Path, variant: str
) -> None:
    flags = ["--max_train_steps=30", "--discriminator_learning_rate=2e-3", "--checkpointing_steps=30"]
    run = whole_run(variant, [*gan_flags, *flags], tmp_path)
    released = load_network(run / "release" / "discriminator")
    config = {name: value for name, value in released.config.items() if not name.startswith("_")}
    trained = DCGANDiscriminator(**{**config, "spectral_norm": True}).eval()
    trained.load_state_dict(best_weights(run, "discriminator"))
    assert max(spectral_norm(layer) for layer in normalised_layers(trained)) > 1.01  # one step of power iteration lags
    settle_spectral_norms(trained)
    assert max(spectral_norm(layer) for layer in normalised_layers(trained)) <= 1.001
    images, labels = torch.rand(16, 1, 8, 8) * 2 - 1, torch.arange(16) % 10 if released.config.num_classes else None
    torch.testing.assert_close(released(images, labels), trained(images, labels), rtol=0, atol=1e-5)


def normalised_layers(network: nn.Module) -> list[nn.Module]:
    """The layers whose weights are divided by their spectral norms; at least three."""
    layers = [module for module in network.modules() if parametrize.is_parametrized(module, "weight")]
    assert len(layers) >= 3
    return layers


def spectral_norm(layer: nn.Module) -> float:
    """The largest singular value of a layer's weight, as a matrix with a row for each output."""
    return torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()


def best_weights(run: Path, network: str) -> Weights:
    """The weights that a run chose to release, as the last checkpoint holds them."""
    (_, monitor) = torch.load(run / "kept" / "custom_checkpoint_0.pkl", weights_only=False)["objects"]
    weights = monitor["best"]["weights"].items()
    return {name.removeprefix(f"{network}."): value for name, value in weights if name.startswith(network)}


def differences(one: Weights, other: Weights, network: str = "") -> Tensor:
    """Of every weight of a network, one after the other; without a name of all."""
    assert one.keys() == other.keys()
    return torch.cat([(one[name] - other[name]).double().flatten() for name in one if name.startswith(network)])


def largest_difference(one: Weights, other: Weights, network: str = "") -> float:
    """The largest absolute difference of any weight of a network."""
    return float(differences(one, other, network).abs().max())
