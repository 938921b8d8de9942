"""What a publish makes of a repository, as people at a terminal see it."""

from __future__ import annotations

import json
import re

import pytest
from publishing import publish, sentence, tiny_release, titles

NOTES = b"Somebody's own notes.\n"


@pytest.fixture
def release(tmp_path):
    return tiny_release(tmp_path / "release", 1, {"stale.txt": b"of the first release", "sub/picture.png": b"PNG"})


@pytest.fixture
def ann(hub, fresh_name):
    """A user's name and a token of theirs that may write."""
    name = fresh_name("ann")
    return name, hub.user(name)


def plan_lines(text):
    """What of a plan is about files: (what, name)."""
    return [(row[1], row[2]) for row in re.finditer(r"^  (\w+) +[\d.]+ k?B  (.+)$", text, re.MULTILINE)]


# ------------------------------------------------------------------ the first time, and again


def test_a_release_becomes_a_repository_in_one_commit(hub, clients, ann, release):
    user, token = ann
    ended = publish(clients, token, release, f"{user}/tiny")
    assert ended.exit_code == 0, ended
    repo = hub.repo("model", f"{user}/tiny")
    assert titles(repo.history) == ["initial commit", "Release of recipes/tiny.py, published by hfloop"]
    files = repo.files()
    for path in release.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert files[path.relative_to(release).as_posix()] == path.read_bytes()
    assert f"# {user}/tiny says 1\n".encode() in files["README.md"]
    assert b"# . says 1" in (release / "README.md").read_bytes()  # the folder itself stays as it was
    assert ended.stdout.splitlines() == [
        f"published: {hub.url}/{user}/tiny/commit/{repo.head}",
        f"commit {repo.head}, read back: every file is what was sent, and the model works",
    ]
    assert f"{release} → {user}/tiny, a new repository\n" in ended.stderr
    assert not repo.private
    assert not hub.surprises


def test_a_second_publish_changes_nothing_and_looks_again(hub, clients, ann, release):
    user, token = ann
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0
    head = hub.repo("model", f"{user}/tiny").head
    seen = len(hub.requests)
    ended = publish(clients, token, release, "tiny")  # the name alone is the user's own
    assert ended.exit_code == 0
    assert ended.stdout == (
        f"nothing to publish: {user}/tiny already holds this release (commit {head}); it was read back and works\n"
    )
    assert hub.repo("model", f"{user}/tiny").head == head
    asked = hub.requests[seen:]
    assert {each.method for each in asked} == {"GET", "HEAD"}
    assert any(f"/resolve/{head}/config.json" in each.path for each in asked)


def test_a_later_release_takes_the_place_of_the_earlier_and_what_people_added_stays(
    hub, clients, ann, release, tmp_path
):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    card = hub.repo("model", repo_id).files()["README.md"].decode()
    edited = card.replace("license: apache-2.0", "license: apache-2.0\nthumbnail: a.png") + "\nWritten on the Hub.\n"
    hub.commit(repo_id, {"README.md": edited.encode(), "notes.md": NOTES})
    later = tiny_release(tmp_path / "later", 2)
    (later / "README.md").write_text((later / "README.md").read_text() + "\nWritten in the folder.\n")
    ended = publish(clients, token, later, repo_id, "--dry-run")
    assert plan_lines(ended.stdout) == [
        ("changed", "README.md"),
        ("changed", "config.json"),
        ("changed", "hfloop.json"),
        ("changed", "model.safetensors"),
        ("removed", "stale.txt"),
        ("removed", "sub/picture.png"),
        ("unchanged", ".eval_results/hfloop.yaml"),
        ("kept", ".gitattributes (not of the release)"),
        ("kept", "notes.md (not of the release)"),
    ]
    assert publish(clients, token, later, repo_id).exit_code == 0
    repo = hub.repo("model", repo_id)
    files = repo.files()
    assert files["notes.md"] == NOTES
    assert not {"stale.txt", "sub/picture.png"} & files.keys()
    text = files["README.md"].decode()
    assert "thumbnail: a.png" in text
    assert "Written on the Hub." in text
    assert "Written in the folder." in text
    assert f"# {repo_id} says 2\n" in text
    assert "says 1" not in text
    assert len(repo.history) == 4  # the Hub's own, the release, the edit by hand, the release
    for _ in range(2):
        assert publish(clients, token, later, repo_id).stdout.startswith("nothing to publish")
    assert len(repo.history) == 4


