"""Secrets that are kept elsewhere, in the real gateway: looked up, exchanged, lost and found again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, run_xopc, until, write_config
from tests.e2e.outside import Outside
from xopc_supervisor.contract import EXIT_CONFIG

OTHER = "fedcba9876543210fedcba9876543210"
Start = Callable[..., Gateway]


def keep(home: Path, name: str, secret: str, mode: int = 0o600) -> Path:
    """A secret in a file, put there whole."""
    path = home / ".xopc" / "secrets" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(f"{secret}\n")
    new.chmod(mode)
    return new.replace(path)


def refer(home: Path, **sections: object) -> None:
    write_config(home, {"gateway": {"auth": {"token": "${file:secrets/token}"}}, **sections})


def printer(home: Path, script: str) -> list[str]:
    path = home / "printer"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return [str(path)]


def test_a_token_in_a_file_opens_the_door_and_a_new_one_does_when_the_file_is_exchanged(
    home: Path, start: Start
) -> None:
    keep(home, "token", TOKEN)
    refer(home)
    gateway = start()
    assert gateway.request("GET", "/api/status").status == 200
    assert gateway.xopc("gateway", "status").returncode == 0
    keep(home, "token", OTHER)
    until(lambda: '"hot":["gateway.auth.token"]' in gateway.text, "the new token counts")
    assert gateway.request("GET", "/api/status", token=OTHER).status == 200
    assert gateway.request("GET", "/api/status").status == 401
    assert (gateway.health()["generation"], gateway.xopc("gateway", "status").returncode) == (1, 0)


@pytest.mark.parametrize(
    ("reference", "cure"),
    [
        ("${file:secrets/no}", "there is no file"),
        ("${file:secrets/open}", "chmod 600"),
        ("${credential:openai}", "LoadCredential=openai:PATH"),
        ("${command:openai}", "there is no command openai in secrets.commands"),
        ("${vault:openai}", "refers to nothing"),
    ],
)
def test_a_start_without_its_secret_is_refused_with_place_and_cure(home: Path, reference: str, cure: str) -> None:
    keep(home, "token", TOKEN)
    keep(home, "open", OTHER, 0o644)
    refer(home, providers={"openai": reference})
    environ = {**os.environ, "XOPC_HOME": str(home), "HOME": str(home)}
    done = run_xopc("gateway", "--port", "0", environ=environ, cwd=home)
    assert done.returncode == 1
    assert "$.providers.openai: " in done.stderr
    assert cure in done.stderr
    assert "Traceback" not in done.stderr
    done = run_xopc("gateway", "--port", "0", environ={**environ, "XOPC_SERVICE_MARKER": "systemd"}, cwd=home)
    assert done.returncode == EXIT_CONFIG


def test_what_is_off_goes_without_and_says_so(home: Path, start: Start) -> None:
    keep(home, "token", TOKEN)
    refer(home, channels={"telegram": {"enabled": False, "botToken": "${file:secrets/no}"}})
    gateway = start()
    assert "$.channels.telegram.botToken: there is no file" in gateway.text
    assert gateway.request("GET", "/api/status").status == 200


def test_a_reload_asks_programs_again_and_keeps_what_there_was_where_one_fails(home: Path, start: Start) -> None:
    keep(home, "token", TOKEN)
    command = printer(home, f"cat {home}/.xopc/secrets/bot")
    keep(home, "bot", "an-invented-key-number-1")
    refer(home, providers={"openai": "${command:a}"}, secrets={"commands": {"a": {"command": command}}})
    gateway = start()
    keep(home, "bot", "an-invented-key-number-2")
    done = gateway.xopc("secrets", "reload")
    assert (done.returncode, "In effect: providers.openai" in done.stdout) == (0, True), done
    assert "None of those" in gateway.xopc("secrets", "reload").stdout
    printer(home, "echo an-invented-key-number-3; echo it is locked: an-invented-key-number-3 >&2; exit 2")
    done = gateway.xopc("secrets", "reload")
    assert done.returncode == 1
    assert "The secrets of before stay in force. $.providers.openai" in done.stderr
    assert "it is locked: ***" in gateway.text
    assert "an-invented-key-number-3" not in gateway.text + done.stderr + done.stdout
    assert gateway.request("GET", "/api/status").json["problems"][0]["code"] == "configuration"
    assert gateway.request("POST", "/api/secrets/reload").status == 503


def test_a_crash_while_a_secret_is_away_is_survived(home: Path, start: Start) -> None:
    token = keep(home, "token", TOKEN)
    refer(home)
    gateway = start()
    before = gateway.boot_id()
    token.unlink()
    os.kill(gateway.child_pid, 9)
    until(lambda: "there is no file" in gateway.text, "the respawned gateway misses its token")
    assert gateway.process.poll() is None
    keep(home, "token", TOKEN)
    until(lambda: gateway.boot_id() not in {None, before}, "it serves again", 40)
    assert gateway.request("GET", "/api/status").status == 200


def test_a_new_process_asks_a_slow_program_for_its_keys_while_the_old_one_serves(home: Path, start: Start) -> None:
    gate = home / "gate"
    command = printer(home, f"if [ -p {gate} ]; then cat {gate}; fi; echo an-invented-key-of-a-box")
    write_config(home, {"gateway": {"auth": {"token": TOKEN}}, "secrets": {"commands": {"a": {"command": command}}}})
    entry = {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": "${command:a}", "models": [{"id": "small"}]}
    (home / ".xopc" / "models.json").write_text(json.dumps({"providers": {"box": entry}}))
    gateway = start()
    before = gateway.boot_id()
    os.mkfifo(gate)
    assert gateway.xopc("gateway", "restart", "--respawn").returncode == 0

    def end() -> int | None:
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: nobody reads it yet
            return None

    fd = until(end, "the new process asks")
    assert fd is not None
    assert gateway.request("GET", "/api/status").status == 200
    assert gateway.boot_id() == before
    gate.unlink()
    os.close(fd)
    until(lambda: gateway.boot_id() not in {None, before}, "the new process serves")


def test_a_credential_of_the_service_manager_is_a_key(home: Path, start: Start) -> None:
    credentials = home / "run" / "credentials"
    credentials.mkdir(parents=True)
    (credentials / "token").write_text(TOKEN)
    (credentials / "token").chmod(0o440)
    write_config(home, {"gateway": {"auth": {"token": "${credential:token}"}}})
    gateway = start(CREDENTIALS_DIRECTORY=str(credentials))
    (credentials / "token").unlink()  # it is where it belongs, and the search need not know the place
    assert gateway.request("GET", "/api/status").status == 200


def test_a_bot_whose_token_is_exchanged_is_started_anew_and_no_other_interrupted(
    home: Path, world: Outside, start: Start
) -> None:
    document = json.loads((home / ".xopc" / "xopc.json").read_text())
    keep(home, "bot", document["channels"]["telegram"]["botToken"])
    document["channels"]["telegram"]["botToken"] = "${file:secrets/bot}"
    write_config(home, document)
    gateway = start()
    world.write("hello")
    until(world.sent, "the bot answers")
    keep(home, "bot", "654321:FAKE-token-of-the-tests-9876543210zyxw")
    until(lambda: '"channels.telegram.botToken"' in gateway.text, "the new token is in effect")
    assert gateway.health()["generation"] == 1


def test_nothing_of_a_secret_can_be_brought_in_through_the_api(gateway: Gateway) -> None:
    program = {"secrets": {"commands": {"a": {"command": [sys.executable, "-c", "print('an-invented-key')"]}}}}
    assert gateway.request("PATCH", "/api/config", body=json.dumps(program), headers=JSON).status == 403
    file = {"providers": {"openai": "${file:/etc/passwd}"}}
    assert gateway.request("PATCH", "/api/config", body=json.dumps(file), headers=JSON).status == 403


JSON = {"Content-Type": "application/json"}
