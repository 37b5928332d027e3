"""The configuration over the API, against the running gateway."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.harness import TOKEN, Gateway, Reply, until, write_config
from xopc.config.resolve import Flags, resolve

Start = Callable[..., Gateway]
JSON = {"Content-Type": "application/json"}
MODELS = ("imageModel", "imageGenerationModel")


def shown(gateway: Gateway) -> Any:  # noqa: ANN401 - JSON
    return gateway.request("GET", "/api/config").json["payload"]["config"]


def patch(gateway: Gateway, changes: object) -> Reply:
    return gateway.request("PATCH", "/api/config", body=json.dumps(changes), headers=JSON)


def content(gateway: Gateway) -> Any:  # noqa: ANN401 - JSON
    return json.loads((gateway.state / "xopc.json").read_text())


def test_row_171_the_models_for_pictures_and_their_fallbacks_are_shown(gateway: Gateway) -> None:
    defaults = shown(gateway)["agents"]["defaults"]
    for model in ("model", *MODELS):
        assert defaults[model] is None
        assert defaults[f"{model}Fallbacks"] == []


def test_row_172_the_models_for_pictures_take_a_primary_and_fallbacks(gateway: Gateway) -> None:
    choice = {"primary": "openai/gpt-6-luna", "fallbacks": ["groq/small"]}
    assert patch(gateway, {"agents": {"defaults": dict.fromkeys(("model", *MODELS), choice)}}).status == 200
    defaults = shown(gateway)["agents"]["defaults"]
    for model in ("model", *MODELS):
        assert defaults[model] == choice["primary"]
        assert defaults[f"{model}Fallbacks"] == choice["fallbacks"]
        assert content(gateway)["agents"]["defaults"][model] == choice
    patched = patch(gateway, {"agents": {"defaults": {"imageModel": "groq/small", "imageModelFallbacks": []}}})
    assert patched.json["payload"]["config"]["agents"]["defaults"]["imageModel"] == "groq/small"
    assert content(gateway)["agents"]["defaults"]["imageModel"] == "groq/small"


def test_row_229_no_origin_is_listed_unless_somebody_does(gateway: Gateway) -> None:
    assert shown(gateway)["gateway"]["corsOrigins"] == []


def test_row_230_there_is_no_password_unless_somebody_sets_one(gateway: Gateway) -> None:
    auth = shown(gateway)["gateway"]["auth"]
    assert (auth["mode"], auth["token"], auth["password"]) == ("token", "***", "")
    assert TOKEN.encode() not in gateway.request("GET", "/api/config").body


def test_row_231_which_channels_connect_late_is_left_to_the_gateway(gateway: Gateway) -> None:
    settings = shown(gateway)["gateway"]
    assert settings["channelConnectDeferMode"] == "auto"
    assert settings["channelConnectDeferIds"] == settings["channelConnectDeferSkipIds"] == []


def test_row_217_the_limiter_is_on_with_its_numbers(gateway: Gateway) -> None:
    limiter = shown(gateway)["gateway"]["auth"]["rateLimit"]
    assert (limiter["enabled"], limiter["maxAttempts"]) == (True, 5)
    assert (limiter["windowMs"], limiter["blockDurationMs"]) == (900_000, 300_000)


def test_a_change_is_in_the_file_and_in_force(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {"auth": {"token": "${MY_TOKEN}"}}, "weather": {"city": "Oslo"}})
    gateway = start(MY_TOKEN=TOKEN)
    config = shown(gateway)
    config["commands"]["restart"] = False
    assert patch(gateway, config).status == 200
    expected = {"gateway": {"auth": {"token": "${MY_TOKEN}"}}, "weather": {"city": "Oslo"}}
    assert content(gateway) == {**expected, "commands": {"restart": False}}
    until(lambda: gateway.request("POST", "/api/restart").status == 403, "restarts are forbidden")
    generation = gateway.health()["generation"]
    assert patch(gateway, shown(gateway)).status == 200
    assert gateway.health()["generation"] == generation
    assert {path.name for path in gateway.state.glob("xopc.json*")} == {"xopc.json", "xopc.json.bak"}


def test_what_the_gateway_would_not_start_with_is_refused(gateway: Gateway) -> None:
    before = (gateway.state / "xopc.json").read_bytes()
    for changes, path in (
        ({"gateway": {"auth": {"token": "change-me-now"}}}, "$.gateway.auth.token: "),
        ({"gateway": {"auth": {"password": "correct horse battery"}}}, "$.gateway.auth.password: "),
        ({"gateway": {"channelConnectDeferIds": ["a"] * 25}}, "$.gateway.channelConnectDeferIds: "),
        ({"agents": {"defaults": {"mediaMaxMb": 0}}}, "$.agents.defaults.mediaMaxMb: "),
        ({"gateway": {"prot": 1}}, "$.gateway.prot: "),
    ):
        reply = patch(gateway, changes)
        assert (reply.status, reply.json["error"]["code"]) == (400, "INVALID_REQUEST")
        assert reply.json["error"]["message"].startswith(path)
        assert str(gateway.state).encode() not in reply.body
    assert (gateway.state / "xopc.json").read_bytes() == before
    assert gateway.health()["generation"] == 1


def test_a_reload_reads_what_was_edited_by_hand(gateway: Gateway) -> None:
    write_config(gateway.home, {"gateway": {"auth": {"token": TOKEN}}, "commands": {"restart": False}})
    assert gateway.request("POST", "/api/config/reload").json["payload"]["reloaded"] is True
    until(lambda: gateway.request("POST", "/api/restart").status == 403, "restarts are forbidden")
    write_config(gateway.home, {"gateway": {"port": 0}})
    reply = gateway.request("POST", "/api/config/reload")
    assert (reply.status, reply.json["payload"]["reloaded"]) == (200, False)
    assert "$.gateway.port" in reply.json["payload"]["error"]
    assert str(gateway.state).encode() not in reply.body


def test_changes_at_once_are_all_in_the_file(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {"auth": {"token": TOKEN}}, "notes": {}})
    gateway = start()
    statuses: list[int] = []

    def change(number: int) -> None:
        statuses.append(patch(gateway, {"notes": {f"n{number}": number}}).status)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    assert content(gateway)["notes"] == {f"n{n}": n for n in range(6)}


def test_a_kill_in_the_middle_of_many_changes_leaves_a_valid_file(home: Path, start: Start) -> None:
    """Some seconds: it kills the gateway's process again and again, which then starts anew."""
    write_config(home, {"gateway": {"auth": {"token": TOKEN}}, "notes": {"text": "x" * 100_000}})
    gateway = start()
    acknowledged = 0
    over = threading.Event()

    def change() -> None:
        nonlocal acknowledged
        number = 0
        while not over.is_set():
            number += 1
            try:
                if patch(gateway, {"notes": {"number": number}}).status == 200:
                    acknowledged = number
            except (OSError, http.client.HTTPException, ValueError):
                pass  # cut by the kill

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(3):
            seen = acknowledged
            until(lambda seen=seen: acknowledged > seen + 1, "changes are saved")
            os.kill(gateway.child_pid, signal.SIGKILL)
            read = content(gateway)
            assert read["gateway"] == {"auth": {"token": TOKEN}}
            assert read["notes"]["text"] == "x" * 100_000
            assert read["notes"]["number"] >= seen
    finally:
        over.set()
        changing.join()
    assert resolve(gateway.environ, Flags()).auth.secret == TOKEN
    assert content(gateway)["notes"]["number"] >= acknowledged


def test_a_value_that_a_command_sets_takes_effect_in_the_running_gateway(gateway: Gateway) -> None:
    def hot() -> object:
        reload = gateway.request("GET", "/api/status").json["lastReload"]
        return reload["hot"] if reload else None

    done = gateway.xopc("config", "set", "gateway.corsOrigins", '["https://desk.example.com"]')
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: hot() == ["gateway.corsOrigins"], "the gateway has taken it")
    assert gateway.xopc("config", "set", "gateway.watchdogSeconds", "-1").returncode == 1
    assert gateway.xopc("config", "get", "gateway.watchdogSeconds").stdout == "30\n"
    done = gateway.xopc("config", "unset", "gateway.corsOrigins")
    assert done.stdout == "✅ gateway.corsOrigins is not set any more, which means [] in ~/.xopc/xopc.json\n"
