"""`--push_to_hub`: what is wrong is said before training, and the release is published when it is written."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import create_server

import pytest
from running import RECIPES

from hfloop.config import RecipeConfig, parse_config
from hfloop.errors import UserError

sys.path.insert(
    0, str(Path(__file__).parent.parent / "hub")
)  # the local Hub lives with the tests that need most of it

from hub_clients import Clients, Ended
from hub_fixture import LocalHub

TITLE = "Release of recipes/ner.py, published by hfloop"


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    running = LocalHub()
    yield running
    running.close()


@pytest.fixture(scope="module")
def clients(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    running = Clients(hub.url, tmp_path_factory.mktemp("clients"))
    yield running
    running.close()


@pytest.fixture
def train(clients, ner_flags, tmp_path):
    """Train two steps in `tmp_path` and push; several processes as torchrun starts them."""

    def run(
        token: str | None,
        *flags: str,
        processes: int = 1,
        env: dict[str, str] | None = None,
        terminate: Callable[[], object] | None = None,
    ) -> list[Ended]:
        argv = [str(RECIPES / "ner.py"), *ner_flags, "--max_train_steps=2", "--output_dir=run", *flags]
        code = f"import runpy, sys\nsys.argv = {argv!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
        with create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        group = {
            "WORLD_SIZE": processes,
            "LOCAL_WORLD_SIZE": processes,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        ranks = [group | {"RANK": rank, "LOCAL_RANK": rank} if processes > 1 else {} for rank in range(processes)]

        def one(rank: dict[str, object]) -> Ended:
            variables = {name: str(value) for name, value in rank.items()} | (env or {})
            return clients.python(
                code, token=token, cwd=tmp_path, env=variables, interrupt=terminate, interrupt_by=signal.SIGTERM
            )

        with ThreadPoolExecutor(processes) as pool:
            return list(pool.map(one, ranks))

    return run


def pushing_to(repo_id):
    return ["--push_to_hub", f"--hub_model_id={repo_id}"]


def errors_of(ended):
    return [line for each in ended for line in each.stderr.splitlines() if line.startswith("error: ")]


# ------------------------------------------------------------------ flags


def test_the_two_flags_need_one_another():
    with pytest.raises(UserError, match=r"^--push_to_hub needs --hub_model_id USER/NAME, where "):
        parse_config(RecipeConfig, ["--push_to_hub"])
    with pytest.raises(UserError, match=r"^--hub_model_id ann/tiny publishes nothing without --push_to_hub: say both"):
        parse_config(RecipeConfig, ["--hub_model_id", "ann/tiny"])


def test_a_private_repository_that_nothing_is_published_to_is_refused():
    with pytest.raises(UserError, match=r"^--hub_private publishes nothing without --push_to_hub and --hub_model_id"):
        parse_config(RecipeConfig, ["--hub_private"])


def test_where_it_goes_shapes_no_weights_and_is_on_no_card():
    config = parse_config(RecipeConfig, [*pushing_to("ann/tiny"), "--hub_private"])
    assert config.hub_private
    assert not config.changed_training_fields(RecipeConfig())
    assert not {"push_to_hub", "hub_model_id", "hub_private"} & config.shareable().keys()


# ------------------------------------------------------------------ before training


@pytest.mark.parametrize(
    ("token", "repo_id", "env", "said"),
    [
        (None, "ann/tiny", {}, "ann/tiny cannot be published to without a token: run `hf auth login`, or set HF_TOK"),
        ("ann", "bob/tiny", {}, "bob/tiny cannot be published to: bob is neither you (ann) nor an organisation of y"),
        ("ann", "spaces/tiny", {}, "spaces/tiny cannot be published to: models are published"),
        ("ann", "ann/a--b", {}, "'ann/a--b' is no name for a repository"),
        ("reader", "reader/tiny", {}, "reader/tiny cannot be published to: the token of reader may only read"),
        ("ann", "ann/tiny", {"HF_HUB_OFFLINE": "1"}, "ann/tiny cannot be published to while HF_HUB_OFFLINE is set"),
        ("ann", "ann/tiny", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "ann/tiny cannot be published to: the Hub at http"),
    ],
    ids=["no token", "foreign", "space", "name", "reader", "offline", "no network"],
)
def test_what_is_wrong_is_said_before_training(hub, train, tmp_path, token, repo_id, env, said):
    tokens = {"ann": hub.user("ann"), "reader": hub.user("reader", role="read"), None: None}
    (ended,) = train(tokens[token], *pushing_to(repo_id), env=env)
    assert ended.exit_code == 2
    (error,) = errors_of([ended])
    assert error.startswith(f"error: {said}")
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_dry_run_checks_and_makes_nothing(hub, train, tmp_path):
    token = hub.user("dry")
    (ended,) = train(token, *pushing_to("dry/tiny"), "--dry_run")
    assert ended.exit_code == 0
    assert "hub_model_id: dry/tiny" in ended.stdout
    assert not hub.exists("model", "dry/tiny")
    (ended,) = train(token, *pushing_to("ann/tiny"), "--dry_run")
    assert ended.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_renamed_repository_is_told_with_the_flag(hub, train):
    token = hub.user("cleo")
    hub.create("model", "cleo/old")
    hub.rename("cleo/old", "cleo/new")
    (ended,) = train(token, *pushing_to("cleo/old"))
    assert errors_of([ended]) == ["error: cleo/old is called cleo/new on the Hub: say --hub_model_id cleo/new."]


# ------------------------------------------------------------------ after training


@pytest.mark.parametrize("processes", [1, 2])
def test_the_release_is_published_once(hub, train, tmp_path, processes):
    name = f"user{processes}"
    ended = train(hub.user(name), *pushing_to("tiny"), "--hub_private", processes=processes)
    assert [each.exit_code for each in ended] == [0] * processes, ended
    repo = hub.repo("model", f"{name}/tiny")
    assert [commit.title for commit in repo.history] == ["initial commit", TITLE]
    assert repo.private
    release = tmp_path / "run" / "release"
    for path in release.rglob("*"):
        file = path.relative_to(release).as_posix()
        if path.is_file() and file != "README.md":
            assert repo.files()[file] == path.read_bytes()
    said = "".join(each.stderr for each in ended)
    assert said.count(f"published: {hub.url}/{name}/tiny/commit/{repo.head}\n") == 1
    assert f"published: {hub.url}" in (tmp_path / "run" / "log.txt").read_text()
    assert b"push_to_hub" not in repo.files()["hfloop.json"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_publish_that_fails_leaves_the_release_and_says_how_to_go_on(hub, clients, train, tmp_path, processes):
    name = f"unlucky{processes}"
    token = hub.user(name)
    hub.faults.add("status", method="POST", path="/commit/", status=403, message="Not today")
    ended = train(token, *pushing_to(f"{name}/tiny"), processes=processes)
    assert [each.exit_code for each in ended] == [2] * processes, ended
    (error,) = errors_of(ended)
    assert error == (
        f"error: the release is complete in run/release, but the commit to {name}/tiny failed: the Hub answers 403 "
        "(Forbidden), “Not today”: use a token that may do this: make one with "
        f"write rights at {hub.url}/settings/tokens; the new repository {name}/tiny was removed again; to try again: "
        f"hfloop publish run/release --to {name}/tiny"
    )
    assert not any("Traceback" in each.stderr for each in ended)
    assert (tmp_path / "run" / "release" / "hfloop.json").is_file()
    assert not hub.exists("model", f"{name}/tiny")
    again = clients.hfloop(["publish", "run/release", "--to", f"{name}/tiny"], token=token, cwd=tmp_path)
    assert again.exit_code == 0, again
    assert hub.repo("model", f"{name}/tiny").history[-1].title == TITLE


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_while_it_is_published_says_what_is_there_and_how_to_go_on(hub, clients, train, tmp_path, processes):
    name = f"ended{processes}"
    token = hub.user(name)
    stalled = hub.faults.add("stall", method="POST", path="/commit/", seconds=2.0)
    ended = train(token, *pushing_to(f"{name}/tiny"), processes=processes, terminate=lambda: stalled.hits)
    assert ended[0].exit_code == 143, ended
    assert all(each.exit_code in (-signal.SIGTERM, 1) for each in ended[1:])  # by the signal, or by the main one's end
    said = ended[0].stderr
    assert "Traceback" not in said
    publish = f"hfloop publish run/release --to {name}/tiny"
    assert re.search(rf"^the release is complete in run/release; .*: {publish}$", said, re.MULTILINE), said
    assert said.splitlines()[-1].startswith("interrupted; nothing was left half-written")
    hub.faults.clear()

    (resumed,) = train(token, "--resume_from_checkpoint=latest", *pushing_to(f"{name}/tiny"))
    assert errors_of([resumed]) == [f"error: run has finished: its release is run/release; to publish it: {publish}"]
    again = clients.hfloop(publish.split()[1:], token=token, cwd=tmp_path)
    assert again.exit_code == 0, again
    assert hub.repo("model", f"{name}/tiny").history[-1].title == TITLE


def test_several_processes_stop_together_where_they_may_not_publish(hub, train, tmp_path):
    ended = train(hub.user("dora"), *pushing_to("ann/tiny"), processes=2)
    assert [each.exit_code for each in ended] == [2, 2]
    assert len(errors_of(ended)) == 1
    assert not (tmp_path / "run").exists()
