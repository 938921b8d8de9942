"""Everything that can go wrong between hfloop and the Hub, said in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from json import JSONDecodeError

import httpx2
from huggingface_hub import constants, errors, get_token
from huggingface_hub.utils import parse_ratelimit_headers

from hfloop.errors import UserError, one_line

HUB_FAILURES = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    OSError,  # Xet's ConnectionError, OfflineModeIsEnabled, LocalTokenNotFoundError, and a full disk
    RuntimeError,  # an LFS upload after its last try
    ValueError,  # what is no JSON, and what the library itself refuses
    KeyError,  # an answer without what the library looks for in it
    TypeError,
    AttributeError,
    errors.EntryNotFoundError,
    errors.RevisionResolutionError,
    errors.XetDownloadError,
)
"""What huggingface_hub, httpx2 and hf_xet raise; put only calls of theirs into a block that catches all of these."""

_LONGEST = 300
_TOKEN = re.compile(r"\b(hf|api_org|hf_jwt|hf_oauth)_[A-Za-z0-9._-]{16,}")
_CREDENTIALS = re.compile(r"://[^/@\s]+@")  # of an endpoint behind a proxy, say
_MENDS = {
    401: "log in with `hf auth login`, or set HF_TOKEN to a token that is valid",
    402: "the account has to pay for this",
    403: "use a token that may do this: make one with write rights at {endpoint}/settings/tokens",
    404: "look whether the name is right and your token may see it",
    409: "it conflicts with what is there",
    412: "somebody changed the repository at the same moment",
    413: "the Hub takes no files of this size",
}


@contextmanager
def hub_errors(failed: str) -> Iterator[None]:
    """Turn whatever a call of huggingface_hub raises into one sentence that begins with `failed`.

    Args:
        failed: what did not happen, such as `user/name could not be created`.

    Raises:
        UserError: what failed, what the Hub said, and what to do.
    """
    try:
        yield
    except HUB_FAILURES as error:
        raise UserError(f"{failed}: {in_words(error)}.") from None


def in_words(error: BaseException) -> str:
    """What the Hub, or the way to it, said, and what to do about it; without a full stop, never with a token."""
    error = _root(error)
    if isinstance(error, errors.OfflineModeIsEnabled):
        said = "HF_HUB_OFFLINE is set, which forbids any call: unset it"
    elif isinstance(error, errors.LocalTokenNotFoundError):
        said = "the Hub wants to know who you are: run `hf auth login`, or set HF_TOKEN"
    elif isinstance(error, errors.GatedRepoError):
        said = "it is gated: accept its terms on its Hub page with the account of your token"
    elif isinstance(error, errors.HfHubHTTPError):
        said = _answer_in_words(error)
    elif isinstance(error, JSONDecodeError | KeyError | TypeError | AttributeError):
        said = (
            f"what answers at {constants.ENDPOINT} does not speak as the Hub does (a proxy or a login page may stand "
            "before it): look whether the network and HF_ENDPOINT are right"
        )
    elif isinstance(error, httpx2.TimeoutException):
        said = f"the Hub did not answer in time ({type(error).__name__})"
    elif isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        said = f"the Hub at {constants.ENDPOINT} cannot be reached ({_short(error)}): connect to the network"
    elif isinstance(error, httpx2.TransportError | ConnectionError):
        said = f"the connection to the Hub broke ({_short(error)})"
    else:
        said = _short(error)
    return without_tokens(said)


def status_of(error: BaseException) -> int | None:
    """The status that the Hub answered; None where it did not answer."""
    error = _root(error)
    return error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None


def without_tokens(text: str) -> str:
    """The text with every token masked, should a server repeat one, and every password in a URL."""
    if token := get_token():
        text = text.replace(token, "hf_…")
    return _CREDENTIALS.sub("://…@", _TOKEN.sub(r"\1_…", text))


def _root(error: BaseException) -> BaseException:
    """What is behind an error that only says that there was one."""
    while isinstance(error, RuntimeError | errors.LocalEntryNotFoundError) and isinstance(
        error.__cause__, HUB_FAILURES
    ):
        error = error.__cause__
    return error


def _answer_in_words(error: errors.HfHubHTTPError) -> str:
    response = error.response
    status = response.status_code
    answer = f"the Hub answers {status}{_phrase(status)}"
    if told := _server_message(error):
        answer += f", “{told}”"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return f"{answer}: it has had too many requests; wait {_wait_of(response)}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"{answer}: it has trouble of its own, which often passes in a few minutes"
    if status in _MENDS:
        return f"{answer}: " + _MENDS[status].format(endpoint=constants.ENDPOINT)
    return answer


def _phrase(status: int) -> str:
    return next((f" ({known.phrase})" for known in HTTPStatus if known == status), "")


def _server_message(error: errors.HfHubHTTPError) -> str:
    """The first line of what the server told people; web pages and XML are not for them."""
    lines = (error.server_message or "").strip().splitlines()
    return "" if not lines or lines[0].startswith("<") else lines[0].strip().rstrip(".")[:_LONGEST]


def _wait_of(response: httpx2.Response) -> str:
    limit = parse_ratelimit_headers(response.headers)
    told = response.headers.get("Retry-After", "").strip()
    if told.isdigit():
        return f"{told} s"
    if limit is not None:
        return f"{limit.reset_in_seconds} s"
    return f"until {told}" if told else "a minute"


def _short(error: BaseException) -> str:
    said = one_line(error)[:_LONGEST] if isinstance(error, Exception) else ""
    return said or type(error).__name__
