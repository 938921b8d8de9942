"""The local Hub, asked over bare connections: where it must be strict, and that each fault is on the wire as named."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from hub_asking import Name, ask
from hub_cards import judge
from hub_fixture import LocalHub
from hub_store import Repo


def _lines(*operations: tuple[str, dict[str, Any]], **header: Any) -> bytes:
    """A commit's ndjson."""
    lines = [("header", {"summary": "Title", "description": ""} | header), *operations]
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in lines)


def _file(path: str, content: bytes = b"x") -> tuple[str, dict[str, Any]]:
    return "file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}


def _commit(hub: LocalHub, repo: Repo, token: str | None, body: bytes, kind: str = "x-ndjson") -> tuple[int, str]:
    path = f"/api/models/{repo.id}/commit/main"
    status, _, said = ask(hub.url, "POST", path, body, token=token, headers={"Content-Type": f"application/{kind}"})
    return status, json.loads(said).get("error", "")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "x", "colour": "red"}, "colour"),
        ({"organization": "x"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x", "type": "moddel"}, "type"),
        ({"name": "x", "sdk": "gradio"}, "sdk"),
        ({"name": "x", "visibility": "hidden"}, "visibility"),
        ({"name": "x", "type": "space", "sdk": "flask"}, "sdk"),
    ],
)
def test_a_field_that_the_hub_does_not_take_is_named(
    hub: LocalHub, ann_token: str, body: dict[str, Any], named: str
) -> None:
    status, headers, said = ask(hub.url, "POST", "/api/repos/create", body, token=ann_token)
    assert status == 400 and f'"{named}"' in json.loads(said)["error"]
    assert headers["x-error-message"] == json.loads(said)["error"]


def test_bodies_of_another_type_are_refused(hub: LocalHub, ann_token: str, model: Repo) -> None:
    as_text = {"Content-Type": "text/plain"}
    assert ask(hub.url, "POST", "/api/repos/create", b'{"name": "x"}', token=ann_token, headers=as_text)[0] == 400
    assert ask(hub.url, "POST", f"/api/models/{model.id}/paths-info/main", b"paths=a", headers=as_text)[0] == 400
    assert _commit(hub, model, ann_token, _lines(_file("a.txt")), "json")[0] == 400


def test_who_has_no_token_writes_nothing(hub: LocalHub, model: Repo) -> None:
    status, headers, said = ask(hub.url, "POST", f"/api/models/{model.id}/preupload/main", {"files": []})
    assert (status, json.loads(said)) == (401, {"error": "Invalid username or password."})
    assert "x-error-code" not in headers and headers["x-error-message"] == "Invalid username or password."
    before = model.head
    assert _commit(hub, model, None, _lines(_file("a.txt")))[0] == 401
    assert model.head == before


@pytest.mark.parametrize("path", ["../a", "a/../b", "/a", "a\\b", ".git/config", "a/.GIT/b", "a//b", "", ".", "a/"])
def test_paths_that_could_leave_the_repository_are_refused(
    hub: LocalHub, ann_token: str, model: Repo, path: str
) -> None:
    assert _commit(hub, model, ann_token, _lines(_file(path)))[0] == 422
    body = {"files": [{"path": path, "size": 1, "sample": ""}]}
    assert ask(hub.url, "POST", f"/api/models/{model.id}/preupload/main", body, token=ann_token)[0] == 422


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (_lines(), 400, "Add a line with the key `lfsFile`, `file` or `deletedFile`"),
        (_lines(_file("a" * 256)), 400, "too long"),
        (_lines(_file("a.txt"), summary=" "), 400, "summary"),
        (_lines(_file("a.txt"), title="x"), 400, 'Unrecognized key: "title"'),
        (_lines(_file("a.txt"), parentCommit="main"), 400, "parentCommit"),
        (_lines(("copyFile", {"path": "a"})), 400, "Unknown key 'copyFile'"),
        (_lines(("header", {"summary": "again"})), 400, "header"),
        (_lines(("file", {"path": "a", "content": "%", "encoding": "base64"})), 400, "not base64"),
        (_lines(_file("config.json/a")), 400, "a file and a folder"),
        (_lines(_file("large.txt", b"x" * (10 * 2**20 + 1))), 400, "larger than 10 MiB"),
        (_lines(_file("README.md", b"---\nlicense: nope\n---\n")), 400, "YAML metadata verification"),
        (_lines(("lfsFile", {"path": "a.bin", "algo": "sha256", "oid": "0" * 64, "size": 1})), 400, "LFS pointer"),
        (_lines(("deletedFolder", {"path": "nope"})), 404, "A file with this name doesn't exist"),
        (b"{", 400, "not valid JSON"),
    ],
)
def test_a_commit_that_cannot_be_is_refused_and_changes_nothing(
    hub: LocalHub, ann_token: str, model: Repo, body: bytes, status: int, text: str
) -> None:
    before = model.head, dict(model.commits)
    got, said = _commit(hub, model, ann_token, body)
    assert got == status and text in said
    assert (model.head, model.commits) == before


