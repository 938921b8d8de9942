"""`hfloop verify user/name` in processes of their own, against a Hub on this machine."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from verifying import nudge_weights

PEOPLE_WROTE = "\n## Who uses it\n\nWe do.\n"


def content_of(folder):
    """Every file by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def published(hub, fresh_name, tiny_release):
    """A repository that holds the release; its id, and a token of its owner."""
    owner = fresh_name("ann")
    repo_id = f"{owner}/resumes"
    hub.create("model", repo_id)
    hub.commit(repo_id, content_of(tiny_release), "Release")
    return repo_id, hub.user(owner)


@pytest.fixture
def verify(clients, data_files):
    """Run the command, with the data that the figures were measured on."""

    def run(repo_id, *more, **options):
        return clients.hfloop(["verify", repo_id, "--data", str(data_files["test"]), *more], **options)

    return run


def refused(ended):
    assert (ended.exit_code, ended.stdout) == (2, ""), ended
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr.removeprefix("error: ").rstrip("\n")


def told(ended):
    return json.loads(ended.stdout)


def test_a_release_on_the_hub_is_what_it_says(hub, verify, published):
    repo_id, _ = published
    ended = verify(repo_id)
    assert (ended.exit_code, ended.stderr) == (0, ""), ended
    assert ended.stdout.startswith(f"{repo_id} at {hub.repo('model', repo_id).head}\n")
    assert ended.stdout.splitlines()[-1].startswith(f"{repo_id} is what it says: ")
    assert "\nnote: not part of the release, and not checked: .gitattributes\n" in ended.stdout
    assert hub.surprises == []


def test_what_people_added_is_noted_and_not_downloaded(hub, verify, published, tiny_release):
    repo_id, _ = published
    card = (tiny_release / "README.md").read_text(encoding="utf-8") + PEOPLE_WROTE
    hub.commit(repo_id, {"README.md": card.encode(), "talk.pdf": b"slides"})
    ended = verify(repo_id, "--json")
    assert ended.exit_code == 0, ended
    notes = told(ended)["notes"]
    assert notes[0] == "not part of the release, and not checked: .gitattributes, talk.pdf"
    assert notes[1].startswith("README.md has text outside of hfloop's markers, not checked: lines ")
    assert not hub.asked("GET", f"{repo_id}/resolve/.*/talk.pdf")


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors.index.json", "adapter_config.json"])
def test_weights_that_loaders_may_prefer_are_caught_and_not_downloaded(file, hub, verify, published):
    repo_id, _ = published
    hub.commit(repo_id, {file: b"{}"})
    ended = verify(repo_id, "--json")
    assert ended.exit_code == 1
    (finding,) = told(ended)["findings"]["files"]
    assert finding.startswith(f"{file} is not part of the release, and loaders may take it for a part")
    assert not hub.asked("GET", f"{repo_id}/resolve/.*/{file}")


def test_altered_weights_on_the_hub_are_caught(hub, verify, published, tiny_release, tmp_path):
    repo_id, _ = published
    shutil.copy(tiny_release / "model.safetensors", tmp_path)
    nudge_weights(tmp_path / "model.safetensors")
    hub.commit(repo_id, {"model.safetensors": (tmp_path / "model.safetensors").read_bytes()})
    ended = verify(repo_id)
    assert ended.exit_code == 1
    assert "✗ model.safetensors is not what was released" in ended.stdout


def test_a_file_missing_on_the_hub_is_caught(hub, verify, published):
    repo_id, _ = published
    hub.commit(repo_id, {"tokenizer.json": None})
    ended = verify(repo_id)
    assert ended.exit_code == 1
    assert "✗ tokenizer.json is missing" in ended.stdout


def test_a_revision_is_looked_at_as_it_is(hub, verify, published, fresh_name):
    repo_id, _ = published
    good = hub.repo("model", repo_id).head
    hub.commit(repo_id, {"confusion.png": b"other"})
    assert verify(repo_id).exit_code == 1
    ended = verify(repo_id, "--revision", good)
    assert ended.exit_code == 0
    assert ended.stdout.startswith(f"{repo_id} at {good}\n")
    sentence = refused(verify(repo_id, "--revision", "nightly"))
    assert sentence.startswith(f"{repo_id} has no revision nightly on the Hub: ")