def test_a_gitignore_that_somebody_put_there_leaves_nothing_out(hub, clients, ann, release, tmp_path):
    user, token = ann
    hub.create("model", f"{user}/tiny")
    hub.commit(f"{user}/tiny", {".gitignore": b"*.json\n*.safetensors\n"})
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0
    assert {"config.json", "model.safetensors"} <= hub.repo("model", f"{user}/tiny").files().keys()


# ------------------------------------------------------------------ flags


def test_a_dry_run_changes_nothing_and_makes_no_repository(hub, clients, ann, release):
    user, token = ann
    seen = len(hub.requests)
    ended = publish(clients, token, release, f"{user}/tiny", "--private", "--dry-run")
    assert ended.exit_code == 0
    assert ended.stdout.startswith(f"{release} → {user}/tiny, a new private repository\n")
    assert ended.stdout.endswith("7 added; 797 B to upload\n") or re.search(
        r"7 added; \d+ B to upload\n$", ended.stdout
    )
    assert not hub.exists("model", f"{user}/tiny")
    changing = [each.path for each in hub.requests[seen:] if each.method not in ("GET", "HEAD")]
    assert changing == ["/api/validate-yaml"]


def test_a_private_repository_is_made_private_and_a_public_one_is_not_taken_for_one(hub, clients, ann, release):
    user, token = ann
    assert publish(clients, token, release, f"{user}/hidden", "--private").exit_code == 0
    assert hub.repo("model", f"{user}/hidden").private
    assert publish(clients, token, release, f"{user}/hidden").exit_code == 0
    assert publish(clients, token, release, f"{user}/shown").exit_code == 0
    assert sentence(publish(clients, token, release, f"{user}/shown", "--private")) == (
        f"{user}/shown is public: make it private at {hub.url}/{user}/shown/settings, or leave out --private "
        f"(--hub_private of a recipe); to try again: hfloop publish {release} --to {user}/shown --private"
    )


def test_a_pull_request_proposes_the_change(hub, clients, ann, release, tmp_path, fresh_name):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    head = hub.repo("model", repo_id).head
    guest = hub.user(fresh_name("bob"))
    later = tiny_release(tmp_path / "later", 2)
    ended = publish(clients, guest, later, repo_id, "--create-pr", "--message", "Try two")
    assert ended.exit_code == 0, ended
    assert ended.stdout.startswith(f"proposed: {hub.url}/{repo_id}/discussions/1\n")
    repo = hub.repo("model", repo_id)
    assert repo.head == head
    assert json.loads(repo.files("refs/pr/1")["config.json"]) == {"number": 2}


def test_a_pull_request_whose_answer_is_lost_is_found(hub, clients, ann, release, tmp_path):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    hub.faults.add("reset", method="POST", path="/commit/", acted=True)
    ended = publish(clients, token, tiny_release(tmp_path / "later", 2), repo_id, "--create-pr")
    assert ended.exit_code == 0, ended
    assert ended.stdout.startswith(f"proposed: {hub.url}/{repo_id}/discussions/1\n")


def test_a_branch_is_published_to_and_one_that_is_missing_is_named(hub, clients, ann, release, tmp_path):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    later = tiny_release(tmp_path / "later", 2)
    assert sentence(publish(clients, token, later, repo_id, "--revision", "next")) == (
        f"{repo_id} has no branch next: make it with `hf repos branch create {repo_id} next`; to try again: hfloop "
        f"publish {later} --to {repo_id} --revision next"
    )
    repo = hub.repo("model", repo_id)
    repo.branches["next"] = repo.head
    ended = publish(clients, token, later, repo_id, "--revision", "next", "--message", "Two")
    assert ended.exit_code == 0, ended
    assert json.loads(repo.files("next")["config.json"]) == {"number": 2}
    assert json.loads(repo.files("main")["config.json"]) == {"number": 1}