def test_a_tag_does_not_move(hub: LocalHub, ann_token: str, model: Repo) -> None:
    model.point("refs/tags/v1", model.head)
    path = f"/api/models/{model.id}/commit/refs%2Ftags%2Fv1"
    sent = {"Content-Type": "application/x-ndjson"}
    status, headers, _ = ask(hub.url, "POST", path, _lines(_file("a.txt")), token=ann_token, headers=sent)
    assert (status, headers["x-error-code"]) == (404, "RevisionNotFound")


def test_of_many_commits_with_one_parent_one_wins(hub: LocalHub, ann_token: str, model: Repo) -> None:
    parent = model.head
    bodies = [_lines(_file(f"{n}.txt"), parentCommit=parent) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        with model.lock:  # what holds it keeps every commit out
            waiting = [pool.submit(_commit, hub, model, ann_token, body) for body in bodies]
            time.sleep(0.2)
            assert not any(each.done() for each in waiting)
        statuses = [each.result()[0] for each in waiting]
    assert sorted(statuses) == [200, *[412] * 11]
    assert model.at("main").parent == parent


def test_lfs_objects_are_there_once_they_are_verified(hub: LocalHub, ann_token: str, model: Repo) -> None:
    content = b"weights" * 100
    wanted = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    lfs = {"Content-Type": "application/vnd.git-lfs+json"}
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [wanted], "hash_algo": "sha256"}
    place = f"/{model.id}.git/info/lfs/objects"

    def actions() -> dict[str, Any]:
        status, _, said = ask(hub.url, "POST", f"{place}/batch", batch, token=ann_token, headers=lfs)
        assert status == 200
        return json.loads(said)["objects"][0].get("actions", {})

    def put(body: bytes, **sent: Any) -> int:
        link = urlsplit(actions()["upload"]["href"])
        return ask(hub.storage_url, "PUT", f"{link.path}?{link.query}", body, **sent)[0]

    def verify() -> int:
        return ask(hub.url, "POST", f"{place}/verify", wanted, token=ann_token)[0]

    assert ask(hub.url, "POST", f"{place}/batch", batch, token=ann_token)[0] == 400  # not as JSON of git-lfs
    assert verify() == 404
    for wrong in (content[:-1], content[::-1]):
        assert put(wrong) == 200 and verify() == 400
    assert put(content, token=ann_token) == 400  # the link alone is the permission
    assert hub.surprises.pop().startswith("a token reached the storage: PUT")
    assert ask(hub.storage_url, "PUT", f"/{model.key}/{wanted['oid']}", content)[0] == 403  # without a signature
    line = ("lfsFile", {"path": "w.bin", "algo": "sha256"} | wanted)
    assert put(content) == 200 and _commit(hub, model, ann_token, _lines(line))[0] == 400
    assert verify() == 200 and actions() == {}
    assert _commit(hub, model, ann_token, _lines(line))[0] == 200
    assert model.files()["w.bin"] == content


def test_secrets_are_never_told(hub: LocalHub, ann: str, ann_token: str) -> None:
    place = f"/api/spaces/{hub.create('space', f'{ann}/app').id}/secrets"
    body = {"key": "KEY", "value": "deep", "description": "of the safe"}
    for method, sent in (("POST", body), ("GET", None)):
        status, _, said = ask(hub.url, method, place, sent, token=ann_token)
        assert status == 200 and b"of the safe" in said and b"deep" not in said
    assert ask(hub.url, "GET", place)[0] == 401
    assert ask(hub.url, "GET", place, token=hub.user(f"{ann}-else"))[0] == 403


