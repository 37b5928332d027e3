"""Several gateways of one user, side by side: they share nothing, and each is looked after from the same shell."""

from __future__ import annotations

import json
import random
import socket
import string
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config
from xopc.config.profile import default_port

Start = Callable[..., Gateway]


@pytest.fixture
def rescue() -> str:
    """A profile whose port is free: other tests, and the machine's owner, may have that of any one name."""
    dice = random.SystemRandom()
    while True:
        name = "rescue-" + "".join(dice.choices(string.ascii_lowercase, k=8))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", default_port(name)))
            return name


@pytest.fixture
def both(home: Path, start: Start, rescue: str) -> Iterator[tuple[Gateway, Gateway]]:
    """The gateway without a profile, and one of the profile, which finds its port by itself."""
    first = start()
    second = Gateway(home, XOPC_PROFILE=rescue)
    second.state = home / f".xopc-{rescue}"
    second.wait_until_ready()
    yield first, second
    second.kill()


def status(gateway: Gateway, profile: str) -> dict[str, object]:
    return json.loads(gateway.xopc("--profile", profile, "gateway", "status", "--json").stdout)


def test_two_run_side_by_side_and_each_is_found_by_its_name(both: tuple[Gateway, Gateway], rescue: str) -> None:
    first, second = both
    assert second.port == default_port(rescue)
    assert f"   Profile: {rescue}\n" in second.text
    for gateway, name in ((first, "default"), (second, rescue)):
        seen = status(first, name)
        assert (seen["profile"], seen["port"]) == (name, gateway.port)
    assert first.request("GET", "/api/status").status == 200
    # It has a token of its own.
    assert second.request("GET", "/api/status").status == 401

    assert first.xopc("gateway", "stop", "--profile", rescue).returncode == 0
    assert second.wait_until_ended() == 0
    assert first.boot_id()


def test_the_one_mends_the_other(both: tuple[Gateway, Gateway]) -> None:
    first, second = both
    boot_id = first.boot_id()
    write_config(first.home, {"gateway": {"port": "many", "auth": {"token": TOKEN}}})
    until(lambda: "$.gateway.port: must be a whole number" in first.text, "the first one says what is wrong")

    # From here on as from a shell of the second one, whose environment names its own profile.
    refused = second.xopc("--profile", "default", "config", "validate")
    assert refused.returncode == 1
    assert "$.gateway.port: must be a whole number" in refused.stderr
    assert second.xopc("config", "validate").returncode == 0
    found = second.xopc("doctor", "--profile", "default")
    assert found.returncode == 1
    assert "$.gateway.port" in found.stdout

    write_config(first.home, {"gateway": {"auth": {"token": TOKEN}}})
    assert second.xopc("--profile", "default", "config", "set", "gateway.watchdogSeconds", "20").returncode == 0
    restarted = second.xopc("--profile", "default", "gateway", "restart", "--respawn", "--wait", "20s")
    assert restarted.returncode == 0, restarted.stderr
    assert first.boot_id() not in (None, boot_id)
    assert second.xopc("--profile", "default", "doctor").returncode == 0


def test_a_change_is_tried_with_the_other_one_first(both: tuple[Gateway, Gateway]) -> None:
    _, second = both
    copy = second.home / "try.json"
    copy.write_text(json.dumps({"gateway": {"prot": 1}}))
    assert "$.gateway.prot: unknown key" in second.xopc("config", "validate", "--config", str(copy)).stderr


def test_a_gateway_of_a_profile_that_does_not_run_is_not_mistaken_for_one_that_does(
    both: tuple[Gateway, Gateway], rescue: str
) -> None:
    first, _ = both
    done = first.xopc("--profile", "another", "gateway", "status")
    assert done.returncode == 1
    assert "💡 Start with: xopc --profile another gateway\n" in done.stdout
    for command in (["gateway", "restart"], ["gateway", "stop"]):
        assert "xopc --profile another gateway" in first.xopc("--profile", "another", *command).stdout
    assert first.boot_id()
    assert status(first, rescue)["running"] is True
