"""HTTPS at the port: certificates that change, restarts, and the commands of the same machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, run_xopc, until, write_config
from tests.e2e.load import Load, connect
from tests.fakes.certificates import Authority

Start = Callable[..., Gateway]
BEARER = {"Authorization": f"Bearer {TOKEN}"}
AUTH = {"token": TOKEN}


@pytest.fixture
def authority(home: Path) -> Authority:
    return Authority(home)


@pytest.fixture
def secure(home: Path, authority: Authority, start: Start) -> Gateway:
    """A ready gateway that speaks HTTPS."""
    write_config(home, {"gateway": {"auth": AUTH, "tls": authority.issue().settings()}})
    return start()


def ask(gateway: Gateway, context: ssl.SSLContext | None, path: str = "/api/status") -> Any:  # noqa: ANN401 - JSON
    with contextlib.closing(connect(gateway.port, context)) as connection:
        connection.request("GET", path, headers=BEARER)
        return json.load(connection.getresponse())


def shown(gateway: Gateway, authority: Authority) -> object:
    """The serial number of the certificate that a newcomer gets."""
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as plain,
        authority.client().wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        certificate = client.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


def codes(gateway: Gateway, authority: Authority) -> list[str]:
    return [problem["code"] for problem in ask(gateway, authority.client())["problems"]]


def test_whoever_trusts_the_authority_is_served_and_others_are_told(secure: Gateway, authority: Authority) -> None:
    assert "URL: https://127.0.0.1:" in secure.text
    assert ask(secure, authority.client())["health"]["status"] == "healthy"
    assert ask(secure, authority.client(), "/health")["status"] == "healthy"
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(secure, ssl.create_default_context())
    assert "This port speaks HTTPS: use https://" in ask(secure, None)["error"]["message"]


def test_the_commands_of_this_machine_know_it_by_its_certificate(secure: Gateway) -> None:
    status = secure.xopc("gateway", "status", "--json")
    assert status.returncode == 0
    told = json.loads(status.stdout)
    assert told["url"] == f"https://127.0.0.1:{secure.port}"
    assert (told["probe"]["reachable"], told["issues"]) == (True, [])
    assert f"https://localhost:{secure.port}" in secure.xopc("gateway", "status").stdout
    agent = secure.xopc("agent", "hello")
    assert (agent.returncode, agent.stderr) == (0, "")
    for how in ((), ("--respawn",)):
        done = secure.xopc("gateway", "restart", *how, "--wait", "20s")
        assert done.returncode == 0, done.stdout + done.stderr
    assert "generation" in secure.xopc("gateway", "tree").stdout
    assert secure.xopc("gateway", "stop").returncode == 0
    assert secure.wait_until_ended() == 0


def test_by_its_url_it_is_the_systems_trust_that_counts(secure: Gateway, authority: Authority) -> None:
    url = ("--url", f"https://127.0.0.1:{secure.port}", "--token", TOKEN)
    refused = secure.xopc("gateway", "status", *url)
    assert refused.returncode == 1
    assert "its certificate is not trusted here" in refused.stdout
    trusting = secure.xopc("gateway", "status", *url, SSL_CERT_FILE=str(authority.file()))
    assert trusting.returncode == 0, trusting.stdout


def test_a_renewed_certificate_is_shown_without_a_restart(secure: Gateway, authority: Authority) -> None:
    before = shown(secure, authority)
    with contextlib.closing(connect(secure.port, authority.client())) as kept:
        kept.request("GET", "/health")
        generation = json.load(kept.getresponse())["generation"]
        authority.issue()
        until(lambda: shown(secure, authority) != before, "newcomers get the new one")
        kept.request("GET", "/health")
        assert json.load(kept.getresponse())["generation"] == generation
    assert secure.xopc("gateway", "status").returncode == 0


def test_a_broken_pair_changes_nothing_and_is_told_until_it_is_mended(secure: Gateway, authority: Authority) -> None:
    before = shown(secure, authority)
    key = secure.home / "gateway.key"
    good = key.read_bytes()
    key.write_bytes(authority.issue("other").key.read_bytes())
    until(lambda: codes(secure, authority) == ["tls"], "it is told")
    assert shown(secure, authority) == before
    assert "does not belong to the certificate" in secure.xopc("gateway", "status").stdout
    for how in ((), ("--respawn",)):
        refused = secure.xopc("gateway", "restart", *how, "--wait", "20s")
        assert refused.returncode == 1
        assert "$.gateway.tls.certPath" in refused.stdout + refused.stderr
    assert shown(secure, authority) == before
    key.write_bytes(good)
    until(lambda: "tls" not in codes(secure, authority), "it is over")
    assert secure.xopc("gateway", "restart", "--wait", "20s").returncode == 0
    assert codes(secure, authority) == []


@pytest.mark.parametrize("how", [(), ("--respawn",)])
def test_a_restart_under_load_refuses_nobody(secure: Gateway, authority: Authority, how: tuple[str, ...]) -> None:
    with Load(secure.port, "/api/status", BEARER, authority.client()).running() as load:
        until(lambda: load.answered > 20, "they are served")
        done = secure.xopc("gateway", "restart", *how, "--wait", "20s")
        answered = load.answered
        until(lambda: load.answered > answered + 20, "they are served again")
    assert done.returncode == 0, done.stdout + done.stderr
    assert load.failures == []


def test_a_crash_is_survived(secure: Gateway, authority: Authority) -> None:
    before = ask(secure, authority.client(), "/health")["gatewayPid"]
    os.kill(secure.child_pid, signal.SIGKILL)
    until(lambda: ask(secure, authority.client(), "/health")["gatewayPid"] != before, "another process serves")


@pytest.mark.parametrize("how", [(), ("--respawn",)])
def test_it_is_turned_on_and_off_by_a_restart_and_open_connections_go_on(
    gateway: Gateway, authority: Authority, how: tuple[str, ...]
) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as kept:
        kept.request("GET", "/health")
        before = json.load(kept.getresponse())
        address = kept.sock.getsockname()
        write_config(gateway.home, {"gateway": {"auth": AUTH, "tls": authority.issue().settings()}})
        assert gateway.xopc("gateway", "status").returncode == 0, "which is not edited yet"
        done = gateway.xopc("gateway", "restart", *how, "--wait", "20s")
        assert done.returncode == 0, done.stdout + done.stderr
        assert ask(gateway, authority.client())["health"]["status"] == "healthy"
        kept.request("GET", "/health")
        after = json.load(kept.getresponse())
        assert (after["bootId"], after["generation"]) != (before["bootId"], before["generation"])
        assert kept.sock.getsockname() == address
    write_config(gateway.home, {"gateway": {"auth": AUTH, "tls": {"enabled": False}}})
    done = gateway.xopc("gateway", "restart", *how, "--wait", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ask(gateway, None)["health"]["status"] == "healthy"


@pytest.mark.parametrize(("marker", "code"), [("", 1), ("systemd", 78)])
def test_a_certificate_that_does_not_serve_refuses_the_start(
    home: Path, authority: Authority, marker: str, code: int
) -> None:
    tls = {"certPath": str(authority.issue().certificate), "keyPath": str(authority.issue("other").key)}
    write_config(home, {"gateway": {"auth": AUTH, "tls": tls}})
    environ = {**os.environ, "XOPC_HOME": str(home), "HOME": str(home), "XOPC_SERVICE_MARKER": marker}
    done = run_xopc("gateway", "--port", "0", environ=environ, cwd=home)
    assert done.returncode == code
    assert "$.gateway.tls.certPath: the key in" in done.stderr


def test_one_that_has_expired_is_a_warning_and_does_not_lock_commands_out(
    home: Path, authority: Authority, start: Start
) -> None:
    write_config(home, {"gateway": {"auth": AUTH, "tls": authority.issue(days=-0.5).settings()}})
    gateway = start()
    assert "⚠️  $.gateway.tls.certPath: the certificate expired on " in gateway.text
    status = gateway.xopc("gateway", "status")
    assert status.returncode == 0
    assert "the certificate expired on" in status.stdout
