from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from hfloop.errors import UserError
from hfloop.gan.networks import MODULES, image_sizes, network_class

SIZES = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64)
GENERATORS = [
    ("MLPGenerator", {}),
    ("DCGANGenerator", {"upsample": "transposed"}),
    ("DCGANGenerator", {"upsample": "resize"}),
    ("ResNetGenerator", {"norm": "batch"}),
    ("ResNetGenerator", {"norm": "none"}),
]
DISCRIMINATORS = [
    ("MLPDiscriminator", {"spectral_norm": False}),
    ("MLPDiscriminator", {"spectral_norm": True}),
    ("DCGANDiscriminator", {"norm": "batch"}),
    ("DCGANDiscriminator", {"norm": "spectral"}),
    ("DCGANDiscriminator", {"norm": "none"}),
    ("ResNetDiscriminator", {"spectral_norm": True}),
    ("ResNetDiscriminator", {"spectral_norm": False}),
]
CONDITIONINGS = ("concat", "projection")


def name_of(case):
    return "-".join([case[0], *map(str, case[1].values())])


every_generator = pytest.mark.parametrize("case", GENERATORS, ids=name_of)
every_discriminator = pytest.mark.parametrize("case", DISCRIMINATORS, ids=name_of)
every_network = pytest.mark.parametrize("case", GENERATORS + DISCRIMINATORS, ids=name_of)
every_conditional_network = pytest.mark.parametrize(
    ("case", "conditioning"),
    [
        pytest.param(case, conditioning, id=f"{name_of(case)}-{conditioning}")
        for case in GENERATORS + DISCRIMINATORS
        for conditioning in CONDITIONINGS
        if (case, conditioning) != (("ResNetGenerator", {"norm": "none"}), "projection")  # refused, see below
    ],
)


def made(case, seed=0, image_size=8, base_channels=4, **config):
    name, own = case
    if name.endswith("Generator"):
        config.setdefault("latent_dim", 5)
    torch.manual_seed(seed)
    return network_class(name)(image_size=image_size, base_channels=base_channels, **own, **config)


def inputs(network, count=3, seed=1):
    noise = torch.Generator().manual_seed(seed)
    if "latent_dim" in network.config:
        return torch.randn(count, network.config.latent_dim, generator=noise)
    edge, channels = network.config.image_size, network.config.channels
    return torch.rand(count, channels, edge, edge, generator=noise) * 2 - 1


# ------------------------------------------------------------------ shapes and ranges


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", SIZES)
@every_generator
def test_a_generator_makes_images_from_minus_1_to_1(case, image_size, channels):
    generator = made(case, image_size=image_size, base_channels=2, channels=channels)
    for parameter in generator.to_pixels.parameters():
        parameter.data *= 1000
    images = generator(inputs(generator))
    assert (images.shape, images.dtype) == ((3, channels, image_size, image_size), torch.float32)
    assert -1 <= images.min() < -0.9 < 0.9 < images.max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", SIZES)
@every_discriminator
def test_a_discriminator_makes_one_logit_of_each_image(case, image_size, channels):
    discriminator = made(case, image_size=image_size, base_channels=2, channels=channels)
    logits = discriminator(inputs(discriminator))
    assert (logits.shape, logits.dtype) == ((3,), torch.float32)
    assert logits.unique().numel() == 3


@every_network
def test_bfloat16_and_channels_last_change_the_output_little_and_not_its_type(case):
    network = made(case, image_size=16, base_channels=8)
    network.train(not network.config.get("spectral_norm"))  # in training, each pass changes a divided weight
    given = inputs(network, count=16)
    expected = network(given)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(given), expected, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(given)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.1)


def test_resizing_has_no_transposed_convolution():
    def transposed(upsample):
        network = made(("DCGANGenerator", {"upsample": upsample}), image_size=16)
        return [each for each in network.modules() if isinstance(each, nn.ConvTranspose2d)]

    assert len(transposed("transposed")) == 2
    assert not transposed("resize")


