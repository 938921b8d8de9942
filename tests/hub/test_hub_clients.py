"""Clients as processes of their own; and transformers, diffusers and Spaces, which work against the local Hub."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hub_asking import Run, failed_with
from hub_clients import Clients, ClientTimeoutError
from hub_fixture import LocalHub
from hub_store import Repo


def test_a_client_ends_as_a_process_does(clients: Clients, tmp_path: Path) -> None:
    ended = clients.python("import os, sys\nprint(os.getcwd())\nsys.stderr.write('no\\n')\nsys.exit(3)", cwd=tmp_path)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (3, f"{tmp_path}\n", "no\n")
    assert 0 < ended.seconds < 20
    assert clients.python("import sys; sys.exit('a sentence')").stderr == "a sentence\n"
    raised = clients.python("1 / 0")
    assert raised.exit_code == 1 and raised.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert clients.python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)").exit_code == -15
    last_words = (
        "import atexit, threading\natexit.register(print, 'bye')\nthreading.Timer(0.1, print, ['late']).start()"
    )
    assert clients.python(last_words).stdout == "late\nbye\n"


def test_a_client_has_its_token_and_variables_and_no_others(clients: Clients, tmp_path: Path) -> None:
    code = """
import os
from huggingface_hub import constants, get_token
print([get_token(), os.environ.get("SHELF"), constants.HF_HUB_CACHE, os.environ.get("HF_HUB_OFFLINE")])
"""
    first = clients.python(code, token="hf_a", env={"SHELF": "top"}, hf_home=tmp_path)
    assert eval(first.stdout) == ["hf_a", "top", str(tmp_path / "hub"), None]
    token, shelf, cache, _ = eval(clients.python(code).stdout)
    assert (token, shelf) == (None, None) and cache != str(tmp_path / "hub")


def test_the_command_runs_with_its_arguments(clients: Clients) -> None:
    from hfloop import __version__

    assert clients.hfloop(["--version"]).stdout == f"{__version__}\n"
    ended = clients.hfloop(["data", "check", "nowhere.jsonl"])
    assert ended.exit_code == 2 and "nowhere.jsonl" in ended.stderr
    assert clients.hfloop(["--version"], setup="import hfloop.cli; hfloop.cli.__version__ = 'x'").stdout == "x\n"


def test_every_client_downloads_again(hub: LocalHub, clients: Clients, model: Repo, tmp_path: Path) -> None:
    code = f"from huggingface_hub import snapshot_download\nsnapshot_download({model.id!r})"

    def downloads() -> int:
        return len(hub.asked("GET", f"/{model.id}/resolve/")) + len(hub.asked("GET", f"/{model.key}/"))

    for count in (4, 8):
        assert clients.python(code).exit_code == 0
        assert downloads() == count
    for count in (12, 12):  # with one HF_HOME the second finds the first's
        assert clients.python(code, hf_home=tmp_path).exit_code == 0
        assert downloads() == count


def test_no_client_begins_with_a_session_or_threads(clients: Clients) -> None:
    code = """