def test_downloads_say_what_the_client_needs(hub: LocalHub, model: Repo) -> None:
    sub = f"/{model.id}/resolve/main/sub/notes.txt"
    status, headers, said = ask(hub.url, "HEAD", sub)
    assert (status, said, headers["content-length"], headers["x-repo-commit"]) == (200, b"", "3", model.head)
    assert headers["etag"] == f'"{model.at("main").files["sub/notes.txt"].oid}"'
    status, headers, _ = ask(hub.url, "GET", f"/{model.id}/resolve/main/model.safetensors")
    sha256 = model.at("main").files["model.safetensors"].lfs_sha256
    assert (status, headers["x-linked-etag"], headers["x-linked-size"]) == (302, f'"{sha256}"', "10240")
    link = urlsplit(headers["location"])
    assert f"{link.scheme}://{link.netloc}" == hub.storage_url != hub.url
    assert ask(hub.storage_url, "GET", link.path)[2] == model.files()["model.safetensors"]
    status, headers, said = ask(hub.url, "GET", f"/{model.id}/resolve/main/nope")
    assert (status, headers["x-error-code"], headers["x-repo-commit"]) == (404, "EntryNotFound", model.head)


def test_an_old_name_redirects_with_all_of_the_path(hub: LocalHub, model: Repo) -> None:
    old, new = model.id, f"{model.namespace}/renamed"
    hub.rename(old, new)
    for path in (f"/api/models/{old}?blobs=1", f"/{old}/resolve/main/sub/notes.txt"):
        status, headers, _ = ask(hub.url, "GET", path)
        assert (status, headers["location"]) == (307, path.replace(old, new))


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [("bytes=10-19", 206, 10, 19), ("bytes=10200-", 206, 10200, 10239), ("bytes=-5", 206, 10235, 10239)],
)
def test_parts_of_files(hub: LocalHub, model: Repo, wanted: str, status: int, first: int, last: int) -> None:
    oid = model.at("main").files["model.safetensors"].lfs_sha256
    got, headers, said = ask(hub.storage_url, "GET", f"/{model.key}/{oid}", headers={"Range": wanted})
    assert (got, headers["content-range"]) == (status, f"bytes {first}-{last}/10240")
    assert said == model.files()["model.safetensors"][first : last + 1]
    beyond = {"Range": "bytes=99999-"}
    assert ask(hub.url, "GET", f"/{model.id}/resolve/main/config.json", headers=beyond)[0] == 416


def test_what_the_hub_does_not_know_is_remembered(hub: LocalHub) -> None:
    assert hub.surprises == []
    assert ask(hub.url, "GET", "/api/modells/a/b")[0] == 404
    assert hub.surprises.pop() == "GET /api/modells/a/b"


def test_requests_are_remembered_without_their_tokens(hub: LocalHub, ann: str, ann_token: str) -> None:
    ask(hub.url, "GET", "/api/whoami-v2", token=ann_token)
    seen = hub.requests[-1]
    assert (seen.method, seen.path, seen.user, seen.status, seen.size) == ("GET", "/api/whoami-v2", ann, 200, 0)
    assert ann_token not in repr(hub.requests)


@pytest.mark.parametrize(
    ("card", "error"),
    [
        ("license: nope", '"license" must be one of [apache-2.0, mit,'),
        ("license: [mit, 7]", '"license" must be one of'),
        ("tags: x", '"tags" must be an array'),
        ("tags: [1]", '"tags[0]" must be a string'),
        ("datasets: [null]", '"datasets[0]" must be a string'),
        ("datasets: ['a b']", '"datasets[0]" with value "a b" fails to match the required pattern'),
        ("base_model: ./runs/x/release", "is not valid. Use a model id from https://hf.co/models."),
        ("language: english", "must be an ISO 639-1"),
        ("language: EN", '"language" must only contain lowercase characters'),
        ("widget: x", '"widget" must be an array'),
        ("a: [", "YAML metadata is invalid"),
        ("a: 1\na: 2", "duplicated mapping key"),
        ("- a", "should be a dict"),
        ("model-index: x", '"model-index" must be an array'),
        ("model-index: [{results: []}]", '"model-index[0].name" is required'),
        ("model-index: [{name: x, results: [{metrics: []}]}]", '"model-index[0].results[0].task" is required'),
        (
            "model-index: [{name: x, results: [{task: {type: t}, dataset: {name: d}, metrics: []}]}]",
            '"model-index[0].results[0].dataset.type" is required',
        ),
        (
            "model-index: [{name: x, results: [{task: {type: t}, metrics: [{type: f1}]}]}]",
            '"model-index[0].results[0].metrics[0].value" is required',
        ),
    ],
)
def test_cards_of_models_that_the_hub_refuses(hub: LocalHub, card: str, error: str) -> None:
    body = {"content": f"---\n{card}\n---\n# Card\n", "repoType": "model"}
    status, _, said = ask(hub.url, "POST", "/api/validate-yaml", body)
    assert status == 400 and any(error in each["message"] for each in json.loads(said)["errors"])


