"""Whatever cannot be published is refused in one sentence, before anything is changed."""

from __future__ import annotations

import pytest
from publishing import publish, sentence, tiny_release


@pytest.fixture
def release(tmp_path):
    return tiny_release(tmp_path / "release")


@pytest.fixture
def ann(hub, fresh_name):
    """A user's name and a token of theirs that may write."""
    name = fresh_name("ann")
    return name, hub.user(name)


def refused(hub, *arguments, **options):
    """The sentence of a publish that has to leave the Hub alone."""
    seen = len(hub.requests)
    said = sentence(publish(*arguments, **options))
    changing = [each.path for each in hub.requests[seen:] if each.method not in ("GET", "HEAD")]
    assert [path for path in changing if path != "/api/validate-yaml"] == []
    return said


# ------------------------------------------------------------------ who


def test_without_a_token_it_says_how_to_get_one(hub, clients, release):
    said = refused(hub, clients, None, release, "ann/tiny")
    assert said == (
        "ann/tiny cannot be published to without a token: run `hf auth login`, or set HF_TOKEN (make one with write "
        f"rights at {hub.url}/settings/tokens); to try again: hfloop publish {release} --to ann/tiny"
    )


def test_a_token_that_the_hub_does_not_know_is_refused(hub, clients, release):
    said = refused(hub, clients, "hf_" + "x" * 34, release, "ann/tiny")
    assert said.startswith("ann/tiny cannot be published to: the Hub answers 401 (Unauthorized)")
    assert "log in with `hf auth login`, or set HF_TOKEN to a token that is valid; to try again: " in said


def test_a_token_that_may_only_read_is_refused(hub, clients, release, fresh_name):
    user = fresh_name("ann")
    said = refused(hub, clients, hub.user(user, role="read"), release, f"{user}/tiny")
    assert said.startswith(f"{user}/tiny cannot be published to: the token of {user} may only read; make one with ")


def test_a_fine_grained_token_that_may_write_somewhere_is_left_to_the_server(hub, clients, release, fresh_name):
    user = fresh_name("ann")
    assert publish(clients, hub.user(user, role="fineGrained"), release, f"{user}/tiny").exit_code == 0
    elsewhere = hub.user(user, role="fineGrained", scopes={user: ["repo.content.read"], "acme": ["repo.write"]})
    said = sentence(publish(clients, elsewhere, release, f"{user}/other"))
    assert said.startswith(f"{user}/other could not be made: the Hub answers 403 (Forbidden)")
    assert not hub.exists("model", f"{user}/other")


def test_a_fine_grained_token_that_may_write_nowhere_is_refused_at_once(hub, clients, release, fresh_name):
    user = fresh_name("ann")
    narrow = hub.user(user, role="fineGrained", scopes={user: ["repo.content.read"]})
    seen = len(hub.requests)
    said = sentence(publish(clients, narrow, release, f"{user}/other"))
    assert said.startswith(f"{user}/other cannot be published to: the token of {user} may only read")
    assert {each.method for each in hub.requests[seen:]} == {"GET"}


def test_an_organisation_in_which_one_may_only_read_is_refused_at_once(hub, clients, release, fresh_name):
    user, acme = fresh_name("ann"), fresh_name("acme")
    token = hub.user(user, orgs={acme: "read"})
    said = sentence(publish(clients, token, release, f"{acme}/tiny"))
    assert said.startswith(f"{acme}/tiny cannot be published to: {user} may only read in the organisation {acme}")


def test_a_foreign_namespace_is_refused_and_an_own_organisation_is_not(hub, clients, release, fresh_name):
    user, other, organisation = fresh_name("ann"), fresh_name("bob"), fresh_name("acme")
    token = hub.user(user, orgs=[organisation])
    assert refused(hub, clients, token, release, f"{other}/tiny") == (
        f"{other}/tiny cannot be published to: {other} is neither you ({user}) nor an organisation of yours: "
        "propose the change with --create-pr, or publish to a name of your own; to try again: "
        f"hfloop publish {release} --to {user}/tiny"
    )
    assert publish(clients, token, release, f"{organisation}/tiny").exit_code == 0


