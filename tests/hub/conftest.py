"""A local Hub for the tests of what talks to the Hub, and clients of it in processes of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hub_asking import Name, Run, runner
from hub_clients import Clients
from hub_fixture import LocalHub
from hub_store import Repo

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def hub() -> Iterator[LocalHub]:
    """A Hub that lives as long as the tests; take names from `fresh_name`. Faults are gone after each test."""
    running = LocalHub()
    yield running
    running.close()


@pytest.fixture(scope="session")
def clients(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of `hub` as processes; the first test that asks for them waits for the imports."""
    running = Clients(hub.url, tmp_path_factory.mktemp("clients"))
    yield running
    running.close()


@pytest.fixture
def fresh_name() -> Name:
    """Gives names of users and repositories that no other test has: `fresh_name("ann")` is `ann-7`."""
    return lambda stem: f"{stem}-{next(_numbers)}"


@pytest.fixture
def ann(hub: LocalHub, fresh_name: Name) -> str:
    """A user's name; `ann_token` is their token."""
    return fresh_name("ann")


@pytest.fixture
def ann_token(hub: LocalHub, ann: str) -> str:
    return hub.user(ann)


@pytest.fixture
def run(clients: Clients, ann_token: str) -> Run:
    """Runs code with huggingface_hub as ann; see :func:`hub_asking.runner`."""
    return runner(clients, ann_token)


@pytest.fixture
def model(hub: LocalHub, ann: str) -> Repo:
    """A public model of ann's with three files, one of them kept with LFS."""
    repo = hub.create("model", f"{ann}/model")
    files = {"config.json": b"{}", "sub/notes.txt": "ä\n".encode(), "model.safetensors": bytes(range(256)) * 40}
    hub.commit(repo.id, files, "Files")
    return repo


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test broke is mended after it."""
    yield
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub").faults.clear()
