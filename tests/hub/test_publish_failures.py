"""Everything that huggingface_hub, httpx2 and hf_xet raise is one sentence, without a token and without HTML."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time

import httpx2
import pytest
from huggingface_hub import constants, errors
from huggingface_hub.utils import get_session, hf_raise_for_status

from hfloop.errors import UserError
from hfloop.hub import client
from hfloop.hub.client import hub_api, waiting_for
from hfloop.hub.failures import hub_errors, in_words, status_of, without_tokens

URL = "https://huggingface.co/api/models/user/name"


def refusal(status, message=None, **headers):
    """What the library raises for an answer."""
    response = httpx2.Response(
        status,
        request=httpx2.Request("GET", URL),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        **({"json": {"error": message}} if message else {}),
    )
    try:
        hf_raise_for_status(response)
    except errors.HfHubHTTPError as error:
        return error
    raise AssertionError(status)


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal(402, "Pay first"), "ANSWERS 402 (Payment Required), “Pay first”: the account has to pay for this"),
        (refusal(403, "Not you"), "ANSWERS 403 (Forbidden), “Not you”: use a token that may do this: make one with"),
        (refusal(404, X_Error_Code="EntryNotFound"), "ANSWERS 404 (Not Found): look whether the name is right"),
        (refusal(409, "It exists"), "ANSWERS 409 (Conflict), “It exists”: it conflicts with what is there"),
        (refusal(412, "Stale"), "ANSWERS 412 (Precondition Failed), “Stale”: somebody changed the repository"),
        (refusal(400, "Bad\nlines"), "ANSWERS 400 (Bad Request), “Bad”"),
        (refusal(429, Retry_After="90"), "ANSWERS 429 (Too Many Requests): it has had too many requests; wait 90 s"),
        (
            refusal(429, RateLimit='"api";r=0;t=55'),
            "ANSWERS 429 (Too Many Requests): it has had too many requests; wai",
        ),
        (refusal(429), "ANSWERS 429 (Too Many Requests): it has had too many requests; wait a minute"),
        (refusal(503, "Down"), "ANSWERS 503 (Service Unavailable), “Down”: it has trouble of its own, which often"),
        (refusal(599), "ANSWERS 599: it has trouble of its own, which often"),
        (refusal(403, X_Error_Code="GatedRepo"), "it is gated: accept its terms on its Hub page"),
        (errors.OfflineModeIsEnabled("no"), "HF_HUB_OFFLINE is set, which forbids any call: unset it"),
        (errors.LocalTokenNotFoundError("no"), "the Hub wants to know who you are: run `hf auth login`, or set HF_TO"),
        (json.JSONDecodeError("Expecting value", "<html>", 0), "what answers at https://huggingface.co does not spea"),
        (KeyError("url"), "what answers at https://huggingface.co does not speak as the Hub does"),
        (httpx2.ReadTimeout(""), "the Hub did not answer in time (ReadTimeout)"),
        (httpx2.ConnectError("refused"), "the Hub at https://huggingface.co cannot be reached (refused): connect to"),
        (httpx2.ReadError("reset"), "the connection to the Hub broke (reset)"),
        (httpx2.ReadError(""), "the connection to the Hub broke (ReadError)"),
        (ConnectionError("Xet says no"), "the connection to the Hub broke (Xet says no)"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ValueError("LFS batch API returned errors:\nquota"), "LFS batch API returned errors: quota"),
        (
            caused(RuntimeError("Error while uploading"), refusal(500, "S3")),
            "ANSWERS 500 (Internal Server Error), “S3”",
        ),
        (caused(errors.LocalEntryNotFoundError("?"), httpx2.ConnectTimeout("")), "the Hub did not answer in time (C"),
        (RuntimeError(""), "RuntimeError"),
    ],
)
def test_each_failure_in_words(error, words, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "https://huggingface.co")
    said = in_words(error)
    assert said.startswith(words.replace("ANSWERS", "the Hub answers"))
    assert "\n" not in said
    assert said.endswith("wait 55 s") == ("t=55" in str(getattr(error, "response", httpx2.Response(200)).headers))
    with pytest.raises(UserError) as caught, hub_errors("it failed"):
        raise error
    assert str(caught.value) == f"it failed: {said}."


def test_web_pages_are_not_told():
    error = refusal(502)
    error.server_message = "<!DOCTYPE html><html><body>Bad Gateway</body></html>"
    assert "html" not in in_words(error)


def test_a_token_that_a_server_repeats_is_masked(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a-token-of-another-kind")
    assert without_tokens("got a-token-of-another-kind") == "got hf_…"
    assert without_tokens("got hf_abcdefghijklmnop.") == "got hf_…"
    assert "hf_abcdef" not in in_words(refusal(403, "hf_abcdefghijklmnop may not"))


def test_the_status_of_an_answer_is_known_behind_an_upload_that_gave_up():
    assert status_of(caused(RuntimeError("Error while uploading"), refusal(500))) == 500
    assert status_of(httpx2.ReadError("reset")) is None


def test_mistakes_of_ours_pass():
    with pytest.raises(AssertionError), hub_errors("it failed"):
        raise AssertionError


# ------------------------------------------------------------------ waits


@pytest.fixture
def silence():
    """The port of a server that does not answer, and hangs up after five seconds, lest a failing test hang."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        end = threading.Timer(5, server.close)
        end.start()
        yield server.getsockname()[1]
        end.cancel()


@pytest.mark.parametrize("timeout", [{}, {"timeout": None}])
def test_no_call_waits_for_ever_even_where_the_library_asks_for_it(silence, monkeypatch, timeout):
    monkeypatch.setattr(client, "TIMEOUTS", dict.fromkeys(client.TIMEOUTS, 0.1))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub_api()
    began = time.monotonic()
    with pytest.raises(httpx2.ReadTimeout):
        get_session().get(f"http://127.0.0.1:{silence}/", **timeout)
    assert time.monotonic() - began < 2


def test_a_time_out_that_the_library_sets_stays(silence, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub_api()
    began = time.monotonic()
    with pytest.raises(httpx2.ReadTimeout):
        get_session().get(f"http://127.0.0.1:{silence}/", timeout=0.1)
    assert time.monotonic() - began < 2


def test_no_wait_is_longer_than_a_minute():
    assert max(client.TIMEOUTS.values()) < 60
    assert client.TIMEOUTS["connect"] <= 10


def test_offline_stays_offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub_api()
    with pytest.raises(errors.OfflineModeIsEnabled):
        get_session().get("http://127.0.0.1:9/")


def test_long_waits_are_told_and_short_ones_are_not(monkeypatch, caplog):
    monkeypatch.setattr(client, "SECONDS_BETWEEN_WORDS", 0.1)
    monkeypatch.setattr(logging.getLogger("hfloop"), "propagate", True)
    caplog.set_level(logging.INFO, logger="hfloop")
    threads = threading.active_count()
    with waiting_for("nothing"):
        pass
    assert caplog.messages == []
    with waiting_for("the upload"):
        time.sleep(0.35)
    assert 2 <= len(caplog.messages) <= 3
    assert caplog.messages[0].startswith("still waiting for the Hub: the upload (")
    assert threading.active_count() == threads