# ------------------------------------------------------------------ where


@pytest.mark.parametrize(
    "name",
    [
        "https://huggingface.co/ann/tiny",
        "ann/tiny/more",
        "ann\\tiny",
        "../tiny",
        "ann/..",
        "ann/a..b",
        "ann/a--b",
        "ann/-a",
        "ann/a.git",
        "ann/näme",
        "two words",
        "ann/" + "a" * 97,
        "",
        "/tiny",
        "ann/",
    ],
)
def test_an_invalid_name_is_refused_with_the_rule(hub, clients, ann, release, name):
    said = refused(hub, clients, ann[1], release, name)
    assert said == (
        f"{name!r} is no name for a repository: a model's id is USER/NAME, each of ASCII letters, digits, `-`, `_` "
        "and `.`, at most 96 characters long, without `--` and `..`, not beginning or ending with `-` or `.`, and not "
        "ending in `.git`."
    )


@pytest.mark.parametrize("kind", ["spaces", "datasets", "models"])
def test_other_kinds_of_repositories_are_refused(hub, clients, ann, release, kind):
    assert refused(hub, clients, ann[1], release, f"{kind}/tiny") == (
        f"{kind}/tiny cannot be published to: models are published, by their id alone; say USER/NAME without {kind}/."
    )


@pytest.mark.parametrize(("kind", "told"), [("dataset", "a data set"), ("space", "a Space")])
def test_a_repository_of_another_type_with_the_name_is_told(hub, clients, ann, release, kind, told):
    user, token = ann
    if kind == "space":
        setup = "import huggingface_hub\nhuggingface_hub.create_repo('NAME', repo_type='space', space_sdk='static')"
        assert clients.python(setup.replace("NAME", f"{user}/tiny"), token=token).exit_code == 0
    else:
        hub.create(kind, f"{user}/tiny")
    said = refused(hub, clients, token, release, f"{user}/tiny")
    assert said.startswith(f"{user}/tiny is {told} on the Hub, not a model: choose another name, or, ")
    hub.create("model", f"{user}/tiny")  # as the sentence says
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0


def test_a_renamed_repository_is_called_by_its_new_name(hub, clients, ann, release):
    user, token = ann
    hub.create("model", f"{user}/old")
    hub.rename(f"{user}/old", f"{user}/new")
    assert refused(hub, clients, token, release, f"{user}/old") == (
        f"{user}/old is called {user}/new on the Hub; to try again: hfloop publish {release} --to {user}/new"
    )


def test_a_gated_repository_of_somebody_else_is_told(hub, clients, ann, release, fresh_name):
    other = fresh_name("bob")
    hub.create("model", f"{other}/tiny")
    hub.commit(f"{other}/tiny", {"README.md": b"theirs", "hfloop.json": b"{}"})
    hub.gate(f"{other}/tiny")
    said = refused(hub, clients, ann[1], release, f"{other}/tiny", "--create-pr")
    assert "gated: accept its terms on its Hub page with the account of your token" in said


def test_a_pull_request_to_nothing_and_of_a_branch_are_refused(hub, clients, ann, release):
    user, token = ann
    assert refused(hub, clients, token, release, f"{user}/tiny", "--create-pr") == (
        f"{user}/tiny is no model on the Hub yet, or hidden from this token: leave out --create-pr; to try again: "
        f"hfloop publish {release} --to {user}/tiny"
    )
    said = refused(hub, clients, token, release, f"{user}/tiny", "--create-pr", "--revision", "next")
    assert said == "--create-pr proposes a change of the branch main: leave out --revision next."


@pytest.mark.parametrize("message", ["", " ", "two\nlines"])
def test_a_message_is_one_line(hub, clients, ann, release, message):
    said = refused(hub, clients, ann[1], release, "ann/tiny", "--message", message)
    assert said == "--message is the first line of the commit: write one line."


