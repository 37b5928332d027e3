"""`xopc gateway`: from the command line to the supervisor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import xopc
from tests.fakes.gateway import TOKEN, configure
from xopc.cli.gateway.run import launch, refusal_exit, run
from xopc.config.auth import PLACEHOLDERS
from xopc.config.resolve import Flags
from xopc.config.setup import prepare
from xopc_supervisor.contract import LAUNCH_VARIABLE, Address, Launch

XOPC = Path(sys.executable).with_name("xopc")


class BecameError(Exception):
    """Takes the place of the supervisor."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self.argv = list(argv)
        self.environ = environ
        self.launch = Launch.from_json(environ[LAUNCH_VARIABLE])


@pytest.fixture
def execve(monkeypatch: pytest.MonkeyPatch) -> None:
    def become(path: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        assert path == sys.executable
        raise BecameError(argv, environ)

    monkeypatch.setattr(os, "execve", become)


@pytest.mark.usefixtures("execve")
def test_it_becomes_the_supervisor_and_no_secret_is_in_its_arguments(home: Path) -> None:
    with pytest.raises(BecameError) as caught:
        run(port=0, bind="lan", token=TOKEN)
    became = caught.value
    python = [sys.executable, "-P", "-m"]
    assert became.argv == [*python, "xopc_supervisor", "gateway", "--port", "0", "--bind", "lan"]
    assert became.launch.flags == {"port": 0, "bind": "lan", "token": TOKEN, "generated": None}
    assert became.launch.command == (*python, "xopc.gateway")
    assert became.launch.explain_port == (*python, "xopc.service.ports")
    assert became.launch.listen == (Address("0.0.0.0", 0),)
    assert became.launch.version_file == xopc.__file__
    assert "{port}" in became.launch.ready_text


@pytest.mark.usefixtures("execve")
def test_the_first_block_is_out_before(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BecameError):
        run(port=0)
    assert capsys.readouterr().out.endswith("\nPress Ctrl+C to stop\n\n")


@pytest.mark.usefixtures("execve")
def test_an_address_that_is_not_there_is_refused_by_hand_and_waited_for_under_a_service_manager(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, bind="custom", customBindHost="198.51.100.7")
    assert run() == 1
    assert "there is no address 198.51.100.7 on this host" in capsys.readouterr().err
    monkeypatch.setenv("XOPC_SERVICE_MARKER", "launchd")
    with pytest.raises(BecameError) as caught:
        run()
    assert caught.value.launch.listen[0].host == "127.0.0.1"


@pytest.mark.usefixtures("execve")
def test_another_configuration_and_dot_env_go_with_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".env").write_text("XOPC_PROFILE=work\nOTHER=1\n")
    monkeypatch.chdir(home)
    with pytest.raises(BecameError) as caught:
        run(config=Path("other.json"))
    became = caught.value
    assert became.environ["XOPC_CONFIG_PATH"] == str(home / "other.json")
    assert became.environ["OTHER"] == "1"
    assert became.launch.config_path == str(home / "other.json")
    assert became.launch.state_dir == str(home / ".xopc-work")
    assert (home / "other.json").exists()


@pytest.mark.usefixtures("execve")
def test_a_token_that_lives_in_memory_alone_goes_with_it(home: Path) -> None:
    with pytest.raises(BecameError) as caught:
        run(no_persist_token=True)
    token = caught.value.launch.flags["token"]
    assert len(token) == 48
    assert token not in " ".join(caught.value.argv)
    assert not (home / ".xopc" / "xopc.json").exists()


@pytest.mark.usefixtures("execve")
def test_what_is_for_developers_goes_with_it_where_it_was_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XOPC_PROFILE", "dev")
    with pytest.raises(BecameError) as caught:
        run(allow_unconfigured=True, watch=True)
    flags = caught.value.launch.flags
    assert (flags["unconfigured"], flags["watch"], flags["port"]) == (True, True, None)
    assert caught.value.launch.listen[0].port == 19001
    assert "   Profile: dev\n   Bind: loopback" in capsys.readouterr().out
    assert not (home / ".xopc-dev" / "xopc.json").exists()


