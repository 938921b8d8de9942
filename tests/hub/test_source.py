from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, constants, errors

from hfloop.errors import UserError
from hfloop.hub.source import model_folder


def error_of(name):
    with pytest.raises(UserError) as caught:
        model_folder(str(name))
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(name), "NAME")


@pytest.fixture
def hub_that(monkeypatch, tmp_path):
    """A Hub whose download does what the test says; gives the keyword arguments of the call."""
    asked = {}

    def answer(result):
        def snapshot_download(api, name, **options):
            asked.update(options, name=name)
            if isinstance(result, Exception):
                raise result
            return str(result)

        monkeypatch.setattr(HfApi, "snapshot_download", snapshot_download)
        return asked

    return answer


def refusal(kind, status):
    request = httpx2.Request("GET", "https://huggingface.co/api/models/user/name")
    return kind("told at length\nand on several lines", response=httpx2.Response(status, request=request))


# ------------------------------------------------------------------ folders


def test_a_folder_is_taken_as_it_is(tiny_backbone):
    assert model_folder(str(tiny_backbone)) == tiny_backbone


def test_a_folder_without_a_model_is_refused(tmp_path):
    assert error_of(tmp_path) == "NAME holds no transformers model: it has no config.json."
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert error_of(tmp_path).startswith("NAME has no weights in safetensors, and pickled ones, which can run code, ")


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert error_of(tmp_path / "model.safetensors") == "NAME holds no transformers model: it has no config.json."


@pytest.mark.parametrize("name", ["no/such/folder", "./models", "two words", "-x", "a" * 97])
def test_what_is_neither_a_folder_nor_a_hub_id_is_called_so(name):
    assert error_of(name) == "NAME is neither a folder here nor a Hub id (`user/name`)."


# ------------------------------------------------------------------ the Hub


def test_only_json_safetensors_and_vocabularies_are_downloaded(hub_that, tiny_backbone):
    asked = hub_that(tiny_backbone)
    assert model_folder("user/name") == Path(tiny_backbone)
    assert asked["name"] == "user/name"
    wanted = set(asked["allow_patterns"])
    assert {"*.json", "*.safetensors"} <= wanted
    assert not wanted & {"*.bin", "*.py", "*.pkl", "*.pt", "*"}


def test_a_repository_without_a_model_is_refused(hub_that, tmp_path):
    hub_that(tmp_path)
    assert error_of("user/name") == "NAME holds no transformers model: it has no config.json."


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusal(errors.RepositoryNotFoundError, 401), "the Hub has no model NAME, or it is private and you are not"),
        (refusal(errors.GatedRepoError, 403), "NAME is gated: accept its terms on its Hub page, then run `hf auth"),
        (
            refusal(errors.HfHubHTTPError, 500),
            "NAME could not be downloaded from the Hub: the Hub answers 500 (Internal Server Error)",
        ),
        (OSError(28, "No space left on device"), "NAME could not be downloaded from the Hub: [Errno 28] No space"),
        (
            httpx2.ReadError("connection lost"),
            "NAME could not be downloaded from the Hub: the connection to the Hub broke (connection lost)",
        ),
        (
            httpx2.ReadTimeout(""),
            "NAME could not be downloaded from the Hub: the Hub did not answer in time (ReadTimeout).",
        ),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_sentence(hub_that, answer, message):
    hub_that(answer)
    assert error_of("user/name").startswith(message)


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_a_hub_id_is_refused_at_once(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    began = time.monotonic()
    assert error_of("user/name").startswith("NAME is no folder here, and the Hub cannot be reached (or HF_HUB_OFFLINE")
    assert time.monotonic() - began < 5