def test_a_repository_with_a_model_of_another_family_is_refused(hub, clients, ann, release):
    user, token = ann
    hub.create("model", f"{user}/tiny")
    record = (release / "hfloop.json").read_bytes()
    hub.commit(f"{user}/tiny", {"hfloop.json": record.replace(b'"family": "tiny"', b'"family": "huge"')})
    said = refused(hub, clients, token, release, f"{user}/tiny")
    assert said == f"{user}/tiny holds a model of another family (huge, not tiny): choose another name."


def test_a_recipe_of_another_family_is_refused_before_it_trains(hub, clients, ann, release):
    user, token = ann
    assert publish(clients, token, release, f"{user}/tiny").exit_code == 0
    code = (
        "from hfloop.errors import UserError\n"
        "from hfloop.hub.destination import Destination\n"
        "from hfloop.hub.publish import check_destination\n"
        "for family in ('tiny', 'image-generation'):\n"
        "    try:\n"
        f"        print(check_destination(Destination({(user + '/tiny')!r}), family).repo_id)\n"
        "    except UserError as error:\n"
        "        print(error)\n"
    )
    assert clients.python(code, token=token).stdout.splitlines() == [
        f"{user}/tiny",
        f"{user}/tiny holds a model of another family (tiny, not image-generation): choose another name.",
    ]


@pytest.mark.parametrize("file", ["model.safetensors.index.json", "sub/PYTORCH_MODEL.BIN", "adapter_config.json"])
def test_a_repository_with_what_loaders_may_take_is_refused(hub, clients, ann, release, file):
    user, token = ann
    hub.create("model", f"{user}/tiny")
    hub.commit(f"{user}/tiny", {file: b"{}"})
    said = refused(hub, clients, token, release, f"{user}/tiny")
    assert said.startswith(f"{user}/tiny holds {file}, which is not of the release, and which loaders may take for a ")
    assert hub.repo("model", f"{user}/tiny").files()[file] == b"{}"


def test_metadata_that_give_way_to_the_hub_s_are_told(hub, clients, ann, release):
    user, token = ann
    readme = release / "README.md"
    readme.write_text(readme.read_text().replace("license: apache-2.0", "license: apache-2.0\nlanguage: de"))
    assert "language" not in publish(clients, token, release, f"{user}/tiny").stderr
    card = hub.repo("model", f"{user}/tiny").files()["README.md"]
    hub.commit(f"{user}/tiny", {"README.md": card.replace(b"language: de", b"language: en")})
    ended = publish(clients, token, release, f"{user}/tiny")
    assert ended.exit_code == 0
    told = "README.md: language is 'de' in the folder and 'en' on the Hub, where it stays: change it there\n"
    assert told in ended.stderr
    assert b"language: en" in hub.repo("model", f"{user}/tiny").files()["README.md"]


@pytest.mark.parametrize("record", [b"{}", b"no JSON", b"\xff", b"[1]"])
def test_a_strange_hfloop_json_on_the_hub_owns_nothing(hub, clients, ann, release, record):
    user, token = ann
    hub.create("model", f"{user}/tiny")
    hub.commit(f"{user}/tiny", {"hfloop.json": record, "config.txt": b"theirs"})
    ended = publish(clients, token, release, f"{user}/tiny")
    if record == b"\xff":
        assert "is not UTF-8" in sentence(ended)
    else:
        assert ended.exit_code == 0
        assert hub.repo("model", f"{user}/tiny").files()["config.txt"] == b"theirs"


def test_broken_metadata_on_the_hub_is_named(hub, clients, ann, release):
    user, token = ann
    hub.create("model", f"{user}/tiny")
    hub.commit(f"{user}/tiny", {"README.md": b"---\ntags: [\n---\n"})
    said = refused(hub, clients, token, release, f"{user}/tiny")
    assert said.startswith(f"README.md of {user}/tiny, line 3: its metadata is not valid YAML")


