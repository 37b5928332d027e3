"""From a plan to a first answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e.outside import Outside
from tests.fakes.scripted_terminal import ScriptedTerminal
from tests.fakes.service_managers import FakeManagers
from tests.ports import free_port
from xopc.cli.gateway.target import find_target
from xopc.cli.onboard.ending import Ending
from xopc.cli.onboard.guide import Attended, Guide, Unattended
from xopc.cli.onboard.hello import own_gateway
from xopc.cli.onboard.manner import Manner
from xopc.cli.onboard.present import look
from xopc.cli.onboard.steps import make_plan
from xopc.cli.onboard.wishes import Given, Wishes, read_secrets
from xopc.service.managers.find import find_manager


class BecameError(Exception):
    """Takes the place of the gateway."""


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> None:
    def execve(path: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        assert [path, *argv[:4]] == [sys.executable, sys.executable, "-P", "-m", "xopc"]
        assert "XOPC_HOME" in environ
        raise BecameError(*argv[4:])

    monkeypatch.setattr(os, "execve", execve)


@pytest.fixture
def managers(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeManagers]:
    with FakeManagers(home, runs=True) as managers:
        for name, value in managers.environ.items():
            monkeypatch.setenv(name, value)
        yield managers


def model_of(servers: Outside, **more: object) -> Wishes:
    return Wishes(model_url=f"http://127.0.0.1:{servers.model_port}/v1", port=free_port(), **more)  # pyright: ignore[reportArgumentType] - options


def reach(wishes: Wishes, guide: Guide, *, as_json: bool = False) -> int:
    target = find_target(None)
    present = look(target)
    manager = find_manager(target.environ, platform="linux")
    plan = make_plan(guide, present, wishes, Given(), manager)
    assert plan is not None
    manner = Manner("setup", is_silent=not guide.is_attended, as_json=as_json)
    return Ending(guide, target, present, wishes, manner, None).reach(plan, manager)


@pytest.mark.usefixtures("become")
def test_a_person_sees_the_first_answer_and_keeps_the_gateway(
    servers: Outside, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = ScriptedTerminal("", "", "", "Who are you?", "")
    wishes = model_of(servers, service=False)
    with pytest.raises(BecameError, match="gateway"):
        reach(wishes, Attended(terminal))
    terminal.finish()
    assert capsys.readouterr().out == "You said: Who are you?\n"
    assert "Three commands to know" in terminal.lines
    assert find_target(None).owner is None  # it makes room for the one that this process becomes


@pytest.mark.usefixtures("become")
def test_or_does_not_keep_it(servers: Outside) -> None:
    terminal = ScriptedTerminal("", "", "", "n")
    assert reach(model_of(servers, service=False, skip_hello=True), Attended(terminal)) == 0
    terminal.finish()
    assert terminal.lines[-1] == "Start it when you like: xopc gateway"


def test_a_service_runs_and_answers(
    servers: Outside, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = ScriptedTerminal("", "", "", "", "Hello there")
    wishes = model_of(servers)
    assert reach(wishes, Attended(terminal)) == 0
    terminal.finish()
    assert "✅ The gateway runs, as a service." in terminal.lines
    assert capsys.readouterr().out == "You said: Hello there\n"
    owner = find_target(None).owner
    assert owner is not None
    assert owner.port == wishes.port
    assert managers.calls_of("systemctl", "enable")


def test_a_script_gets_one_json_document(
    servers: Outside, managers: FakeManagers, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wishes = model_of(servers, service=True)
    assert reach(wishes, Unattended(), as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    changes = told.pop("changes")
    warnings = told.pop("warnings")
    assert told == {
        "ok": True,
        "configPath": str(home / ".xopc" / "xopc.json"),
        "modelsPath": str(home / ".xopc" / "models.json"),
        "model": "local/echo",
        "telegram": None,
        "gateway": {"port": wishes.port, "bind": "loopback"},
        "running": True,
        "service": True,
        "reply": "You said: Hello! Who are you?",
        "hints": [],
    }
    assert "local/echo answers." in changes
    assert isinstance(warnings, list)


def test_a_script_that_starts_nothing_is_told_how(servers: Outside, capsys: pytest.CaptureFixture[str]) -> None:
    assert reach(model_of(servers), Unattended()) == 0
    out = capsys.readouterr().out
    assert out.startswith("✅ local/echo answers.\n")
    assert out.endswith("💡 Start it with: xopc gateway\n")


def test_a_gateway_that_runs_takes_what_was_written(
    servers: Outside, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".xopc").mkdir()
    port = free_port()
    (home / ".xopc" / "xopc.json").write_text(json.dumps({"gateway": {"port": port}}))
    wishes = Wishes(model_url=f"http://127.0.0.1:{servers.model_port}/v1")
    with own_gateway(None, dict(os.environ)):
        assert reach(wishes, Unattended(), as_json=True) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["running"]
        assert told["reply"] == "You said: Hello! Who are you?"
        assert reach(wishes, Unattended()) == 0  # nothing has changed, so nothing restarts
        assert "💬 You said: Hello! Who are you?" in capsys.readouterr().out


def test_where_the_gateway_lacks_a_variable_that_is_told(
    servers: Outside, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text(json.dumps({"gateway": {"port": free_port()}}))
    with own_gateway(None, dict(os.environ)):
        monkeypatch.setenv("LOCAL_KEY", "sk-invented-0123456789")
        target = find_target(None)
        present = look(target)
        wishes = Wishes(model_url=f"http://127.0.0.1:{servers.model_port}/v1", model_key_from_env="LOCAL_KEY")
        guide = Unattended()
        plan = make_plan(guide, present, wishes, read_secrets(wishes, target.environ), None)
        assert plan is not None
        ending = Ending(guide, target, present, wishes, Manner("setup", is_silent=True), None)
        assert ending.reach(plan, None) == 1
    error = capsys.readouterr().err
    assert "it has to be stopped, and started where they are set" in error
    assert "💡 What was set up is written." in error


def test_what_cannot_be_written_is_told(
    servers: Outside, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(home / ".xopc" / "models.json"))

    monkeypatch.setattr("xopc.cli.onboard.writing.create_document", full)
    assert reach(model_of(servers), Unattended()) == 1
    assert "No space left on device. The configuration is as it was." in capsys.readouterr().err
