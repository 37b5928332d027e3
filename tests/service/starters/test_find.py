from __future__ import annotations

import os
import plistlib
from pathlib import Path

import pytest
from attrs import evolve

from tests.fakes.service_managers import FakeManagers
from xopc.config.paths import Paths, resolve_paths
from xopc.service.starters.find import Places, find_starters, usual_places
from xopc.service.starters.starter import Starter

ELSEWHERE = "XOPC_STATE_DIR=/srv/other"


@pytest.fixture
def places(home: Path) -> Places:
    empty = home / "bin"
    empty.mkdir()
    return Places(
        user_units=(home / ".config/systemd/user",),
        system_units=(home / "etc/systemd/system",),
        agents=(home / "Library/LaunchAgents",),
        daemons=(home / "root/Library/LaunchDaemons",),
        autostart=(home / ".config/autostart",),
        crontabs=(home / "etc/crontab",),
        environ={"HOME": str(home), "PATH": str(empty)},
    )


@pytest.fixture
def paths(home: Path) -> Paths:
    return resolve_paths({"HOME": str(home)})


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def unit(directory: Path, *lines: str, name: str = "assistant.service", enabled: bool = True) -> Path:
    path = write(directory / name, "\n".join(["[Service]", *lines, ""]))
    if enabled:
        wants = directory / "default.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / name).symlink_to(path)
    return path


def the(places: Places) -> Starter:
    (starter,) = find_starters(places)
    return starter


def test_nothing_is_found_where_nothing_is(places: Places) -> None:
    assert find_starters(places) == ()


def test_a_unit_of_the_user(places: Places, paths: Paths) -> None:
    path = unit(places.user_units[0], "ExecStart=/usr/bin/xopc gateway")
    starter = the(places)
    assert (starter.kind, starter.name, starter.source) == ("user unit", "assistant.service", str(path))
    assert starter.is_of(paths)
    assert starter.cure == "systemctl --user disable --now assistant.service"


def test_a_unit_of_the_machine_with_its_users_home(places: Places, paths: Paths) -> None:
    unit(places.system_units[0], "ExecStart=/usr/bin/xopc gateway", f"User={os.getuid()}")
    starter = the(places)
    assert (starter.kind, starter.is_of(paths)) == ("system unit", True)
    assert starter.cure == "sudo systemctl disable --now assistant.service"


def test_the_home_of_an_unknown_user_is_a_guess(places: Places, paths: Paths) -> None:
    unit(places.system_units[0], "ExecStart=/usr/bin/xopc gateway", "User=nobody-of-that-name")
    assert the(places).config_path == Path("/home/nobody-of-that-name/.xopc/xopc.json")


@pytest.mark.parametrize(
    "lines",
    [
        [f"Environment={ELSEWHERE}"],
        ["EnvironmentFile=-{home}/unit.env", "EnvironmentFile=-/not/there"],
    ],
)
def test_the_environment_of_a_unit_tells_its_configuration(
    home: Path, places: Places, paths: Paths, lines: list[str]
) -> None:
    write(home / "unit.env", f"{ELSEWHERE}\n")
    unit(places.user_units[0], "ExecStart=/usr/bin/xopc gateway", *(line.format(home=home) for line in lines))
    starter = the(places)
    assert starter.config_path == Path("/srv/other/xopc.json")
    assert not starter.is_of(paths)


def test_a_unit_that_is_not_enabled_or_starts_something_else_is_none(places: Places) -> None:
    unit(places.user_units[0], "ExecStart=/usr/bin/xopc gateway", enabled=False)
    unit(places.user_units[0], "ExecStart=/usr/bin/xopc doctor", name="doctor.service")
    unit(places.user_units[0], "ExecStart=/usr/bin/true", name="other.service")
    assert find_starters(places) == ()


