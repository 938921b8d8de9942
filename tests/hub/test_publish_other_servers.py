"""What a publish makes of Hubs that answer otherwise than ours does, as they may."""

from __future__ import annotations

import pytest
from publishing import publish, sentence, tiny_release, titles

SILENT_ABOUT_FILES = """
from huggingface_hub import HfApi
real_info = HfApi.model_info
def model_info(self, *arguments, **options):
    info = real_info(self, *arguments, **options)
    info.siblings = None
    return info
HfApi.model_info = model_info
"""


@pytest.fixture
def release(tmp_path):
    return tiny_release(tmp_path / "release", 1)


@pytest.fixture
def ann(hub, fresh_name):
    """A user's name and a token of theirs that may write."""
    name = fresh_name("ann")
    return name, hub.user(name)


# ------------------------------------------------------------------ a server that lists no files beside the commit


def test_people_s_text_stays_where_only_the_tree_tells_of_files(hub, clients, ann, release, tmp_path):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id, setup=SILENT_ABOUT_FILES).exit_code == 0
    card = hub.repo("model", repo_id).files()["README.md"]
    hub.commit(repo_id, {"README.md": card + b"\nWritten on the Hub.\n"})
    again = publish(clients, token, release, repo_id, setup=SILENT_ABOUT_FILES)
    assert again.stdout.startswith("nothing to publish")
    later = tiny_release(tmp_path / "later", 2)
    assert publish(clients, token, later, repo_id, setup=SILENT_ABOUT_FILES).exit_code == 0
    assert b"\nWritten on the Hub.\n" in hub.repo("model", repo_id).files()["README.md"]


def test_a_commit_that_only_the_tree_shows_is_not_taken_away_again(hub, clients, ann, release):
    user, token = ann
    hub.faults.add("reset", method="POST", path="/commit/", acted=True)
    ended = publish(clients, token, release, f"{user}/tiny", setup=SILENT_ABOUT_FILES)
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.startswith("published: ")
    assert len(hub.repo("model", f"{user}/tiny").history) == 2


def test_a_commit_that_cannot_be_seen_is_not_taken_away_again(hub, clients, ann, release):
    user, token = ann
    hub.faults.add("reset", method="POST", path="/commit/", acted=True)
    hub.faults.add("status", method="GET", path="/tree/", at=2, times=None, status=404)
    said = sentence(publish(clients, token, release, f"{user}/tiny", setup=SILENT_ABOUT_FILES))
    assert "may have its commit or not" in said
    assert f"; {user}/tiny stays; to try again: " in said
    hub.faults.clear()
    assert len(hub.repo("model", f"{user}/tiny").history) == 2
    assert publish(clients, token, release, f"{user}/tiny").stdout.startswith("nothing to publish")


# ------------------------------------------------------------------ names


def test_a_namespace_is_spelt_as_the_hub_spells_it(hub, clients, ann, release):
    user, token = ann
    ended = publish(clients, token, release, f"{user.upper()}/tiny")
    assert ended.exit_code == 0, ended.stderr
    assert len(hub.repo("model", f"{user}/tiny").history) == 2


# ------------------------------------------------------------------ answers that are lost, and refusals that are not


def test_a_repository_that_was_made_unseen_is_told(hub, clients, ann, release):
    user, token = ann
    hub.faults.add("reset", method="POST", path="/repos/create", acted=True)
    hub.faults.add("status", method="GET", path=f"^/api/models/{user}/tiny$", at=2, times=None, status=500)
    said = sentence(publish(clients, token, release, f"{user}/tiny"))
    assert said.startswith(f"{user}/tiny may have been made, empty, or not, for the answer was lost")
    hub.faults.clear()
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0


def test_a_refusal_is_a_refusal_though_nothing_can_be_looked_at_afterwards(hub, clients, ann, release, tmp_path):
    user, token = ann
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0
    hub.faults.add("status", method="POST", path="/commit/", status=403, message="You may not")
    hub.faults.add("status", method="GET", path=f"^/api/models/{user}/tiny$", at=2, times=None, status=500)
    said = sentence(publish(clients, token, tiny_release(tmp_path / "later", 2), f"{user}/tiny"))
    assert said.startswith(f"the commit to {user}/tiny failed: the Hub answers 403 (Forbidden), “You may not”")
    assert f"{user}/tiny is as it was" in said


def test_a_commit_that_holds_something_else_than_was_sent_is_not_called_unchanged(
    hub, clients, ann, release, tmp_path
):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    setup = (
        "from huggingface_hub import CommitOperationAdd, HfApi\n"
        "def lost(self, repo_id, operations, **options):\n"
        "    real(self, repo_id, [*operations, CommitOperationAdd('config.json', b'{ }')][1:], **options)\n"
        "    raise ConnectionError('gone')\n"
        "real, HfApi.create_commit = HfApi.create_commit, lost\n"
    )
    said = sentence(publish(clients, token, tiny_release(tmp_path / "later", 2), repo_id, setup=setup))
    assert said.startswith(f"the answer to the commit to {repo_id} was lost, and the commit that is there now (")
    assert "is as it was" not in said
    assert len(hub.repo("model", repo_id).history) == 3


