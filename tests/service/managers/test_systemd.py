"""The unit of systemd, and what is asked of `systemctl`."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from attrs import evolve

from xopc.service.managers import systemd as module
from xopc.service.managers.base import Definition, Runtime, RuntimeStatus, ServiceManagerError
from xopc.service.managers.systemd import Systemd, of_profile, own_name, parse_runtime, render, user_units

SYSTEMCTL = r"""#!/bin/sh
# Notes what it is asked for, and answers like systemd. A file `fail-<verb>` has that verb fail.
state=$(dirname "$0")
echo "${0##*/} $*" >>"$state/calls"
for verb in "$@"; do case $verb in --*) ;; *) break;; esac; done
if [ -f "$state/fail-$verb" ]; then cat "$state/fail-$verb" >&2; exit 1; fi
case "${0##*/} $verb $*" in
  *--property=Version*) echo 252 ;;
  *--property=FragmentPath*) cat "$state/fragment" ;;
  systemctl\ enable*) touch "$state/enabled" ;;
  systemctl\ disable*) rm -f "$state/enabled" ;;
  systemctl\ is-enabled*) [ -f "$state/enabled" ] && echo enabled || { echo disabled; exit 1; } ;;
  systemctl\ show*) cat "$state/shown" ;;
esac
"""
SHOWN = "ActiveState=active\nSubState=running\nResult=success\nMainPID=4711\nExecMainStatus=0\n"


class World:
    """A home with tools that record."""

    def __init__(self, home: Path) -> None:
        self.bin = home / "bin"
        self.bin.mkdir()
        for name in ("systemctl", "loginctl"):
            (self.bin / name).write_text(SYSTEMCTL)
            (self.bin / name).chmod(0o755)
        environ = {"HOME": str(home), "PATH": f"{self.bin}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(home)}
        self.service = of_profile(environ, "", system=False)
        (self.bin / "fragment").write_text(str(self.service.source_path))
        (self.bin / "shown").write_text(SHOWN)
        self.definition = Definition(
            label=self.service.label,
            description="xopc Gateway (v1.2.3)",
            arguments=("/opt/xopc 1/bin/xopc", "gateway", "--foreground", "--port", "18790"),
            working_directory=home / "100% mine",
            environment={"XOPC_SERVICE_SECRETS": str(home / ".xopc/service/xopc-gateway.env"), "B": 'a "b" \\ $c %h'},
            secrets={"XOPC_GATEWAY_TOKEN": "hush"},
            secrets_path=home / ".xopc/service/xopc-gateway.env",
            log_dir=home / ".xopc/logs",
        )

    def calls(self) -> list[str]:
        """What the tools were asked for since the last look, without how they are called each time."""
        path = self.bin / "calls"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line.replace(" --no-pager", "") for line in found]

    def fail(self, verb: str, words: str) -> None:
        (self.bin / f"fail-{verb}").write_text(words)


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "LINGERING", home / "linger")
    return World(home)


def unit_of(world: World) -> str:
    return world.service.source_path.read_text()


def test_row_060_install_writes_the_unit_and_has_it_enabled(world: World) -> None:
    assert world.service.install(world.definition) == []
    assert world.service.source_path == Path.home() / ".config/systemd/user/xopc-gateway.service"
    assert world.calls() == [
        "systemctl --user daemon-reload",
        "systemctl --user show xopc-gateway.service --property=FragmentPath --value",
        "systemctl --user enable xopc-gateway.service",
        f"loginctl enable-linger {own_name()}",
    ]
    assert world.service.is_loaded()
    assert world.service.loaded_text() == "systemd (enabled)"


def test_one_that_was_put_off_is_written_anew_and_stays_off_where_that_is_asked_for(world: World) -> None:
    world.service.install(world.definition)
    world.service.disable()
    world.calls()
    world.service.install(evolve(world.definition, description="newer"), keep_off=True)
    assert "newer" in unit_of(world)
    assert not world.service.is_loaded()
    assert not any("enable" in call and "is-enabled" not in call for call in world.calls())
    world.service.install(world.definition)
    assert world.service.is_loaded()


def test_one_that_is_on_stays_on_when_it_is_written_anew(world: World) -> None:
    world.service.install(world.definition, keep_off=True)
    assert world.service.is_loaded(), "a first installation is on"
    world.service.install(world.definition, keep_off=True)
    assert world.service.is_loaded()


def test_rows_062_064_069_what_the_unit_says(world: World) -> None:
    world.service.install(world.definition)
    installed = world.service.read()
    assert installed is not None
    wanted = {
        "Type": "notify",
        "NotifyAccess": "main",
        "Restart": "always",
        "RestartSec": "5",
        "RestartPreventExitStatus": "78",
        "KillMode": "mixed",
        "FileDescriptorStoreMax": "8",
        "StartLimitIntervalSec": "0",
        "WantedBy": "default.target",
        "Description": "xopc Gateway (v1.2.3)",
    }
    assert {key: installed.settings[key] for key in wanted} == wanted
    head, _, _ = unit_of(world).partition("[Service]")
    assert "StartLimitIntervalSec=0" in head, "elsewhere systemd takes no notice of it"
    assert "{" not in unit_of(world)


def test_what_was_installed_is_read_back_as_it_was(world: World) -> None:
    world.service.install(world.definition)
    installed = world.service.read()
    assert installed is not None
    assert installed.arguments == world.definition.arguments
    assert installed.working_directory == world.definition.working_directory
    assert installed.environment == world.definition.environment
    assert installed.secrets == {"XOPC_GATEWAY_TOKEN": "hush"}
    assert installed.text == unit_of(world)
    assert "hush" not in repr(installed)


def test_secrets_stand_in_their_file_alone(world: World) -> None:
    world.service.install(world.definition)
    assert "hush" not in unit_of(world)
    assert stat.S_IMODE(world.definition.secrets_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(world.service.source_path.stat().st_mode) == 0o644


def test_a_drop_in_counts(world: World) -> None:
    world.service.install(world.definition)
    folder = world.service.source_path.with_name("xopc-gateway.service.d")
    folder.mkdir()
    (folder / "own.conf").write_text("[Service]\nRestart=no\nEnvironment=B=mine\n")
    installed = world.service.read()
    assert installed is not None
    assert installed.settings["Restart"] == "no"
    assert installed.environment["B"] == "mine"


def test_a_unit_whose_secrets_are_lost_is_read_without_them(world: World) -> None:
    world.service.install(world.definition)
    world.definition.secrets_path.unlink()
    installed = world.service.read()
    assert installed is not None
    assert installed.secrets == {}


def test_rows_075_081_083_084_the_verbs(world: World) -> None:
    world.service.install(world.definition)
    world.calls()
    for verb, asked in {
        "start": ["is-enabled", "restart"],
        "stop": ["stop"],
        "restart": ["restart"],
        "disable": ["stop", "disable"],
    }.items():
        getattr(world.service, verb)()
        assert world.calls() == [f"systemctl --user {word} xopc-gateway.service" for word in asked]
    assert not world.service.is_loaded()
    assert world.service.loaded_text() == "systemd (disabled)"


def test_row_035_start_enables_what_was_disabled(world: World) -> None:
    world.service.install(world.definition)
    world.service.disable()
    world.service.start()
    assert world.service.is_loaded()
    assert "systemctl --user restart xopc-gateway.service" in world.calls()


def test_row_078_uninstall_leaves_nothing(world: World, home: Path) -> None:
    world.service.install(world.definition)
    world.calls()
    world.service.uninstall()
    assert world.calls() == [
        "systemctl --user stop xopc-gateway.service",
        "systemctl --user disable xopc-gateway.service",
        "systemctl --user daemon-reload",
        "systemctl --user reset-failed xopc-gateway.service",
    ]
    assert world.service.read() is None
    assert not list(home.glob(".xopc/service")), "nor its secrets"
    assert world.service.loaded_text() == "systemd (not installed)"


def test_what_is_not_installed_asks_nobody(world: World) -> None:
    assert not world.service.is_loaded()
    assert world.service.runtime() == Runtime(RuntimeStatus.STOPPED)
    assert world.service.read() is None
    assert world.calls() == []


def test_an_installation_that_fails_leaves_nothing(world: World) -> None:
    world.fail("enable", "Failed to enable unit: no")
    with pytest.raises(ServiceManagerError, match="ended with exit code 1: Failed to enable unit: no"):
        world.service.install(world.definition)
    assert not world.service.source_path.exists()
    assert not world.definition.secrets_path.exists()


def test_a_second_installation_that_fails_leaves_the_first(world: World) -> None:
    world.service.install(world.definition)
    before = unit_of(world)
    world.fail("daemon-reload", "no")
    with pytest.raises(ServiceManagerError):
        world.service.install(evolve(world.definition, description="another"))
    assert unit_of(world) == before
    assert world.definition.secrets_path.exists()


def test_a_line_break_is_refused_before_anything_is_written(world: World) -> None:
    with pytest.raises(ServiceManagerError, match="the variable B holds a line break"):
        world.service.install(evolve(world.definition, environment={"B": "a\nExecStartPre=/bin/evil"}))
    assert not world.service.source_path.exists()
    assert world.calls() == []


def test_a_manager_with_another_configuration_directory_is_told(world: World) -> None:
    (world.bin / "fragment").write_text("")
    with pytest.raises(ServiceManagerError, match=r"systemd reads no file and not .*XDG_CONFIG_HOME"):
        world.service.install(world.definition)
    assert not world.service.source_path.exists()


def test_who_may_not_linger_is_told_what_to_run(world: World) -> None:
    world.fail("enable-linger", "Access denied")
    (warning,) = world.service.install(world.definition)
    assert "Access denied" in warning
    assert warning.endswith(f"To have it run always: sudo loginctl enable-linger {own_name()}")


def test_who_lingers_already_is_left_alone(world: World, home: Path) -> None:
    (home / "linger").mkdir()
    (home / "linger" / own_name()).touch()
    assert world.service.install(world.definition) == []
    assert not [call for call in world.calls() if call.startswith("loginctl")]


def test_a_manager_that_does_not_answer_is_not_available(world: World) -> None:
    assert world.service.is_available()
    world.fail("show", "Failed to connect to bus: No medium found")
    assert not world.service.is_available()


def test_a_machine_without_systemctl_has_no_manager(home: Path) -> None:
    service = of_profile({"HOME": str(home), "PATH": str(home)}, "", system=False)
    assert not service.is_available()
    service.source_path.parent.mkdir(parents=True)
    service.source_path.touch()
    assert not service.is_loaded()
    assert service.loaded_text() == "systemd (does not tell)"
    assert service.runtime().status is RuntimeStatus.UNKNOWN
    assert "cannot be run" in service.runtime().state


def test_a_manager_that_hangs_is_not_waited_for_as_long_as_one_that_stops_a_gateway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.service.install(world.definition)
    (world.bin / "systemctl").write_text("#!/bin/sh\nexec sleep 20\n")
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    assert world.service.loaded_text() == "systemd (does not tell)"
    assert world.service.runtime().state.endswith("did not end within 0.1 s")
    assert not world.service.is_available()


def test_a_manager_that_refuses_is_no_disabled_unit(world: World) -> None:
    world.service.install(world.definition)
    world.fail("is-enabled", "Failed to connect to bus: No medium found")
    assert (world.service.is_loaded(), world.service.loaded_text()) == (False, "systemd (does not tell)")
    (world.bin / "fail-is-enabled").unlink()
    (world.bin / "enabled").unlink()
    assert world.service.loaded_text() == "systemd (disabled)"


def test_runtime_of_a_unit_that_the_manager_does_not_show(world: World) -> None:
    world.service.install(world.definition)
    world.fail("show", "no bus")
    assert world.service.runtime() == Runtime(RuntimeStatus.UNKNOWN, state="no bus")


@pytest.mark.parametrize(
    ("shown", "runtime"),
    [
        (SHOWN, Runtime(RuntimeStatus.RUNNING, 4711, 0, "active (running)")),
        (
            "ActiveState=reloading\nSubState=reload\nMainPID=1\nExecMainStatus=0",
            Runtime(RuntimeStatus.RUNNING, 1, 0, "reloading (reload)"),
        ),
        (
            "ActiveState=failed\nSubState=failed\nResult=exit-code\nMainPID=0\nExecMainStatus=78",
            Runtime(RuntimeStatus.STOPPED, None, 78, "failed (failed), exit-code"),
        ),
        (
            "ActiveState=activating\nSubState=auto-restart\nResult=signal\nMainPID=0\nExecMainStatus=9",
            Runtime(RuntimeStatus.UNKNOWN, None, 9, "activating (auto-restart), signal"),
        ),
        (
            "ActiveState=inactive\nSubState=dead\nMainPID=0\nExecMainStatus=0",
            Runtime(RuntimeStatus.STOPPED, None, 0, "inactive (dead)"),
        ),
    ],
)
def test_states_of_a_unit(shown: str, runtime: Runtime) -> None:
    assert parse_runtime(shown) == runtime


def test_a_unit_of_the_machine_runs_as_a_user(world: World) -> None:
    text = render(world.definition, "amy")
    assert "\nUser=amy\n" in text
    assert "\nWantedBy=multi-user.target\n" in text
    assert "\nAfter=network-online.target\n" in text
    assert "systemctl edit" in text
    own = render(world.definition, None)
    assert not re.search(r"^User=|network-online", own, re.MULTILINE), "a user's manager knows no such target"
    assert "systemctl --user edit" in own


def test_a_unit_of_the_machine_is_asked_for_without_user(world: World, tmp_path: Path) -> None:
    units = tmp_path / "units"
    service = Systemd("xopc-gateway", units, world.service.environ, account=own_name())
    (world.bin / "fragment").write_text(str(service.source_path))
    assert service.install(world.definition) == []
    calls = world.calls()
    assert "systemctl enable xopc-gateway.service" in calls
    assert not [call for call in calls if "--user" in call or call.startswith("loginctl")]
    assert service.platform == "Linux (systemd, system)"


def test_who_called_sudo_is_who_a_unit_of_the_machine_runs_as(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert of_profile({"SUDO_USER": "amy"}, "", system=True).account == "amy"
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert of_profile({"SUDO_USER": "amy"}, "", system=True).account == own_name()
    assert of_profile({}, "rescue", system=True).source_path == Path("/etc/systemd/system/xopc-gateway-rescue.service")


def test_units_stand_where_the_desktop_says() -> None:
    assert user_units({"XDG_CONFIG_HOME": "/srv/config", "HOME": "/home/amy"}) == Path("/srv/config/systemd/user")
    assert user_units({"XDG_CONFIG_HOME": "config", "HOME": "/home/amy"}) == Path("/home/amy/.config/systemd/user")


def test_a_user_without_a_name_is_called_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_199_999)
    assert own_name() == "4199999"