@pytest.mark.parametrize(
    ("environ", "options", "what"),
    [
        ({}, {"watch": True}, "--watch is for developers: give --dev, too"),
        ({"XOPC_PROFILE": "dev", "XOPC_NO_RESPAWN": "1"}, {"watch": True}, "which XOPC_NO_RESPAWN forbids: unset it"),
        ({}, {"reset": True}, "--reset deletes the state of the profile dev alone: give --dev, too"),
        ({"XOPC_PROFILE": "dev", "XOPC_STATE_DIR": "/srv"}, {"reset": True}, "names another directory: unset it"),
    ],
)
@pytest.mark.usefixtures("execve")
def test_what_developers_may_not_is_a_mistake_in_usage(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
    options: dict[str, bool],
    what: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert run(**options) == 2  # type: ignore[arg-type]  # the options are those of the command
    assert what in capsys.readouterr().err


@pytest.mark.usefixtures("execve")
def test_an_installed_xopc_has_no_sources_to_watch(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XOPC_PROFILE", "dev")
    monkeypatch.setattr(xopc, "__file__", str(home / "site-packages" / "xopc" / "__init__.py"))
    assert run(watch=True) == 2
    assert f"xopc is installed in {home / 'site-packages' / 'xopc'}" in capsys.readouterr().err


@pytest.mark.usefixtures("execve")
def test_the_older_flag_means_nothing(home: Path) -> None:
    with pytest.raises(BecameError) as caught:
        run(foreground=True)
    assert "--foreground" not in caught.value.argv


def test_on_loopback_both_addresses_are_listened_at_where_there_are_both(home: Path) -> None:
    configure(home, port=4711)
    prepared = launch(prepare({"XOPC_HOME": str(home)}, Flags()))
    assert prepared.listen == (Address("127.0.0.1", 4711), Address("::1", 4711, required=False))
    state = home / ".xopc"
    assert prepared.lock_path.startswith(f"{state}/locks/gateway.")
    assert prepared.intent_path == str(state / "gateway-restart-intent.json")
    assert prepared.log_dir == str(state / "logs")


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({}, 1),
        ({"XOPC_SERVICE_MARKER": ""}, 1),
        ({"XOPC_SERVICE_MARKER": "systemd"}, 78),
        ({"XOPC_SERVICE_MARKER": "schtasks"}, 78),
        ({"XOPC_SERVICE_MARKER": "launchd"}, 0),
    ],
)
def test_a_refused_start_ends_so_that_nobody_starts_it_again(environ: dict[str, str], code: int) -> None:
    assert refusal_exit(environ) == code


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--bind", "moon"], 'Invalid --bind mode "moon". Use: loopback, lan, auto, custom, tailnet.'),
        (["--token", "short"], "too short"),
    ],
)
def test_a_refused_start_is_told(home: Path, flags: list[str], text: str) -> None:
    done = subprocess.run([XOPC, "gateway", *flags], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Gateway refused to start: ")
    assert text in done.stderr
    assert done.stdout == ""


def test_a_broken_configuration_under_a_service_manager_ends_with_78(home: Path) -> None:
    path = configure(home)
    path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN, "password": "a long password"}}}))
    environ = {**os.environ, "XOPC_SERVICE_MARKER": "systemd"}
    done = subprocess.run([XOPC, "gateway"], capture_output=True, text=True, timeout=30, check=False, env=environ)
    assert done.returncode == 78
    assert "Gateway refused to start: " in done.stderr
    assert "exclude each other" in done.stderr
    assert not (home / ".xopc" / "locks").exists()


def test_a_service_whose_secrets_are_lost_stays_down_and_says_so(home: Path) -> None:
    configure(home)
    environ = {**os.environ, "XOPC_SERVICE_MARKER": "systemd", "XOPC_SERVICE_SECRETS": str(home / "gone.env")}
    done = subprocess.run([XOPC, "gateway"], capture_output=True, text=True, timeout=30, check=False, env=environ)
    assert done.returncode == 78
    assert "XOPC_SERVICE_SECRETS: the service's secrets cannot be read from" in done.stderr
    assert "xopc gateway service install --force" in done.stderr


@pytest.mark.usefixtures("execve")
@pytest.mark.parametrize("placeholder", [*sorted(PLACEHOLDERS), "CHANGE-ME-NOW"])
def test_row_203_each_published_placeholder_stops_the_start(
    home: Path, placeholder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(port=0, token=placeholder) == 1
    assert "is set to a published example placeholder" in capsys.readouterr().err