def test_a_hidden_repository_that_is_answered_401_may_be_made(hub, clients, ann, release):
    user, token = ann
    setup = (
        "import httpx2\n"
        "from huggingface_hub import HfApi, errors\n"
        "def hidden(self, *arguments, **options):\n"
        "    HfApi.model_info = real\n"
        "    response = httpx2.Response(401, request=httpx2.Request('GET', 'http://hub'))\n"
        "    raise errors.RepositoryNotFoundError('401', response=response)\n"
        "real, HfApi.model_info = HfApi.model_info, hidden\n"
    )
    ended = publish(clients, token, release, f"{user}/tiny", setup=setup)
    assert ended.exit_code == 0, ended.stderr


# ------------------------------------------------------------------ pull requests


def test_a_server_that_tells_no_references_takes_pull_requests(hub, clients, ann, release, tmp_path):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    hub.faults.add("status", method="GET", path="/refs", times=None, status=404)
    later = tiny_release(tmp_path / "later", 2)
    assert publish(clients, token, later, repo_id, "--create-pr").exit_code == 0
    hub.faults.add("reset", method="POST", path="/commit/", acted=True)
    latest = tiny_release(tmp_path / "latest", 3)
    said = sentence(publish(clients, token, latest, repo_id, "--create-pr"))
    assert "does not tell its pull requests" in said
    assert titles(hub.repo("model", repo_id).history)[-1] == "Release of recipes/tiny.py, published by hfloop"


# ------------------------------------------------------------------ what may be taken away again


def test_a_repository_that_we_may_not_have_made_is_not_taken_away(hub, clients, ann, release):
    user, token = ann
    hub.create("model", f"{user}/tiny")
    hub.faults.add("status", method="GET", path=f"^/api/models/{user}/tiny$", status=404)  # a stale answer
    hub.faults.add("status", method="POST", path="/repos/create", status=503)
    hub.faults.add("status", method="POST", path="/commit/", status=403, message="You may not")
    said = sentence(publish(clients, token, release, f"{user}/tiny"))
    assert f"; {user}/tiny stays, empty, and the next try fills it; to try again: " in said
    assert hub.exists("model", f"{user}/tiny")


def test_a_new_repository_with_somebody_s_branch_is_not_taken_away(hub, clients, ann, release):
    user, token = ann
    setup = (
        "from huggingface_hub import HfApi\n"
        "def refused(self, repo_id, *arguments, **options):\n"
        "    self.create_branch(repo_id, branch='dev')\n"
        "    raise ValueError('no')\n"
        "HfApi.create_commit = refused\n"
    )
    said = sentence(publish(clients, token, release, f"{user}/tiny", setup=setup))
    assert f"; the new repository {user}/tiny stays, as it has other branches; to try again: " in said
    assert hub.exists("model", f"{user}/tiny")


@pytest.mark.parametrize("how", ["path.write_bytes(b'x' * size)", "path.unlink(); path.symlink_to('/etc/hosts')"])
def test_a_large_file_that_is_altered_after_the_check_is_not_sent(hub, clients, ann, tmp_path, how):
    user, token = ann
    size = 17 << 20
    release = tiny_release(tmp_path / "release", 1, {"large.json": b" " * size})
    setup = (
        "from pathlib import Path\n"
        "from huggingface_hub import HfApi\n"
        "def create_repo(self, *arguments, **options):\n"
        f"    path, size = Path({str(release / 'large.json')!r}), {size}\n"
        f"    {how}\n"
        "    return real(self, *arguments, **options)\n"
        "real, HfApi.create_repo = HfApi.create_repo, create_repo\n"
    )
    said = sentence(publish(clients, token, release, f"{user}/tiny", setup=setup))
    assert said.startswith("large.json was altered after it was looked at")
    assert not hub.exists("model", f"{user}/tiny")


# ------------------------------------------------------------------ courtesies


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_that_validates_no_cards_is_said_to(hub, clients, ann, release, status):
    user, token = ann
    hub.faults.add("html", method="POST", path="/validate-yaml", status=status, times=None)
    ended = publish(clients, token, release, f"{user}/tiny")
    assert ended.exit_code == 0
    assert f"the Hub did not check the card's metadata: it answers {status}; going on\n" in ended.stderr


def test_a_server_of_models_alone_is_published_to(hub, clients, ann, release):
    user, token = ann
    hub.faults.add("status", method="GET", path="^/api/(datasets|spaces)/", status=501, times=None)
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0


def test_a_commit_that_changes_nothing_is_not_called_published(hub, clients, ann, release):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    head = hub.repo("model", repo_id).head
    setup = (
        "from hfloop.hub.plan import OutgoingFile\n"
        "real = OutgoingFile.is_at\n"
        "OutgoingFile.is_at = lambda self, remote: remote.path != 'model.safetensors' and real(self, remote)\n"
        "from huggingface_hub import HfApi\n"
        "from huggingface_hub.hf_api import CommitInfo\n"
        "def dropped(self, repo_id, *arguments, **options):\n"
        f"    url = '{hub.url}/{repo_id}/commit/{head}'\n"
        f"    return CommitInfo(commit_url=url, commit_message='', commit_description='', oid='{head}')\n"
        "HfApi.create_commit = dropped\n"
    )
    ended = publish(clients, token, release, repo_id, setup=setup)
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.startswith(f"nothing to publish: {repo_id} already holds this release (commit {head})")


@pytest.fixture(autouse=True)
def no_faults_are_left(hub):
    yield
    hub.faults.clear()
