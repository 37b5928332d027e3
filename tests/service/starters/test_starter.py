from __future__ import annotations

from pathlib import Path

from attrs import evolve

from xopc.config.paths import resolve_paths
from xopc.service.managers.base import Installed
from xopc.service.starters.starter import Starter, findings_of

HOME = "/home/robin"
PATHS = resolve_paths({"HOME": HOME})
UNITS = f"{HOME}/.config/systemd/user"
MINE = Starter(
    "user unit",
    "assistant.service",
    f"{UNITS}/assistant.service",
    PATHS.config_path,
    "systemctl --user disable --now assistant.service",
    18790,
)
CRON = Starter("cron job", "@reboot", "crontab -l", PATHS.config_path, "Remove that line: crontab -e")
RESCUE = Starter("user unit", "rescue.service", f"{UNITS}/rescue.service", Path("/srv/rescue.json"), "x", 18790)
OWN = Installed(Path(f"{UNITS}/xopc-gateway.service"), ("/usr/bin/xopc", "gateway"), None, {}, {})


def test_one_starter_is_none_too_many() -> None:
    assert findings_of([], None, PATHS) == ()
    assert findings_of([], OWN, PATHS) == ()
    assert findings_of([MINE], None, PATHS) == ()


def test_a_second_one_is_told_with_its_cure() -> None:
    (finding,) = findings_of([MINE, CRON], None, PATHS)
    assert (finding.code, finding.where) == ("other-starter", "crontab -l")
    assert finding.message == "The cron job @reboot starts this gateway, too."
    assert finding.hint == "Remove that line: crontab -e"
    assert "So does the user unit assistant.service" in finding.detail


def test_beside_its_own_service_each_other_one_is_too_many() -> None:
    own = evolve(MINE, name="xopc-gateway.service", source=str(OWN.source_path))
    first, second = findings_of([own, MINE, CRON], OWN, PATHS)
    assert first.hint == "Run: systemctl --user disable --now assistant.service"
    assert "So does the service xopc-gateway.service" in second.detail


def test_a_gateway_of_another_configuration_is_nobodys_business() -> None:
    assert findings_of([MINE, RESCUE], None, PATHS) == ()
    assert findings_of([evolve(RESCUE, config_path=None)], OWN, PATHS) == ()
    assert [one.to_json(PATHS)["sameConfiguration"] for one in (MINE, RESCUE)] == [True, False]


def test_another_gateway_at_the_same_port_is_told() -> None:
    assert findings_of([MINE, RESCUE], None, PATHS, 18791) == ()
    (finding,) = findings_of([MINE, RESCUE], None, PATHS, 18790)
    assert (finding.code, finding.where) == ("port-shared", RESCUE.source)
