"""Which gateway a command is about."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.gateway import TOKEN, Behaviour, configure, running_gateway
from xopc.cli.gateway.target import connectable, find_target, read_environment
from xopc.config.accepted import keep_accepted
from xopc.config.certificate import leaves
from xopc.config.resolve import Flags, resolve
from xopc.contracts.errors import ConfigError, Failure, XopcError
from xopc.service.managers.secrets_file import write_secrets
from xopc_supervisor.contract import LockInfo, start_time


def test_without_anything_it_is_the_default_gateway_and_nothing_is_made(home: Path) -> None:
    target = find_target(None)
    assert target.owner is None
    assert (target.url, target.port, target.credential) == ("http://127.0.0.1:18790", 18790, None)
    assert target.paths.config_path == home / ".xopc" / "xopc.json"
    assert list(home.iterdir()) == []


def test_a_services_secrets_come_before_dot_env_and_after_what_is_set(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = home / "a.env"
    write_secrets(secrets, {"A": "secret", "B": "secret", "C": "secret"})
    (home / ".env").write_text("A=dotenv\nD=dotenv\n")
    monkeypatch.chdir(home)
    monkeypatch.setenv("XOPC_SERVICE_SECRETS", str(secrets))
    monkeypatch.setenv("B", "set")
    environ = read_environment(None)
    assert [environ[name] for name in "ABCD"] == ["secret", "set", "secret", "dotenv"]


def test_without_a_lock_the_configuration_says_where(home: Path) -> None:
    configure(home, port=4711, bind="custom", customBindHost="127.0.0.2")
    target = find_target(None)
    assert target.url == "http://127.0.0.2:4711"
    assert target.credential == TOKEN


def test_the_lock_of_a_running_gateway_knows_better(home: Path) -> None:
    configure(home, port=4711)
    with running_gateway(home) as gateway:
        target = find_target(None)
        assert target.owner is not None
        assert target.owner.pid == gateway.pid
        assert target.url == f"http://127.0.0.1:{gateway.port}"
        assert target.client(1).get("/api/tree")["name"] == "gateway"
    assert find_target(None).port == 4711


@pytest.mark.parametrize(
    ("host", "there"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("100.64.0.1", "100.64.0.1")],
)
def test_a_gateway_at_all_addresses_is_asked_at_this_machines_own(host: str, there: str) -> None:
    assert connectable(host) == there


def test_an_ipv6_address_stands_in_brackets(home: Path) -> None:
    own = LockInfo(os.getpid(), start_time(os.getpid()), "", "", host="::", port=1, state="serving")
    path = find_target(None).paths.lock_path
    path.parent.mkdir(parents=True)
    path.write_text(own.to_json())
    assert find_target(None).url == "http://[::1]:1"


def test_a_broken_configuration_leaves_the_running_gateway_in_reach(home: Path) -> None:
    with running_gateway(home) as gateway:
        configure(home, port="x")
        target = find_target(None)
        assert target.port == gateway.port
        assert target.resolved is None
        assert target.config_error is not None
        assert "$.gateway.port" in target.config_error.message
    target = find_target(None)
    assert (target.port, target.url) == (None, None)


def test_a_broken_configuration_is_looked_up_in_its_last_accepted_copy(home: Path) -> None:
    configure(home, port=4711)
    keep_accepted(resolve(find_target(None).environ, Flags()))
    configure(home, port="x")
    target = find_target(None)
    assert (target.resolved, target.port, target.credential) == (None, 4711, TOKEN)
    assert target.config_error is not None


def test_without_a_lock_the_configuration_says_what_is_spoken(home: Path) -> None:
    configure(home, port=4711)
    assert (find_target(None).scheme, find_target(None).certificates) == ("http", None)
    pair = Authority(home).issue()
    configure(home, port=4711, tls=pair.settings())
    target = find_target(None)
    assert (target.url, target.certificates) == ("https://127.0.0.1:4711", leaves([pair.certificate]))


def test_of_a_running_gateway_the_copy_of_its_certificate_says_it(home: Path) -> None:
    """The configuration may have been edited, and the files replaced, since it read them."""
    with running_gateway(home):
        authority = Authority(home)
        configured, served = authority.issue(), authority.issue("served")
        configure(home, tls=configured.settings())
        assert find_target(None).scheme == "http"
        copy = find_target(None).paths.served_certificate
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(served.certificate.read_bytes())
        target = find_target(None)
        assert target.url == f"https://127.0.0.1:{target.port}"
        assert target.certificates == leaves([served.certificate, configured.certificate])
        configured.certificate.unlink()
        assert target.client(1).certificates == leaves([served.certificate])


def test_a_client_is_for_the_gateway_that_holds_the_lock_alone(home: Path) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        configure(home, port=gateway.port)
        with pytest.raises(XopcError, match="Gateway is not running") as caught:
            find_target(None).client(1)
    assert caught.value.failure is Failure.UNAVAILABLE


def test_one_that_does_not_listen_yet_is_told(home: Path) -> None:
    path = find_target(None).paths.lock_path
    path.parent.mkdir(parents=True)
    path.write_text(LockInfo(os.getpid(), start_time(os.getpid()), "", "").to_json())
    with pytest.raises(XopcError, match=f"pid {os.getpid()}. is still starting"):
        find_target(None).client(1)


def test_another_configuration_file_is_another_gateway(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = home / "other.json"
    other.write_text(json.dumps({"gateway": {"port": 5}}))
    monkeypatch.chdir(home)
    target = find_target(Path("other.json"))
    assert target.port == 5
    assert target.paths.config_path == other
    assert target.paths.lock_path != find_target(None).paths.lock_path


def test_dot_env_adds_to_the_environment_and_overrides_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".env").write_text("XOPC_PROFILE=work\nXOPC_GATEWAY_TOKEN='from the file'\nEMPTY\n")
    monkeypatch.chdir(home)
    monkeypatch.setenv("XOPC_GATEWAY_TOKEN", "from the shell")
    environ = read_environment(None)
    assert (environ["XOPC_PROFILE"], environ["XOPC_GATEWAY_TOKEN"]) == ("work", "from the shell")
    assert "EMPTY" not in environ
    assert find_target(None).paths.state_dir == home / ".xopc-work"
    assert "XOPC_PROFILE" not in os.environ


def test_a_place_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XOPC_PROFILE", "../x")
    with pytest.raises(ConfigError):
        find_target(None)


def test_a_folder_that_was_handed_over_does_not_have_its_programs_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    theirs = home / "theirs"
    theirs.mkdir()
    asked = {"x": {"command": ["/bin/sh", "-c", f"touch {home}/ran; echo 0123456789abcdef0123"]}}
    text = json.dumps({"gateway": {"auth": {"token": "${command:x}"}}, "secrets": {"commands": asked}})
    (theirs / "xopc.json").write_text(text)
    (home / ".env").write_text(f"XOPC_STATE_DIR={theirs}\n")
    assert find_target(None).paths.state_dir == home / ".xopc"
    assert not (home / "ran").exists()
    assert "does not decide about XOPC_STATE_DIR" in capsys.readouterr().err
