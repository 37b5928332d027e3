"""A gateway of its own, and the first answer."""

from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path

import pytest

from tests.fakes.gateway import stranger
from tests.ports import free_port
from xopc.cli.gateway.target import find_target
from xopc.cli.onboard import hello
from xopc.cli.onboard.hello import own_gateway, say_hello, until_ready
from xopc.cli.reply import Reply
from xopc.contracts.errors import XopcError


@pytest.fixture
def config(home: Path) -> Path:
    path = home / "other" / "xopc.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"gateway": {"port": free_port(), "auth": {"token": "0" * 16 + "1" * 16}}}))
    return path


def environ(config: Path) -> dict[str, str]:
    return {**os.environ, "XOPC_CONFIG_PATH": str(config)}


def test_the_gateway_runs_for_the_length_of_the_block_and_answers(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()
    with own_gateway(config, environ(config)):
        assert find_target(config).owner is not None
        answer = say_hello(config, "Hello!", Reply(out))
        assert say_hello(config, "Thanks", None).startswith("You are welcome.")
    assert find_target(config).owner is None
    assert answer.startswith("Hello! This is xopc")
    assert out.getvalue().strip() == answer.strip()
    assert capsys.readouterr() == ("", "")


def test_an_assistant_that_fails_says_why(config: Path) -> None:
    (config.parent / "xopc.json").write_text(
        json.dumps(
            {
                **json.loads(config.read_text()),
                "agents": {"defaults": {"model": "mine/a"}},
            }
        )
    )
    models = config.parent / "models.json"
    models.write_text(
        json.dumps({"providers": {"mine": {"baseUrl": "http://127.0.0.1:9/v1", "models": [{"id": "a"}]}}})
    )
    variables = {**environ(config), "XOPC_MODELS_JSON": str(models)}
    out = io.StringIO()
    with own_gateway(config, variables), pytest.raises(XopcError, match="mine/a does not answer right now"):
        say_hello(config, "Hello!", Reply(out))


def test_a_gateway_that_does_not_start_says_why(home: Path, config: Path) -> None:
    with stranger(home) as process:
        config.write_text(json.dumps({"gateway": {"port": process.port}}))
        with pytest.raises(XopcError) as caught, own_gateway(config, environ(config)):
            pytest.fail("it cannot start")
    assert "The gateway did not start:\n" in caught.value.message
    assert f"Port {process.port} is already in use" in caught.value.message


def test_ctrl_c_in_the_middle_ends_the_gateway(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hello, "STOP_SECONDS", 0.2)  # nobody sends the signal that a terminal would
    with pytest.raises(KeyboardInterrupt), own_gateway(config, environ(config)):
        raise KeyboardInterrupt
    assert find_target(config).owner is None


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_terminal_that_goes_away_takes_the_gateway_with_it(config: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(SystemExit), own_gateway(config, environ(config)):
        signal.raise_signal(number)
    assert find_target(config).owner is None
    assert signal.getsignal(number) is before


def test_nobody_waits_for_a_gateway_that_never_comes(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hello, "START_SECONDS", 0.2)
    assert not until_ready(config)