def test_batch_normalisation_is_in_all_layers_of_a_dcgan_discriminator_but_the_first():
    network = made(("DCGANDiscriminator", {"norm": "batch"}), image_size=32)
    assert [isinstance(each, nn.BatchNorm2d) for each in network.norms] == [False, True, True, True]


# ------------------------------------------------------------------ classes


@every_conditional_network
def test_the_class_changes_the_output_of_its_own_image_only(case, conditioning):
    network = made(case, num_classes=4, conditioning=conditioning)
    given = inputs(network, count=8)
    network(given, torch.arange(8) % 4)  # batch statistics to evaluate with
    network.eval()
    for parameter in network.parameters():  # gains and biases start equal for all classes
        parameter.data += 0.1 * torch.randn_like(parameter)
    one, other = (network(given, torch.tensor([first, 1, 2, 3, 0, 1, 2, 3])) for first in (0, 2))
    assert (one[0] - other[0]).abs().max() > 1e-4
    torch.testing.assert_close(one[1:], other[1:])


@every_conditional_network
def test_every_parameter_gets_a_gradient(case, conditioning):
    """As DistributedDataParallel wants it."""
    network = made(case, image_size=16, num_classes=4, conditioning=conditioning)
    network(inputs(network), torch.tensor([0, 1, 3])).square().sum().backward()
    assert [name for name, each in network.named_parameters() if each.grad is None] == []


@every_network
def test_class_labels_that_do_not_suit_the_network_are_refused_in_one_sentence(case):
    without, conditional = made(case), made(case, num_classes=4)
    with pytest.raises(ValueError, match=r"^class_labels must be left out.*\.$"):
        without(inputs(without), torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match=r"^class_labels are missing: the network wants one of its 4 classes.*\.$"):
        conditional(inputs(conditional))
    with pytest.raises(ValueError, match=r"^class_labels must be torch.int64 of shape \(3,\), not .* \(2,\)\.$"):
        conditional(inputs(conditional), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"^class_labels must be torch\.int64 .*, not torch\.float32"):
        conditional(inputs(conditional), torch.tensor([0.0, 1.0, 2.0]))


# ------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"image_size": 30}, "image_size must be one of 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, not 30."),
        ({"image_size": 36}, "image_size must be one of"),
        ({"image_size": 4}, "image_size must be one of"),
        ({"image_size": 128}, "image_size must be one of"),
        ({"channels": 2}, "channels must be 1 (gray) or 3 (colour), not 2."),
        ({"base_channels": 0}, "base_channels must be at least 1, not 0."),
        ({"num_classes": 0}, "num_classes must be at least 1, not 0."),
        ({"conditioning": "film"}, "conditioning must be 'concat' or 'projection', not 'film'."),
    ],
)
@pytest.mark.parametrize("name", MODULES)
def test_a_configuration_that_cannot_be_built_is_refused_in_one_sentence(name, config, sentence):
    with pytest.raises(ValueError) as caught:
        network_class(name)(**config)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "config", "argument"),
    [
        ("MLPGenerator", {"latent_dim": 0}, "latent_dim"),
        ("DCGANGenerator", {"upsample": "bilinear"}, "upsample"),
        ("DCGANDiscriminator", {"norm": "layer"}, "norm"),
        ("DCGANDiscriminator", {"norm": "batch", "spectral_norm": True}, "spectral_norm"),
        ("ResNetGenerator", {"norm": "spectral"}, "norm"),
        ("ResNetGenerator", {"norm": "none", "num_classes": 3, "conditioning": "projection"}, "conditioning"),
    ],
)
def test_an_argument_of_one_network_that_cannot_be_built_is_named(name, config, argument):
    with pytest.raises(ValueError, match=rf"^{argument} .*\.$"):
        network_class(name)(**config)


def test_an_unknown_network_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"DCGanGenerator.*did you mean `DCGANGenerator`.*ResNetDiscriminator"):
        network_class("DCGanGenerator")


@every_discriminator
def test_the_config_says_whether_weights_are_divided_in_each_pass(case):
    network = made(case, num_classes=2, conditioning="projection")
    divided = [each for each in network.modules() if parametrize.is_parametrized(each)]
    layers = [each for each in network.modules() if isinstance(each, (nn.Conv2d, nn.Linear, nn.Embedding))]
    assert network.config.spectral_norm == bool(divided)
    assert not divided or divided == layers


