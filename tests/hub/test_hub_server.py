"""The local Hub, judged by the real huggingface_hub client: it does against it what it does against the Hub."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hub_asking import Name, Run, failed_with
from hub_fixture import LocalHub
from hub_store import Repo, git_oid, ignored, kept_with_lfs, with_lfs_paths


def test_it_says_who_a_token_belongs_to(hub: LocalHub, run: Run, fresh_name: Name) -> None:
    name, org = fresh_name("bob"), fresh_name("acme")
    said = run("say(api.whoami())", token=hub.user(name, "read", orgs=[org]))
    assert (said["name"], said["type"], said["auth"]["accessToken"]["role"]) == (name, "user", "read")
    assert [each["name"] for each in said["orgs"]] == [org]


def test_a_wrong_token_is_refused_even_where_none_is_needed(run: Run, model: Repo) -> None:
    whoami, info = run("fails(api.whoami)\nfails(api.model_info, repo)", token="hf_wrong", repo=model.id)
    assert failed_with(whoami, "HfHubHTTPError", 401, "Invalid user token")
    assert failed_with(info, "HfHubHTTPError", 401, "Invalid credentials in Authorization header")


def test_a_repository_is_created_once(hub: LocalHub, run: Run, ann: str) -> None:
    repo_id = f"{ann}/new"
    first, second, failed = run(
        """
        say(api.create_repo(repo))
        say(api.create_repo(repo, exist_ok=True))
        fails(api.create_repo, repo)
        """,
        repo=repo_id,
    )
    assert first == second == f"{hub.url}/{repo_id}"
    assert failed_with(failed, "HfHubHTTPError", 409, "You already created this model repo")
    repo = hub.repo("model", repo_id)
    assert [commit.title for commit in repo.history] == ["initial commit"]
    assert list(repo.files()) == [".gitattributes"]


@pytest.mark.parametrize(
    ("name", "kind", "status", "text"),
    [
        ("someone-else/x", "HfHubHTTPError", 403, "You don't have the rights to create a model under the namespace"),
        ("a-", "BadRequestError", 400, "Only regular characters"),
        ("a" * 97, "BadRequestError", 400, "Max length is 96"),
    ],
)
def test_some_repositories_cannot_be_created(run: Run, name: str, kind: str, status: int, text: str) -> None:
    said = run(
        """
        import huggingface_hub.utils._validators as validators
        validators.validate_repo_id = lambda repo_id: None  # the server shall say it
        fails(api.create_repo, repo)
        """,
        repo=name,
    )
    assert failed_with(said, kind, status, text)


def test_files_arrive_regular_and_with_lfs(hub: LocalHub, run: Run, ann: str, tmp_path: Path) -> None:
    weights = os.urandom(300_000)
    (tmp_path / "weights").write_bytes(weights)
    oid = run(
        """
        api.create_repo(repo)
        files = [Add("a/b.txt", b"hello"), Add("p.png", b"\\x89PNG\\0"), Add("model.safetensors", "weights")]
        say(api.create_commit(repo, files, commit_message="Title", commit_description="More").oid)
        """,
        repo=f"{ann}/uploaded",
        cwd=tmp_path,
    )
    repo = hub.repo("model", f"{ann}/uploaded")
    head = repo.history[-1]
    assert (head.sha, head.title, head.message, head.author) == (oid, "Title", "More", ann)
    files = repo.files()
    assert files.keys() == {".gitattributes", "a/b.txt", "p.png", "model.safetensors"}
    assert (files["a/b.txt"], files["p.png"], files["model.safetensors"]) == (b"hello", b"\x89PNG\0", weights)
    assert head.files["a/b.txt"].lfs_sha256 is None
    assert head.files["p.png"].lfs_sha256 and head.files["model.safetensors"].lfs_sha256
    assert files[".gitattributes"].endswith(b"\np.png filter=lfs diff=lfs merge=lfs -text\n")


def test_nothing_to_change_makes_no_commit(hub: LocalHub, run: Run, model: Repo) -> None:
    before, seen = model.head, len(hub.requests)
    said = run(
        """
        files = [Add("config.json", b"{}"), Add("model.safetensors", bytes(range(256)) * 40)]
        say(api.create_commit(repo, files, commit_message="Again").oid)
        """,
        repo=model.id,
    )
    assert said == before == model.head
    assert not [each for each in hub.requests[seen:] if each.method == "PUT" or "/commit/" in each.path]


def test_a_stale_parent_is_refused_and_changes_nothing(hub: LocalHub, run: Run, model: Repo) -> None:
    old = model.head
    new = hub.commit(model.id, {"other.txt": b"1"}).sha
    failed, oid = run(
        """
        file = Add("x.txt", b"x")
        fails(api.create_commit, repo, [file], commit_message="m", parent_commit=old)
        say(api.create_commit(repo, [file], commit_message="m", parent_commit=new[:7]).oid)
        """,
        repo=model.id,
        old=old,
        new=new,
    )
    assert failed_with(failed, "HfHubHTTPError", 412, "The branch was updated since you opened this page")
    assert [commit.sha for commit in model.history][-2:] == [new, oid]


def test_deleting_files_and_folders(run: Run, model: Repo) -> None:
    said = run(
        """
        api.create_commit(repo, [Delete("sub/"), Delete("config.json")], commit_message="Less")
        fails(api.create_commit, repo, [Delete("nope")], commit_message="m")
        """,
        repo=model.id,
    )
    assert failed_with(said, "RemoteEntryNotFoundError", 404, "A file with this name doesn't exist")
    assert model.files().keys() == {".gitattributes", "model.safetensors"}


def test_a_snapshot_by_sha_has_the_files_of_that_commit(hub: LocalHub, run: Run, model: Repo) -> None:
    old = model.head
    hub.commit(model.id, {"config.json": b"changed", "late.txt": b"1"})
    hub.commit(model.id, {f"many/{n}.txt": b"%d" % n for n in range(20)}, "More than a page")
    snapshots = run(
        """
        from pathlib import Path
        for revision in (old, None):
            top = Path(snapshot_download(repo, revision=revision))
            say({str(p.relative_to(top)): p.read_bytes().hex() for p in top.rglob("*") if p.is_file()})
        """,
        repo=model.id,
        old=old,
    )
    for snapshot, revision in zip(snapshots, (old, "main"), strict=True):
        assert {path: bytes.fromhex(data) for path, data in snapshot.items()} == model.files(revision)


def test_what_is_missing_is_told_apart(hub: LocalHub, run: Run, model: Repo, fresh_name: Name) -> None:
    secret = hub.create("model", f"{fresh_name('eve')}/secret", private=True)
    code = """
        fails(hf_hub_download, repo, "nope.txt")
        fails(hf_hub_download, repo, "x", revision="v9")
        fails(snapshot_download, repo, revision="0123456789abcdef0123456789abcdef01234567")
        fails(hf_hub_download, "nobody/nothing", "x")
        fails(hf_hub_download, secret, "x")
        fails(snapshot_download, secret)
        """
    for status, options in ((404, {}), (401, {"token": None})):
        names = [(kind, status) for kind, status, _ in run(code, repo=model.id, secret=secret.id, **options)]
        missing = [("RemoteEntryNotFoundError", 404), ("RevisionNotFoundError", 404), ("RevisionNotFoundError", 404)]
        assert names == [*missing, *[("RepositoryNotFoundError", status)] * 3]


def test_a_gated_repository_is_listed_but_its_files_are_not_given(hub: LocalHub, run: Run, model: Repo) -> None:
    hub.gate(model.id)
    bob = hub.user(f"{model.namespace}-bob")
    look = """
        say(api.model_info(repo).gated)
        fails(hf_hub_download, repo, "config.json")
        """
    read = "say(open(hf_hub_download(repo, 'config.json')).read())"
    for token, status in ((None, 401), (bob, 403)):
        gated, failed = run(look, token=token, repo=model.id)
        assert gated == "manual"
        assert failed_with(failed, "GatedRepoError", status, f"Access to model {model.id} is restricted")
    assert run(read, repo=model.id) == "{}"
    model.granted.add(f"{model.namespace}-bob")
    assert run(read, token=bob, repo=model.id) == "{}"


def test_a_pull_request_by_anyone(hub: LocalHub, run: Run, model: Repo, fresh_name: Name) -> None:
    before = model.head
    refused, first, second = run(
        """
        fails(api.create_commit, repo, [Add("x.txt", b"x")], commit_message="m")
        c = api.create_commit(repo, [Add("x.txt", b"x")], commit_message="m", create_pr=True)
        text = open(hf_hub_download(repo, "x.txt", revision=c.pr_revision)).read()
        say([c.pr_revision, c.pr_num, c.pr_url, text])
        say(api.create_commit(repo, [Add("y.txt", b"y")], commit_message="n", create_pr=True).pr_num)
        """,
        token=hub.user(fresh_name("bob")),
        repo=model.id,
    )
    assert failed_with(refused, "HfHubHTTPError", 403, "pass `create_pr=1` as a query parameter")
    assert first == ["refs/pr/1", 1, f"{hub.url}/{model.id}/discussions/1", "x"]
    assert second == 2
    assert model.head == before == model.at("refs/pr/1").parent
    assert model.files("refs/pr/1")["x.txt"] == b"x"


def test_branches_tags_and_references(run: Run, model: Repo) -> None:
    first = model.head
    oid, refs, *failed = run(
        """
        api.create_branch(repo, branch="dev")
        api.create_branch(repo, branch="dev", exist_ok=True)
        oid = api.create_commit(repo, [Add("d.txt", b"d")], commit_message="m", revision="dev").oid
        api.create_tag(repo, tag="v1", revision="dev")
        say(oid)
        refs = api.list_repo_refs(repo)
        say({each.ref: each.target_commit for each in [*refs.branches, *refs.tags]})
        fails(api.create_branch, repo, branch="dev")
        fails(api.create_branch, repo, branch="refs/pr/9")
        fails(api.create_tag, repo, tag="v1")
        fails(api.create_tag, repo, tag="v 1")
        fails(api.delete_tag, repo, tag="v9")
        fails(api.create_commit, repo, [Add("e.txt", b"e")], commit_message="m", revision="v1")
        api.delete_branch(repo, branch="dev")
        api.delete_tag(repo, tag="v1")
        """,
        repo=model.id,
    )
    assert refs == {"refs/heads/main": first, "refs/heads/dev": oid, "refs/tags/v1": oid}
    assert failed_with(failed[0], "HfHubHTTPError", 409, "Reference refs/heads/dev already exists")
    assert failed_with(failed[1], "BadRequestError", 400, "Invalid reference for a branch: refs/pr/9")
    assert failed_with(failed[2], "HfHubHTTPError", 409, "Tag reference exists already")
    assert failed_with(failed[3], "BadRequestError", 400, "Invalid reference")
    assert failed_with(failed[4], "RevisionNotFoundError", 404, "v9")
    assert failed_with(failed[5], "RevisionNotFoundError", 404, "v1")
    assert model.refs == {"refs/heads/main": first}


def test_listings_come_in_pages(hub: LocalHub, run: Run, model: Repo) -> None:
    hub.commit(model.id, {f"f/{n:02}.txt": b"x" for n in range(30)}, "Many")
    for n in range(12):
        hub.commit(model.id, {"count": b"%d" % n}, f"Count {n}")
    seen = len(hub.requests)
    files, commits, expanded, some = run(
        """
        say(sorted(api.list_repo_files(repo)))
        say([commit.title for commit in api.list_repo_commits(repo)])
        say({entry.path: entry.last_commit.title for entry in api.list_repo_tree(repo, expand=True)})
        entries = api.get_paths_info(repo, ["sub", "model.safetensors", "nope", "count"])
        say([[entry.path, getattr(entry, "size", None), bool(getattr(entry, "lfs", None))] for entry in entries])
        """,
        repo=model.id,
    )
    assert files == sorted(model.files())
    assert commits == [commit.title for commit in reversed(model.history)]
    assert (expanded["count"], expanded["f"], expanded["sub"]) == ("Count 11", "Many", "Files")
    assert some == [["sub", None, False], ["model.safetensors", 10240, True], ["count", 2, False]]
    assert len([each for each in hub.requests[seen:] if "cursor=" in each.path]) >= 6


def test_info_tells_what_the_card_says(hub: LocalHub, run: Run, model: Repo) -> None:
    lines = [
        "license: mit",
        "tags: [x]",
        "language: no",
        "library_name: transformers",
        "pipeline_tag: fill-mask",
    ]
    hub.commit(model.id, {"README.md": "\n".join(["---", *lines, "---", ""]).encode()})
    told, siblings, expanded = run(
        """
        info = api.model_info(repo, files_metadata=True)
        say([info.sha, info.card_data.license, info.pipeline_tag, info.library_name, info.private, info.tags])
        say({s.rfilename: [s.size, s.blob_id, s.lfs and s.lfs.sha256] for s in info.siblings})
        say(api.model_info(repo, expand=["sha"]).siblings)
        """,
        repo=model.id,
    )
    assert told[:-1] == [model.head, "mit", "fill-mask", "transformers", False]
    assert {"transformers", "x", "no", "license:mit", "safetensors"} <= set(told[-1])
    files = model.at("main").files
    assert siblings == {path: [file.size, file.oid, file.lfs_sha256] for path, file in files.items()}
    assert expanded is None


def test_a_renamed_repository_redirects(run: Run, model: Repo) -> None:
    new = f"{model.namespace}/renamed"
    said = run(
        """
        api.move_repo(old, new)
        say(api.model_info(old).id)
        say(open(hf_hub_download(old, "config.json")).read())
        say(os.path.getsize(hf_hub_download(old, "model.safetensors")))
        say(api.create_commit(old, [Add("n.txt", b"n"), Add("n.bin", b"n" * 99)], commit_message="m").oid)
        say(api.model_info(new.upper()).id)
        """,
        old=model.id,
        new=new,
    )
    assert said == [new, "{}", 10240, model.head, new]
    assert model.id == new and model.files()["n.bin"] == b"n" * 99


def test_deleting_a_repository(hub: LocalHub, run: Run, model: Repo) -> None:
    said = run("api.delete_repo(repo)\nfails(api.delete_repo, repo)", repo=model.id)
    assert failed_with(said, "RepositoryNotFoundError", 404, "Repository Not Found")
    assert not hub.exists("model", model.id)


def test_settings_hide_and_gate(run: Run, model: Repo) -> None:
    run("api.update_repo_settings(repo, private=True, gated='auto')", repo=model.id)
    assert (model.private, model.gated) == (True, "auto")


def test_a_read_token_reads_and_does_not_write(hub: LocalHub, run: Run, model: Repo) -> None:
    said = run(
        """
        say(open(hf_hub_download(repo, "config.json")).read())
        say(api.create_repo(repo, exist_ok=True))
        fails(api.create_commit, repo, [Add("x.txt", b"x")], commit_message="m")
        fails(api.create_repo, repo + "-2")
        """,
        token=hub.user(model.namespace, "read"),
        repo=model.id,
    )
    assert said[:2] == ["{}", f"{hub.url}/{model.id}"]
    assert failed_with(said[2], "HfHubHTTPError", 403, "403 Forbidden: you must use a write token to upload")
    assert failed_with(said[3], "HfHubHTTPError", 403, "You don't have the rights to create a model")


def test_members_write_to_their_organization(hub: LocalHub, run: Run, fresh_name: Name) -> None:
    org = fresh_name("acme")
    admin, reader = hub.user(fresh_name("amy"), orgs=[org]), hub.user(fresh_name("bea"), orgs={org: "read"})
    assert run("say(api.create_repo(repo).repo_id)", token=admin, repo=f"{org}/x") == f"{org}/x"
    failed = run("fails(api.create_repo, repo)", token=reader, repo=f"{org}/y")
    assert failed_with(failed, "HfHubHTTPError", 403, "You don't have the rights to create a model")


def test_a_fine_grained_token_writes_where_it_may(hub: LocalHub, run: Run, model: Repo) -> None:
    other = hub.create("model", f"{model.namespace}/other")
    oid, failed = run(
        """
        say(api.create_commit(repo, [Add("x.txt", b"x")], commit_message="m").oid)
        fails(api.create_commit, other, [Add("x.txt", b"x")], commit_message="m")
        """,
        token=hub.user(model.namespace, "fineGrained", scopes={model.id: ["repo.write"]}),
        repo=model.id,
        other=other.id,
    )
    assert oid == model.head
    assert failed_with(failed, "HfHubHTTPError", 403, "create_pr=1")


def test_a_gitignore_of_the_repository_leaves_files_out(hub: LocalHub, run: Run, model: Repo) -> None:
    hub.commit(model.id, {".gitignore": b"*.tmp\n"})
    run('api.create_commit(repo, [Add("a.tmp", b"1"), Add("b.txt", b"2")], commit_message="m")', repo=model.id)
    assert "b.txt" in model.files() and "a.tmp" not in model.files()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_agrees_on_every_blob_tree_and_commit(hub: LocalHub, model: Repo, tmp_path: Path) -> None:
    files = {"sub/deep/a-b.txt": b"1", "sub/deep.txt": b"2", "sub.txt": b"3"}
    hub.commit(model.id, files, "Names that git sorts its own way")

    def git(*arguments: str, sent: bytes = b"", env: dict[str, str] | None = None) -> str:
        command = ["git", "-C", str(tmp_path), *arguments]
        done = subprocess.run(command, input=sent, capture_output=True, check=True, env=os.environ | (env or {}))
        return done.stdout.decode().strip()

    git("init", "-q")
    for commit in model.history:
        for file in commit.files.values():
            assert git("hash-object", "-w", "--stdin", sent=file.data) == file.oid
        git("read-tree", "--empty")
        index = "".join(f"100644 {file.oid}\t{path}\n" for path, file in commit.files.items())
        git("update-index", "--add", "--index-info", sent=index.encode())
        assert git("write-tree") == commit.trees[""]
        who = {"NAME": commit.author, "EMAIL": f"{commit.author}@users.noreply.huggingface.co"}
        who["DATE"] = f"{int(commit.date.timestamp())} +0000"
        names = {f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in who.items()}
        parent = ["-p", commit.parent] if commit.parent else []
        assert git("commit-tree", commit.trees[""], *parent, "-m", commit.title, env=names) == commit.sha


def test_gitattributes_and_gitignore_are_read_as_git_reads_them() -> None:
    assert git_oid("blob", b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    attributes = b"*.bin filter=lfs -text\nsaved_model/**/* filter=lfs\nplain.bin -filter\n"
    paths = ("a.bin", "x/a.bin", "plain.bin", "saved_model/v/w", "a.txt")
    assert [path for path in paths if kept_with_lfs(path, attributes)] == ["a.bin", "x/a.bin", "saved_model/v/w"]
    assert kept_with_lfs("my file.png", with_lfs_paths(attributes, ["my file.png"]))
    ignore = "*.log\n!keep.log\nbuild/\n/top.txt\n"
    names = ("a.log", "keep.log", "build/x/y", "top.txt", "sub/top.txt", "build")
    assert [name for name in names if ignored(name, ignore)] == ["a.log", "build/x/y", "top.txt"]
