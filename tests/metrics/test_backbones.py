from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    ResNetConfig,
    ResNetModel,
    SegformerConfig,
    SegformerModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from hfloop.errors import UserError
from hfloop.metrics.backbones import read_preparation, sha256_of_model
from hfloop.metrics.features import load_extractor

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PREPARATION = {
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 28, "width": 28},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def random_images(*shape, seed=0):
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def saved(model, folder: Path, preparation=PREPARATION) -> str:
    model.save_pretrained(folder)
    write_preparation(folder, preparation)
    return str(folder)


def write_preparation(folder: Path, preparation) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))


def dinov2() -> Dinov2Model:
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=14
    )
    return Dinov2Model(config).eval()


@pytest.fixture
def folder(tmp_path):
    saved(dinov2(), tmp_path)
    return tmp_path


def sentence_of(call, folder):
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(folder), "NAME")


# ------------------------------------------------------------------ models


def test_dinov2_gives_its_class_token_after_the_files_own_preparation(folder):
    extractor = load_extractor(str(folder))
    images = random_images(3, 3, 32, 32)
    pixels = images.float()[:, :, 2:30, 2:30] / 255  # the size asked for already, so only the crop and the scale
    mean, std = (torch.tensor(PREPARATION[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    with torch.inference_mode():
        expected = dinov2()((pixels - mean) / std).last_hidden_state[:, 0]
    torch.testing.assert_close(extractor(images), expected, atol=1e-5, rtol=1e-5)
    assert (extractor.name, extractor.dimension, extractor.classes) == (folder.name, 16, None)
    assert extractor.sha256 == sha256_of_model(folder)
    assert extractor.image_pipeline == (
        "gray repeated to three channels, resized to a shortest edge of 32 (PyTorch, bicubic with antialiasing, in "
        "float32), the central 28×28 kept, multiplied by 0.00392157, less [0.485, 0.456, 0.406], divided by [0.229, "
        "0.224, 0.225]; the feature is the pooler output"
    )


def test_features_depend_neither_on_the_batch_nor_on_the_callers_precision(folder):
    extractor = load_extractor(str(folder))
    images = random_images(5, 3, 40, 50)
    together = extractor(images)
    torch.testing.assert_close(together, torch.cat([extractor(image[None]) for image in images]), atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(extractor(images), together)


def test_gray_images_are_repeated(folder):
    extractor = load_extractor(str(folder))
    gray = random_images(2, 1, 28, 28)
    assert torch.equal(extractor(gray), extractor(gray.repeat(1, 3, 1, 1)))


def test_a_backbone_has_no_class_probabilities(folder):
    message = sentence_of(lambda: load_extractor(str(folder)).probabilities(random_images(1, 3, 28, 28)), folder)
    assert (
        message == f"the extractor {folder.name} is no classifier; name one for class probabilities, such as mnist-v1."
    )


def vit(model_class, **options):
    torch.manual_seed(0)
    return model_class(ViTConfig(**SMALL, image_size=28, patch_size=14, **options)).eval()


def test_a_pooler_that_was_trained_is_used(tmp_path):
    extractor = load_extractor(saved(vit(ViTModel), tmp_path))
    assert extractor.image_pipeline.endswith("the feature is the pooler output")


def test_a_pooler_without_weights_gives_way_to_the_class_token(tmp_path):
    classifier = vit(ViTForImageClassification)
    extractor = load_extractor(saved(classifier, tmp_path))
    assert extractor.image_pipeline.endswith("the feature is the class token")
    images = random_images(2, 3, 32, 32)
    with torch.inference_mode():
        pixels = extractor.preparation(images.float())
        expected = classifier.vit(pixels).last_hidden_state[:, 0]
    torch.testing.assert_close(extractor(images), expected)


def test_clip_sees_with_its_vision_half(tmp_path):
    torch.manual_seed(0)
    text = {**SMALL, "vocab_size": 20, "max_position_embeddings": 8}
    vision = {**SMALL, "image_size": 28, "patch_size": 14}
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).eval()
    extractor = load_extractor(saved(clip, tmp_path))
    images = random_images(2, 3, 32, 32)
    with torch.inference_mode():
        expected = clip.vision_model(extractor.preparation(images.float())).pooler_output
    torch.testing.assert_close(extractor(images), expected)


def test_a_gray_resnet_takes_luma_and_gives_averages_over_space(tmp_path):
    torch.manual_seed(0)
    config = ResNetConfig(num_channels=1, embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    preparation = {"size": 28, "crop_pct": 0.875, "resample": 3, "image_mean": [0.5], "image_std": [0.5]}
    extractor = load_extractor(saved(ResNetModel(config), tmp_path, preparation))
    assert extractor(random_images(2, 3, 30, 30)).shape == (2, 12)
    assert extractor.image_pipeline.startswith("colour to luma (ITU-R BT.601), resized to a shortest edge of 32 (")


def siglip():
    return SiglipVisionModel(SiglipVisionConfig(**SMALL, image_size=28, patch_size=14, vision_use_head=False))


def segformer():
    return SegformerModel(
        SegformerConfig(
            num_encoder_blocks=1,
            depths=[1],
            sr_ratios=[1],
            hidden_sizes=[8],
            patch_sizes=[7],
            strides=[4],
            num_attention_heads=[1],
            mlp_ratios=[2],
        )
    )


@pytest.mark.parametrize(("new_model", "places"), [(siglip, 1), (segformer, (2, 3))])
def test_without_pooler_and_class_token_the_last_layer_is_averaged(tmp_path, new_model, places):
    torch.manual_seed(0)
    model = new_model().eval()
    extractor = load_extractor(saved(model, tmp_path))
    assert extractor.image_pipeline.endswith("the feature is the mean of the last layer")
    images = random_images(2, 3, 32, 32)
    with torch.inference_mode():
        expected = model(extractor.preparation(images.float())).last_hidden_state.mean(dim=places)
    torch.testing.assert_close(extractor(images), expected)


def test_another_configuration_is_another_extractor(tmp_path):
    dinov2().save_pretrained(tmp_path)
    first = sha256_of_model(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 1'))
    assert sha256_of_model(tmp_path) != first


def test_weights_in_several_files_have_one_hash(tmp_path):
    dinov2().save_pretrained(tmp_path, max_shard_size="10KB")
    assert not (tmp_path / "model.safetensors").exists()
    first = sha256_of_model(tmp_path)
    shard = next(tmp_path.glob("model-*.safetensors"))
    save_file({name: tensor + 1 for name, tensor in load_file(shard).items()}, shard, metadata={"format": "pt"})
    assert len(first) == 64 and sha256_of_model(tmp_path) != first


# ------------------------------------------------------------------ preparation


@pytest.mark.parametrize(("resample", "pillow"), [(2, Image.Resampling.BILINEAR), (3, Image.Resampling.BICUBIC)])
@pytest.mark.parametrize("shape", [(50, 70), (70, 50), (20, 20)])
def test_the_preparation_is_pillows_to_a_rounding(tmp_path, resample, pillow, shape):
    write_preparation(tmp_path, {**PREPARATION, "resample": resample, "do_normalize": False})
    preparation = read_preparation(tmp_path, "NAME", 3)
    height, width = shape
    smooth = random_images(1, 3, 9, 9)[0].permute(1, 2, 0).numpy()
    image = Image.fromarray(smooth).resize((width, height), Image.Resampling.BICUBIC)
    ours = preparation(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float())[0]
    edge = (int(32 * width / height), 32) if height <= width else (32, int(32 * height / width))
    left, top = (edge[0] - 28) // 2, (edge[1] - 28) // 2
    theirs = np.asarray(image.resize(edge, pillow).crop((left, top, left + 28, top + 28))) / 255
    assert np.abs(ours.permute(1, 2, 0).numpy() - theirs).max() < 1.5 / 255


@pytest.mark.parametrize(
    ("changes", "size", "crop"),
    [
        ({}, 32, (28, 28)),
        ({"do_center_crop": False}, 32, None),
        ({"size": {"height": 20, "width": 24}, "do_center_crop": False}, (20, 24), None),
        ({"size": 224, "do_center_crop": False}, (224, 224), None),
        ({"size": 224, "crop_size": 224}, 224, (224, 224)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, 256, (224, 224)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384), None),
    ],
)
def test_sizes_as_the_files_of_different_models_write_them(tmp_path, changes, size, crop):
    write_preparation(tmp_path, {**PREPARATION, **changes})
    preparation = read_preparation(tmp_path, "NAME", 3)
    assert (preparation.size, preparation.crop) == (size, crop)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"do_resize": False}, "`do_resize` is off"),
        ({"resample": 1}, "`resample` is 1, not 2 (bilinear) or 3 (bicubic)"),
        ({"size": {"longest_edge": 32}}, "no `height`"),
        ({"crop_size": 40}, "`crop_size` (40, 40) is larger than `size` (32, 32)"),
        ({"image_mean": [0.5]}, "`image_mean` and `image_std` are not of 3 values, one for each channel"),
    ],
)
def test_a_preparation_that_cannot_be_followed_is_refused(tmp_path, changes, reason):
    write_preparation(tmp_path, {**PREPARATION, **changes})
    message = sentence_of(lambda: read_preparation(tmp_path, "NAME", 3), tmp_path)
    assert message == f"NAME: its preprocessor_config.json cannot be followed: {reason}."