def test_the_data_is_asked_for_after_the_download_too(clients, published):
    repo_id, _ = published
    ended = clients.hfloop(["verify", repo_id])
    assert ended.exit_code == 2
    assert ended.stdout.splitlines()[-1].endswith(f"{repo_id} was measured on test.jsonl: name it with --data.")


def test_every_download_is_of_one_commit(hub, verify, published):
    repo_id, _ = published
    head = hub.repo("model", repo_id).head
    begun = len(hub.requests)
    assert verify(repo_id).exit_code == 0
    downloads = [each.path for each in hub.requests[begun:] if f"/{repo_id}/resolve/" in each.path]
    assert downloads and all(f"/{repo_id}/resolve/{head}/" in path for path in downloads)


# ------------------------------------------------------------------ what cannot be looked at


def test_a_repository_that_is_not_there_is_said(verify, fresh_name):
    repo_id = f"{fresh_name('ann')}/nothing"
    assert refused(verify(repo_id)) == (
        f"there is no folder {repo_id} here, and the Hub has no model {repo_id}, or it is private and you are not "
        "logged in (`hf auth login`)."
    )


def test_a_private_one_is_for_its_owner(hub, verify, published):
    repo_id, token = published
    hub.repo("model", repo_id).private = True
    assert refused(verify(repo_id)).startswith(f"there is no folder {repo_id} here, and the Hub has no model ")
    assert verify(repo_id, token=token).exit_code == 0


def test_a_gated_one_says_so(hub, verify, published, fresh_name):
    repo_id, _ = published
    hub.gate(repo_id)
    assert "it is gated: accept its terms on its Hub page" in refused(verify(repo_id))
    assert "it is gated" in refused(verify(repo_id, token=hub.user(fresh_name("bob"))))


def test_a_renamed_one_is_called_by_its_name(hub, verify, published):
    repo_id, _ = published
    new = f"{repo_id}-2"
    hub.rename(repo_id, new)
    assert refused(verify(repo_id)) == f"{repo_id} is called {new} on the Hub: name it so."


def test_a_data_set_of_that_name_is_no_model(hub, verify, fresh_name):
    repo_id = f"{fresh_name('ann')}/faces"
    hub.create("dataset", repo_id)
    sentence = refused(verify(repo_id))
    assert sentence == f"{repo_id} is a data set on the Hub, not a model: name a model that hfloop published."


def test_a_model_of_others_is_no_release(hub, verify, fresh_name):
    repo_id = f"{fresh_name('ann')}/bert"
    hub.create("model", repo_id)
    assert refused(verify(repo_id)) == f"{repo_id} is no release of hfloop: it has no hfloop.json."
    hub.commit(repo_id, {".gitattributes": None})
    assert refused(verify(repo_id)) == f"{repo_id} is no release of hfloop: it has no hfloop.json."
    hub.commit(repo_id, {"hfloop.json": b"{"})
    assert refused(verify(repo_id)).startswith(f"{repo_id}: its hfloop.json cannot be read (")


def test_names_that_lead_out_of_the_repository_are_refused(hub, verify, published):
    repo_id, _ = published
    path = "../../outside.txt"
    provenance = json.loads(hub.repo("model", repo_id).files()["hfloop.json"])
    provenance["sha256"][path] = "0" * 64
    hub.commit(repo_id, {"hfloop.json": json.dumps(provenance).encode()})
    assert f"names the file {path!r}, which can be part of none" in refused(verify(repo_id))


def test_no_network_and_no_leave_to_use_it_are_said(verify, published):
    repo_id, _ = published
    offline = refused(verify(repo_id, env={"HF_HUB_OFFLINE": "1"}))
    assert offline.startswith(f"{repo_id} could not be looked at: HF_HUB_OFFLINE is set")
    nobody = refused(verify(repo_id, env={"HF_ENDPOINT": "http://127.0.0.1:9"}))
    assert nobody.startswith(f"{repo_id} could not be looked at: the Hub at http://127.0.0.1:9 cannot be reached")


@pytest.mark.parametrize(("path", "status"), [("/api/models/", 503), ("/tree/", 403), ("/resolve/", 403)])
def test_trouble_of_the_hub_is_said_in_a_sentence(path, status, hub, verify, published):
    repo_id, _ = published
    hub.faults.add("html", method="GET", path=path, status=status, times=None)
    assert re.match(rf"{repo_id} (at \w{{8}} )?could not be (looked at|downloaded): ", refused(verify(repo_id)))
