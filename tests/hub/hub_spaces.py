"""The Hub's routes about Spaces: secrets, variables, hardware, and a build that goes from stage to stage."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hub_cards import judge, metadata
from hub_http import Answer, HttpError, Request
from hub_server import Hub, User, body_of, checked, table
from hub_store import Repo

_HARDWARE = """
cpu-basic cpu-upgrade zero-a10g t4-small t4-medium l4x1 l4x4 l40sx1 l40sx4 l40sx8 a10g-small a10g-large a10g-largex2
a10g-largex4 a100-large a100x4 a100x8 rtx-pro-6000 rtx-pro-6000x2 rtx-pro-6000x4 rtx-pro-6000x8
"""
HARDWARE = _HARDWARE.split()
_APP_FILES = {"gradio": "app.py", "streamlit": "app.py", "docker": "Dockerfile", "static": "index.html"}
_BETWEEN = ("BUILDING", "APP_STARTING")
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass
class Runtime:
    """What runs in a Space; each look at it takes the next of the `coming` stages."""

    sdk: str
    stage: str = "NO_APP_FILE"
    coming: list[str] = field(default_factory=list)
    build: list[str] = field(default_factory=lambda: ["BUILDING", "APP_STARTING", "RUNNING"])  # of every build
    build_log: list[str] = field(default_factory=lambda: ["--> FROM python:3.11", "--> Pushing image", "--> DONE"])
    run_log: list[str] = field(default_factory=lambda: ["===== Application Startup =====", "* Running on local URL"])
    failure: str = ""  # what is said of a build that ends in an error
    error: str | None = None
    hardware: str | None = None
    requested: str = "cpu-basic"
    sleep_time: int | None = 172800
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    host: str = ""
    building: str | None = None  # the commit of the latest build
    running: str | None = None  # the commit that runs
    builds: int = 0

    def said(self) -> dict[str, Any]:
        """The runtime as the API tells it."""
        told: dict[str, Any] = {
            "stage": self.stage,
            "hardware": {"current": self.hardware, "requested": self.requested},
        }
        told |= {"storage": None, "gcTimeout": self.sleep_time, "replicas": {"current": 1, "requested": 1}}
        told |= {"devMode": False, "sha": self.running}
        return told | ({"errorMessage": self.error} if self.error else {})


def runtime(hub: Hub, repo: Repo) -> Runtime:
    """What runs in a Space."""
    found: Runtime = hub.runtimes[repo.key]
    return found


def first_readme(name: str, sdk: str) -> bytes:
    """The README that the Hub writes into a new Space."""
    lines = ["---", f"title: {name.replace('-', ' ').title()}", "emoji: 🚀", "colorFrom: blue", "colorTo: indigo"]
    lines += [f"sdk: {sdk}", *(["sdk_version: 6.31.0", "app_file: app.py"] if sdk == "gradio" else [])]
    lines += ["pinned: false", "---", ""]
    lines += ["Check out the configuration reference at https://huggingface.co/docs/hub/spaces-config-reference", ""]
    return "\n".join(lines).encode()


def wanted_runtime(asked: dict[str, Any], user: User) -> Runtime:
    """The runtime of a Space that is being created; 400 or 402 where it cannot be."""
    if asked.get("sdk") not in _APP_FILES:
        raise HttpError(400, f'Invalid input at "sdk": expected one of {", ".join(_APP_FILES)}.')
    state = Runtime(asked["sdk"], sleep_time=asked.get("sleepTimeSeconds", 172800))
    _check_hardware(asked.get("hardware", "cpu-basic"), user)
    state.requested = asked.get("hardware", "cpu-basic")
    for name, kept in (("secrets", state.secrets), ("variables", state.variables)):
        for each in asked.get(name, []):
            _keep(kept, checked(each, {"key": str, "value": str}, {"description": str}))
    return state


def committed(hub: Hub, repo: Repo) -> None:
    """A commit on `main` starts a build."""
    rebuild(runtime(hub, repo), repo)


def rebuild(state: Runtime, repo: Repo) -> None:
    """Begin a build, unless the Space cannot be built; the stages come as they are looked at."""
    files = repo.at("main").files
    text = repo.content(files["README.md"]).decode(errors="replace") if "README.md" in files else ""
    card = {} if judge(text, "space")[0] else metadata(text)
    state.error, state.coming = None, []
    if "sdk" not in card:
        state.stage, state.error = "CONFIG_ERROR", "Missing configuration in README"
    elif state.secrets.keys() & state.variables.keys():
        state.stage, state.error = "CONFIG_ERROR", "Collision on variables and secrets names"
    elif card.get("app_file", _APP_FILES[card["sdk"]]) not in files:
        state.stage = "NO_APP_FILE"
    else:
        state.sdk = card["sdk"]
        state.builds += 1
        state.building = repo.head
        while_running = "RUNNING_" if state.stage == "RUNNING" else ""
        state.coming = [f"{while_running}{stage}" if stage in _BETWEEN else stage for stage in state.build]
        state.stage = state.coming[0]


def _check_hardware(flavor: str, user: User) -> None:
    if flavor not in HARDWARE:
        raise HttpError(400, f'Invalid input at "flavor": expected one of {", ".join(HARDWARE)}.')
    if flavor != "cpu-basic" and not user.paying:
        raise HttpError(402, "You need to provide a payment method to use this hardware.")


def _keep(kept: dict[str, dict[str, Any]], given: dict[str, Any]) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", given["key"]):
        raise HttpError(400, f"Invalid key {given['key']!r}: only letters, digits and _, and no digit at first.")
    described = {"description": given["description"]} if "description" in given else {}
    kept[given["key"]] = {"value": given["value"], "updatedAt": datetime.now(UTC).strftime(_TIME)} | described


def _look(hub: Hub, request: Request, repo: str) -> Answer:
    state = runtime(hub, hub.repo(request, "space", repo))
    if state.coming:
        state.stage = state.coming.pop(0)
        if state.stage.endswith("ERROR"):
            state.error = state.failure or None
    if state.stage == "RUNNING" and not state.coming:
        state.hardware, state.running = state.requested, state.building
    return Answer(200, state.said())


def _secrets(hub: Hub, request: Request, repo: str) -> Answer:
    state = runtime(hub, hub.writable(request, "space", repo))
    if request.method != "GET":
        _change(hub, request, repo, state.secrets)
    hidden = {
        key: {name: said for name, said in value.items() if name != "value"} for key, value in state.secrets.items()
    }
    return Answer(200, hidden)


def _variables(hub: Hub, request: Request, repo: str) -> Answer:
    state = runtime(hub, hub.repo(request, "space", repo))
    if request.method != "GET":
        _change(hub, request, repo, state.variables)
    return Answer(200, {key: {"key": key} | value for key, value in state.variables.items()})


def _change(hub: Hub, request: Request, repo: str, kept: dict[str, dict[str, Any]]) -> None:
    """Set or delete one secret or variable; what runs is started again."""
    found = hub.writable(request, "space", repo)
    if request.method == "POST":
        _keep(kept, body_of(request, {"key": str, "value": str}, {"description": str}))
    else:
        kept.pop(body_of(request, {"key": str})["key"], None)
    state = runtime(hub, found)
    if state.stage not in ("PAUSED", "NO_APP_FILE"):
        rebuild(state, found)


def _hardware(hub: Hub, request: Request, repo: str) -> Answer:
    found = hub.writable(request, "space", repo)
    asked = body_of(request, {"flavor": str}, {"sleepTimeSeconds": int})
    _check_hardware(asked["flavor"], hub.writer(request))
    state = runtime(hub, found)
    state.requested, state.sleep_time = asked["flavor"], asked.get("sleepTimeSeconds", state.sleep_time)
    return Answer(200, state.said())


def _sleep_time(hub: Hub, request: Request, repo: str) -> Answer:
    state = runtime(hub, hub.writable(request, "space", repo))
    state.sleep_time = body_of(request, {"seconds": int})["seconds"]
    return Answer(200, state.said())


def _restart(hub: Hub, request: Request, repo: str) -> Answer:
    found = hub.writable(request, "space", repo)
    rebuild(runtime(hub, found), found)
    return Answer(200, runtime(hub, found).said())


def _pause(hub: Hub, request: Request, repo: str) -> Answer:
    state = runtime(hub, hub.writable(request, "space", repo))
    state.stage, state.coming, state.hardware = "PAUSED", [], None
    return Answer(200, state.said())


def _logs(hub: Hub, request: Request, repo: str, which: str) -> Answer:
    """The log's lines as server-sent events; the stream ends with them."""
    state = runtime(hub, hub.writable(request, "space", repo))
    if which not in ("build", "run"):
        raise HttpError(404, "Sorry, we can't find the page you are looking for.")
    now = datetime.now(UTC).strftime(_TIME)
    lines = state.build_log if which == "build" else state.run_log
    events = [f"data: {json.dumps({'data': line + chr(10), 'timestamp': now})}\n\n" for line in lines]
    return Answer(200, "".join(events).encode(), {"Content-Type": "text/event-stream"})


OF_SPACES = table(
    ("GET", "/api/spaces/{repo}/runtime", _look),
    *((method, "/api/spaces/{repo}/secrets", _secrets) for method in ("GET", "POST", "DELETE")),
    *((method, "/api/spaces/{repo}/variables", _variables) for method in ("GET", "POST", "DELETE")),
    ("POST", "/api/spaces/{repo}/hardware", _hardware),
    ("POST", "/api/spaces/{repo}/sleeptime", _sleep_time),
    ("POST", "/api/spaces/{repo}/restart", _restart),
    ("POST", "/api/spaces/{repo}/pause", _pause),
    ("GET", "/api/spaces/{repo}/logs/{which}", _logs),
)