def test_a_preparation_that_is_no_json_or_missing_is_refused(tmp_path):
    message = sentence_of(lambda: read_preparation(tmp_path, "NAME", 3), tmp_path)
    assert message == "NAME has no preprocessor_config.json, which says how images are to be prepared; add one."
    (tmp_path / "preprocessor_config.json").write_text("{")
    assert "cannot be followed: " in sentence_of(lambda: read_preparation(tmp_path, "NAME", 3), tmp_path)


# ------------------------------------------------------------------ models that are refused


def test_a_model_that_lacks_weights_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    message = sentence_of(lambda: load_extractor(str(folder)), folder)
    assert message == "NAME lacks weights of its own architecture (layernorm.weight, …); name a complete model."


def test_a_model_of_text_is_refused(tmp_path):
    BertModel(BertConfig(**SMALL, vocab_size=20)).save_pretrained(tmp_path)
    message = sentence_of(lambda: load_extractor(str(tmp_path)), tmp_path)
    assert message == "NAME takes no gray or colour images; name a vision model, such as facebook/dinov2-base."


def test_a_model_that_transformers_does_not_know_is_refused(folder):
    (folder / "config.json").write_text('{"model_type": "unheard-of"}')
    assert sentence_of(lambda: load_extractor(str(folder)), folder).startswith(
        "NAME cannot be loaded as a vision model: "
    )


def test_damaged_weights_are_refused(folder):
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert sentence_of(lambda: load_extractor(str(folder)), folder).startswith(
        "NAME cannot be loaded as a vision model: "
    )
