"""Which service manager a machine has."""

from __future__ import annotations

import pytest

from xopc.contracts.errors import ConfigError
from xopc.service.managers.find import find_manager, in_scope


def test_linux_has_systemd() -> None:
    manager = find_manager({"HOME": "/home/amy", "XOPC_PROFILE": "rescue"}, platform="linux")
    assert manager is not None
    assert (manager.marker, manager.platform, manager.label) == ("systemd", "Linux (systemd)", "xopc-gateway-rescue")


def test_the_service_of_the_machine_is_another_one_and_its_commands_are_roots() -> None:
    manager, own = (find_manager({"HOME": "/home/amy"}, platform="linux", system=system) for system in (True, False))
    assert manager is not None
    assert own is not None
    assert str(manager.source_path) == "/etc/systemd/system/xopc-gateway.service"
    start = "xopc gateway service start"
    assert (in_scope(manager, start), in_scope(own, start)) == (f"sudo {start} --system", start)


def test_a_mac_has_launchd() -> None:
    manager = find_manager({"HOME": "/Users/amy", "XOPC_PROFILE": "rescue"}, platform="darwin")
    assert manager is not None
    assert (manager.marker, manager.platform, manager.label) == ("launchd", "macOS (launchd)", "ai.xopc.gateway.rescue")


def test_windows_has_the_task_scheduler() -> None:
    manager = find_manager({"HOME": "/home/amy", "XOPC_PROFILE": "rescue"}, platform="win32")
    assert manager is not None
    assert (manager.marker, manager.platform) == ("schtasks", "Windows (Task Scheduler)")
    assert manager.label == "xopc-gateway-rescue"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_only_systemd_has_services_of_the_machine(platform: str) -> None:
    assert find_manager({"HOME": "/Users/amy"}, platform=platform, system=True) is None


def test_a_platform_without_a_manager_has_none() -> None:
    assert find_manager({}, platform="sunos5") is None


def test_a_profile_that_is_no_name_never_becomes_the_name_of_a_file() -> None:
    with pytest.raises(ConfigError, match="is not the name of a profile"):
        find_manager({"XOPC_PROFILE": "../../etc/cron"}, platform="linux")
