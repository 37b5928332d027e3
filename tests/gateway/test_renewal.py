"""One generation gives way to the next in the process of a test: what that waits for, and what it never does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.supervised_tree import TOKEN, Supervised, running, write
from xopc.gateway.departure import Outcome


def program(home: Path, script: str) -> dict[str, Any]:
    """`secrets` with a program that does this, and prints a key."""
    path = home / "printer"
    path.write_text(f"#!/bin/sh\n{script}\necho an-invented-key\n")
    path.chmod(0o755)
    return {"commands": {"vault": {"command": [str(path)], "timeoutSeconds": 30}}}


def with_models(home: Path, script: str, key: str = "${command:vault}") -> None:
    """A configuration whose `models.json` has its key from a program."""
    write(home, {"gateway": {"auth": {"token": TOKEN}}, "secrets": program(home, script)})
    entry = {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": key, "models": [{"id": "small"}]}
    (home / ".xopc" / "models.json").write_text(json.dumps({"providers": {"box": entry}}))


def waits_for(gate: Path) -> str:
    """A script that lets pass at once until there is a named pipe, and then waits for a writer."""
    return f"if [ -p {gate} ]; then cat {gate}; fi"


async def until_asked(gate: Path) -> int:
    """Wait until the program reads its pipe; the end to write to."""
    while True:
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: nobody reads it yet
            await trio.sleep(0.01)


async def generation(supervised: Supervised) -> int:
    return (await supervised.get("/api/status"))["health"]["generation"]


async def test_a_program_that_tells_a_key_keeps_nobody_waiting_during_a_restart(home: Path) -> None:
    gate = home / "gate"
    with_models(home, waits_for(gate))
    async with running(home) as supervised:
        await supervised.words("ready")
        os.mkfifo(gate)
        await supervised.tell("restart in-process a new key")
        with trio.fail_after(10):
            end = await until_asked(gate)
        with trio.fail_after(3):
            assert await generation(supervised) == 1
        gate.unlink()
        os.close(end)
        await supervised.words("ready")
        assert await generation(supervised) == 2
        await supervised.tell("stop")


async def test_a_key_that_a_program_no_longer_tells_leaves_the_generation_that_has_it(home: Path) -> None:
    with_models(home, "true")
    async with running(home) as supervised:
        await supervised.words("ready")
        (home / "printer").write_text("#!/bin/sh\necho the vault is locked >&2\nexit 1\n")
        await supervised.tell("restart in-process a wish")
        with trio.fail_after(10):
            while not (problems := (await supervised.get("/api/status"))["problems"]):  # noqa: ASYNC110  it has no event
                await trio.sleep(0.02)
        assert (problems[0]["code"], await generation(supervised)) == ("configuration", 1)
        assert "goes on as it was" in problems[0]["message"]
        assert "${command:vault}" in problems[0]["message"]
        assert "the vault is locked" in problems[0]["message"]
        await supervised.tell("stop")


@pytest.mark.parametrize("key", ["${command:vault}", "another-invented-key"])
async def test_a_stop_does_not_wait_for_a_program_that_a_restart_asks(home: Path, key: str) -> None:
    gate = home / "gate"
    with_models(home, waits_for(gate), key)
    if not key.startswith("$"):
        document = json.loads((home / ".xopc" / "xopc.json").read_text())
        write(home, {**document, "providers": {"openai": "${command:vault}"}})
    async with running(home) as supervised:
        await supervised.words("ready")
        os.mkfifo(gate)
        await supervised.tell("restart in-process a wish")
        with trio.fail_after(10):
            end = await until_asked(gate)
        told = trio.current_time()
        await supervised.tell("stop")
    assert trio.current_time() - told < 3
    assert supervised.outcomes == [Outcome.STOP]
    os.close(end)


async def test_a_restart_does_not_wait_for_a_channel_that_does_not_connect(home: Path) -> None:
    with trio.socket.socket() as silent:
        await silent.bind(("127.0.0.1", 0))
        silent.listen()
        bot = {
            "enabled": True,
            "botToken": "1:an-invented-token",
            "apiRoot": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        gateway: dict[str, object] = {"auth": {"token": TOKEN}, "reload": {"mode": "off"}}
        write(home, {"gateway": gateway})
        async with running(home) as supervised:
            await supervised.words("ready")
            write(home, {"gateway": {**gateway, "channelConnectDeferMode": "off"}, "channels": {"telegram": bot}})
            await supervised.tell("restart in-process a wish")
            await supervised.words("ready")
            status = await supervised.get("/api/status")
            assert (status["restarts"], status["lastRestart"]["durationMs"] < 3000) == (1, True)
            await supervised.tell("stop")