def test_cards_that_the_hub_takes() -> None:
    card = """---
language: no
license: [mit, other]
tags: [a, on]
base_model: a/b
datasets: a/b
metrics: [f1]
x: yes
model-index:
- name: m
  results:
  - task: {type: token-classification, name: NER}
    dataset: {type: a/b, name: D}
    metrics: [{type: f1, value: 0.5}]
    source: {name: s, url: u}
---
# Card
"""
    assert judge(card, "model") == ([], [])
    assert judge("# No metadata\n", "model") == ([], ["empty or missing yaml metadata in repo card"])
    settings = ["title: T", "emoji: 🚀", "colorFrom: blue", "sdk: gradio", "sdk_version: 6.31.0", "pinned: false"]
    space = "\n".join(["---", *settings, "---", ""])
    assert judge(space, "space") == ([], [])
    assert judge(space.replace("blue", "navy"), "space")[0]


def test_a_status_with_a_time_to_wait(hub: LocalHub, ann_token: str) -> None:
    fault = hub.faults.add("status", path="/whoami", at=2, status=429, retry_after=3, message="Slow down")
    statuses = [ask(hub.url, "GET", "/api/whoami-v2", token=ann_token) for _ in range(3)]
    assert [status for status, _, _ in statuses] == [200, 429, 200]
    assert statuses[1][1]["retry-after"] == "3" and json.loads(statuses[1][2]) == {"error": "Slow down"}
    assert fault.hits == 1


def test_a_fault_for_good_hits_what_it_names_and_nothing_else(hub: LocalHub, ann_token: str) -> None:
    hub.faults.add("status", method="GET", path="/whoami", times=None, status=500)
    assert [ask(hub.url, "GET", "/api/whoami-v2", token=ann_token)[0] for _ in range(4)] == [500] * 4
    assert ask(hub.url, "POST", "/api/validate-yaml", {"content": "---\na: 1\n---\n"})[0] == 200
    hub.faults.clear()
    assert ask(hub.url, "GET", "/api/whoami-v2", token=ann_token)[0] == 200


@pytest.mark.parametrize("status", [200, 502])
def test_a_web_page_in_the_place_of_json(hub: LocalHub, ann_token: str, status: int) -> None:
    hub.faults.add("html", status=status)
    got, headers, said = ask(hub.url, "GET", "/api/whoami-v2", token=ann_token)
    assert (got, headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert said.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("acted", [False, True])
def test_a_reset_before_or_after_the_server_acted(
    hub: LocalHub, ann: str, ann_token: str, acted: bool, fresh_name: Name
) -> None:
    hub.faults.add("reset", method="POST", acted=acted)
    with pytest.raises(ConnectionResetError):
        ask(hub.url, "POST", "/api/repos/create", {"name": "x"}, token=ann_token)
    assert hub.exists("model", f"{ann}/x") == acted
    assert (hub.requests[-1].status, hub.requests[-1].fault) == (None, "reset")


@pytest.mark.parametrize("acted", [False, True])
def test_a_silence_before_the_answer(hub: LocalHub, ann: str, ann_token: str, acted: bool) -> None:
    hub.faults.add("stall", method="POST", seconds=0.6, acted=acted)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(hub.url, "POST", "/api/repos/create", {"name": "x"}, token=ann_token, timeout=0.2)
    assert hub.exists("model", f"{ann}/x") == acted
    hub.faults.add("stall", method="GET", seconds=0.3)
    assert ask(hub.url, "GET", "/api/whoami-v2", token=ann_token)[0] == 200
    assert 0.5 < time.monotonic() - started < 2


def test_a_slow_body_is_whole(hub: LocalHub, model: Repo) -> None:
    hub.faults.add("slow", path="notes", seconds=0.4)
    started = time.monotonic()
    assert ask(hub.url, "GET", f"/{model.id}/resolve/main/sub/notes.txt")[2] == "ä\n".encode()
    assert 0.3 < time.monotonic() - started < 2


def test_a_truncated_body_is_noticed(hub: LocalHub, model: Repo) -> None:
    oid = model.at("main").files["model.safetensors"].lfs_sha256
    hub.faults.add("truncated", path=str(oid))
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(hub.storage_url, "GET", f"/{model.key}/{oid}")
    assert len(cut.value.partial) == 5120