@pytest.mark.parametrize(("answer", "published"), [("y\n", True), ("\n", False), ("no\n", False)])
def test_at_a_terminal_it_asks(hub, clients, ann, release, answer, published):
    user, token = ann
    ended = publish(clients, token, release, f"{user}/tiny", stdin=answer, tty=True)
    assert ended.exit_code == (0 if published else 1)
    assert "Publish? [y/N]" in ended.stdout
    assert hub.exists("model", f"{user}/tiny") == published
    assert ("not published: nothing was changed" in ended.stdout) != published


def test_at_a_terminal_yes_asks_nothing(hub, clients, ann, release):
    user, token = ann
    ended = publish(clients, token, release, f"{user}/tiny", "--yes", tty=True)
    assert ended.exit_code == 0
    assert "[y/N]" not in ended.stdout
    assert hub.exists("model", f"{user}/tiny")


def test_an_interrupted_publish_leaves_what_was_there(hub, clients, ann, release):
    user, token = ann
    hub.faults.add("stall", method="POST", path="/preupload/", seconds=2)
    seen = len(hub.requests)
    ended = publish(
        clients,
        token,
        release,
        f"{user}/tiny",
        interrupt=lambda: any("/preupload/" in each.path for each in hub.requests[seen:]) or striking(hub),
    )
    assert ended.exit_code == 130, ended
    assert "Traceback" not in ended.stderr
    assert f"interrupted: the new repository {user}/tiny was removed again" in ended.stderr
    assert not hub.exists("model", f"{user}/tiny")


def striking(hub):
    """Whether a fault has struck, although its request is not recorded before its end."""
    return any(fault.hits for fault in hub.faults._faults)


# ------------------------------------------------------------------ what arrives is looked at


def test_a_file_that_arrives_altered_is_named(hub, clients, ann, release):
    user, token = ann
    setup = (
        "from huggingface_hub import HfApi\n"
        "real = HfApi.snapshot_download\n"
        "def altered(*arguments, **options):\n"
        "    from pathlib import Path\n"
        "    folder = real(*arguments, **options)\n"
        "    (Path(folder) / 'stale.txt').write_text('another')\n"
        "    return folder\n"
        "HfApi.snapshot_download = altered\n"
    )
    said = sentence(publish(clients, token, release, f"{user}/tiny", setup=setup))
    head = hub.repo("model", f"{user}/tiny").head
    assert said == (
        f"{user}/tiny is complete: {hub.url}/{user}/tiny/commit/{head}; but stale.txt of {user}/tiny at {head[:8]} is "
        f"not what was sent: its sha256 is another; to try again: hfloop publish {release} --to {user}/tiny"
    )


def test_a_commit_by_somebody_else_in_the_meantime_stops_it(hub, clients, ann, release, tmp_path):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    later = tiny_release(tmp_path / "later", 2)
    setup = (
        "from huggingface_hub import CommitOperationAdd, HfApi\n"
        "real = HfApi.preupload_lfs_files\n"
        "def meanwhile(self, *arguments, **options):\n"
        "    HfApi.preupload_lfs_files = real\n"
        "    theirs = [CommitOperationAdd('theirs.txt', b'theirs')]\n"
        f"    self.create_commit({repo_id!r}, theirs, commit_message='Theirs')\n"
        "    return real(self, *arguments, **options)\n"
        "HfApi.preupload_lfs_files = meanwhile\n"
    )
    said = sentence(publish(clients, token, later, repo_id, setup=setup))
    assert "412 (Precondition Failed)" in said
    assert "somebody changed the repository at the same moment" in said
    repo = hub.repo("model", repo_id)
    assert titles(repo.history)[-1] == "Theirs"
    assert publish(clients, token, later, repo_id).exit_code == 0
    assert repo.files()["theirs.txt"] == b"theirs"


