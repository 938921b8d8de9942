"""Every request of a publish goes wrong in every way, one at a time: the remote is as before or complete."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass

import pytest
from publishing import publish_here, sentence, tiny_release, titles

TITLE = "Release of recipes/tiny.py, published by hfloop"
STALL_SECONDS, PATIENCE = 1.2, 0.6  # a busy machine must not take half of it for an answer


@dataclass(frozen=True)
class Asked:
    """A kind of request in a publish.

    Attributes:
        method: of HTTP.
        path: a regular expression; REPO stands for the repository.
        at: the first of its kind that fails.
        for_good: whether all later ones fail too, because the library itself tries again.
    """

    method: str
    path: str
    at: int = 1
    for_good: bool = False

    def is_like(self, request, repo_id):
        return request.method == self.method and re.search(self.of(repo_id), request.path)

    def of(self, repo_id):
        return self.path.replace("REPO", re.escape(repo_id))


OF_A_NEW_ONE = {
    "whoami": Asked("GET", "^/api/whoami-v2$"),
    "info": Asked("GET", "^/api/models/REPO$"),
    "dataset": Asked("GET", "^/api/datasets/REPO$"),
    "space": Asked("GET", "^/api/spaces/REPO$"),
    "validate": Asked("POST", "^/api/validate-yaml$", for_good=True),
    "create": Asked("POST", "^/api/repos/create$"),
    "info-made": Asked("GET", "^/api/models/REPO$", at=2),
    "tree": Asked("GET", "^/api/models/REPO/tree/", for_good=True),
    "preupload": Asked("POST", "^/api/models/REPO/preupload/main$", for_good=True),
    "lfs-batch": Asked("POST", "^/REPO.git/info/lfs/objects/batch$", for_good=True),
    "lfs-put": Asked("PUT", "^/[0-9a-f]+/[0-9a-f]{64}", for_good=True),
    "lfs-verify": Asked("POST", "^/REPO.git/info/lfs/objects/verify$", for_good=True),
    "commit": Asked("POST", "^/api/models/REPO/commit/main$"),
    "tree-after": Asked("GET", "^/api/models/REPO/tree/", at=2, for_good=True),
    "head-after": Asked("HEAD", "^/REPO/resolve/", for_good=True),
    "get-after": Asked("GET", "^/REPO/resolve/", for_good=True),
    "storage-after": Asked("GET", "^/[0-9a-f]+/[0-9a-f]{64}", for_good=True),
}
OF_AN_OLD_ONE = {
    "info": Asked("GET", "^/api/models/REPO$"),
    "tree": Asked("GET", "^/api/models/REPO/tree/", for_good=True),
    "card-head": Asked("HEAD", "^/REPO/resolve/.*/README.md"),
    "card-get": Asked("GET", "^/REPO/resolve/.*/README.md", for_good=True),
    "record-get": Asked("GET", "^/REPO/resolve/.*/hfloop.json", for_good=True),
    "preupload": Asked("POST", "^/api/models/REPO/preupload/main$"),
    "commit": Asked("POST", "^/api/models/REPO/commit/main$"),
}
WRONG = {
    "401": ("status", {"status": 401, "message": "Invalid credentials"}),
    "403": ("status", {"status": 403, "message": "You may not"}),
    "404": ("status", {"status": 404, "message": "Not here"}),
    "409": ("status", {"status": 409, "message": "A conflict"}),
    "412": ("status", {"status": 412, "message": "Precondition failed"}),
    "429": ("status", {"status": 429, "retry_after": 1, "message": "Slow down"}),
    "500": ("status", {"status": 500}),
    "503-acted": ("status", {"status": 503, "acted": True}),
    "html": ("html", {"status": 200}),
    "html-502": ("html", {"status": 502}),
    "reset": ("reset", {}),
    "reset-acted": ("reset", {"acted": True}),
    "stall": ("stall", {"seconds": STALL_SECONDS}),
    "stall-acted": ("stall", {"seconds": STALL_SECONDS, "acted": True}),
}


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("releases")
    return [tiny_release(folder / str(number), number) for number in (1, 2)]


@pytest.fixture(scope="module")
def first(hub, releases):
    """What a repository of the first release holds, its name written FIRST."""
    token = hub.user("first")
    assert publish_here(hub.url, token, releases[0], "first/tiny").exit_code == 0
    return {
        name: data.replace(b"first/tiny", b"FIRST") for name, data in hub.repo("model", "first/tiny").files().items()
    }


class Remote:
    """A repository of the local Hub and what a publish does to it."""

    def __init__(self, hub, token, repo_id):
        self.hub, self.token, self.repo_id = hub, token, repo_id

    def publish(self, release, **options):
        return publish_here(self.hub.url, self.token, release, self.repo_id, **options)

    def state(self):
        """The head and all that it holds; None where there is no repository."""
        if not self.hub.exists("model", self.repo_id):
            return None
        repo = self.hub.repo("model", self.repo_id)
        return repo.head, repo.files()

    def holds(self, release):
        """Whether it holds this very release, with a card that names the repository."""
        if (state := self.state()) is None:
            return False
        local = {path.relative_to(release).as_posix(): path for path in release.rglob("*") if path.is_file()}
        same = all(state[1].get(name) == path.read_bytes() for name, path in local.items() if name != "README.md")
        number = json.loads((release / "config.json").read_bytes())["number"]
        return same and f"# {self.repo_id} says {number}\n".encode() in state[1].get("README.md", b"")

    def releases(self):
        """How many commits are releases."""
        return titles(self.hub.repo("model", self.repo_id).history).count(TITLE)


def check(remote, asked, how, release, before):
    """One cell: what a fault does, and whether the next try mends everything."""
    kind, options = WRONG[how]
    published = 0 if before is None else remote.releases()
    times = {"times": None} if asked.for_good else {}
    fault = remote.hub.faults.add(
        kind, method=asked.method, path=asked.of(remote.repo_id), at=asked.at, **options, **times
    )
    ended = remote.publish(release, **({"patience": PATIENCE} if kind == "stall" else {}))
    assert fault.hits, "the fault did not strike"
    remote.hub.faults.clear()
    if kind == "stall" and asked in (OF_A_NEW_ONE["create"], OF_A_NEW_ONE["commit"]):
        time.sleep(STALL_SECONDS)  # by then the Hub has done what it was asked, if it still does
    complete = remote.holds(release)
    assert complete or remote.state() == before, (ended, remote.state())
    if ended.exit_code == 0:
        assert complete
    else:
        said = sentence(ended)
        assert said.endswith(f"; to try again: hfloop publish {release} --to {remote.repo_id}"), said
        assert remote.token not in ended.stdout + ended.stderr
        assert (" is complete: " in said) == complete, said
    if not complete:
        again = remote.publish(release)
        assert again.exit_code == 0, again
        assert remote.holds(release)
    assert remote.releases() == published + 1
    return ended


def test_the_matrix_knows_every_request_of_a_publish(hub, fresh_name, releases):
    name = fresh_name("ann")
    remote = Remote(hub, hub.user(name), f"{name}/tiny")
    for release, kinds in zip(releases, (OF_A_NEW_ONE, OF_A_NEW_ONE | OF_AN_OLD_ONE), strict=True):
        seen = len(hub.requests)
        assert remote.publish(release).exit_code == 0
        requests = hub.requests[seen:]
        unknown = [each for each in requests if not any(kind.is_like(each, remote.repo_id) for kind in kinds.values())]
        assert not unknown
    assert not hub.surprises


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("kind", OF_A_NEW_ONE)
def test_a_first_publish_is_whole_or_leaves_nothing(hub, fresh_name, releases, kind, how):
    name = fresh_name("ann")
    remote = Remote(hub, hub.user(name), f"{name}/tiny")
    ended = check(remote, OF_A_NEW_ONE[kind], how, releases[0], before=None)
    if kind == "validate":  # a Hub that cannot validate a card is no reason to stop
        assert ended.exit_code == 0
        assert "the Hub did not check the card's metadata: " in ended.stderr


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("kind", OF_AN_OLD_ONE)
def test_a_later_publish_is_whole_or_leaves_what_was_there(hub, fresh_name, releases, first, kind, how):
    name = fresh_name("ann")
    remote = Remote(hub, hub.user(name), f"{name}/tiny")
    hub.create("model", remote.repo_id)
    hub.commit(
        remote.repo_id, {name: data.replace(b"FIRST", remote.repo_id.encode()) for name, data in first.items()}, TITLE
    )
    check(remote, OF_AN_OLD_ONE[kind], how, releases[1], before=remote.state())