def test_metadata_that_the_hub_refuses_are_told(hub, clients, ann, release):
    user, token = ann
    hub.create("model", f"{user}/tiny")
    hub.commit(f"{user}/tiny", {"README.md": b"---\nlicense: Everything Goes!\n---\n"})
    text = (release / "README.md").read_text()
    (release / "README.md").write_text(text.replace("tags:", "pipeline_tag: Not A Task\ntags:"))
    said = refused(hub, clients, token, release, f"{user}/tiny")
    assert said.startswith("the card's metadata is not what the Hub takes: pipeline_tag 'Not A Task' is no task ")


# ------------------------------------------------------------------ the network


def test_without_a_network_it_says_so_at_once(hub, clients, ann, release):
    ended = publish(clients, ann[1], release, "ann/tiny", env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    said = sentence(ended)
    assert said.startswith("ann/tiny cannot be published to: the Hub at http://127.0.0.1:9 cannot be reached (")
    assert ended.seconds < 5


def test_offline_it_does_not_try(hub, clients, ann, release):
    assert refused(hub, clients, ann[1], release, "ann/tiny", env={"HF_HUB_OFFLINE": "1"}) == (
        "ann/tiny cannot be published to while HF_HUB_OFFLINE is set: unset it; to try again: hfloop publish "
        f"{release} --to ann/tiny"
    )


# ------------------------------------------------------------------ what


def test_a_folder_that_is_no_release_is_refused(hub, clients, ann, tmp_path):
    for name in ("empty", "missing"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert refused(hub, clients, ann[1], tmp_path / name, "ann/tiny").startswith(f"{tmp_path / name} ")
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("seed: 1\n")
    assert "is a run that has not finished: wait until it has, or, if it was stopped" in refused(
        hub, clients, ann[1], run, "ann/tiny"
    )


@pytest.mark.parametrize("name", [".env", "optimizer.pt", "checkpoint/optimizer.bin", "notes.txt", ".cache/x"])
def test_a_file_that_is_not_of_the_release_is_refused_by_name(hub, clients, ann, release, name):
    (release / name).parent.mkdir(exist_ok=True)
    (release / name).write_bytes(b"HF_TOKEN=secret")
    said = refused(hub, clients, ann[1], release, "ann/tiny")
    assert said.startswith(f"{release} cannot be published: {name} ")
    assert "take it away" in said


def test_a_link_is_refused_wherever_it_leads(hub, clients, ann, release, tmp_path):
    (tmp_path / "secret").write_bytes((release / "config.json").read_bytes())
    (release / "config.json").unlink()
    (release / "config.json").symlink_to(tmp_path / "secret")
    assert "config.json is a link" in refused(hub, clients, ann[1], release, "ann/tiny")


def test_an_altered_file_is_refused_by_name(hub, clients, ann, release):
    (release / "model.safetensors").write_bytes(b"other weights")
    said = refused(hub, clients, ann[1], release, "ann/tiny")
    assert said.startswith(f"{release} cannot be published: model.safetensors is not what was released")


def test_a_model_that_does_something_else_is_refused(hub, clients, ann, tmp_path):
    release = tiny_release(tmp_path / "release")
    record = release / "hfloop.json"
    record.write_text(record.read_text().replace('"number": 1', '"number": 7'))
    said = refused(hub, clients, ann[1], release, "ann/tiny")
    assert said.startswith(f"{release} does not do what it did when it was released: it says 1, not 7; to try again: ")


def test_the_command_to_try_again_is_the_one_that_was_typed(hub, clients, ann, tmp_path):
    release = tiny_release(tmp_path / "a release")
    flags = ["--private", "--revision", "a b", "--message", "It's new", "--yes"]
    said = refused(hub, clients, None, release, "ann/tiny", *flags)
    assert said.endswith(
        f"; to try again: hfloop publish '{release}' --to ann/tiny --private --revision 'a b' --message 'It'\"'\"'s "
        "new' --yes"
    )