# ------------------------------------------------------------------ weights


@every_network
def test_the_seed_decides_the_weights(case):
    one, same, other = (made(case, seed, num_classes=3).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_dcgan_weights_start_as_in_the_paper():
    for network in (
        made(("DCGANGenerator", {}), image_size=32, base_channels=32),
        made(("DCGANDiscriminator", {"norm": "batch"}), image_size=32, base_channels=32),
    ):
        gains = torch.cat([each.weight for each in network.modules() if isinstance(each, nn.BatchNorm2d)])
        weights = torch.cat([each.flatten() for each in network.parameters() if each.ndim > 1])
        assert (gains.mean() - 1).abs() < 0.01
        assert 0.015 < gains.std() < 0.025
        assert weights.mean().abs() < 0.001
        assert 0.0195 < weights.std() < 0.0205


@pytest.mark.parametrize("network", ["DCGANGenerator", "ResNetGenerator", "MLPGenerator"])
def test_classes_start_with_gains_around_1_and_biases_of_0(network):
    generator = made((network, {}), num_classes=3, conditioning="projection", base_channels=32)
    tables = [each for name, each in generator.named_parameters() if "gains_and_biases" in name]
    assert tables
    for table in tables:
        gains, biases = table.chunk(2, dim=1)
        assert (gains - 1).abs().max() < 0.1
        assert not biases.any()


def test_residual_branches_start_at_0_without_normalisation_only():
    def branch_weights(norm):
        return [block.conv2.weight.any() for block in made(("ResNetGenerator", {"norm": norm}), 0, 16).blocks]

    assert branch_weights("none") == [False, False]
    assert branch_weights("batch") == [True, True]


@every_conditional_network
def test_saved_networks_come_back_with_their_config_and_every_weight(case, conditioning, tmp_path):
    network = made(case, image_size=12, num_classes=3, conditioning=conditioning)
    network(inputs(network), torch.tensor([0, 1, 2]))
    network.save_pretrained(tmp_path)
    loaded, info = type(network).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    before, after = (
        {key: value for key, value in each.config.items() if key not in ("_name_or_path", "_use_default_values")}
        for each in (network, loaded)
    )
    assert before == {key: after[key] for key in before}
    expected, found = network.state_dict(), loaded.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


# ------------------------------------------------------------------ gradients of gradients


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@every_discriminator
def test_a_gradient_penalty_moves_the_weights_of_every_discriminator(case, conditioning):
    discriminator = made(case, image_size=16, num_classes=3, conditioning=conditioning)
    images = inputs(discriminator).requires_grad_()
    logits = discriminator(images, torch.tensor([0, 1, 2]))
    (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradients.square().sum().backward()
    weights = [each for each in discriminator.parameters() if each.ndim > 1]
    assert sum(each.grad is not None and bool(each.grad.any()) for each in weights) >= len(weights) - 1
    assert all(each.grad is None or each.grad.isfinite().all() for each in weights)


@every_discriminator
def test_a_second_forward_pass_before_the_backward_pass_is_no_error(case):
    discriminator = made(case)
    real, fake = inputs(discriminator, seed=1), inputs(discriminator, seed=2)
    (discriminator(real) - discriminator(fake)).sum().backward()


@pytest.mark.parametrize("case", [each for each in DISCRIMINATORS if each[1].get("norm") != "batch"], ids=name_of)
def test_a_discriminator_without_batch_normalisation_looks_at_each_image_alone(case):
    discriminator = made(case, image_size=16)
    images = inputs(discriminator, count=4)
    discriminator(images)
    discriminator.train(not discriminator.config.spectral_norm)
    together = discriminator(images)
    alone = torch.cat([discriminator(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("module", sorted(set(MODULES.values())))
def test_all_networks_take_the_sizes_that_are_told(module):
    assert image_sizes() == SIZES
    assert importlib.import_module(f"hfloop.gan.networks.{module}").IMAGE_SIZES == SIZES