def test_where_it_cannot_be_seen_whether_the_commit_was_made_it_says_so(hub, clients, ann, release, tmp_path):
    user, token = ann
    repo_id = f"{user}/tiny"
    assert publish(clients, token, release, repo_id).exit_code == 0
    later = tiny_release(tmp_path / "later", 2)
    hub.faults.add("reset", method="POST", path="/commit/", acted=True)
    hub.faults.add("reset", method="GET", path=f"^/api/models/{repo_id}$", at=2, times=None)
    said = sentence(publish(clients, token, later, repo_id))
    assert said.startswith(f"{repo_id} may have its commit or not, and nothing in between: the answer was lost (the ")
    assert "is as it was" not in said
    hub.faults.clear()
    assert publish(clients, token, later, repo_id).stdout.startswith("nothing to publish")
    assert len(hub.repo("model", repo_id).history) == 3


def test_a_new_repository_that_cannot_be_removed_again_is_told(hub, clients, ann, release):
    user, token = ann
    hub.faults.add("status", method="POST", path="/commit/", status=500)
    hub.faults.add("status", method="DELETE", status=403, message="You may not")
    said = sentence(publish(clients, token, release, f"{user}/tiny"))
    assert (
        f"; the new repository {user}/tiny stays, empty, and the next try fills it (it could not be removed: " in said
    )
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0
    assert len(hub.repo("model", f"{user}/tiny").history) == 2


def test_a_repository_that_somebody_fills_at_the_same_moment_is_not_removed(hub, clients, ann, release):
    user, token = ann
    setup = (
        "from huggingface_hub import CommitOperationAdd, HfApi\n"
        "def meanwhile(self, *arguments, **options):\n"
        "    theirs = [CommitOperationAdd('theirs.txt', b'theirs')]\n"
        f"    real(self, '{user}/tiny', theirs, commit_message='Theirs')\n"
        "    return real(self, *arguments, **options)\n"
        "real, HfApi.create_commit = HfApi.create_commit, meanwhile\n"
    )
    said = sentence(publish(clients, token, release, f"{user}/tiny", setup=setup))
    assert "412 (Precondition Failed)" in said
    assert f"; the new repository {user}/tiny stays, as it is not empty; to try " in said
    assert hub.repo("model", f"{user}/tiny").files()["theirs.txt"] == b"theirs"


def test_a_wait_is_told(hub, clients, ann, release):
    user, token = ann
    hub.faults.add("stall", method="GET", path="/api/whoami", seconds=0.5)
    setup = "from hfloop.hub import client\nclient.SECONDS_BETWEEN_WORDS = 0.2\n"
    ended = publish(clients, token, release, f"{user}/tiny", "--dry-run", setup=setup)
    assert ended.exit_code == 0
    assert "still waiting for the Hub: who you are (0 s so far)\n" in ended.stderr


def test_no_token_is_told_to_anybody(hub, clients, ann, release, tmp_path):
    user, token = ann
    home = tmp_path / "home"
    hub.faults.add("status", method="POST", path="/commit/", status=403, message=f"the token {token} may not")
    setup = (
        "from pathlib import Path\n"
        "from hfloop.hub import publish\n"
        "real = publish.read_back\n"
        "def with_command_line(*arguments):\n"
        f"    Path({str(tmp_path / 'cmdline')!r}).write_bytes(Path('/proc/self/cmdline').read_bytes())\n"
        "    real(*arguments)\n"
        "publish.read_back = with_command_line\n"
    )
    ended = publish(clients, token, release, f"{user}/tiny", hf_home=home, setup=setup)
    assert "“the token hf_… may not”" in sentence(ended)
    ended = publish(clients, token, release, f"{user}/tiny", hf_home=home, setup=setup)
    assert ended.exit_code == 0
    secret = token.removeprefix("hf_").encode()
    assert secret not in (ended.stdout + ended.stderr).encode()
    looked_at = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert looked_at
    assert [path for path in looked_at if secret in path.read_bytes()] == []
    assert not any(secret in content for content in hub.repo("model", f"{user}/tiny").files().values())