import threading
from huggingface_hub.utils import _http
print(_http._GLOBAL_CLIENT, threading.active_count())
"""
    assert clients.python(code).stdout == "None 1\n"


def test_the_endpoint_and_offline_are_heeded(hub: LocalHub, clients: Clients, ann_token: str, model: Repo) -> None:
    code = f"from huggingface_hub import *\nprint(HfApi().endpoint)\nmodel_info({model.id!r})"
    nowhere = clients.python(code, token=ann_token, env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert nowhere.stdout == "http://127.0.0.1:9\n" and "ConnectError" in nowhere.stderr
    assert "OfflineModeIsEnabled" in clients.python(code, env={"HF_HUB_OFFLINE": "1"}).stderr
    assert clients.python(code).exit_code == 0


def test_a_client_at_a_terminal(clients: Clients) -> None:
    code = "import sys\nprint(sys.stdin.isatty(), sys.stdout.isatty())\nsys.exit(0 if input('Sure? ') == 'y' else 9)"
    ended = clients.python(code, tty=True, stdin="y\n")
    assert ended.exit_code == 0 and "True True\nSure? " in ended.stdout
    assert clients.python("print(input())", stdin="piped\n").stdout == "piped\n"
    code = "import getpass\nprint([getpass.getpass('Token: '), input('Name: ')])"
    assert "Token: \nName: ann\n['hf_x', 'ann']\n" in clients.python(code, tty=True, stdin="hf_x\nann\n").stdout


def test_a_client_over_its_time_is_killed_and_quoted(clients: Clients) -> None:
    started = time.monotonic()
    with pytest.raises(ClientTimeoutError, match="half a sentence"):
        clients.python("import time\nprint('half a sentence', flush=True)\ntime.sleep(60)", timeout=0.5)
    assert time.monotonic() - started < 10


def test_a_client_is_interrupted_where_one_wants(hub: LocalHub, clients: Clients, ann_token: str) -> None:
    fault = hub.faults.add("stall", path="/whoami", seconds=5)
    code = "from huggingface_hub import whoami\ntry: whoami()\nexcept KeyboardInterrupt: print('stopped')"
    ended = clients.python(code, token=ann_token, interrupt=lambda: fault.hits)
    assert (ended.stdout, ended.seconds < 4) == ("stopped\n", True)


def test_clients_run_at_once(clients: Clients) -> None:
    ends: list[float] = []
    threads = [
        threading.Thread(target=lambda: ends.append(clients.python("import time; time.sleep(0.5)").seconds))
        for _ in range(4)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 4 and time.monotonic() - started < 1.9


def test_a_card_is_validated_and_pushed(hub: LocalHub, run: Run, model: Repo) -> None:
    said = run(
        """
        fails(ModelCard("---\\nlicense: nope\\n---\\n").validate)
        card = ModelCard("---\\nlicense: mit\\n---\\n# Card\\n")
        card.push_to_hub(repo, commit_message="Card")
        say(ModelCard.load(repo).data.license)
        wrong = Add("README.md", b"---\\ntags: x\\n---\\n")
        fails(api.create_commit, repo, [wrong], commit_message="m")
        """,
        repo=model.id,
    )
    assert failed_with(said[0], "ValueError", None, '"license" must be one of [apache-2.0,')
    assert said[1] == "mit" and model.history[-1].title == "Card"
    assert failed_with(said[2], "ValueError", None, 'Invalid metadata in README.md.\n- "tags" must be an array')


def test_transformers_pushes_and_loads(hub: LocalHub, run: Run, ann: str) -> None:
    code = """
        import torch
        from transformers import BertConfig, BertForTokenClassification
        sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=50)
        model = BertForTokenClassification(BertConfig(**sizes, num_labels=3)).eval()
        model.push_to_hub(repo)
        again = BertForTokenClassification.from_pretrained(repo)
        ids = torch.arange(6)[None]
        say(torch.equal(model(ids).logits, again(ids).logits))
        """
    assert run(code, repo=f"{ann}/bert") is True
    repo = hub.repo("model", f"{ann}/bert")
    assert repo.at("main").files["model.safetensors"].lfs_sha256
    assert {"config.json", "README.md"} <= repo.files().keys()


def test_diffusers_pushes_and_loads(hub: LocalHub, run: Run, ann: str) -> None:
    code = """
        import torch
        from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
        blocks = dict(down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), block_out_channels=(4,))
        unet = UNet2DModel(8, 1, 1, layers_per_block=1, norm_num_groups=2, attention_head_dim=4, **blocks)
        DDPMPipeline(unet, DDPMScheduler()).push_to_hub(repo)
        again = DDPMPipeline.from_pretrained(repo).unet.state_dict()
        say(all(torch.equal(weight, again[name]) for name, weight in unet.state_dict().items()))
        """
    assert run(code, repo=f"{ann}/ddpm") is True
    files = hub.repo("model", f"{ann}/ddpm").files()
    assert {"model_index.json", "unet/diffusion_pytorch_model.safetensors"} <= files.keys()


def test_a_space_is_built_and_its_secrets_are_kept(hub: LocalHub, run: Run, ann: str) -> None:
    said = run(
        """
        secret = [{"key": "TOKEN", "value": "deep"}]
        say(api.create_repo(repo, repo_type="space", space_sdk="gradio", space_secrets=secret))
        say(api.get_space_runtime(repo).stage)
        api.create_commit(repo, [Add("app.py", b"print(1)")], commit_message="App", repo_type="space")
        runtime = api.wait_for_space(repo, poll_interval=0.01)
        head = api.space_info(repo).sha
        say([runtime.stage, runtime.hardware, api.space_info(repo).sdk, runtime.raw["sha"] == head])
        say([list(api.fetch_space_logs(repo)), list(api.fetch_space_logs(repo, build=True))[-1]])
        api.add_space_variable(repo, "MODEL", "a/b", description="which")
        say([api.wait_for_space(repo, poll_interval=0.01).stage, api.get_space_variables(repo)["MODEL"].value])
        say({key: [each.key, each.description] for key, each in api.get_space_secrets(repo).items()})
        api.delete_space_variable(repo, "MODEL")
        fails(api.add_space_secret, repo, "1 BAD", "x")
        fails(api.request_space_hardware, repo, "t4-small")
        say([api.pause_space(repo).stage, api.restart_space(repo).stage])
        say(api.set_space_sleep_time(repo, 60).sleep_time)
        """,
        repo=f"{ann}/app",
    )
    assert said[:3] == [f"{hub.url}/spaces/{ann}/app", "NO_APP_FILE", ["RUNNING", "cpu-basic", "gradio", True]]
    assert said[3] == [["===== Application Startup =====\n", "* Running on local URL\n"], "--> DONE\n"]
    assert said[4:6] == [["RUNNING", "a/b"], {"TOKEN": ["TOKEN", None]}]
    assert failed_with(said[6], "BadRequestError", 400, "Invalid key '1 BAD'")
    assert failed_with(said[7], "HfHubHTTPError", 402, "payment method")
    assert said[8:] == [["PAUSED", "BUILDING"], 60]
    state = hub.runtime(f"{ann}/app")
    assert state.secrets["TOKEN"]["value"] == "deep" and state.variables == {}
    assert hub.repo("space", f"{ann}/app").files()["README.md"].startswith(b"---\ntitle: App\n")


def test_a_space_that_does_not_build_says_why(hub: LocalHub, run: Run, ann: str) -> None:
    run("api.create_repo(repo, repo_type='space', space_sdk='gradio')", repo=f"{ann}/app")
    state = hub.runtime(f"{ann}/app")
    state.build, state.failure = ["BUILDING", "BUILD_ERROR"], "Job failed with exit code: 1"
    state.build_log = ["ERROR: No matching distribution found for torhc"]
    code = """
        api.create_commit(repo, [Add(path, b"1")], commit_message="App", repo_type="space")
        runtime = api.wait_for_space(repo, poll_interval=0.01)
        say([runtime.stage, runtime.raw["errorMessage"], *api.fetch_space_logs(repo, build=True)])
        """
    said = run(code, repo=f"{ann}/app", path="app.py")
    assert said == ["BUILD_ERROR", "Job failed with exit code: 1", f"{state.build_log[0]}\n"]
    state.secrets["KEY"] = state.variables["KEY"] = {"value": "1"}
    said = run(code, repo=f"{ann}/app", path="other.py")
    assert said[:2] == ["CONFIG_ERROR", "Collision on variables and secrets names"]


def test_a_space_runs_its_old_commit_until_the_new_one_is_built(hub: LocalHub, run: Run, ann: str) -> None:
    space = hub.create("space", f"{ann}/app")
    first = hub.commit(space.id, {"app.py": b"1"}, kind="space").sha
    code = """
        looks = []
        while not looks or looks[-1][0] != "RUNNING":
            runtime = api.get_space_runtime(repo)
            looks.append([runtime.stage, runtime.raw["sha"]])
        say(looks)
        """
    assert run(code, repo=space.id) == [["BUILDING", None], ["APP_STARTING", None], ["RUNNING", first]]
    second = hub.commit(space.id, {"app.py": b"2"}, kind="space").sha
    stages = [["RUNNING_BUILDING", first], ["RUNNING_APP_STARTING", first], ["RUNNING", second]]
    assert run(code, repo=space.id) == stages


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "reset", "acted": False}, "ReadError"),
        ({"kind": "reset", "acted": True}, "ReadError"),
        ({"kind": "html", "status": 502}, "HfHubHTTPError"),
        ({"kind": "html", "status": 200}, "JSONDecodeError"),
        ({"kind": "status", "status": 503}, "HfHubHTTPError"),
        ({"kind": "truncated"}, "RemoteProtocolError"),
    ],
)
def test_a_commit_whose_answer_is_spoilt(
    hub: LocalHub, run: Run, model: Repo, fault: dict[str, object], kind: str
) -> None:
    before = model.head
    options = {name: value for name, value in fault.items() if name != "kind"}
    hub.faults.add(fault["kind"], path="/commit/main", **options)  # type: ignore[arg-type]
    said = run("fails(api.create_commit, repo, [Add('x', b'x')], commit_message='m')", repo=model.id)
    assert said[0] == kind
    acted = fault.get("acted") is True or fault["kind"] == "truncated"
    assert (model.head != before) == acted


def test_a_download_goes_on_after_a_cut(hub: LocalHub, run: Run, model: Repo) -> None:
    fault = hub.faults.add("truncated", method="GET", path=f"^/{model.key}/")
    assert run("say(os.path.getsize(hf_hub_download(repo, 'model.safetensors')))", repo=model.id) == 10240
    assert fault.hits == 1
    assert len(hub.asked("GET", f"^/{model.key}/")) == 2


def test_nothing_surprised_the_hub(hub: LocalHub) -> None:
    assert hub.surprises == []