def test_a_unit_in_an_earlier_directory_hides_another(home: Path, places: Places) -> None:
    both = evolve(places, user_units=(places.user_units[0], home / "usr/lib/systemd/user"))
    unit(both.user_units[0], "ExecStart=/usr/bin/xopc gateway")
    unit(both.user_units[1], "ExecStart=/usr/bin/xopc gateway --port 1")
    assert the(both).source.startswith(str(both.user_units[0]))


@pytest.mark.parametrize("kind", ["LaunchAgent", "LaunchDaemon"])
def test_a_job_of_launchd(places: Places, paths: Paths, kind: str) -> None:
    directory = (places.agents if kind == "LaunchAgent" else places.daemons)[0]
    job = {"Label": "com.example.xopc", "ProgramArguments": ["/usr/local/bin/xopc", "gateway"], "KeepAlive": True}
    write(directory / "a.plist", plistlib.dumps(job))
    starter = the(places)
    assert (starter.kind, starter.name, starter.is_of(paths)) == (kind, "com.example.xopc", True)
    assert "launchctl bootout" in starter.cure
    assert starter.cure.startswith("sudo ") is (kind == "LaunchDaemon")


@pytest.mark.parametrize(
    "content",
    [
        b"xopc, but no property list",
        plistlib.dumps(["xopc"]),
        plistlib.dumps({"ProgramArguments": ["xopc", "gateway"]}),
        plistlib.dumps({"ProgramArguments": ["xopc", "doctor"], "RunAtLoad": True}),
        plistlib.dumps({"ProgramArguments": ["xopc", "gateway"], "RunAtLoad": True, "EnvironmentVariables": "odd"}),
    ],
)
def test_a_job_that_starts_none_by_itself(places: Places, content: bytes) -> None:
    write(places.agents[0] / "a.plist", content)
    assert find_starters(places) == ()


def test_an_entry_that_the_desktop_starts(places: Places, paths: Paths) -> None:
    path = write(places.autostart[0] / "xopc.desktop", "[Desktop Entry]\nName=xopc\nExec=xopc gateway\n")
    starter = the(places)
    assert (starter.kind, starter.cure, starter.is_of(paths)) == ("autostart entry", f"rm {path}", True)
    path.write_text("[Desktop Entry]\nExec=xopc gateway\nHidden=true\n")
    assert find_starters(places) == ()


def test_lines_of_the_systems_crontab(places: Places) -> None:
    write(
        places.crontabs[0],
        "# @reboot root xopc gateway\nSHELL=/bin/sh\n\n@reboot robin XOPC_STATE_DIR=/srv/other xopc gateway\n"
        "*/5 * * * * robin pgrep -f xopc || XOPC_STATE_DIR=/srv/third xopc gateway\n17 * * * * root true\n1 2\n",
    )
    first, second = find_starters(places)
    assert (first.kind, first.name, first.config_path) == ("cron job", "@reboot", Path("/srv/other/xopc.json"))
    assert (second.name, second.config_path) == ("*/5 * * * *", Path("/srv/third/xopc.json"))
    assert first.cure == f"Remove that line from {places.crontabs[0]}."


def test_lines_of_the_users_crontab(places: Places, paths: Paths) -> None:
    tool = write(Path(places.environ["PATH"]) / "crontab", "#!/bin/sh\necho '@reboot xopc gateway'\n")
    tool.chmod(0o755)
    starter = the(places)
    assert (starter.source, starter.is_of(paths)) == ("crontab -l", True)
    assert starter.cure == "Remove that line: crontab -e"


def test_the_usual_places_are_this_users(home: Path) -> None:
    with FakeManagers(home) as managers:
        places = usual_places({**managers.environ, "XDG_CONFIG_HOME": "relative"})
        assert places.user_units[0] == home / ".config" / "systemd" / "user"
        named = usual_places({**managers.environ, "XDG_CONFIG_HOME": str(home / "config")})
        assert named.autostart[0] == home / "config" / "autostart"
